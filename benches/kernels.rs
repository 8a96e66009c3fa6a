//! The kernels that jobs spend their time in, each on one thread and with its
//! throughput: `cargo bench --bench kernels [-- NAME]`. An item is a
//! multiplication or an addition of products, or a number drawn.

use std::time::Duration;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use molrg::denoiser::{Denoiser, EmpiricalDenoiser, MixtureDenoiser};
use molrg::linalg::accumulate;
use molrg::measure::nearest::Searched;
use molrg::measure::reproducibility::Similarity;
use molrg::mixture::{Design, Sampler};
use molrg::network::batch::{Batch, Shape};
use molrg::network::layers::{At, Conv, GroupNorm, Layer, Linear, Pointwise, Silu, Span};
use molrg::random::{Purpose, normal_rows};
use molrg::stream::{ArrayWriter, Format, Ledger, Output, ReadOptions, Rows, block_rows};
use ndarray::Array2;

fn main() {
    // Blocks of rows keep to one thread each; what shares its work gets one, to be comparable.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("no other pool exists yet");
    divan::Divan::default().max_time(Duration::from_secs(2)).config_with_args().main();
}

fn normal(seed: u64, n: usize, d: usize) -> Array2<f32> {
    normal_rows(seed, Purpose::Noise, 0..n as u64, d)
}

/// Points at noise level σ, as a flow meets them: a mixture's samples plus σ times noise.
fn noisy(design: &Design, n: usize, sigma: f64) -> Array2<f32> {
    let mixture = design.plant(1).expect("the design fits its dimension");
    let (samples, _) = Sampler::<f32>::new(&mixture, 2, false).draw(0..n as u64);
    samples + normal(3, n, design.dim) * sigma as f32
}

/// Products (m × k)(k × n) of a block of rows: into a frame, back from it, with a tile of data.
#[divan::bench(args = [(256, 3072, 320), (256, 320, 3072), (256, 512, 2048)])]
fn row_block_product(bencher: Bencher, (m, k, n): (usize, usize, usize)) {
    let (a, b) = (normal(1, m, k), normal(2, k, n));
    let mut c = Array2::zeros((m, n));
    bencher
        .counter(ItemsCount::new(2 * m * k * n))
        .bench_local(|| accumulate(c.view_mut(), black_box(&a).view(), b.view()));
}

/// The empirical denoiser of 4096 points of dimension 1024.
#[divan::bench(args = [0.1, 1.0, 20.0, 80.0])]
fn online_softmax(bencher: Bencher, sigma: f64) {
    let (n, points, d) = (64, 4096, 1024);
    let design = Design::molrg(d, 16, 8);
    let denoiser = EmpiricalDenoiser::new(noisy(&design, points, 0.0));
    let x = noisy(&design, n, sigma);
    bencher
        .counter(ItemsCount::new(4 * n * points * d))
        .bench_local(|| denoiser.denoise(black_box(&x).view(), sigma).unwrap());
}

/// The most similar of 8192 training rows.
#[divan::bench]
fn best_match(bencher: Bencher) {
    let (n, rows, d) = (256, 8192, 512);
    let (x, train) = (normal(1, n, d), Searched::new(normal(2, rows, d)));
    bencher
        .counter(ItemsCount::new(2 * n * rows * d))
        .bench_local(|| train.best(black_box(&x).view(), Similarity::Cosine, 1.0));
}

/// The posterior mean of 256 rows, (d, K, r).
#[divan::bench(args = [(3072, 10, 32), (48, 2, 6)])]
fn mixture_denoise(bencher: Bencher, (d, k, r): (usize, usize, usize)) {
    let (n, sigma) = (256, 1.0);
    let design = Design::molrg(d, r, k);
    let denoiser = MixtureDenoiser::<f32>::new(design.plant(1).expect("the design fits its dimension"));
    let x = noisy(&design, n, sigma);
    bencher
        .counter(ItemsCount::new(4 * n * d * k * r))
        .bench_local(|| denoiser.denoise(black_box(&x).view(), sigma).unwrap());
}

/// A layer forwards, and both products of its derivative.
fn layer(
    bencher: Bencher,
    layer: &dyn Layer<f32>,
    rows: usize,
    shape: Shape,
    parameters: usize,
    work: usize,
) {
    let p = normal(1, 1, parameters).into_raw_vec_and_offset().0;
    let x = Batch::from_rows(shape, normal(2, rows, shape.len()).view());
    let output = layer.shape(&[shape]);
    let dy = Batch::from_rows(output, normal(3, rows, output.len()).view());
    let mut y = Batch::zeros(output, rows);
    let mut dp = vec![0.0; parameters];
    bencher.counter(ItemsCount::new(work)).bench_local(|| {
        layer.forward(&p, &[black_box(&x)], &mut y);
        let mut dx = [Some(Batch::zeros(shape, rows))];
        layer.vjp(At { p: &p, x: &[&x], y: &y }, &dy, &mut dx, Some(&mut dp));
        dx
    });
}

#[divan::bench]
fn layer_linear(bencher: Bencher) {
    let (rows, width) = (256, 1024);
    let weight = Span { offset: 0, len: width * width };
    let bias = Some(Span { offset: weight.len, len: width });
    let linear = Linear { weight, bias, outputs: width, transposed: false };
    layer(bencher, &linear, rows, Shape::vector(width), weight.len + width, 6 * rows * weight.len);
}

#[divan::bench]
fn layer_conv(bencher: Bencher) {
    let (rows, side, channels) = (8, 32, 64);
    let weight = Span { offset: 0, len: 9 * channels * channels };
    let conv = Conv { weight, bias: Span { offset: weight.len, len: channels }, outputs: channels };
    let work = 6 * rows * side * side * weight.len;
    layer(bencher, &conv, rows, Shape::image(side, side, channels), weight.len + channels, work);
}

/// An item is a number that comes in.
#[divan::bench]
fn layer_group_norm(bencher: Bencher) {
    let (rows, shape) = (8, Shape::image(32, 32, 64));
    let (scale, offset) = (Span { offset: 0, len: 64 }, Span { offset: 64, len: 64 });
    layer(bencher, &GroupNorm { scale, offset, groups: 32 }, rows, shape, 128, rows * shape.len());
}

/// An item is a number that comes in.
#[divan::bench]
fn layer_silu(bencher: Bencher) {
    let (rows, shape) = (8, Shape::image(32, 32, 64));
    layer(bencher, &Pointwise(Silu), rows, shape, 0, rows * shape.len());
}

/// Rows and width of an array of 64 MB, more than caches hold.
const STORED: (usize, usize) = (16 << 10, 1 << 10);

fn write(x: &Array2<f32>, path: &std::path::Path) -> anyhow::Result<()> {
    let output = Output::create(Some(path), &Ledger::off())?;
    let mut writer = ArrayWriter::new(output, Format::Npy, Some(x.nrows()), &[x.ncols()])?;
    for rows in x.axis_chunks_iter(ndarray::Axis(0), block_rows(x.ncols())) {
        writer.write(rows)?;
    }
    writer.finish()
}

/// Into nothing, so that the disk has no part in it.
#[divan::bench]
fn npy_write(bencher: Bencher) {
    let x = normal(1, STORED.0, STORED.1);
    bencher
        .counter(BytesCount::of_slice(x.as_slice().expect("rows one after the other")))
        .bench_local(|| write(black_box(&x), "/dev/null".as_ref()).expect("nothing to go wrong"));
}

/// The numbers of all rows, block by block.
fn read(path: &std::path::Path) -> anyhow::Result<usize> {
    let mut rows = Rows::open(path.as_os_str(), &ReadOptions::default(), &Ledger::off())?;
    let mut count = 0;
    while let Some(block) = rows.next_block::<f32>(block_rows(rows.width()))? {
        count += black_box(block).len();
    }
    Ok(count)
}

/// A file that the system holds in memory.
#[divan::bench]
fn npy_read(bencher: Bencher) {
    let x = normal(1, STORED.0, STORED.1);
    let directory = tempfile::tempdir().expect("a directory for the array");
    let path = directory.path().join("x.npy");
    write(&x, &path).expect("room for the array");
    bencher
        .counter(BytesCount::of_slice(x.as_slice().expect("rows one after the other")))
        .bench_local(|| assert_eq!(read(&path).expect("what was just written"), x.len()));
}

/// An item is a number drawn.
#[divan::bench]
fn normals(bencher: Bencher) {
    let (n, d) = (256, 3072);
    bencher.counter(ItemsCount::new(n * d)).bench_local(|| normal(black_box(1), n, d));
}
