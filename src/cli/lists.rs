//! Lists of numbers as arguments write them.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Parses a whole number from 0 up, also as `1e4` or `2.5e3`.
pub fn parse_count<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let number = text.trim();
    let number = number.parse().ok().or_else(|| scientific(number));
    number.and_then(|n| N::try_from(n).ok()).ok_or_else(|| {
        let most = u64::MAX >> (64 - 8 * size_of::<N>().min(8));
        format!("it is not a whole number from 0 to {most}; write one like 10000 or 1e4")
    })
}

/// Parses one of a range, as [`parse_count`] does.
pub fn count<N: TryFrom<u64> + PartialOrd + Copy + Display>(
    range: RangeInclusive<N>,
) -> impl Fn(&str) -> Result<N, String> + Clone {
    move |text| {
        let count = parse_count::<N>(text)?;
        let [least, most] = [range.start(), range.end()];
        if range.contains(&count) { Ok(count) } else { Err(format!("it must be from {least} to {most}")) }
    }
}

/// Exactly, where it is a whole number that fits.
fn scientific(text: &str) -> Option<u64> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = [whole, fraction].concat();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let zeros = exponent.parse::<u32>().ok()?.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    digits.parse::<u64>().ok()?.checked_mul(10u64.checked_pow(zeros)?)
}

/// Parses a number above 0.
pub fn positive(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|n: &f64| *n > 0.0 && n.is_finite());
    number.ok_or_else(|| "it must be a number above 0".into())
}

/// A comma-separated list of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers(pub Vec<f64>);

/// Parses "1,0.5,2e-3".
pub fn parse_list(text: &str) -> Result<Numbers, String> {
    text.split(',')
        .map(|n| n.trim().parse::<f64>().map_err(|_| format!("{n:?} is not a number")))
        .collect::<Result<_, _>>()
        .map(Numbers)
}

/// Integers up to a million: ranges with both ends, "2-8", and single ones, "2,4,8".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integers(pub Vec<usize>);

/// Largest integer of a list, and the most that one has.
const LARGEST: usize = 1_000_000;

/// Parses integers from `least` up.
pub fn integers(least: usize) -> impl Fn(&str) -> Result<Integers, String> + Clone {
    move |text| {
        let number = |n: &str| {
            n.trim().parse::<usize>().ok().filter(|n| (least..=LARGEST).contains(n)).ok_or_else(|| {
                format!(
                    "{n:?} is not an integer from {least} to {LARGEST}; write a range like 2-8 or a list like 2,4,8"
                )
            })
        };
        let mut all = Vec::new();
        for part in text.split(',') {
            match part.split_once('-') {
                Some((from, to)) => {
                    let (from, to) = (number(from)?, number(to)?);
                    if from > to {
                        return Err(format!("{part:?} runs backwards; write {to}-{from}"));
                    }
                    all.extend(from..=to);
                }
                None => all.push(number(part)?),
            }
            // Ranges are short to write, and a list of many would fill the memory.
            if all.len() > LARGEST {
                return Err(format!("it has more than {LARGEST} integers; give fewer"));
            }
        }
        Ok(Integers(all))
    }
}

/// Those from 1 up.
impl FromStr for Integers {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        integers(1)(text)
    }
}

/// The shape of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(pub Vec<usize>);

impl FromStr for Shape {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|n| n.trim().parse::<usize>().ok().filter(|n| *n > 0))
            .collect::<Option<Vec<_>>>()
            // So many numbers fit in no memory, and their count must not wrap round.
            .filter(|shape| {
                shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).is_some_and(|n| n < 1 << 40)
            })
            .map(Shape)
            .ok_or_else(|| format!("{text:?} is not a list of positive sizes like 28,28,1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_numbers_however_they_are_written() {
        let cases = [("0", 0), ("1e4", 10_000), ("2.50e3", 2500), ("+7", 7), ("1E0", 1), ("1.5e1", 15)];
        for (text, count) in cases {
            assert_eq!(parse_count(text), Ok(count as usize), "{text}");
        }
        assert_eq!(parse_count("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(parse_count("1.8446744073709551615e19"), Ok(u64::MAX));
        for text in ["", "-5", "1.5", "15e-1", "1.25e1", "1e20", "e4", "1e", ".", "nan", "inf", "ten", "1e4x"]
        {
            assert!(parse_count::<u64>(text).is_err(), "{text}");
        }
        assert!(parse_count::<u8>("256").is_err());
        let some = count(1..=20_000u32);
        assert_eq!([some("1e4"), some("1")], [Ok(10_000), Ok(1)]);
        assert!(["0", "3e4", "1e10"].iter().all(|text| some(text).is_err()));
    }
}
