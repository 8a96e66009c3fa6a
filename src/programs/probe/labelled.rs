//! Features with labels, and what of them is learned from and tested on.

use std::ffi::OsString;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use ndarray::{Array2, Axis};

use crate::cli::{Job, count, usage};
use crate::measure::nearest::check_set;
use crate::measure::probe::{folds, unit};
use crate::measure::scale::Scale;
use crate::stream::{RowRange, same_items};

/// Features with labels, to learn from and to be tested on.
#[derive(Args)]
pub struct DataArgs {
    /// Features to learn from
    train: OsString,
    /// Their labels
    train_labels: OsString,
    /// Features to test on (default: those of TRAIN, in turn)
    #[arg(requires = "test_labels")]
    test: Option<OsString>,
    /// Their labels
    test_labels: Option<OsString>,
    /// Parts that are tested on in turn, without TEST
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = count(0..=u32::MAX))]
    folds: u32,
}

/// Features (N, d) and their classes.
pub struct Labelled {
    /// What messages call the features, and their labels.
    pub name: String,
    pub labels: String,
    pub x: Array2<f64>,
    pub classes: Vec<usize>,
}

impl Labelled {
    pub fn select(&self, rows: &[usize]) -> Labelled {
        Labelled {
            name: self.name.clone(),
            labels: self.labels.clone(),
            x: self.x.select(Axis(0), rows),
            classes: rows.iter().map(|&i| self.classes[i]).collect(),
        }
    }
}

/// What to learn from, and what then to be tested on.
pub struct Data {
    pub train: Labelled,
    pub(super) test: Option<Labelled>,
    pub(super) folds: usize,
}

impl DataArgs {
    pub fn read(&self, job: &Job) -> Result<Data> {
        job.only(self.test.is_none(), &["--folds"], "rows of TRAIN are tested on only without TEST")?;
        job.numbered(true, "labels", "they belong to rows by their number")?;
        if self.folds < 2 {
            return Err(usage(anyhow!("--folds {}: must be 2 at least", self.folds)));
        }
        let test = self.test.iter().chain(&self.test_labels);
        let names = [&self.train, &self.train_labels].into_iter().chain(test);
        job.wait_for_stdin(&names.map(|name| Some(name.as_os_str())).collect::<Vec<_>>())?;
        let mut first: Option<(String, Vec<usize>, usize)> = None;
        let mut labelled = |x: &OsString, labels: &OsString| {
            let mut rows = job.all_rows(Some(x))?;
            let name = rows.name().to_string();
            let (of, shape, width) =
                first.get_or_insert_with(|| (name.clone(), rows.item_shape().to_vec(), rows.width()));
            ensure!(
                rows.width() == *width,
                "{name}: rows of width {}, but those of {of} have {width}; give features of the same kind",
                rows.width()
            );
            same_items((&name, rows.item_shape()), (of, shape))?;
            let x = rows.read_all::<f64>()?;
            ensure!(x.nrows() > 0, "{name}: no rows; give features");
            check_set(x.view()).with_context(|| name.clone())?;
            let (classes, labels) = job.whole_numbers(labels, RowRange::default())?;
            ensure!(
                classes.len() == x.nrows(),
                "{labels}: {} labels for {} rows; give one a row",
                classes.len(),
                x.nrows()
            );
            Ok(Labelled { name, labels, x, classes: classes.into_iter().map(|k| k as usize).collect() })
        };
        let mut train = labelled(&self.train, &self.train_labels)?;
        let mut test = match (&self.test, &self.test_labels) {
            (Some(test), Some(labels)) => Some(labelled(test, labels)?),
            _ => None,
        };
        let scale = |set: &Labelled| (set.name.clone(), Scale::of(set.x.view()));
        let (of, learned_from) = scale(&train);
        let tested_on = test.as_ref().map(scale);
        let tested_on = tested_on.iter().map(|(name, scale)| (name.clone(), scale));
        job.warn_of_scales((of, &learned_from), tested_on, Scale::is_apart);
        let sets = || [&train].into_iter().chain(&test);
        let unit = unit(sets().map(|set| set.x.view()));
        train.x *= unit;
        test.iter_mut().for_each(|test| test.x *= unit);
        let data = Data { train, test, folds: self.folds as usize };
        data.check(job)?;
        Ok(data)
    }
}

impl Data {
    /// What is tested on.
    pub fn scored(&self) -> &Labelled {
        self.test.as_ref().unwrap_or(&self.train)
    }

    /// Calls `score` with what to learn from, what to be tested on, and the numbers of the latter's rows.
    pub fn each_split(
        &self,
        mut score: impl FnMut(&Labelled, &Labelled, &[usize]) -> Result<()>,
    ) -> Result<()> {
        if let Some(test) = &self.test {
            return score(&self.train, test, &(0..test.classes.len()).collect::<Vec<_>>());
        }
        let folds = folds(&self.train.classes, self.folds);
        // No more than the rows of the largest class.
        let filled = folds.iter().max().map_or(0, |last| last + 1);
        (0..filled).try_for_each(|fold| {
            let (tested, others): (Vec<usize>, Vec<usize>) =
                (0..folds.len()).partition(|&i| folds[i] == fold);
            score(&self.train.select(&others), &self.train.select(&tested), &tested)
        })
    }
}
