//! What of labelled features cannot be learned, or not tested.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow, ensure};

use super::labelled::{Data, Labelled};
use crate::cli::{Job, usage};
use crate::measure::copies::{BY_CHANCE, Known, copies_apart};
use crate::measure::probe::folds;

impl Data {
    /// Refuses classes that are not to be told, and warns of those that are told too easily, or not at all.
    pub(super) fn check(&self, job: &Job) -> Result<()> {
        let mut known = BTreeMap::<usize, usize>::new();
        self.train.classes.iter().for_each(|k| *known.entry(*k).or_default() += 1);
        let Labelled { name, labels, x, .. } = &self.train;
        ensure!(known.len() > 1, "{labels}: all rows are of one class; give two at least");
        match &self.test {
            Some(test) => {
                let unknown: Vec<usize> =
                    test.classes.iter().copied().filter(|k| !known.contains_key(k)).collect();
                ensure!(
                    unknown.len() < test.classes.len(),
                    "{}: all rows are of classes that {labels} has no rows of, and cannot be told; give rows of the same \
                     classes",
                    test.labels
                );
                if !unknown.is_empty() {
                    let classes = unknown.iter().collect::<BTreeSet<_>>().len();
                    job.warn(&format!(
                        "{} of {} rows of TEST are of {classes} classes that TRAIN has no rows of, and cannot be told; \
                         leave them out, or give rows of all classes",
                        unknown.len(),
                        test.classes.len()
                    ));
                }
                let copies = Known::new(x.view()).count(test.x.view());
                if copies > 0 {
                    job.warn(&format!(
                        "{copies} of {} rows of {} are rows of {name} to the bit: of these what was learned is told, not how \
                         well; give others, or leave TEST out",
                        test.classes.len(),
                        test.name
                    ));
                }
            }
            None => {
                if self.folds > x.nrows() {
                    return Err(usage(anyhow!(
                        "--folds {}: {name} has {} rows; give at most as many",
                        self.folds,
                        x.nrows()
                    )));
                }
                let few = known.iter().find(|(_, n)| **n < 2);
                ensure!(
                    few.is_none(),
                    "{labels}: class {} has one row, which no other is left to tell of; give more, or TEST",
                    few.map_or(0, |f| *f.0)
                );
                let copies = copies_apart(x.view(), &folds(&self.train.classes, self.folds));
                if BY_CHANCE * copies > x.nrows() as u64 {
                    job.warn(&format!(
                        "{copies} of {} rows of {name} are rows of another part to the bit: of these what was learned is told, \
                         not how well; leave repeated rows out, or give TEST",
                        x.nrows()
                    ));
                }
            }
        }
        Ok(())
    }
}
