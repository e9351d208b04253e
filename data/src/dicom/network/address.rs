//! Who talks to whom.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A machine and a port: `pacs.example:104`, `192.0.2.7:11112`, `[2001:db8::1]:104`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    host: String,
    port: u16,
}

impl Peer {
    /// As the socket library wants it: an IPv6 address has no brackets there.
    pub(super) fn parts(&self) -> (&str, u16) {
        (self.host.trim_start_matches('[').trim_end_matches(']'), self.port)
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is not HOST:PORT, such as pacs.example:104");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|&port: &u16| port > 0).ok_or_else(wrong)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let address = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '[' | ']' | '%');
        let fits = if bracketed { host.chars().all(address) } else { host.chars().all(plain) };
        if host.is_empty() || !fits {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The name of an application on the DICOM network: 1 to 16 printable ASCII characters without a backslash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AeTitle(String);

impl AeTitle {
    /// Its characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AeTitle {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim_matches(' ');
        let fits = |c: u8| (b' '..=b'~').contains(&c) && c != b'\\';
        if (1..=16).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err("an AE title has 1 to 16 printable ASCII characters and no backslash".to_owned())
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An archive, and how to talk to it.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is.
    pub peer: Peer,
    /// What it calls itself.
    pub called: AeTitle,
    /// What this side calls itself.
    pub calling: AeTitle,
    /// The longest wait for a connection, and for the next bytes of an answer.
    pub timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port() {
        let parts = |text: &str| text.parse::<Peer>().map(|peer| (peer.parts().0.to_owned(), peer.parts().1));
        assert_eq!(parts("pacs.example:104"), Ok(("pacs.example".to_owned(), 104)));
        assert_eq!(parts("[2001:db8::1]:104"), Ok(("2001:db8::1".to_owned(), 104)));
        for bad in ["pacs", "pacs:", ":104", "pacs:0", "pacs:70000", "2001:db8::1:104", "a b:104", "a/b:104"]
        {
            assert!(parts(bad).is_err(), "{bad}");
        }
        assert_eq!("[::1]:104".parse::<Peer>().unwrap().to_string(), "[::1]:104");
    }

    #[test]
    fn titles_fit_into_their_field() {
        assert_eq!(" ORTHANC ".parse::<AeTitle>().unwrap().as_str(), "ORTHANC");
        for bad in ["", "  ", "SEVENTEEN_LETTERS", "A\\B", "Ä", "A\nB"] {
            assert!(bad.parse::<AeTitle>().is_err(), "{bad}");
        }
    }
}
