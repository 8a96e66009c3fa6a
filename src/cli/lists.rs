//! Lists of numbers as arguments write them.

use std::str::FromStr;

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

/// Integers from 1 to a million: ranges with both ends, "2-8", and single ones, "2,4,8".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integers(pub Vec<usize>);

/// Largest integer of a list, and the most that one has.
const LARGEST: usize = 1_000_000;

impl FromStr for Integers {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |n: &str| {
            n.trim().parse::<usize>().ok().filter(|n| (1..=LARGEST).contains(n)).ok_or_else(|| {
                format!(
                    "{n:?} is not an integer from 1 to {LARGEST}; write a range like 2-8 or a list like 2,4,8"
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
