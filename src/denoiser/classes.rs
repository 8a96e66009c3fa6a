//! Which of its classes a model is asked for: none, one, or one a row.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use crate::network::{Class, Classes};

/// What is asked of a model that has classes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// No class: a network's branch without one, what a program takes for it.
    #[default]
    Nothing,
    /// The same class for all rows.
    One(u32),
    /// That of every row, by its number in the whole of the work.
    Rows(Arc<[u32]>),
}

/// The class that a number stands for, if it is one: a whole number from 0.
pub fn class_of(number: f64) -> Option<u32> {
    let whole = number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX);
    whole.then_some(number as u32)
}

impl Asked {
    /// Whether a model of these classes has what is asked for.
    ///
    /// # Errors
    /// On classes that there are not, and without one where it has not learned to do without.
    pub fn check(&self, classes: Option<Classes>) -> Result<()> {
        match (self.largest(), classes) {
            (None, Some(Classes { count, unconditional: false })) => bail!(
                "it has learned {count} classes and nothing without a class; give --class, or train with --drop-label"
            ),
            (Some(class), Some(Classes { count, .. })) => {
                ensure!((class as usize) < count, "--class {class}: it has {count} classes, numbered from 0");
            }
            (Some(class), None) => bail!(
                "--class {class}: it has no classes; leave --class out (of a mixture, mixture select takes \
                                        components)"
            ),
            (None, _) => {}
        }
        Ok(())
    }

    /// The largest class that is asked for.
    fn largest(&self) -> Class {
        match self {
            Asked::Nothing => None,
            Asked::One(class) => Some(*class),
            Asked::Rows(classes) => classes.iter().copied().max(),
        }
    }

    /// The classes of `n` rows, of which the first has the number `first`.
    ///
    /// # Errors
    /// Rows beyond those that have a class.
    pub fn of_rows(&self, first: u64, n: usize) -> Result<Vec<Class>> {
        Ok(match self {
            Asked::Nothing => vec![None; n],
            Asked::One(class) => vec![Some(*class); n],
            Asked::Rows(classes) => {
                let from = usize::try_from(first).ok();
                let rows = from.and_then(|from| classes.get(from..from.checked_add(n)?));
                let missing =
                    || format!("row {first}: there are classes of {} rows; give one a row", classes.len());
                rows.with_context(missing)?.iter().map(|class| Some(*class)).collect()
            }
        })
    }

    /// The class of `n` rows that have no numbers.
    ///
    /// # Errors
    /// Where a class belongs to a number.
    pub fn of_all(&self, n: usize) -> Result<Vec<Class>> {
        match self {
            Asked::Rows(_) => {
                bail!("classes belong to rows by their number, and here rows have none; give one class")
            }
            Asked::Nothing | Asked::One(_) => self.of_rows(0, n),
        }
    }
}
