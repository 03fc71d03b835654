//! Exact numbers: MySQL's `DECIMAL`.

use std::cmp::Ordering;
use std::fmt;

/// The most digits of a `DECIMAL`.
pub const MAX_PRECISION: u8 = 65;

/// The most of them behind the point.
pub const MAX_SCALE: u8 = 30;

/// An exact number, kept as its digits: none is lost, however many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    /// `-12.340`: a sign, digits without zeros before them, and perhaps a point and digits behind it.
    text: String,
    scale: u8,
}

impl Decimal {
    /// `unscaled / 10^scale`
    pub fn new(unscaled: i128, scale: u8) -> Decimal {
        let sign = if unscaled < 0 { "-" } else { "" };
        let width = usize::from(scale) + 1;
        let mut text = format!("{sign}{:0width$}", unscaled.unsigned_abs());
        if scale > 0 {
            text.insert(text.len() - usize::from(scale), '.');
        }
        Decimal { text, scale }
    }

    /// Reads digits with perhaps a sign and a point; `None` for anything else.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (sign, digits) = match text.split_at_checked(1)? {
            ("-", digits) => ("-", digits),
            ("+", digits) => ("", digits),
            _ => ("", text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let (empty, bad) = (whole.is_empty() && fraction.is_empty(), !all_digits(whole));
        if empty || bad || !all_digits(fraction) {
            return None;
        }
        let scale = u8::try_from(fraction.len()).ok()?;
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let zero = whole == "0" && fraction.bytes().all(|byte| byte == b'0');
        let sign = if zero { "" } else { sign };
        let point = if scale > 0 { "." } else { "" };
        Some(Decimal { text: format!("{sign}{whole}{point}{fraction}"), scale })
    }

    /// Digits behind the point.
    pub fn scale(&self) -> u8 {
        self.scale
    }

    /// All digits; a zero before the point is none.
    pub fn precision(&self) -> u8 {
        let digits = self.text.trim_start_matches('-').replace('.', "");
        let leading = usize::from(self.scale > 0 && digits.starts_with('0'));
        u8::try_from(digits.len() - leading).unwrap_or(u8::MAX)
    }

    /// The number as whole units of the last digit; `None` where that is too long to compute with.
    pub fn unscaled(&self) -> Option<i128> {
        self.text.replace('.', "").parse().ok()
    }

    /// The nearest floating point number.
    pub fn to_f64(&self) -> f64 {
        self.text.parse().unwrap_or(f64::NAN)
    }

    /// The same with this many digits behind the point, rounded half away from zero.
    pub fn with_scale(&self, scale: u8) -> Option<Decimal> {
        if scale == self.scale {
            return Some(self.clone());
        }
        let unscaled = self.unscaled()?;
        if scale > self.scale {
            let factor = power(scale - self.scale)?;
            return Some(Decimal::new(unscaled.checked_mul(factor)?, scale));
        }
        let divisor = power(self.scale - scale)?;
        Some(Decimal::new(rounded(unscaled, divisor)?, scale))
    }

    /// The sum.
    pub fn add(&self, other: &Decimal) -> Option<Decimal> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal::new(a.checked_add(b)?, scale))
    }

    /// The difference.
    pub fn sub(&self, other: &Decimal) -> Option<Decimal> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal::new(a.checked_sub(b)?, scale))
    }

    /// The product.
    pub fn mul(&self, other: &Decimal) -> Option<Decimal> {
        let product = self.unscaled()?.checked_mul(other.unscaled()?)?;
        Decimal::new(product, self.scale.checked_add(other.scale)?)
            .with_scale(MAX_SCALE.min(self.scale + other.scale))
    }

    /// The quotient, with four digits more than this has; `None` also behind a zero.
    pub fn div(&self, other: &Decimal) -> Option<Decimal> {
        let scale = self.scale.saturating_add(4).min(MAX_SCALE);
        let shift = scale.checked_add(other.scale)?.checked_sub(self.scale)?;
        let dividend = self.unscaled()?.checked_mul(power(shift)?)?;
        Some(Decimal::new(rounded(dividend, other.unscaled()?)?, scale))
    }

    /// What a division leaves; it has the sign of this. `None` also behind a zero.
    pub fn rem(&self, other: &Decimal) -> Option<Decimal> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Decimal::new(a.checked_rem(b)?, scale))
    }

    /// Which is larger.
    pub fn compare(&self, other: &Decimal) -> Option<Ordering> {
        match self.aligned(other) {
            Some((a, b, _)) => Some(a.cmp(&b)),
            None => self.to_f64().partial_cmp(&other.to_f64()),
        }
    }

    /// Both as units of the same digit.
    fn aligned(&self, other: &Decimal) -> Option<(i128, i128, u8)> {
        let scale = self.scale.max(other.scale);
        let unscaled = |one: &Decimal| one.with_scale(scale)?.unscaled();
        Some((unscaled(self)?, unscaled(other)?, scale))
    }
}

fn power(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

/// A quotient, rounded half away from zero.
fn rounded(dividend: i128, divisor: i128) -> Option<i128> {
    let quotient = dividend.checked_div(divisor)?;
    let left = dividend.checked_rem(divisor)?.unsigned_abs();
    if left < divisor.unsigned_abs() - left {
        return Some(quotient);
    }
    let away = if (dividend < 0) == (divisor < 0) { 1 } else { -1 };
    quotient.checked_add(away)
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Decimal {
        Decimal::new(i128::from(number), 0)
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Decimal {
        Decimal::new(i128::from(number), 0)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).expect("a decimal")
    }

    #[test]
    fn digits_are_kept() {
        let cases = [
            ("1.50", "1.50", 3, 2),
            ("-.5", "-0.5", 1, 1),
            ("007", "7", 1, 0),
            ("-0.00", "0.00", 2, 2),
            ("+12", "12", 2, 0),
            ("3.", "3", 1, 0),
        ];
        for (text, printed, precision, scale) in cases {
            let found = decimal(text);
            let facts = (found.to_string(), found.precision(), found.scale());
            assert_eq!(facts, (printed.to_owned(), precision, scale), "{text}");
        }
        for text in ["", "-", ".", "1e3", "x", "1.2.3", "é"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        let long = "9".repeat(65);
        assert_eq!(decimal(&long).to_string(), long);
        assert_eq!(decimal(&long).add(&decimal("1")), None);
        assert_eq!(Decimal::new(-5, 3).to_string(), "-0.005");
    }

    #[test]
    fn sums_are_exact_and_quotients_are_rounded() {
        let both = |f: fn(&Decimal, &Decimal) -> Option<Decimal>, a: &str, b: &str| {
            f(&decimal(a), &decimal(b)).map(|found| found.to_string())
        };
        assert_eq!(both(Decimal::add, "0.1", "0.25").as_deref(), Some("0.35"));
        assert_eq!(both(Decimal::sub, "1", "1.05").as_deref(), Some("-0.05"));
        assert_eq!(both(Decimal::mul, "1.5", "-1.5").as_deref(), Some("-2.25"));
        assert_eq!(both(Decimal::div, "1", "3").as_deref(), Some("0.3333"));
        assert_eq!(both(Decimal::div, "-2", "3").as_deref(), Some("-0.6667"));
        assert_eq!(both(Decimal::div, "1.0", "0.5").as_deref(), Some("2.00000"));
        assert_eq!(both(Decimal::div, "1", "0.0"), None);
        assert_eq!(both(Decimal::rem, "-5.5", "2").as_deref(), Some("-1.5"));
        let scaled = |text: &str, scale| decimal(text).with_scale(scale).map(|d| d.to_string());
        assert_eq!(scaled("2.5", 0).as_deref(), Some("3"));
        assert_eq!(scaled("-2.45", 1).as_deref(), Some("-2.5"));
        assert_eq!(scaled("2.44", 1).as_deref(), Some("2.4"));
        assert_eq!(decimal("1.0").compare(&decimal("1.00")), Some(Ordering::Equal));
        assert_eq!(decimal("-1").compare(&decimal("0.5")), Some(Ordering::Less));
    }
}
