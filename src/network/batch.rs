//! A batch of activations, channels last.
//!
//! Vectors and tokens lie row after row. Images carry the zeros that a 3×3
//! convolution reads beyond their edge, shared between neighbours: one zero
//! pixel after every line (right edge of that line, left edge of the next), one
//! line of zeros after every image (below it, and above the next), and before
//! the first image a line and a pixel. Every 3×3 window is then three
//! contiguous runs of memory at one fixed distance, for the whole batch.
//!
//! Invariant: padding is zero. Whatever writes it must clear it again.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, ShapeBuilder};

use crate::scalar::Scalar;

/// Shape of one row of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    padded: bool,
}

impl Shape {
    /// c numbers.
    pub const fn vector(channels: usize) -> Shape {
        Shape { height: 1, width: 1, channels, padded: false }
    }

    /// `count` tokens of `channels` numbers.
    pub const fn tokens(count: usize, channels: usize) -> Shape {
        Shape { height: 1, width: count, channels, padded: false }
    }

    /// An image, padded for convolutions.
    pub const fn image(height: usize, width: usize, channels: usize) -> Shape {
        Shape { height, width, channels, padded: true }
    }

    /// The same places with another number of channels.
    pub const fn with_channels(self, channels: usize) -> Shape {
        Shape { channels, ..self }
    }

    /// Places (pixels, tokens) of one row.
    pub const fn places(self) -> usize {
        self.height * self.width
    }

    /// Numbers of one row: d.
    pub const fn len(self) -> usize {
        self.places() * self.channels
    }

    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub const fn is_image(self) -> bool {
        self.padded
    }

    /// Places from one line to the next.
    const fn pitch(self) -> usize {
        self.width + self.padded as usize
    }

    /// Places from one row of the batch to the next.
    const fn stride(self) -> usize {
        (self.height + self.padded as usize) * self.pitch()
    }

    /// Places before the first.
    const fn lead(self) -> usize {
        if self.padded { self.pitch() + 1 } else { 0 }
    }
}

/// A place of a batch.
#[derive(Clone, Copy)]
pub struct Place {
    pub row: usize,
    line: usize,
    column: usize,
}

/// `rows` rows of one shape.
#[derive(Clone, Debug)]
pub struct Batch<T> {
    pub shape: Shape,
    pub rows: usize,
    data: Vec<T>,
}

impl<T: Scalar> Batch<T> {
    /// All zero.
    pub fn zeros(shape: Shape, rows: usize) -> Batch<T> {
        let places = shape.lead() + rows * shape.stride();
        Batch { shape, rows, data: vec![T::zero(); places * shape.channels] }
    }

    /// Rows of d numbers.
    pub fn from_rows(shape: Shape, x: ArrayView2<T>) -> Batch<T> {
        let mut batch = Batch::zeros(shape, x.nrows());
        batch.assign_rows(x);
        batch
    }

    /// # Panics
    /// When the numbers of rows or their lengths differ.
    pub fn assign_rows(&mut self, x: ArrayView2<T>) {
        assert_eq!(x.dim(), (self.rows, self.shape.len()), "rows of a batch");
        let line = self.shape.width * self.shape.channels;
        for (i, row) in x.outer_iter().enumerate() {
            for y in 0..self.shape.height {
                let from = row.slice(ndarray::s![y * line..(y + 1) * line]);
                self.line_mut(i, y).iter_mut().zip(from).for_each(|(to, &v)| *to = v);
            }
        }
    }

    /// The rows, (rows, d).
    pub fn to_rows(&self) -> Array2<T> {
        let mut x = Array2::zeros((self.rows, self.shape.len()));
        let line = self.shape.width * self.shape.channels;
        for (i, mut row) in x.outer_iter_mut().enumerate() {
            for y in 0..self.shape.height {
                let mut to = row.slice_mut(ndarray::s![y * line..(y + 1) * line]);
                to.iter_mut().zip(self.line(i, y)).for_each(|(to, &v)| *to = v);
            }
        }
        x
    }

    /// Everything, padding included.
    pub fn all(&self) -> &[T] {
        &self.data
    }

    pub fn all_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    fn line_start(&self, row: usize, y: usize) -> usize {
        let s = self.shape;
        (s.lead() + row * s.stride() + y * s.pitch()) * s.channels
    }

    /// Line y of a row: width × channels numbers.
    pub fn line(&self, row: usize, y: usize) -> &[T] {
        let start = self.line_start(row, y);
        &self.data[start..start + self.shape.width * self.shape.channels]
    }

    pub fn line_mut(&mut self, row: usize, y: usize) -> &mut [T] {
        let start = self.line_start(row, y);
        let length = self.shape.width * self.shape.channels;
        &mut self.data[start..start + length]
    }

    /// All places but the padding.
    pub fn places(&self) -> impl Iterator<Item = Place> + use<T> {
        let (rows, Shape { height, width, .. }) = (self.rows, self.shape);
        let lines = (0..rows).flat_map(move |row| (0..height).map(move |line| (row, line)));
        lines.flat_map(move |(row, line)| (0..width).map(move |column| Place { row, line, column }))
    }

    /// The channels of one place.
    pub fn place(&self, at: Place) -> &[T] {
        let c = self.shape.channels;
        &self.line(at.row, at.line)[at.column * c..(at.column + 1) * c]
    }

    /// Calls `f` with every place and its channels.
    pub fn each_place(&mut self, mut f: impl FnMut(Place, &mut [T])) {
        let c = self.shape.channels;
        for at in self.places() {
            f(at, &mut self.line_mut(at.row, at.line)[at.column * c..(at.column + 1) * c]);
        }
    }

    /// Places from the first to the last, the padding between them included.
    fn points_count(&self) -> usize {
        let s = self.shape;
        (self.rows * s.stride()).saturating_sub(s.lead())
    }

    /// All places as the rows of a matrix (places, channels), the padding
    /// between them included.
    pub fn points(&self) -> ArrayView2<'_, T> {
        let (count, c) = (self.points_count(), self.shape.channels);
        let from = self.shape.lead() * c;
        view(count, c, c, &self.data[from..from + count * c])
    }

    pub fn points_mut(&mut self) -> ArrayViewMut2<'_, T> {
        let (count, c) = (self.points_count(), self.shape.channels);
        let from = self.shape.lead() * c;
        let places = &mut self.data[from..from + count * c];
        match ArrayViewMut2::from_shape((count, c), places) {
            Ok(view) => view,
            Err(e) => unreachable!("{count} places of {c}: {e}"),
        }
    }

    /// What row `ky` of a 3×3 kernel sees from every place of [`Batch::points`]:
    /// a matrix (places, 3·channels) whose rows overlap in memory.
    pub fn windows(&self, ky: usize) -> ArrayView2<'_, T> {
        assert!(self.shape.padded && ky < 3, "windows are of images");
        let c = self.shape.channels;
        view(self.points_count(), 3 * c, c, &self.data[ky * self.shape.pitch() * c..])
    }

    /// Makes the padding zero again.
    pub fn clear_padding(&mut self) {
        let s = self.shape;
        if !s.padded {
            return;
        }
        let c = s.channels;
        for row in 0..self.rows {
            for y in 0..s.height {
                let end = self.line_start(row, y) + s.width * c;
                self.data[end..end + c].fill(T::zero());
            }
            let below = self.line_start(row, s.height);
            self.data[below..below + s.pitch() * c].fill(T::zero());
        }
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Batch { shape: Shape::vector(0), rows: 0, data: Vec::new() }
    }
}

/// A matrix (rows, columns) whose rows start `step` apart.
fn view<T>(rows: usize, columns: usize, step: usize, data: &[T]) -> ArrayView2<'_, T> {
    match ArrayView2::from_shape((rows, columns).strides((step, 1)), data) {
        Ok(view) => view,
        Err(e) => unreachable!("{rows} rows of {columns}, {step} apart: {e}"),
    }
}
