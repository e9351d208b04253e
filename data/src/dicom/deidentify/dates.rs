//! Dates moved by a number of days.

use jiff::ToSpan;
use jiff::civil::Date;

/// A DICOM date so many days earlier, also one with the points of ACR-NEMA; `None` if it is not one.
pub(super) fn earlier_date(text: &str, days: i64) -> Option<String> {
    let digits = text.trim().replace('.', "");
    if digits.len() != 8 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let date = Date::strptime("%Y%m%d", &digits).ok()?.checked_sub(days.days()).ok()?;
    (date.year() > 0).then(|| date.strftime("%Y%m%d").to_string())
}

/// A DICOM date and time so many days earlier; the time of day stays. `None` without a whole date.
pub(super) fn earlier_date_time(text: &str, days: i64) -> Option<String> {
    let (date, rest) = text.trim().split_at_checked(8)?;
    let date = earlier_date(date, days)?;
    let (time, zone) = rest.split_at(rest.find(['+', '-']).unwrap_or(rest.len()));
    let offset = zone.get(1..).unwrap_or_default();
    let plain = time.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    let fits = matches!(offset.len(), 0 | 4) && offset.bytes().all(|c| c.is_ascii_digit());
    (plain && fits).then(|| date + rest)
}

/// A time of day as it is; `None` if it is something else.
pub(super) fn time(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = |c: u8| c.is_ascii_digit() || matches!(c, b'.' | b':');
    (text.len() <= 16 && text.bytes().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_back_and_times_stay() {
        assert_eq!(earlier_date("20240301", 1).as_deref(), Some("20240229"));
        assert_eq!(earlier_date("1996.12.02", 2).as_deref(), Some("19961130"));
        assert_eq!(earlier_date_time("20240101123000.5+0100", 1).as_deref(), Some("20231231123000.5+0100"));
        for bad in ["", "2024", "20241301", "20240101-20240202", "Doe^John", "00000101"] {
            assert_eq!((earlier_date(bad, 1), earlier_date_time(bad, 1)), (None, None), "{bad}");
        }
        assert_eq!(earlier_date_time("20240101 by Doe", 1), None);
        assert_eq!((time("1030"), time("Doe")), (Some("1030".to_owned()), None));
    }
}
