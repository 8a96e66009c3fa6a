//! What this machine gives at best: `cargo bench --bench machine -- [THREADS]` prints
//! one line of JSON with the operations a second of products in f32 and f64 and the
//! bytes a second read from memory. `make bench` measures the time of jobs against these.

use std::time::Instant;

use anyhow::Result;
use molrg::linalg::{accumulate, dot};
use molrg::random::{Purpose, normal_rows};
use molrg::scalar::Scalar;
use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

/// Times a measure is taken; the best counts.
const TAKES: usize = 7;

/// Numbers of one thread's part of the memory read: no cache holds them.
const NUMBERS: usize = 32 << 20;

/// Seconds of the fastest of several takes.
fn fastest(mut work: impl FnMut()) -> f64 {
    let take = |_| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    (0..TAKES).map(take).fold(f64::INFINITY, f64::min)
}

/// Multiplications and additions a second of products, every thread making its own.
fn products<T: Scalar>() -> f64 {
    let (n, rounds, threads) = (768, 8, rayon::current_num_threads());
    let normal = |seed| normal_rows::<T>(seed, Purpose::Noise, 0..n as u64, n);
    let (a, b) = (normal(1), normal(2));
    let seconds = fastest(|| {
        (0..threads).into_par_iter().for_each(|_| {
            let mut c = Array2::zeros((n, n));
            (0..rounds).for_each(|_| accumulate(c.view_mut(), a.view(), b.view()));
        });
    });
    2.0 * (n * n * n * rounds * threads) as f64 / seconds
}

/// Bytes a second read by all threads.
fn reading() -> f64 {
    let parts: Vec<Vec<f32>> = (0..rayon::current_num_threads()).map(|_| vec![1.0; NUMBERS]).collect();
    let seconds = fastest(|| {
        let sum: f64 = parts
            .par_iter()
            .map(|part| {
                let (front, back) = part.split_at(NUMBERS / 2);
                dot(ArrayView1::from(front), ArrayView1::from(back))
            })
            .sum();
        std::hint::black_box(sum);
    });
    (parts.len() * NUMBERS * size_of::<f32>()) as f64 / seconds
}

fn main() -> Result<()> {
    let threads = std::env::args().skip(1).find(|a| a != "--bench");
    let threads = threads.map_or(Ok(2), |n| n.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let (f32, f64, read) = (products::<f32>(), products::<f64>(), reading());
    println!("{{\"f32\": {f32:.4e}, \"f64\": {f64:.4e}, \"read\": {read:.4e}}}");
    Ok(())
}
