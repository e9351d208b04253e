//! Numbers as people read them.

/// What stands where a number is missing.
pub(super) const NONE: &str = "–";

/// A number with about three digits.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        NONE.into()
    } else if value == 0.0 {
        "0".into()
    } else if !(1e-4..1e6).contains(&size) {
        format!("{value:.2e}")
    } else {
        let decimals = (2 - size.log10().floor() as i32).clamp(0, 6) as usize;
        format!("{value:.decimals$}")
    }
}

/// A number with so many decimals.
pub(super) fn fixed(value: Option<f64>, decimals: usize) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| NONE.into(), |value| format!("{value:.decimals$}"))
}

/// Seconds in the two largest units that are not zero.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NONE.into();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {:02} h", whole / 86_400, whole / 3600 % 24),
    }
}

/// A count with thin spaces between its thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_about_three_digits() {
        let all =
            [0.0, 0.012345, 3.21987, 1234.5, 123_456.7, 1.5e-7, -2.5e9, f64::NAN, f64::INFINITY].map(short);
        assert_eq!(all, ["0", "0.0123", "3.22", "1234", "123457", "1.50e-7", "-2.50e9", "–", "–"]);
        assert_eq!([fixed(Some(31.256), 2), fixed(None, 2), fixed(Some(f64::NAN), 2)], ["31.26", "–", "–"]);
    }

    #[test]
    fn times_have_two_units() {
        let all =
            [0.04, 9.96, 59.4, 59.9, 3599.7, 7322.0, 200_000.0, -1.0, f64::INFINITY, 1e300].map(duration);
        let last = all[9].clone();
        assert_eq!(
            all[..9],
            ["0.0 s", "10 s", "59 s", "1 min 00 s", "1 h 00 min", "2 h 02 min", "2 d 07 h", "–", "–"]
        );
        assert!(last.ends_with(" h"));
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }
}
