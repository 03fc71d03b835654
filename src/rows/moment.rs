//! Moments and spans of time, with as many digits of a second as they are shown with.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// The most digits of a second.
pub const MAX_FRACTION: u8 = 6;

/// `DATETIME` and `TIMESTAMP`: a moment as its clock shows it, which is kept as if that were in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    /// The moment.
    pub at: Timestamp,
    /// Digits of the second that are shown, 0 to 6.
    pub fraction: u8,
}

/// `TIME`: a span of time, which may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// The span, in millionths of a second.
    pub micros: i64,
    /// Digits of the second that are shown, 0 to 6.
    pub fraction: u8,
}

impl DateTime {
    /// What is not shown is cut off.
    pub fn new(at: Timestamp, fraction: u8) -> DateTime {
        let fraction = fraction.min(MAX_FRACTION);
        let unit = i64::from(unit_micros(fraction)) * 1000;
        let surplus = i64::from(at.subsec_nanosecond()).rem_euclid(unit);
        let at = at.checked_sub(SignedDuration::from_nanos(surplus)).unwrap_or(at);
        DateTime { at, fraction }
    }
}

impl Time {
    /// What is not shown is cut off.
    pub fn new(micros: i64, fraction: u8) -> Time {
        let fraction = fraction.min(MAX_FRACTION);
        let unit = i64::from(unit_micros(fraction));
        Time { micros: micros - micros % unit, fraction }
    }

    /// Whole seconds.
    pub fn of_seconds(seconds: i64) -> Time {
        Time { micros: seconds.saturating_mul(1_000_000), fraction: 0 }
    }
}

/// The millionths of a second in the last digit that is shown.
fn unit_micros(fraction: u8) -> u32 {
    10_u32.pow(u32::from(MAX_FRACTION - fraction.min(MAX_FRACTION)))
}

/// `.012`: the digits behind the second.
fn write_fraction(f: &mut fmt::Formatter<'_>, micros: u64, fraction: u8) -> fmt::Result {
    if fraction == 0 {
        return Ok(());
    }
    let digits = micros / u64::from(unit_micros(fraction));
    write!(f, ".{digits:0width$}", width = usize::from(fraction))
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at.strftime("%Y-%m-%d %H:%M:%S"))?;
        let micros = i64::from(self.at.subsec_nanosecond()).rem_euclid(1_000_000_000) / 1000;
        write_fraction(f, micros.unsigned_abs(), self.fraction)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "" };
        let micros = self.micros.unsigned_abs();
        let all = micros / 1_000_000;
        let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
        write!(f, "{sign}{hours:02}:{minutes:02}:{seconds:02}")?;
        write_fraction(f, micros % 1_000_000, self.fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_digits_are_shown_as_there_are_to_be() {
        let at: Timestamp = "2024-05-06T07:08:09.012345678Z".parse().expect("a moment");
        let shown = |fraction| DateTime::new(at, fraction).to_string();
        assert_eq!(shown(0), "2024-05-06 07:08:09");
        assert_eq!(shown(3), "2024-05-06 07:08:09.012");
        assert_eq!(shown(6), "2024-05-06 07:08:09.012345");
        assert_eq!(DateTime::new(at, 0), DateTime::new(DateTime::new(at, 3).at, 0));
        assert_eq!(Time::new(-1_500_000, 1).to_string(), "-00:00:01.5");
        assert_eq!(Time::new(-1_500_000, 0).to_string(), "-00:00:01");
        assert_eq!(Time::of_seconds(838 * 3600 + 59 * 60 + 59).to_string(), "838:59:59");
    }
}
