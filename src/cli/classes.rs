//! Labels of rows, and the classes that models are asked for.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ndarray::{Array2, ArrayView1};

use super::ending::usage;
use super::job::Job;
use super::lists::parse_count;
use crate::denoiser::classes::class_of;
use crate::denoiser::{Asked, Model};
use crate::network::{Classes, Condition};
use crate::scalar::Scalar;
use crate::stream::{Columns, Content, Input, ReadOptions, RowRange, Rows};
use crate::training::Labels;

/// `--class` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassArg {
    /// One for all rows.
    One(u32),
    /// A file of one a row.
    Rows(OsString),
}

impl ClassArg {
    /// # Errors
    /// On a number that is no class.
    pub fn parse(text: OsString) -> Result<ClassArg, &'static str> {
        match text.to_str().map(|text| (parse_count(text), text.parse::<f64>())) {
            Some((Ok(class), _)) => Ok(ClassArg::One(class)),
            Some((_, Ok(_))) => Err("a class is a whole number from 0, or a file of one a row"),
            _ => Ok(ClassArg::Rows(text)),
        }
    }

    /// # Errors
    /// On what is not one class for all rows.
    pub fn parse_one(text: &str) -> Result<ClassArg, &'static str> {
        parse_count(text).map(ClassArg::One).map_err(|_| "a class is a whole number from 0")
    }
}

/// Rows of which a branch learns next to nothing.
const FEW: f64 = 300.0;

/// Standard deviations beyond which no row of those that a network was trained with lies, but of the heaviest tails.
const UNHEARD: f64 = 10.0;

impl Job {
    /// The labels of `rows` rows, of those that --rows selects: a file of one whole number from 0 each.
    ///
    /// # Errors
    /// As [`Job::rows`]; another number of labels, and what is none.
    pub fn labels(&self, name: &OsStr, rows: usize) -> Result<Vec<usize>> {
        let (labels, name) = self.whole_numbers(name, self.shared.rows)?;
        ensure!(
            labels.len() == rows,
            "{name}: {} labels for {rows} rows; give one a row{}",
            labels.len(),
            self.of_all()
        );
        Ok(labels.into_iter().map(|label| label as usize).collect())
    }

    /// The conditions of rows, of those that --rows selects, and of so many where that is known; of all without.
    ///
    /// # Errors
    /// As [`Job::rows`]; another number of them.
    pub fn conditions<T: Scalar>(&self, name: &OsStr, rows: Option<usize>) -> Result<Array2<T>> {
        let range = if rows.is_some() { self.shared.rows } else { RowRange::default() };
        let options = ReadOptions { item_shape: None, ..self.read_options(range) };
        let mut conditions = Rows::from_input(self.open(Some(name))?, &options)?;
        let (name, conditions) = (conditions.name().to_string(), conditions.read_all::<T>()?);
        let count = conditions.nrows();
        ensure!(count > 0, "{name}: no rows; give a condition a row");
        if let Some(rows) = rows {
            let of_all = self.of_all();
            ensure!(count == rows, "{name}: {count} conditions for {rows} rows; give one a row{of_all}");
        }
        Ok(conditions)
    }

    /// What there is to be one of a row.
    fn of_all(&self) -> &'static str {
        if self.shared.rows.is_all() { "" } else { " of all rows, of which --rows selects as of these" }
    }

    /// A file of one whole number from 0 a row, or of the row's and that, as molrg-gen writes csv, and how messages
    /// call it. What --shape says is of other rows.
    ///
    /// # Errors
    /// As [`Job::rows`]; what is no such number.
    pub fn whole_numbers(&self, name: &OsStr, rows: RowRange) -> Result<(Vec<u32>, String)> {
        self.whole_numbers_of(self.open(Some(name))?, rows, "label")
    }

    fn whole_numbers_of(&self, input: Input, rows: RowRange, what: &str) -> Result<(Vec<u32>, String)> {
        let (labels, name) = self.numbers_of(input, rows)?;
        let label = |(row, v): (u64, f64)| {
            class_of(v).with_context(|| format!("{name}: row {row}: {v} is no {what} from 0"))
        };
        let labels = (rows.start..).zip(labels).map(label).collect::<Result<_>>()?;
        Ok((labels, name))
    }

    /// As [`Job::whole_numbers`], of any numbers.
    ///
    /// # Errors
    /// As [`Job::rows`]; more than one number a row and its own.
    pub fn numbers(&self, name: &OsStr, rows: RowRange) -> Result<(Vec<f64>, String)> {
        self.numbers_of(self.open(Some(name))?, rows)
    }

    fn numbers_of(&self, input: Input, rows: RowRange) -> Result<(Vec<f64>, String)> {
        let options = ReadOptions { item_shape: None, ..self.read_options(rows) };
        let mut labels = Rows::from_input(input, &options)?;
        let name = labels.name().to_string();
        let width = labels.width();
        let labels = labels.read_all::<f64>()?;
        ensure!(
            (1..=2).contains(&width),
            "{name}: has {width} numbers a row, where a label is one, or two: the number of the row and its label"
        );
        let first = labels.first().copied().unwrap_or(0.0);
        let due = |i: usize| first + i as f64;
        if width == 2
            && let Some(i) = labels.column(0).iter().enumerate().position(|(i, &row)| row != due(i))
        {
            let (found, due) = (labels[[i, 0]], due(i));
            bail!(
                "{name}: row {}: a label of row {found}, where that of row {due} is due: of two numbers the first is the row's, \
                 from one on without gaps; write them in that order, or one label a row",
                rows.start + i as u64
            );
        }
        Ok((labels.column(width - 1).to_vec(), name))
    }

    /// The numbers of rows that a file has, a table in its column `row` or its first one, and how messages call it.
    ///
    /// # Errors
    /// As [`Job::rows`] and [`Columns::read`]; what is no number of a row.
    pub fn row_numbers(&self, name: &OsStr) -> Result<(Vec<u32>, String)> {
        let input = self.open(Some(name))?;
        if input.content() != Content::Csv {
            return self.whole_numbers_of(input, RowRange::default(), "number of a row");
        }
        let table = Columns::read(input)?;
        let column = table.column("row").unwrap_or(0);
        let number = |row| {
            let number = table.number(row, column)?.and_then(class_of);
            number.with_context(|| {
                format!(
                    "{}: {} is no number of a row; give whole ones from 0",
                    table.place(row),
                    table.text(row, column)
                )
            })
        };
        Ok(((0..table.len()).map(number).collect::<Result<_>>()?, table.name().to_string()))
    }

    /// What models are asked for: what --class says.
    ///
    /// # Errors
    /// Of the file that it names.
    fn asked(&self) -> Result<Asked> {
        if let Some(asked) = self.asked.get() {
            return Ok(asked.clone());
        }
        let asked = match &self.shared.class {
            None => Asked::Nothing,
            Some(ClassArg::One(class)) => Asked::One(*class),
            Some(ClassArg::Rows(name)) => {
                self.numbered(true, "--class FILE", "classes belong to rows by their number")?;
                let (classes, name) = self.whole_numbers(name, RowRange::default())?;
                ensure!(!classes.is_empty(), "{name}: holds no classes; give one a row");
                Asked::Rows(classes.into())
            }
        };
        Ok(self.asked.get_or_init(|| asked).clone())
    }

    /// The model, asked for what --class says, and given what --condition does.
    ///
    /// # Errors
    /// As [`Model::ask`].
    pub fn of_class(&self, model: Model, name: Option<&OsStr>) -> Result<Model> {
        let asked = self.asked()?;
        self.ask(model, name, asked)
    }

    /// The model, asked for no class.
    ///
    /// # Errors
    /// As [`Model::ask`].
    pub fn without_class(&self, model: Model, name: Option<&OsStr>) -> Result<Model> {
        self.ask(model, name, Asked::Nothing)
    }

    fn ask(&self, model: Model, name: Option<&OsStr>, asked: Asked) -> Result<Model> {
        let model = self.given(model, name)?;
        let name = name.unwrap_or(OsStr::new("<stdin>")).to_string_lossy();
        model.ask(asked).map_err(|e| usage(anyhow!("{name}: {e:#}")))
    }

    /// Refuses `--class` where none of the models can be asked for one. Those of others may stand for that class, or for all.
    ///
    /// # Errors
    /// A usage error that names it.
    pub fn class_is_for<'m>(&self, models: impl IntoIterator<Item = &'m Model>) -> Result<()> {
        let any = models.into_iter().any(|model| model.classes().is_some());
        self.only(
            any,
            &["--class"],
            "no model here has classes: train one with dae-fit --labels, name a program that is one, or take \
             components of a mixture with mixture select",
        )
    }

    /// Refuses files of classes and conditions for another number of rows than there are.
    ///
    /// # Errors
    /// Both numbers.
    pub(super) fn classes_are_of(&self, rows: Option<usize>) -> Result<()> {
        if let (Some(Asked::Rows(classes)), Some(rows)) = (self.asked.get(), rows)
            && self.shared.rows.is_all()
        {
            ensure!(
                classes.len() == rows,
                "--class: {} classes for {rows} rows; give one a row",
                classes.len()
            );
        }
        if let (Some(conditions), Some(rows)) = (self.conditions.get(), rows)
            && self.shared.rows.is_all()
        {
            let count = conditions.nrows();
            ensure!(count == rows, "--condition: {count} conditions for {rows} rows; give one a row");
        }
        Ok(())
    }

    /// The model, given what --condition says, of a model that is told conditions.
    ///
    /// # Errors
    /// Without --condition; of the file that it names; as [`Model::give`].
    pub(super) fn given(&self, model: Model, name: Option<&OsStr>) -> Result<Model> {
        let Some(told) = model.condition() else { return Ok(model) };
        let called = name.unwrap_or(OsStr::new("<stdin>")).to_string_lossy();
        let Some(file) = self.shared.condition.as_deref() else {
            return Err(usage(anyhow!(
                "{called}: it has learned with a condition of {} numbers a row; dae-apply and pf-sample take one by \
                 --condition, and assimilate its own",
                told.width()
            )));
        };
        if self.conditions.get().is_none() {
            self.numbered(true, "--condition", "conditions belong to rows by their number")?;
            let conditions = self.conditions::<f64>(file, None)?;
            self.warn_of_conditions(&file.to_string_lossy(), &conditions, told);
            let _ = self.conditions.set(Arc::new(conditions));
        }
        let conditions = self.conditions.get().cloned().unwrap_or_default();
        model.give(conditions).map_err(|e| anyhow!("{}: {e}", file.to_string_lossy()))
    }

    /// Warns of conditions far from all that a network was trained with.
    fn warn_of_conditions(&self, name: &str, conditions: &Array2<f64>, told: &Condition) {
        let deviations = |(column, (mean, deviation)): (ArrayView1<f64>, (&f64, &f64))| {
            let square = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / column.len() as f64;
            square.sqrt() / deviation
        };
        let learned = told.mean.iter().zip(&told.deviation);
        let all = conditions.columns().into_iter().zip(learned).map(deviations).enumerate();
        if let Some((column, far)) = all.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, far)| *far > UNHEARD)
        {
            self.warn(&format!(
                "{name}: column {column} is {far:.1} standard deviations (root mean square) from the mean of the conditions that \
                 the network was trained with: it knows nothing of such; give conditions in the same unit"
            ));
        }
    }

    /// Refuses `--condition` where none of the models is told any.
    ///
    /// # Errors
    /// A usage error that names it.
    pub fn condition_is_for<'m>(&self, models: impl IntoIterator<Item = &'m Model>) -> Result<()> {
        let any = models.into_iter().any(|model| model.condition().is_some());
        self.only(any, &["--condition"], "no model here is told any; train one with dae-fit --condition")
    }

    /// What a network learns of labels, of which a share is dropped, from so many rows in all steps, with a word on
    /// classes that no row is of and on a branch without a class that hardly learns.
    ///
    /// # Errors
    /// More classes than are learned.
    pub fn to_learn(&self, labels: Vec<usize>, drop: f64, seen: f64) -> Result<(Labels, Classes)> {
        let count = labels.iter().max().map_or(0, |&k| k + 1);
        ensure!(count <= Classes::MOST, "--labels: {count} classes; at most {} are learned", Classes::MOST);
        let mut rows = vec![0u64; count];
        labels.iter().for_each(|&label| rows[label] += 1);
        let empty = rows.iter().filter(|&&n| n == 0).count();
        if let Some(first) = rows.iter().position(|&n| n == 0) {
            self.warn(&format!(
                "{empty} of {count} classes have no rows (the first is {first}): what --class then draws is as good as \
                 chance; number the classes that there are from 0"
            ));
        }
        let without = drop * seen;
        if drop > 0.0 && without < FEW {
            self.warn(&format!(
                "--drop-label {drop}: about {without:.1} of the {seen} rows that training sees are without a label, of which \
                 nothing is learned: what the network draws without a class, or is guided by, is as good as chance; give a \
                 larger one, more --steps, or 0"
            ));
        }
        let labels = Labels { classes: labels.into_iter().map(|label| label as u32).collect(), drop };
        Ok((labels, Classes { count, unconditional: drop > 0.0 }))
    }
}
