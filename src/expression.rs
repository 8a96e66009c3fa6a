//! Formulas over named numbers, as in `log2(samples / sqrt(parameters))`.
//!
//! ```text
//! sum     = product (("+" | "-") product)*
//! product = signed (("*" | "/") signed)*
//! signed  = ("+" | "-") signed | power
//! power   = atom ("^" signed)?
//! atom    = number | name | "{" any name "}" | function "(" sum ("," sum)* ")" | "(" sum ")"
//! ```
//!
//! As on paper, and as in Python's `**`: −x² is −(x²), and 2^3^2 is 2^9. A name is letters, digits and `_`,
//! the first no digit; every other name goes in braces.

use anyhow::{Result, anyhow, bail, ensure};

/// Nesting beyond this is refused, so that no input can exhaust the stack.
const DEEPEST: usize = 200;

/// Elements of arrays that are computed together: what the stack holds of them stays in the cache.
const PIECE: usize = 1024;

type Unary = fn(f64) -> f64;
type Binary = fn(f64, f64) -> f64;

const UNARY: [(&str, Unary); 10] = [
    ("abs", f64::abs),
    ("ceil", f64::ceil),
    ("exp", f64::exp),
    ("floor", f64::floor),
    ("ln", f64::ln),
    ("log10", f64::log10),
    ("log2", f64::log2),
    ("round", f64::round),
    ("sqrt", f64::sqrt),
    ("tanh", f64::tanh),
];
const BINARY: [(&str, Binary); 2] = [("max", f64::max), ("min", f64::min)];

/// A formula that has been read; its steps, in the order of evaluation, work on a stack.
#[derive(Clone, Debug)]
pub struct Expression {
    steps: Vec<Step>,
    names: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Number(f64),
    /// Index into the names.
    Name(usize),
    /// With the name of its function or its sign.
    Unary(&'static str, Unary),
    Binary(&'static str, Binary),
}

impl Expression {
    /// Reads a formula.
    ///
    /// # Errors
    /// What is none, with the place where it stops being one.
    pub fn parse(text: &str) -> Result<Expression> {
        let mut parser = Parser { text, at: 0, depth: 0, read: Expression { steps: vec![], names: vec![] } };
        parser.sum()?;
        match parser.rest().chars().next() {
            None => Ok(parser.read),
            Some(_) => Err(parser.unexpected("an operator or the end")),
        }
    }

    /// The names that it uses, each once.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Its value, given that of every name in the order of [`Expression::names`].
    pub fn value(&self, names: &[f64]) -> f64 {
        let mut value = [f64::NAN];
        self.values(&names.iter().map(std::slice::from_ref).collect::<Vec<_>>(), &mut value);
        value[0]
    }

    /// Its values, element by element, given as many of every name.
    pub fn values(&self, names: &[&[f64]], out: &mut [f64]) {
        for (piece, out) in out.chunks_mut(PIECE).enumerate() {
            let from = piece * PIECE;
            let mut stack: Vec<Vec<f64>> = Vec::new();
            // Reading has left no step without its operands.
            let pop = |stack: &mut Vec<Vec<f64>>| stack.pop().unwrap_or_default();
            for step in &self.steps {
                let values = match *step {
                    Step::Number(x) => vec![x; out.len()],
                    Step::Name(i) => names[i][from..from + out.len()].to_vec(),
                    Step::Unary(_, f) => {
                        let mut a = pop(&mut stack);
                        a.iter_mut().for_each(|a| *a = f(*a));
                        a
                    }
                    Step::Binary(_, f) => {
                        let b = pop(&mut stack);
                        let mut a = pop(&mut stack);
                        a.iter_mut().zip(b).for_each(|(a, b)| *a = f(*a, b));
                        a
                    }
                };
                stack.push(values);
            }
            out.copy_from_slice(&pop(&mut stack));
        }
    }

    /// The first step from finite numbers to one that is not, as "1.5 / 0 is inf".
    pub fn fault(&self, names: &[f64]) -> Option<String> {
        let mut stack: Vec<f64> = Vec::new();
        for step in &self.steps {
            // Reading has left no step without its operands.
            let mut pop = || stack.pop().unwrap_or(f64::NAN);
            let (value, finite, shown) = match *step {
                Step::Number(x) => (x, true, "a number".to_string()),
                Step::Name(i) => (names[i], false, String::new()),
                Step::Unary(name, f) => {
                    let a = pop();
                    (f(a), a.is_finite(), format!("{name}({a:?})"))
                }
                Step::Binary(sign, f) => {
                    let (b, a) = (pop(), pop());
                    (f(a, b), a.is_finite() && b.is_finite(), format!("{a:?} {sign} {b:?}"))
                }
            };
            if finite && !value.is_finite() {
                return Some(format!("{shown} is {value:?}"));
            }
            stack.push(value);
        }
        None
    }
}

/// Whether a name needs no braces.
pub fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_alphabetic() || c == '_';
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_numeric())
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    read: Expression,
}

impl<'a> Parser<'a> {
    /// What has not been read, from the next character that is no space.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn accept(&mut self, symbol: char) -> bool {
        let found = self.rest().starts_with(symbol);
        self.at += if found { symbol.len_utf8() } else { 0 };
        found
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.accept(symbol) { Ok(()) } else { Err(self.unexpected(&format!("'{symbol}'"))) }
    }

    fn unexpected(&mut self, wanted: &str) -> anyhow::Error {
        let found = match self.rest().chars().next() {
            Some(c) => format!("'{}'", c.escape_debug()),
            None => "its end".to_string(),
        };
        let place = self.text[..self.at].chars().count() + 1;
        anyhow!("{wanted} is missing before {found}, at character {place}")
    }

    fn push(&mut self, step: Step) {
        self.read.steps.push(step);
    }

    fn sum(&mut self) -> Result<()> {
        self.product()?;
        loop {
            let (sign, f): (_, Binary) = if self.accept('+') {
                ("+", |a, b| a + b)
            } else if self.accept('-') {
                ("-", |a, b| a - b)
            } else {
                return Ok(());
            };
            self.product()?;
            self.push(Step::Binary(sign, f));
        }
    }

    fn product(&mut self) -> Result<()> {
        self.signed()?;
        loop {
            let (sign, f): (_, Binary) = if self.accept('*') {
                ("*", |a, b| a * b)
            } else if self.accept('/') {
                ("/", |a, b| a / b)
            } else {
                return Ok(());
            };
            self.signed()?;
            self.push(Step::Binary(sign, f));
        }
    }

    /// Everything that nests passes here.
    fn signed(&mut self) -> Result<()> {
        ensure!(self.depth < DEEPEST, "nests too deeply; compute parts of it first");
        self.depth += 1;
        if self.accept('-') {
            self.signed()?;
            self.push(Step::Unary("-", |x| -x));
        } else if self.accept('+') {
            self.signed()?;
        } else {
            self.atom()?;
            if self.accept('^') {
                self.signed()?;
                self.push(Step::Binary("^", f64::powf));
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn atom(&mut self) -> Result<()> {
        let rest = self.rest();
        if self.accept('(') {
            self.sum()?;
            return self.expect(')');
        }
        if self.accept('{') {
            let Some(length) = rest[1..].find('}') else { bail!("'{{' has no '}}'") };
            self.at += length + 1;
            return self.name(rest[1..=length].trim());
        }
        if let Some((number, length)) = number(rest) {
            self.at += length;
            self.push(Step::Number(number));
            return Ok(());
        }
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let word = &rest[..length];
        if !is_name(word) {
            return Err(self.unexpected("a number, a name or '('"));
        }
        self.at += length;
        if self.accept('(') { self.call(word) } else { self.name(word) }
    }

    fn name(&mut self, name: &str) -> Result<()> {
        let names = &mut self.read.names;
        let index = names.iter().position(|n| n == name).unwrap_or_else(|| {
            names.push(name.to_string());
            names.len() - 1
        });
        self.push(Step::Name(index));
        Ok(())
    }

    /// The arguments of a function.
    fn call(&mut self, function: &str) -> Result<()> {
        if let Some((name, f)) = UNARY.iter().find(|(name, _)| *name == function) {
            self.sum()?;
            self.expect(')')?;
            self.push(Step::Unary(name, *f));
            return Ok(());
        }
        let Some((name, f)) = BINARY.iter().find(|(name, _)| *name == function) else {
            let known = UNARY.iter().map(|(name, _)| *name).chain(BINARY.iter().map(|(name, _)| *name));
            bail!("there is no function '{function}'; there are {}", known.collect::<Vec<_>>().join(", "));
        };
        // Of two or more.
        self.sum()?;
        self.expect(',')?;
        self.sum()?;
        self.push(Step::Binary(name, *f));
        while self.accept(',') {
            self.sum()?;
            self.push(Step::Binary(name, *f));
        }
        self.expect(')')
    }
}

/// A number at the beginning of a text, and its length: digits, a point, an exponent.
fn number(text: &str) -> Option<(f64, usize)> {
    let digits = |from: usize| from + text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        end = if exponent > end + 1 + sign { exponent } else { end };
    }
    text[..end].parse().ok().map(|number| (number, end))
}
