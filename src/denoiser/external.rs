//! Programs that are models: any network, in any framework, on any device, that answers requests.
//!
//! A network rounds a row as the size of its batch has it (a batch of one takes other products than one of 64, and
//! 96 % of the values of a small network of PyTorch then differ in their last bits). So rows are cut in batches by
//! their number, row i is at place i mod batch, and a batch that is not whole is filled up with copies of its first
//! and last row: the same bytes for the same batch and machine, whatever workers, threads and parts of the work. What
//! has no number, single points and directions at a point, is cut from the first on; one alone travels as two.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use ndarray::{Array2, ArrayView1, ArrayView2, s};

use super::{Asked, Denoiser, Differentiable};
use crate::network::Class;
use crate::scalar::{Dtype, Scalar};
use crate::schedule::SIGMAS;
use crate::stream::process::{Request, Ticket, Workers};
use crate::stream::tensors::{TensorFile, Values};

/// The protocol, and its version.
pub const PROTOCOL: &str = "molrg-model 1";

/// The most numbers that one request holds: 2³⁰ bytes of f64.
const LARGEST: usize = 1 << 27;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    Denoise,
    Jvp,
    Vjp,
    Describe,
}

impl Ability {
    const ALL: [Ability; 4] = [Ability::Denoise, Ability::Jvp, Ability::Vjp, Ability::Describe];

    /// As the protocol has it.
    pub fn name(self) -> &'static str {
        match self {
            Ability::Denoise => "denoise",
            Ability::Jvp => "jvp",
            Ability::Vjp => "vjp",
            Ability::Describe => "describe",
        }
    }

    /// The one of this name.
    pub fn of(name: &str) -> Option<Ability> {
        Ability::ALL.into_iter().find(|ability| ability.name() == name)
    }
}

/// What a program says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    pub can: Vec<Ability>,
    /// Shape of its items; nothing where it takes any.
    pub item_shape: Option<Vec<usize>>,
    /// Rows it wants at a time.
    pub batch: usize,
    /// In which it computes.
    pub dtype: Dtype,
    pub name: String,
    /// The noise levels it was made for.
    pub sigma_min: Option<f64>,
    pub sigma_max: Option<f64>,
    /// Of its files, in hexadecimal.
    pub sha256: Option<String>,
    /// Number of its classes.
    pub classes: Option<usize>,
}

impl Hello {
    /// As metadata of the first frame.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let can: Vec<&str> = self.can.iter().map(|ability| ability.name()).collect();
        let shape = self.item_shape.as_ref().map(|shape| {
            let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
            sizes.join(",")
        });
        let entries = [
            ("protocol", Some(PROTOCOL.to_string())),
            ("can", Some(can.join(" "))),
            ("item_shape", shape),
            ("batch", Some(self.batch.to_string())),
            ("dtype", Some(self.dtype.to_string())),
            ("name", Some(self.name.clone())),
            ("sigma_min", self.sigma_min.map(|s| s.to_string())),
            ("sigma_max", self.sigma_max.map(|s| s.to_string())),
            ("sha256", self.sha256.clone()),
            ("classes", self.classes.map(|n| n.to_string())),
        ];
        entries.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
    }

    /// # Errors
    /// Metadata that do not say what they must.
    pub fn of(metadata: &HashMap<String, String>) -> Result<Hello> {
        let entry = |key: &str| metadata.get(key).map(String::as_str);
        match entry("protocol") {
            Some(PROTOCOL) => {}
            Some(other) => bail!("it speaks the protocol {other:?}, these programs {PROTOCOL:?}"),
            None => bail!("its first frame is no greeting: it lacks protocol = {PROTOCOL:?}"),
        }
        let improper =
            |key: &str, value: &str, what: &str| anyhow!("its greeting has {key} = {value:?}: {what}");
        let number = |key: &str| -> Result<Option<f64>> {
            let Some(text) = entry(key) else { return Ok(None) };
            let level = text.parse().ok().filter(|level| *level == 0.0 || SIGMAS.contains(level));
            level
                .map(Some)
                .ok_or_else(|| improper(key, text, "a noise level is a number that is not negative"))
        };
        let size = |key: &str, text: &str| {
            let size = text.trim().parse::<usize>().ok().filter(|n| *n > 0);
            size.ok_or_else(|| improper(key, entry(key).unwrap_or(""), "a size is a number of at least 1"))
        };
        let can = entry("can").unwrap_or("").split_whitespace();
        let can = can.map(|name| {
            Ability::of(name)
                .ok_or_else(|| improper("can", name, "it is none of denoise, jvp, vjp, describe"))
        });
        let can = can.collect::<Result<Vec<_>>>()?;
        ensure!(!can.is_empty(), "its greeting lacks what it can: denoise, jvp, vjp, describe");
        let item_shape = match entry("item_shape").filter(|text| !text.is_empty()) {
            Some(text) => Some(text.split(',').map(|n| size("item_shape", n)).collect::<Result<Vec<_>>>()?),
            None => None,
        };
        ensure!(item_shape.is_some() || can == [Ability::Describe], "its greeting lacks its item_shape");
        let batch = size("batch", entry("batch").unwrap_or(""))?;
        let numbers = item_shape.iter().flatten().try_fold(batch, |n, size| n.checked_mul(*size));
        ensure!(
            numbers.is_some_and(|n| n <= LARGEST),
            "its greeting has batch = {batch} and item_shape {item_shape:?}: more than {LARGEST} numbers at a time"
        );
        let dtype = match entry("dtype").unwrap_or("") {
            "f32" => Dtype::F32,
            "f64" => Dtype::F64,
            other => return Err(improper("dtype", other, "it is neither f32 nor f64")),
        };
        Ok(Hello {
            can,
            item_shape,
            batch,
            dtype,
            name: entry("name").unwrap_or("").to_string(),
            sigma_min: number("sigma_min")?,
            sigma_max: number("sigma_max")?,
            sha256: entry("sha256").map(str::to_string),
            classes: entry("classes").map(|text| size("classes", text)).transpose()?,
        })
    }
}

/// A program that is a model.
pub struct External {
    pub hello: Hello,
    workers: Workers,
}

/// Name, shape and numbers of a tensor of a request.
type Part = (&'static str, Vec<usize>, Values);

/// Some rows of the work in a batch.
struct Piece {
    /// Of the rows asked for.
    rows: Range<usize>,
    /// Where in the batch the first of them is.
    place: usize,
    /// Rows of the batch.
    size: usize,
}

/// `n` rows by their numbers: batches, some of them not whole.
fn by_number(n: usize, first: u64, batch: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < n {
        let place = ((first + start as u64) % batch as u64) as usize;
        let stop = n.min(start + batch - place);
        pieces.push(Piece { rows: start..stop, place, size: batch });
        start = stop;
    }
    pieces
}

/// `n` rows from the first on; one alone is two, where batches have so many.
fn in_turn(n: usize, batch: usize) -> Vec<Piece> {
    let starts = (0..n).step_by(batch);
    let piece = |start: usize| {
        let stop = n.min(start + batch);
        Piece { rows: start..stop, place: 0, size: (stop - start).max(batch.min(2)) }
    };
    starts.map(piece).collect()
}

impl Piece {
    /// The row that every place of the batch is a copy of.
    fn sources(&self) -> impl Iterator<Item = usize> + use<> {
        let (first, last, shift) = (self.rows.start, self.rows.end - 1, self.place);
        (0..self.size).map(move |place| (first + place).saturating_sub(shift).clamp(first, last))
    }

    /// The batch: copies of the first row before its place, of the last one behind.
    fn filled<T: Scalar>(&self, x: ArrayView2<T>) -> Vec<T> {
        let mut batch = Vec::with_capacity(self.size * x.ncols());
        for row in self.sources() {
            let row = x.row(row);
            match row.as_slice() {
                Some(row) => batch.extend_from_slice(row),
                None => batch.extend(row.iter()),
            }
        }
        batch
    }
}

impl External {
    /// Asks programs what they are.
    ///
    /// # Errors
    /// When they end, say what is no greeting, or are not the same.
    pub fn meet(workers: Workers) -> Result<External> {
        let tickets = workers.greet(&[("protocol".to_string(), PROTOCOL.to_string())].into())?;
        let mut met: Option<Hello> = None;
        for ticket in &tickets {
            let answer = workers.answer(ticket)?;
            let hello = Hello::of(&answer.metadata).map_err(|e| workers.refuse(ticket, &format!("{e:#}")))?;
            if met.as_ref().is_some_and(|met| *met != hello) {
                return Err(
                    workers.refuse(ticket, "it says other things of itself than the first of the workers")
                );
            }
            met = Some(hello);
        }
        let hello = met.ok_or_else(|| anyhow!("{}: there are no workers", workers.name()))?;
        Ok(External { hello, workers })
    }

    /// As messages call it.
    pub fn name(&self) -> &str {
        self.workers.name()
    }

    /// # Errors
    /// When it lacks one of them, with what to add.
    pub fn needs(&self, abilities: &[Ability]) -> Result<()> {
        let lacks = |ability: &&Ability| !self.hello.can.contains(ability);
        let lacking: Vec<&str> = abilities.iter().filter(lacks).map(|ability| ability.name()).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let given: Vec<String> = lacking.iter().map(|name| format!("{name}=…")).collect();
        let instead = if abilities.contains(&Ability::Jvp) || abilities.contains(&Ability::Vjp) {
            ", or take --jacobian differences"
        } else {
            ""
        };
        bail!(
            "{}: cannot {}, which is asked of it; add {} to the call of molrg.serve that serves it{instead}",
            self.name(),
            lacking.join(" nor "),
            given.join(", ")
        )
    }

    /// What noise levels it is asked for though it was not made for them: how many of them, and which is farthest.
    pub fn beyond(&self, sigmas: &[f64]) -> Option<(usize, f64)> {
        let (low, high) =
            (self.hello.sigma_min.unwrap_or(0.0), self.hello.sigma_max.unwrap_or(f64::INFINITY));
        // A grid ends at its bounds but for rounding.
        let outside = |s: f64| if s <= 0.0 { 1.0 } else { (low / s).max(s / high) };
        let beyond = || sigmas.iter().copied().filter(|s| outside(*s) > 1.0 + 1e-6);
        let farthest = beyond().max_by(|a, b| outside(*a).total_cmp(&outside(*b)))?;
        Some((beyond().count(), farthest))
    }

    /// Rows to be asked for at once, so that all threads together keep all workers at work.
    fn at_once(&self) -> usize {
        let requests = 2 * self.workers.count();
        self.hello.batch * requests.div_ceil(rayon::current_num_threads())
    }

    /// Sends the pieces of `rows` with `more` tensors, and takes the answers to each in order, (size, width): of
    /// `width` numbers a row, if it is known.
    fn ask<T: Scalar>(
        &self,
        ability: Ability,
        rows: ArrayView2<T>,
        item_shape: &[usize],
        pieces: &[Piece],
        more: impl Fn(&Piece) -> Vec<Part>,
        mut take: impl FnMut(&Piece, &Ticket, Array2<T>) -> Result<()>,
    ) -> Result<()> {
        self.needs(&[ability])?;
        let rows_are = if matches!(ability, Ability::Jvp | Ability::Vjp) { "v" } else { "x" };
        let shape = |n: usize| [&[n], item_shape].concat();
        let send = |piece: &Piece| {
            let mut tensors = vec![(rows_are, shape(piece.size), Values::new(piece.filled(rows)))];
            tensors.extend(more(piece));
            let metadata = [("op".to_string(), ability.name().to_string())].into();
            let about = format!("{} of {} rows", ability.name(), piece.size);
            self.workers.ask(Request { metadata, tensors, about })
        };
        let tickets = pieces.iter().map(send).collect::<Result<Vec<_>>>()?;
        for (piece, ticket) in pieces.iter().zip(&tickets) {
            let answer = self.workers.answer(ticket)?;
            let same_shape = (ability != Ability::Describe).then(|| shape(piece.size));
            let answer = rows_of(answer, piece.size, same_shape.as_deref());
            take(piece, ticket, answer.map_err(|e| self.workers.refuse(ticket, &format!("{e:#}")))?)?;
        }
        Ok(())
    }

    /// Refuses numbers that are not finite where those of the same row of the request are.
    fn finite<T: Scalar>(
        &self,
        ticket: &Ticket,
        answer: ArrayView2<T>,
        asked: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let finite = |row: ArrayView1<T>| row.fold(true, |all, v| all & v.is_finite());
        match answer.outer_iter().enumerate().find(|(i, row)| !finite(*row) && asked(*i)) {
            Some((row, _)) => {
                let why = format!(
                    "row {row} of its answer is not finite; its numbers may be too large for its type"
                );
                Err(self.workers.refuse(ticket, &why))
            }
            None => Ok(()),
        }
    }

    /// The answers to rows that go each with σ and a class or without, as one array.
    fn rows<T: Scalar>(
        &self,
        ability: Ability,
        x: ArrayView2<T>,
        item_shape: &[usize],
        pieces: &[Piece],
        conditions: Option<(f64, &[Class])>,
    ) -> Result<Array2<T>> {
        // One after the other: pieces are in order.
        let (mut all, mut width) = (Vec::new(), None);
        // One batch, and all of it: as most are, and taken as it comes.
        let alone = pieces.len() == 1 && pieces[0].size == x.nrows();
        let mut whole = None;
        let more = |piece: &Piece| {
            conditions.map_or(Vec::new(), |(sigma, classes)| {
                conditions_of(sigma, piece.sources().map(|row| classes[row]).collect())
            })
        };
        self.ask(ability, x, item_shape, pieces, more, |piece, ticket, answer| {
            let kept = answer.slice(s![piece.place..piece.place + piece.rows.len(), ..]);
            let rows = x.slice(s![piece.rows.clone(), ..]);
            self.finite(ticket, kept, |row| rows.row(row).iter().all(|v| v.is_finite()))?;
            let width = *width.get_or_insert(kept.ncols());
            if width != kept.ncols() {
                let why = format!("{} numbers a row, where earlier answers have {width}", kept.ncols());
                return Err(self.workers.refuse(ticket, &why));
            }
            if alone {
                whole = Some(answer);
                return Ok(());
            }
            if all.is_empty() {
                all.reserve_exact(x.nrows() * width);
            }
            match kept.as_slice() {
                Some(kept) => all.extend_from_slice(kept),
                None => all.extend(kept.iter()),
            }
            Ok(())
        })?;
        match whole {
            Some(whole) => Ok(whole),
            None => Ok(Array2::from_shape_vec((x.nrows(), width.unwrap_or(x.ncols())), all)?),
        }
    }

    /// What it makes of rows that are items of this shape and have the numbers `first`, `first` + 1, …: as many
    /// numbers for each as it likes.
    ///
    /// # Errors
    /// As [`External::needs`], items of another shape than it takes; all that a program can do wrong.
    pub fn describe<T: Scalar>(
        &self,
        x: ArrayView2<T>,
        item_shape: &[usize],
        first: u64,
    ) -> Result<Array2<T>> {
        let taken = self.hello.item_shape.as_deref().unwrap_or(item_shape);
        ensure!(
            taken.iter().product::<usize>() == x.ncols(),
            "{}: describes items of shape {taken:?}, and is given items of shape {item_shape:?}",
            self.name()
        );
        self.rows(Ability::Describe, x, taken, &by_number(x.nrows(), first, self.hello.batch), None)
    }
}

/// σ of rows, and the class of each if they are of one.
fn conditions_of(sigma: f64, classes: Vec<Class>) -> Vec<Part> {
    let n = classes.len();
    let of_all = |name, values| (name, vec![n], Values::F64(values));
    let classes: Option<Vec<f64>> = classes.into_iter().map(|class| class.map(f64::from)).collect();
    let classes = classes.map(|classes| of_all("class", classes));
    [Some(of_all("sigma", vec![sigma; n])), classes].into_iter().flatten().collect()
}

/// An answer as an array of so many rows.
fn rows_of<T: Scalar>(mut answer: TensorFile, n: usize, expected: Option<&[usize]>) -> Result<Array2<T>> {
    let y = answer.take("y").map_err(|_| anyhow!("its answer has no tensor y"))?;
    answer.nothing_left().map_err(|_| anyhow!("its answer has other tensors than y"))?;
    if let Some(expected) = expected {
        ensure!(y.shape == expected, "its answer has shape {:?}, where {expected:?} is due", y.shape);
    }
    ensure!(y.shape.first() == Some(&n), "its answer has shape {:?}, where {n} rows are due", y.shape);
    let width = y.shape[1..].iter().product();
    ensure!(width > 0, "its answer has shape {:?}, and no numbers", y.shape);
    Ok(Array2::from_shape_vec((n, width), y.values.into_vec())?)
}

/// Its denoiser, computing in T on our side.
pub struct ExternalDenoiser<T> {
    external: Arc<External>,
    item_shape: Vec<usize>,
    asked: Asked,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: Scalar> ExternalDenoiser<T> {
    /// Asked for classes that it has.
    ///
    /// # Errors
    /// When it cannot denoise.
    pub fn new(external: Arc<External>, asked: Asked) -> Result<ExternalDenoiser<T>> {
        external.needs(&[Ability::Denoise])?;
        let item_shape = external.hello.item_shape.clone().unwrap_or_default();
        Ok(ExternalDenoiser { external, item_shape, asked, of: std::marker::PhantomData })
    }

    /// D of rows that are cut from the first on.
    fn in_turn(&self, x: ArrayView2<T>, sigma: f64, classes: &[Class]) -> Result<Array2<T>> {
        let pieces = in_turn(x.nrows(), self.external.hello.batch);
        self.external.rows(Ability::Denoise, x, &self.item_shape, &pieces, Some((sigma, classes)))
    }

    /// J v or Jᵀv for every row v, at one point.
    fn product(&self, ability: Ability, x: ArrayView1<T>, v: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        let mut all = Array2::zeros(v.raw_dim());
        let class = self.asked.of_all(1)?;
        let point = || {
            let shape = [&[1], &self.item_shape[..]].concat();
            let x = ("x", shape, Values::new(x.to_vec()));
            [vec![x], conditions_of(sigma, class.clone())].concat()
        };
        let finite = |row: ArrayView1<T>| row.iter().all(|v| v.is_finite());
        let pieces = in_turn(v.nrows(), self.external.hello.batch);
        self.external.ask(
            ability,
            v,
            &self.item_shape,
            &pieces,
            |_| point(),
            |piece, ticket, answer| {
                let kept = answer.slice(s![..piece.rows.len(), ..]);
                let rows = v.slice(s![piece.rows.clone(), ..]);
                self.external.finite(ticket, kept, |row| finite(x) && finite(rows.row(row)))?;
                all.slice_mut(s![piece.rows.clone(), ..]).assign(&kept);
                Ok(())
            },
        )?;
        Ok(all)
    }
}

impl<T: Scalar> Denoiser<T> for ExternalDenoiser<T> {
    fn dim(&self) -> usize {
        self.item_shape.iter().product()
    }

    fn denoise(&self, x: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.in_turn(x, sigma, &self.asked.of_all(x.nrows())?)
    }

    fn denoise_row(&self, x: ArrayView2<T>, number: u64, sigma: f64) -> Result<Array2<T>> {
        self.in_turn(x, sigma, &self.asked.of_rows(number, 1)?)
    }

    fn denoise_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<Array2<T>> {
        let pieces = by_number(x.nrows(), first, self.external.hello.batch);
        let classes = self.asked.of_rows(first, x.nrows())?;
        self.external.rows(Ability::Denoise, x, &self.item_shape, &pieces, Some((sigma, &classes)))
    }

    /// The rest is a difference on this side: it has the digits that x and D leave it.
    fn split_rows(&self, x: ArrayView2<T>, first: u64, sigma: f64) -> Result<(Array2<T>, Array2<T>)> {
        let d = self.denoise_rows(x, first, sigma)?;
        let rest = &x - &d;
        Ok((d, rest))
    }

    fn batch(&self) -> Option<usize> {
        Some(self.external.at_once())
    }
}

impl<T: Scalar> Differentiable<T> for ExternalDenoiser<T> {
    fn jvp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.product(Ability::Jvp, x, directions, sigma)
    }

    fn vjp(&self, x: ArrayView1<T>, directions: ArrayView2<T>, sigma: f64) -> Result<Array2<T>> {
        self.product(Ability::Vjp, x, directions, sigma)
    }

    /// Row by row, or column by column where it can do only that.
    fn jacobian(&self, x: ArrayView1<T>, sigma: f64) -> Result<Array2<T>> {
        let can = &self.external.hello.can;
        let identity = Array2::eye(self.dim());
        if can.contains(&Ability::Jvp) && !can.contains(&Ability::Vjp) {
            return Ok(self.jvp(x, identity.view(), sigma)?.reversed_axes());
        }
        self.vjp(x, identity.view(), sigma)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;

    use super::*;

    /// Every row is once in the pieces, at the place of its number, among rows of its own.
    #[test]
    fn rows_keep_their_places() {
        let x = Array2::from_shape_fn((57, 3), |(i, j)| (3 * i + j) as f64);
        for (first, batch) in [(0, 8), (5, 8), (7, 8), (0, 100), (91, 100), (3, 1), (1 << 40, 57)] {
            let mut next = 0;
            for piece in by_number(57, first, batch) {
                assert_eq!((piece.rows.start, piece.size), (next, batch));
                assert!(!piece.rows.is_empty());
                assert_eq!(piece.place as u64, (first + next as u64) % batch as u64);
                next = piece.rows.end;
                assert!(next == 57 || (first + next as u64).is_multiple_of(batch as u64));
                let filled = Array2::from_shape_vec((batch, 3), piece.filled(x.view())).unwrap();
                for (i, row) in filled.axis_iter(Axis(0)).enumerate() {
                    let i = (piece.rows.start + i).saturating_sub(piece.place);
                    assert_eq!(row, x.row(i.clamp(piece.rows.start, piece.rows.end - 1)));
                }
                let kept = filled.slice(s![piece.place..piece.place + piece.rows.len(), ..]);
                assert_eq!(kept, x.slice(s![piece.rows, ..]));
            }
            assert_eq!(next, 57);
        }
    }

    #[test]
    fn one_alone_is_two() {
        let sizes = |n, batch| in_turn(n, batch).iter().map(|p| (p.rows.len(), p.size)).collect::<Vec<_>>();
        assert_eq!(sizes(1, 8), [(1, 2)]);
        assert_eq!(sizes(17, 8), [(8, 8), (8, 8), (1, 2)]);
        assert_eq!(sizes(3, 8), [(3, 3)]);
        // What wants one at a time gets one at a time.
        assert_eq!(sizes(2, 1), [(1, 1), (1, 1)]);
        assert_eq!(sizes(0, 8), []);
    }

    #[test]
    fn a_greeting_says_what_it_says() {
        let hello = Hello {
            can: vec![Ability::Denoise, Ability::Vjp],
            item_shape: Some(vec![4, 4, 3]),
            batch: 64,
            dtype: Dtype::F32,
            name: "a network".into(),
            sigma_min: Some(0.002),
            sigma_max: Some(80.0),
            sha256: None,
            classes: Some(10),
        };
        let metadata: HashMap<String, String> = hello.metadata().into_iter().collect();
        assert_eq!(Hello::of(&metadata).unwrap(), hello);
        for (key, value, words) in [
            ("protocol", Some("molrg-model 2"), "molrg-model 2"),
            ("protocol", None, "no greeting"),
            ("can", Some("denoise fly"), "fly"),
            ("can", None, "lacks what it can"),
            ("item_shape", None, "item_shape"),
            ("item_shape", Some("4,0"), "item_shape"),
            ("item_shape", Some("4294967296,4294967296"), "at a time"),
            ("batch", Some("0"), "batch"),
            ("batch", Some("-3"), "batch"),
            ("batch", None, "batch"),
            ("dtype", Some("bf16"), "bf16"),
            ("sigma_min", Some("-1"), "sigma_min"),
            ("sigma_max", Some("nan"), "sigma_max"),
            ("classes", Some("many"), "classes"),
        ] {
            let mut metadata = metadata.clone();
            match value {
                Some(value) => metadata.insert(key.to_string(), value.to_string()),
                None => metadata.remove(key),
            };
            let said = format!("{:#}", Hello::of(&metadata).unwrap_err());
            assert!(said.contains(words), "{key} = {value:?}: {said}");
        }
    }
}
