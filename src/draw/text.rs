//! How wide a text is, and how a number is written where there is little room.

use std::cmp::Ordering;
use std::collections::HashSet;

/// Advances of DejaVu Sans from the space on, in 1/2048 of the size. Other common
/// sans serif fonts are narrower, so what fits in this one fits in them.
#[rustfmt::skip]
const ADVANCES: [u16; 95] = [
    651, 821, 942, 1716, 1303, 1946, 1597, 563, 799, 799, 1024, 1716, 651, 739, 651, 690,
    1303, 1303, 1303, 1303, 1303, 1303, 1303, 1303, 1303, 1303, 690, 690, 1716, 1716, 1716, 1087,
    2048, 1401, 1405, 1430, 1577, 1294, 1178, 1587, 1540, 604, 604, 1343, 1141, 1767, 1532, 1612,
    1235, 1612, 1423, 1300, 1251, 1499, 1401, 2025, 1403, 1251, 1403, 799, 690, 799, 1716, 1024,
    1024, 1255, 1300, 1126, 1300, 1260, 721, 1300, 1298, 569, 569, 1186, 569, 1995, 1298, 1253,
    1300, 1300, 842, 1067, 803, 1298, 1212, 1675, 1212, 1212, 1075, 1303, 690, 1303, 1716,
];

/// Advance of what is not ASCII: that of a digit.
const OTHER: u16 = 1303;

pub(super) fn width(text: &str, size: u32) -> f64 {
    let advance = |c: char| (c as usize).checked_sub(32).and_then(|i| ADVANCES.get(i)).unwrap_or(&OTHER);
    let units: f64 = text.chars().map(|c| f64::from(*advance(c))).sum();
    units / 2048.0 * f64::from(size)
}

pub(super) fn widest<'a>(texts: impl IntoIterator<Item = &'a str>, size: u32) -> f64 {
    texts.into_iter().map(|text| width(text, size)).fold(0.0, f64::max)
}

/// As much of a text as there is room for: its two ends, since names that begin alike
/// often differ there.
pub(super) fn shortened(text: &str, size: u32, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_string();
    }
    let all: Vec<char> = text.chars().collect();
    let kept = |n: usize| {
        let ends = [&all[..n.div_ceil(2)], &all[all.len() - n / 2..]].map(String::from_iter);
        format!("{}…{}", ends[0].trim_end(), ends[1].trim_start())
    };
    (0..all.len()).rev().map(kept).find(|short| width(short, size) <= room).unwrap_or_default()
}

/// A text in two lines, if it has room in them alone.
pub(super) fn broken(text: &str, size: u32, room: f64) -> Option<(&str, &str)> {
    let first = text
        .match_indices(' ')
        .rev()
        .map(|(at, _)| text.split_at(at))
        .find(|(first, _)| width(first, size) <= room);
    let (first, rest) = first.filter(|_| width(text, size) > room)?;
    let rest = rest.trim_start();
    (width(rest, size) <= room).then_some((first, rest))
}

/// Significant digits of numbers that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    Exactly(usize),
    /// At most so many: without zeros at the end from the third on.
    Enough(usize),
}

impl Digits {
    /// Those asked for, or two; three where that tells more of the numbers apart.
    pub(super) fn of(numbers: impl Iterator<Item = f64> + Clone, asked: Option<usize>) -> Digits {
        let texts = |digits| numbers.clone().map(|x| short(x, digits)).collect::<HashSet<_>>().len();
        asked.map_or_else(|| Digits::Enough(if texts(2) == texts(3) { 2 } else { 3 }), Digits::Exactly)
    }

    pub(super) fn write(self, x: f64) -> String {
        let bare = |text: &str| text.trim_end_matches('0').to_string();
        match self {
            Digits::Exactly(digits) => short(x, digits),
            Digits::Enough(most) => {
                let (full, two) = (short(x, most), short(x, 2));
                if bare(&full) == bare(&two) { two } else { full }
            }
        }
    }
}

/// A number to some significant digits. From a thousandth to a hundred thousand it is
/// written out: with all digits before the point, and none behind a whole number.
pub(super) fn short(x: f64, digits: usize) -> String {
    if x == 0.0 {
        return "0".to_string();
    }
    let scientific = format!("{x:.*e}", digits - 1);
    let exponent = scientific.split_once('e').and_then(|(_, e)| e.parse::<i32>().ok());
    match exponent {
        Some(exponent) if (-3..5).contains(&exponent) => {
            let decimals = if x.fract() == 0.0 { 0 } else { (digits as i32 - 1 - exponent).max(0) as usize };
            format!("{x:.decimals$}")
        }
        // Not finite, or very large or small.
        _ => match scientific.split_once('e') {
            Some((digits, exponent)) if digits.contains('.') => {
                format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'))
            }
            _ => scientific,
        },
    }
}

/// Puts distinct names in order: numbers by value; other names as they came.
/// Tells whether they are numbers.
pub fn order(names: &mut [String]) -> bool {
    let value = |name: &String| name.parse::<f64>().ok().filter(|v| !v.is_nan());
    let numeric = names.iter().all(|name| value(name).is_some());
    if numeric {
        names.sort_by(|a, b| value(a).partial_cmp(&value(b)).unwrap_or(Ordering::Equal));
    }
    numeric
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_right() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.95, "0.95"),
            (0.9949, "0.99"),
            (0.9951, "1.0"),
            (0.5, "0.50"),
            (1e6, "1e6"),
            (-0.05, "-0.050"),
            (123.4, "123"),
            (12_345.0, "12345"),
            (123_456.0, "1.2e5"),
            (0.00012, "1.2e-4"),
            (f64::NAN, "NaN"),
        ];
        for (x, text) in cases {
            assert_eq!(short(x, 2), text);
        }
        let longer = [
            (123.456, 4, "123.5"),
            (0.5, 3, "0.500"),
            (1.204e9, 3, "1.2e9"),
            (7.0, 3, "7"),
            (123.4, 1, "123"),
        ];
        for (x, digits, text) in longer {
            assert_eq!(short(x, digits), text);
        }
    }

    #[test]
    fn a_text_is_broken_where_it_has_no_room_in_one_line() {
        let text = "published: GL = ½, CIFAR-10";
        assert_eq!(broken(text, 12, 130.0), Some(("published: GL = ½,", "CIFAR-10")));
        assert_eq!(broken(text, 12, 300.0), None);
        assert_eq!(broken(text, 12, 50.0), None, "not in two either");
    }

    #[test]
    fn digits_tell_numbers_apart() {
        let written = |numbers: &[f64], asked| {
            let digits = Digits::of(numbers.iter().copied(), asked);
            numbers.iter().map(|x| digits.write(*x)).collect::<Vec<_>>()
        };
        assert_eq!(
            written(&[1.59, 1.64, 0.5, 0.007, 1200.0], None),
            ["1.59", "1.64", "0.50", "0.0070", "1200"]
        );
        assert_eq!(written(&[1.591, 1.594], None), ["1.6", "1.6"], "alike in three digits too");
        assert_eq!(written(&[0.05, 0.1, 0.95], None), ["0.050", "0.10", "0.95"]);
        assert_eq!(written(&[1.59, 0.5], Some(4)), ["1.590", "0.5000"]);
    }

    #[test]
    fn a_text_is_shortened_only_where_it_has_no_room() {
        assert_eq!(shortened("gradient", 12, 200.0), "gradient");
        let short = shortened("gradient", 12, 40.0);
        assert!(
            short.starts_with("gr")
                && short.ends_with("nt")
                && short.contains('…')
                && width(&short, 12) <= 40.0,
            "{short}"
        );
        assert_eq!(shortened("gradient", 12, 0.0), "");
    }

    #[test]
    fn numbers_are_ordered_and_names_are_not() {
        let mut numbers = ["10", "9", "1e0"].map(String::from);
        assert!(order(&mut numbers));
        assert_eq!(numbers, ["1e0", "9", "10"]);
        let mut names = ["mlp", "10", "em"].map(String::from);
        assert!(!order(&mut names));
        assert_eq!(names, ["mlp", "10", "em"]);
    }
}
