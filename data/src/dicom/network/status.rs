//! What a peer answers to a request (PS3.7, annex C; PS3.4, annexes B and C).

use std::fmt;

/// The status of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Status(pub(super) u16);

/// What a status means for the one who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    /// More answers follow.
    Pending,
    /// Done, with a remark.
    Warning,
    Failure,
}

impl Status {
    pub(super) const SUCCESS: Self = Self(0);
    /// This side cannot make sense of what came.
    pub(super) const NOT_UNDERSTOOD: Self = Self(0xc000);
    /// An image of that name has come already.
    pub(super) const DUPLICATE: Self = Self(0x0111);

    pub(super) fn outcome(self) -> Outcome {
        match self.0 {
            0 => Outcome::Success,
            0xff00 | 0xff01 => Outcome::Pending,
            0x0001 | 0x0107 | 0x0116 | 0xb000..=0xbfff => Outcome::Warning,
            _ => Outcome::Failure,
        }
    }

    fn meaning(self) -> &'static str {
        match self.0 {
            0x0105 | 0x0106 | 0x0115 | 0x0120 | 0x0121 => {
                "an attribute is missing or has a value it cannot use"
            }
            0x0110 => "its processing failed",
            0x0111 => "it has an image of that name already",
            0x0117 => "the object has no valid UID",
            0x0118 | 0x0119 | 0x0122 => "it does not support that kind of object",
            0x0124 => "not authorised",
            0x0210..=0x0213 => "it does not know the operation",
            0xa700..=0xa7ff => "it has no room or no resources left",
            0xa801 => "it does not know where to send to",
            0xa900..=0xa9ff => "the object is not of the kind it says it is",
            0xb000..=0xbfff => "it changed or left out something",
            0xc000..=0xcfff => "it cannot process the object or the request",
            0xfe00 => "it was cancelled",
            _ => "no known reason",
        }
    }

    /// What the user can do about it.
    pub(super) fn advice(self) -> &'static str {
        match self.0 {
            0x0124 => "ask its administrator to allow this AE title to do that",
            0xa700..=0xa7ff => "try again later, or ask its administrator to make room",
            0x0210..=0x0213 => "ask an archive that offers the service",
            _ => "see the log of the peer",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {:04X})", self.meaning(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_classes_and_words() {
        assert_eq!(Status(0).outcome(), Outcome::Success);
        assert_eq!(Status(0xff01).outcome(), Outcome::Pending);
        assert_eq!(Status(0xb006).outcome(), Outcome::Warning);
        assert_eq!(Status(0xa700).outcome(), Outcome::Failure);
        assert_eq!(Status(0xa702).to_string(), "it has no room or no resources left (status A702)");
    }
}
