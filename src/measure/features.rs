//! What a network's hidden units say of an image: pooled over places, and how unevenly they share it. Units that have
//! stored an image speak alone, so that their deviation tells memorized images from others (arXiv 2512.20963).

use clap::ValueEnum;
use ndarray::{Array2, ArrayView1, ArrayView2};

use crate::scalar::Scalar;

/// What becomes of a layer's places, pixels or tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pool {
    /// All of them
    None,
    /// The mean of each channel
    Mean,
    /// The largest of each channel
    Max,
}

impl Pool {
    /// Rows of places · channels numbers, channels last, (n, places · channels), to (n, channels); with
    /// [`Pool::None`] as they are.
    pub fn apply<T: Scalar>(self, rows: ArrayView2<T>, channels: usize) -> Array2<T> {
        let places = rows.ncols() / channels.max(1);
        let over = |f: &dyn Fn(&mut dyn Iterator<Item = T>) -> T| {
            Array2::from_shape_fn((rows.nrows(), channels), |(i, c)| {
                f(&mut (0..places).map(|place| rows[[i, place * channels + c]]))
            })
        };
        match self {
            Pool::None => rows.to_owned(),
            Pool::Mean => over(&|values| values.fold(T::zero(), |a, b| a + b) / T::of(places as f64)),
            Pool::Max => over(&|values| values.fold(T::neg_infinity(), |a, b| a.max(b))),
        }
    }
}

/// How unevenly units share an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unevenness {
    /// Sample standard deviation of the units; `None` of one unit.
    pub deviation: Option<f64>,
    /// ‖h‖₄/‖h‖₂: 1 where one unit speaks alone, n^{−¼} where n speak alike; `None` where none does.
    pub ratio: Option<f64>,
}

impl Unevenness {
    /// Of the units h.
    pub fn of<T: Scalar>(h: ArrayView1<T>) -> Unevenness {
        let n = h.len() as f64;
        let mean = h.iter().map(|v| v.wide()).sum::<f64>() / n;
        let squares = h.iter().map(|v| (v.wide() - mean).powi(2)).sum::<f64>();
        // By the largest, whose fourth power may be beyond the numbers.
        let largest = h.iter().map(|v| v.wide().abs()).fold(0.0, f64::max);
        let power = |p: i32| h.iter().map(|v| (v.wide() / largest).powi(p)).sum::<f64>();
        Unevenness {
            deviation: (h.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
            ratio: (largest > 0.0).then(|| power(4).sqrt().sqrt() / power(2).sqrt()),
        }
    }
}
