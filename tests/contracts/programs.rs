//! The table of all programs: calls of each that must work, and the data they
//! work on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use molrg::cli::registry::Entry;
use molrg::programs::PROGRAMS;

use super::place::Place;

/// A call that succeeds in a stocked place.
pub struct Call {
    pub program: &'static str,
    pub arguments: &'static str,
    /// Rows of work of which `--rows` selects, where the outputs have a row for each.
    pub rows: Option<u64>,
    /// Outputs (`-` is standard output) that partitions of the rows make up.
    pub joined: &'static [&'static str],
}

impl Call {
    pub fn line(&self) -> String {
        format!("{} {}", self.program, self.arguments)
    }
}

const fn call(program: &'static str, arguments: &'static str) -> Call {
    Call { program, arguments, rows: None, joined: &[] }
}

const fn rowwise(
    program: &'static str,
    rows: u64,
    joined: &'static [&'static str],
    arguments: &'static str,
) -> Call {
    Call { program, arguments, rows: Some(rows), joined }
}

pub const CALLS: &[Call] = &[
    rowwise(
        "molrg-gen",
        700,
        &["-", "labels.csv"],
        "-n 700 -d 24 -r 3 -k 2 --seed 5 --labels labels.csv --truth planted.st",
    ),
    rowwise(
        "molrg-gen",
        700,
        &["-", "labels.csv"],
        "-n 700 -d 24 -r 2,3,4 --weights 1,2,3 --spectrum geometric:0.5 --noise-std 0.1 --mean-norm 2 \
         --labels labels.csv",
    ),
    rowwise("molrg-gen", 300, &["-"], "-n 300 -d 24 -r 3 -k 2 --angle 30 --spectrum power:1 --skip 11"),
    rowwise("molrg-gen", 300, &["-"], "-n 300 -d 24 -r 3 -k 2 --noise-std 0.2 --noise-in union"),
    rowwise("molrg-gen", 300, &["-", "labels.csv"], "-n 300 --from truth.st --balanced --labels labels.csv"),
    call("dae-fit", "train.npy --kind molrg -r 3 -k 2 --report report.csv"),
    call(
        "dae-fit",
        "train.npy --kind two-layer --solver memorizing --sigma 0.2 --width 320 --weight-decay 1e-6",
    ),
    call(
        "dae-fit",
        "train.npy --kind two-layer --solver blocks --sigma 0.2 --width 9 -r 3,2 --labels labels.npy",
    ),
    call("dae-fit", "train.npy --kind molrg -r 3 -k 2 --solver subspaces --orthogonal --init random"),
    call("dae-fit", "train.npy --kind molrg -r 3 -k 2 --fit means,variances,weights,noise"),
    call(
        "dae-fit",
        "train.npy --kind molrg -r 2 -k 2 --solver em --fit variances,weights,noise --iterations 30",
    ),
    call("dae-fit", "train.npy --kind molrg -r 3 -k 2 --solver gradient --restarts 2 --iterations 400"),
    call(
        "dae-fit",
        "train.npy --kind molrg -r 3 -k 2 --solver gradient --weighting softmax --orthogonal --restarts 2 \
         --iterations 40",
    ),
    call("dae-fit", "train.npy --kind molrg -r 6 --solver pca"),
    call("dae-fit", "train.npy --rows ..4 --kind molrg -r 6"),
    call("dae-fit", "train.npy --kind gaussian --report report.csv"),
    call("dae-fit", "train.npy --kind gaussian -r 5"),
    call("dae-fit", "train.npy --kind empirical --report report.csv"),
    call("dae-fit", "train.npy --kind local --quiet --machine bordered --patch 3 --report report.csv"),
    call("dae-fit", "train.npy --kind local --quiet --machine equivariant"),
    call(
        "dae-fit",
        "a.npy --kind local --quiet --machine bordered --calibrate network.st --levels edm:4 --latents 3 --report report.csv",
    ),
    call("dae-fit", "a.npy --kind pca-local --threshold 0.1"),
    call(
        "dae-fit",
        "train.npy --kind resnet --quiet --width 6 --depth 2 --padding circular --steps 4 --batch 16",
    ),
    call(
        "dae-fit",
        "train.npy --kind random-features --features 40 --levels 10,2,0.5 --time 50 --report report.csv",
    ),
    call(
        "dae-fit",
        "train.npy --kind random-features --features 30 --levels edm:3 --ridge 1e-3 --target noise --bandwidth 2",
    ),
    call(
        "dae-fit",
        "train.npy --kind local --quiet --machine equivariant-local --patch 1,3 --patch-levels 0.1,2 --dictionary circular",
    ),
    call(
        "dae-fit",
        "train.npy --kind mlp --quiet --width 16 --depth 2 --steps 30 --batch 40 --optimizer adamw --weight-decay 0.01",
    ),
    call(
        "dae-fit",
        "train.npy --kind unet --quiet --width 8 --steps 5 --batch 19 --flip --loss ve --ema half-life:3",
    ),
    call("dae-fit", "train.npy --kind uvit --quiet --width 12 --depth 2 --steps 5 --batch 21 --loss vp"),
    call(
        "dae-fit",
        "train.npy --kind linear --quiet --width 8 --tied --steps 20 --loss uniform --sigma-range 0.1,10",
    ),
    call(
        "dae-fit",
        "train.npy --kind two-layer --quiet --width 40 --steps 20 --loss fixed --sigma 0.4 --batch all --optimizer rmsprop",
    ),
    call(
        "dae-fit",
        "train.npy --kind mlp --quiet --width 16 --steps 20 --loss consistency --ema none --lr-floor 1",
    ),
    call("dae-fit", "train.npy --kind mlp --quiet --width 8 --steps 12 --report report.csv"),
    call("dae-fit", "train.npy --kind mlp --quiet --width 8 --steps 12 --labels labels.npy"),
    call(
        "dae-fit",
        "train.npy --kind unet --quiet --width 8 --steps 4 --batch 19 --labels labels.npy --drop-label 0.6",
    ),
    call(
        "dae-fit",
        "train.npy --kind mlp --quiet --width 8 --steps 12 --condition few-told.npy --labels labels.npy",
    ),
    call(
        "dae-fit",
        "train.npy --kind mlp --quiet --width 8 --steps 12 --loss interpolant --condition other-train.npy",
    ),
    call("dae-fit", "train.npy --kind linear-vae -r 4 --report report.csv"),
    call("dae-fit", "train.npy --kind vae -r 4 --width 12 --depth 1 --steps 30"),
    call("dae-fit", "train.npy --kind gan -r 4 --width 12 --depth 1 --steps 30"),
    // Without requests; tests of external models have them.
    call("dae-serve", "student.st"),
    rowwise("dae-apply", 200, &["-"], "student.st test.npy --sigma 0.5"),
    rowwise("dae-apply", 200, &["-"], "local.st test.npy --sigma 0.5 --quantity score"),
    rowwise("dae-apply", 200, &["-"], "network.st test.npy --sigma 0.5 --add-noise"),
    rowwise("dae-apply", 200, &["-"], "network.st test.npy --sigma 0.5 --edit stem=direction.npy:3"),
    rowwise("dae-apply", 200, &["-"], "classes.st test.npy --sigma 0.5 --class 1 --quantity score"),
    rowwise(
        "dae-apply",
        30,
        &["-"],
        "moves.st states.npy --sigma 0.5 --condition states.npy --quantity score",
    ),
    rowwise("pf-sample", 30, &["-"], "moves.st -n 30 --steps 5 --condition states.npy"),
    rowwise("dae-apply", 300, &["-"], "classes.st train.npy --sigma 0.5 --class labels.npy"),
    rowwise(
        "dae-apply",
        200,
        &["-"],
        "gaussian.st test.npy --time 0.3 --schedule vp --quantity score --add-noise",
    ),
    rowwise("dae-apply", 200, &["-"], "empirical.st test.npy --snr 2 --quantity velocity --add-noise"),
    call("dae-apply", "student.st test.npy --sigma 2,0.5,0.1 --quantity epsilon --add-noise"),
    rowwise(
        "pf-sample",
        300,
        &["-", "path.npy"],
        "student.st -n 300 --trajectory path.npy --report report.csv",
    ),
    rowwise("pf-sample", 300, &["-"], "truth.st -n 300 --solver euler --schedule vp"),
    rowwise("pf-sample", 300, &["-"], "truth.st -n 300 --solver dpm2 --schedule ve --sigma-max 20"),
    rowwise("pf-sample", 300, &["-"], "gaussian.st -n 300 --solver dpm3 --schedule cosine --seed 9"),
    rowwise("pf-sample", 300, &["-"], "truth.st -n 300 --solver dpmpp2m --schedule flow"),
    rowwise("pf-sample", 300, &["-"], "truth.st -n 300 --solver rk4 --schedule logsnr"),
    rowwise("pf-sample", 300, &["-"], "student.st -n 300 --solver rk45 --rtol 1e-3 --atol 1e-3"),
    rowwise("pf-sample", 300, &["-"], "empirical.st -n 300 --sigmas 80,10,1,0.1"),
    rowwise("pf-sample", 300, &["-"], "student.st -n 300 --churn 20 --churn-noise 1.01 --steps 8"),
    rowwise("pf-sample", 300, &["-"], "student.st -n 300 --guidance 1.5 --unconditional gaussian.st"),
    rowwise(
        "pf-sample",
        100,
        &["-"],
        "classes.st -n 100 --steps 6 --class 1 --guidance 2 --guidance-interval 0.1,20",
    ),
    rowwise("pf-sample", 300, &["-"], "classes.st -n 300 --steps 4 --class labels.npy --guidance 2"),
    rowwise("pf-sample", 40, &["-"], "classes.st -n 40 --solver rk45 --rtol 0.01 --class 0 --steps 3"),
    rowwise(
        "pf-sample",
        300,
        &["-"],
        "gaussian.st -n 300 --guidance 3 --unconditional one.st --guidance-part positive",
    ),
    rowwise(
        "pf-sample",
        30,
        &["-"],
        "student.st -n 30 --steps 4 --guidance 3 --unconditional gaussian.st --guidance-part mean",
    ),
    rowwise(
        "pf-sample",
        300,
        &["-"],
        "student.st -n 300 --guide truth.st --guide-against gaussian.st --guide-weight 0.5 --guide-interval 1,20",
    ),
    rowwise(
        "pf-sample",
        200,
        &["-", "path.npy"],
        "student.st --encode --noise test.npy --trajectory path.npy",
    ),
    rowwise("pf-sample", 200, &["-"], "gaussian.st --encode --noise test.npy --solver rk45 --rtol 1e-3"),
    rowwise("pf-sample", 120, &["-"], "student.st --noise noise.npy --churn 10"),
    rowwise("pf-sample", 100, &["-"], "network.st -n 100 --steps 5"),
    rowwise(
        "pf-sample",
        100,
        &["-", "path.npy"],
        "student.st -n 100 --until 0.5 --churn 20 --trajectory path.npy",
    ),
    rowwise("pf-sample", 200, &["-"], "network.st --noise test.npy --from 2 --until 0.1 --steps 6"),
    rowwise(
        "pf-sample",
        200,
        &["-"],
        "network.st --encode --noise test.npy --from 0.5 --until 3 --solver euler",
    ),
    rowwise("pf-sample", 300, &["-"], "vae.st -n 300"),
    rowwise("pf-sample", 300, &["-"], "gaussian.st -n 300 --solver exact --report report.csv"),
    rowwise(
        "pf-sample",
        200,
        &["-", "path.npy"],
        "gaussian.st --encode --noise test.npy --until 4 --solver exact --trajectory path.npy",
    ),
    rowwise(
        "rp-score",
        120,
        &["rows.csv"],
        "a.npy b.npy noise.npy --per-sample rows.csv --train train.npy --reference test.npy \
         --gl similarity,distance,ratio --descriptor whiten:4",
    ),
    rowwise(
        "rp-score",
        120,
        &["rows.csv"],
        "a.npy b.npy --similarity mae --data-range=-3,3 --per-sample rows.csv",
    ),
    rowwise(
        "rp-score",
        120,
        &["rows.csv"],
        "a.npy --similarity l2 --threshold 1 --train train.npy --per-sample rows.csv",
    ),
    call("pfd", "student.st truth.st -n 500 --seed 7"),
    call("pfd", "a.npy b.npy"),
    call("pfd", "gaussian.st a.npy --solver exact --sigma-max 50"),
    call("pfd", "network.st truth.st -n 60 --steps 6"),
    call("pfd", "a.npy truth.st --relative-to gaussian.st --seed 3"),
    call("pfd", "--bias-variance truth.st student.st gaussian.st empirical.st -n 300 --steps 6 --unbiased"),
    call("jacobian-rank", "truth.st --levels edm:5 -n 6 --spectrum values.npy --basis vectors.npy --top 4"),
    rowwise("jacobian-rank", 20, &["-"], "truth.st --sigma 0.5,2,30 -n 20 --per-sample"),
    rowwise("jacobian-rank", 200, &["-"], "gaussian.st --snr 2 --points test.npy --add-noise --per-sample"),
    rowwise(
        "jacobian-rank",
        20,
        &["-"],
        "empirical.st --sigma 0.5,2 -n 20 --per-sample --method randomized --top 6",
    ),
    rowwise("jacobian-rank", 6, &["-"], "network.st --snr 0.5,5 -n 6 --per-sample --steps 5"),
    call("jacobian-rank", "network.st --snr 2 -n 3 --method randomized --top 24 --spectrum values.npy"),
    call("dae-compare", "student.st truth.st test.npy --sigma 0.5,2"),
    call("dae-compare", "truth.st network.st -n 20 --sigma 0.5,2 --steps 5"),
    rowwise("dae-compare", 200, &["-"], "empirical.st truth.st test.npy --snr 2,0.5 --per-sample"),
    rowwise(
        "dae-compare",
        20,
        &["-"],
        "network.st student.st -n 20 --levels edm:3 --per-sample --solver euler",
    ),
    call("dae-distill", "student.st test.npy --levels edm:4 --report report.csv"),
    call("dae-distill", "network.st test.npy --time 0.3 --schedule vp --draws 2"),
    call("linearity", "student.st test.npy --sigma 0.5,2 --pairs 40"),
    call("linearity", "network.st test.npy --snr 2 --pairs 30 --center"),
    call("linearity", "network.st few.npy --sigma 0.5,2 --local --lambda 0.5,1"),
    call("linearity", "empirical.st a.npy --sigma 1 --local --lambda 0.5 --directions b.npy"),
    rowwise("dae-apply", 200, &["-"], "affine.st test.npy --sigma 2 --add-noise"),
    rowwise("pf-sample", 200, &["-"], "affine.st -n 200 --sigmas 10,2,0.5,0 --solver euler"),
    rowwise(
        "jacobian-basis",
        200,
        &["-", "left.npy", "values.npy"],
        "truth.st test.npy --sigma 0.5 --top 4 --left left.npy --values values.npy",
    ),
    rowwise(
        "jacobian-basis",
        200,
        &["-"],
        "gaussian.st test.npy --sigma 2 --add-noise --seed 4 --mask mask.npy --null-rank 2 --top 1",
    ),
    rowwise(
        "jacobian-basis",
        6,
        &["-"],
        "network.st few.npy --sigma 1 --method iterated --tolerance 1e-2 --iterations 300 --top 2 --seed 1",
    ),
    rowwise(
        "ridge",
        6,
        &["-"],
        "project few.npy --model truth.st --sigma 0.7 --dim 3 --add-noise --steps 30 --tolerance 1e-5",
    ),
    rowwise(
        "ridge",
        6,
        &["-"],
        "project few.npy --model network.st --sigma 2 --dim 2 --steps 3 --tolerance 1e-5",
    ),
    rowwise(
        "ridge",
        6,
        &["-"],
        "distance few.npy --model truth.st --sigma 1.5 --dim 2 --steps 5 --tolerance 1e-5",
    ),
    rowwise(
        "ridge",
        6,
        &["-"],
        "distance few.npy --model network.st --sigma 2 --dim 1 --steps 2 --tolerance 1e-5",
    ),
    rowwise("ridge", 200, &["-"], "decompose student.st truth.st test.npy --sigma 0.5 --dim 3 --add-noise"),
    rowwise("ridge", 6, &["-"], "decompose truth.st network.st few.npy --sigma 2 --dim 2"),
    rowwise("dae-apply", 200, &["-"], "features.st test.npy --sigma 2 --add-noise"),
    call("intrinsic-dimension", "test.npy --neighbours 5"),
    call("intrinsic-dimension", "few.npy --model network.st --sigma 0.5,2"),
    rowwise(
        "image-quality",
        120,
        &["-"],
        "a.npy b.npy --no-ssim --data-range=-9,9 --mask mask.npy --per-sample",
    ),
    call("image-quality", "large.npy large.npy --data-range=-9,9"),
    call("linear-theory", "flow --spectrum power:1 -d 5 --sigma 10,0.5"),
    call("linear-theory", "learning --spectrum few-eigenvalues.csv --times 0,0.1,3"),
    call(
        "linear-theory",
        "learning --spectrum geometric:0.5 -d 6 --mean 1 --arch local --patch 3 --times 0.1 --sigma 0.5,2",
    ),
    call("linear-theory", "emergence --spectrum linear:0.1 -d 5 --arch circular --criterion harmonic"),
    call(
        "linear-theory",
        "emergence --spectrum power:1 -d 9 --exponent --apart 1.5 --init 0.3 --arch two-layer",
    ),
    call("linear-theory", "kappa --spectrum 3,1,0.2 --ratio 0.5,2 --z 0,0.1"),
    call("linear-theory", "denoiser --spectrum power:1 -d 7 -n 5,20-21 --snr 2"),
    call("linear-theory", "map --spectrum few-eigenvalues.csv -n 4-5 --places 30"),
    call("entropy", "test.npy --neighbours 2"),
    call("entropy", "test.npy --descriptor pca:4 --fit train.npy"),
    call("subset", "test.npy -n 20 --method random --indices indices.npy --seed 3"),
    call("subset", "test.npy -n 20 --method farthest --indices indices.csv"),
    call(
        "subset",
        "test.npy -n 20 --method threshold --threshold 6 --descriptor whiten:5 --fit train.npy --seed 2",
    ),
    call("probe", "linear train.npy labels.npy --folds 3"),
    call("probe", "linear a.npy few-labels.npy b.npy few-labels.npy --ridge 0.1 --per-sample told.csv"),
    call("probe", "projection train.npy labels.npy --rank 3 --normalize --center --per-sample told.csv"),
    call("probe", "snr train.npy labels.npy --rank 2"),
    call("rfm", "train.npy labels.npy --quiet --top 2 --iterations 2 --values values.npy"),
    call("rfm", "a.npy few-labels.npy --quiet --bandwidth 3 --ridge 0.1 --predict b.npy"),
    call("icl", "optimal -d 12 -r 3 --prompt 4,20 --tasks union:2 --eps 0.01 --gamma gammas.npy"),
    call(
        "icl",
        "train -d 8 -r 2 --prompt 4 --tasks union:2 --steps 20 --batch 16 --gamma gammas.npy --log log.csv",
    ),
    call("icl", "risk gamma.npy -d 12 -r 3 --prompt 4-6 --noise-std 0.3 --simulate 30"),
    call("icl", "risk -d 12 -r 3 --prompt 4-6 --tasks full --angle 0,20"),
    rowwise("mixture", 2, &["-"], "info truth.st"),
    call("mixture", "select truth.st --components 1"),
    call("mixture", "join truth.st student.st gaussian.st --weights 1,2,0.5"),
    call("mixture", "pool truth.st"),
    call(
        "mixture",
        "condition truth.st --measurement few-means.npy --row 3 --operator downsample:2 --noise-std 0.2",
    ),
    call(
        "mixture",
        "condition noisy.st --measurement few-products.npy --row 3 --operator matrix:few.npy --noise-std 0.2",
    ),
    rowwise("measure", 200, &["-"], "test.npy --operator blur:0.8 --noise-std 0.3 --seed 2"),
    rowwise("measure", 200, &["-"], "test.npy --operator mask:mask.npy --noise-std 0.3"),
    rowwise("measure", 120, &["-"], "a.npy --operator matrix:few.npy --noise-std 0"),
    rowwise(
        "restore",
        120,
        &["-"],
        "noisy.st few-means.npy --operator downsample:2 --noise-std 0.2 --method exact",
    ),
    rowwise(
        "restore",
        120,
        &["-"],
        "truth.st few-means.npy --operator downsample:2 --noise-std 0.2 --method exact --mean",
    ),
    rowwise(
        "restore",
        120,
        &["-"],
        "network.st few-means.npy --operator downsample:2 --noise-std 0.2 --method pseudo-inverse",
    ),
    rowwise(
        "restore",
        120,
        &["-"],
        "student.st few-means.npy --operator downsample:2 --noise-std 0.2 --method pigdm --steps 6 --report report.csv",
    ),
    rowwise(
        "restore",
        120,
        &["-"],
        "classes.st few-means.npy --operator downsample:2 --noise-std 0.2 --method dps --steps 8 --class 1",
    ),
    rowwise(
        "restore",
        120,
        &["-"],
        "network.st few-products.npy --operator matrix:few.npy --noise-std 0.2 --method ddnm --steps 5 --schedule vp",
    ),
    rowwise(
        "restore",
        120,
        &["-"],
        "noisy.st few-means.npy --operator downsample:2 --noise-std 0 --method dcdp --steps 8 --rounds 3 --inner 5",
    ),
    rowwise(
        "restore",
        120,
        &["-"],
        "empirical.st few-means.npy --operator downsample:2 --noise-std 0 --method dcdp --purifier tweedie --inner 5",
    ),
    rowwise(
        "sde",
        40,
        &["-", "y.npy"],
        "--system lorenz63 -n 40 --steps 6 --observations y.npy --through atan --observe 0,2",
    ),
    rowwise(
        "sde",
        40,
        &["-", "y.npy"],
        "--system double-well -n 40 --steps 6 --observations y.npy --noise-std 0.5",
    ),
    rowwise("sde", 40, &["-"], "--system ou -d 3 -n 40 --steps 6 --start 1,2,3"),
    rowwise("sde", 40, &["-"], "--system brownian -n 40 --steps 6 --burn-in 2"),
    rowwise(
        "assimilate",
        30,
        &["-", "wide.npy"],
        "seen.npy --system lorenz63 --burn-in 5 --method particle --particles 300 --truth paths.npy \
         --report report.csv --deviations wide.npy",
    ),
    rowwise(
        "assimilate",
        30,
        &["-"],
        "seen.npy --system ou -d 4 --observe 0-2 --through cube --method ensemble-kalman --particles 20 --report report.csv",
    ),
    rowwise(
        "assimilate",
        30,
        &["-", "wide.npy"],
        "seen.npy --system brownian -d 3 --method kalman --truth paths.npy --report report.csv --deviations wide.npy",
    ),
    rowwise(
        "assimilate",
        30,
        &["-", "wide.npy"],
        "seen.npy --system lorenz63 --method flowdas --model moves.st --known-first --truth paths.npy --particles 6 --steps 3 \
         --report report.csv --deviations wide.npy --until 3",
    ),
    rowwise(
        "assimilate",
        30,
        &["-"],
        "seen.npy --system lorenz63 --burn-in 2 --method regression --model means.st --particles 5 --report report.csv",
    ),
    rowwise("subspace-error", 3, &["-"], "student.st truth.st"),
    rowwise(
        "phase-grid",
        12,
        &["-"],
        "--dim 12 --ranks 2,3 --samples 2-4 --components 1-2 --trials 3 --solver subspaces --noise-std 0.01",
    ),
    rowwise(
        "phase-grid",
        3,
        &["-"],
        "--dim 12 --ranks 2 --samples 2-4 --components 2 --trials 3 --solver subspaces --rank-step 1 --weights 1,2",
    ),
    rowwise("phase-grid", 4, &["-"], "--dim 12 --ranks 2 --samples 2-5 --trials 4 --solver pca --seed 8"),
    rowwise(
        "phase-grid",
        2,
        &["-"],
        "--dim 12 --ranks 2 --samples 6,9 --components 2 --trials 2 --solver gradient --restarts 2 --iterations 50",
    ),
    rowwise(
        "bridge",
        300,
        &["-", "told.npy"],
        "score --system double-well:1 --mode optimal --start 1 -n 300 --steps 24 --time 1.5 --paths told.npy",
    ),
    rowwise(
        "bridge",
        300,
        &["-"],
        "score --system sine:2 --mode first --start 0.3 --noise-std 0.5 -n 300 --steps 12",
    ),
    call("bridge", "fit --system ou:1.5 --start 0.7 -n 600 --steps 6 --degree 1 --report report.csv"),
    call("bridge", "fit --system double-well:0.5 --mode last -n 3e2 --steps 4 --time 0.5"),
    call(
        "bridge",
        "fit --system sine:2 --start 1,0.5 -n 640 --steps 6 --kind mlp --width 8 -q --report report.csv",
    ),
    rowwise(
        "bridge",
        300,
        &["-", "told.npy"],
        "score --system ou:1 --start=1,-1 -n 300 --steps 8 --paths told.npy",
    ),
    rowwise("bridge", 300, &["-"], "sample fitted.csv --target=-0.4 -n 300"),
    rowwise("bridge", 300, &["-"], "sample controlled.csv -n 300 --start 0.5 --seed 3"),
    call("bridge", "exact --system brownian --target 1 --steps 5 --places 4 --noise-std 2"),
    call("bridge", "exact --system double-well:0.5 --target 1 --steps 4 --places 5 --range=-1,1.5"),
    rowwise("npy", 700, &["-"], "noise -n 700 -d 24 --shape 2,4,3 --seed 5"),
    rowwise("npy", 500, &["-"], "cat train.npy test.npy --cols 3..20"),
    call("npy", "stack a.npy b.npy noise.npy"),
    rowwise("npy", 120, &["-"], "images a.npy --pool 2 --pad 1 --from=-2,2"),
    call("npy", "take a.npy few-labels.npy"),
    rowwise("npy", 120, &["-"], "transpose a.npy --axes 0,3,1,2"),
    rowwise("npy", 120, &["-"], "let a+2*(b-mask)^3 --in a=a.npy --in b=b.npy --in mask=mask.npy"),
    call("npy", "diff a.npy a.npy"),
    call("npy", "check train.npy truth.st"),
    call("npy", "info train.npy noise.npy"),
    call("fig", "images a.npy --range=-4,4 --columns 12"),
    rowwise("dae-features", 200, &["-"], "network.st test.npy --sigma 1 --layer middle.0.active --pool max"),
    rowwise("dae-features", 200, &["-"], "network.st test.npy --sigma 1 --layer stem --add-noise --summary"),
    call("dae-features", "network.st --layers"),
    call("watermark", "key --shape 6,5,3 --radius 1,2.5 --pattern random --band low --channel 2 --seed 3"),
    rowwise("watermark", 120, &["-"], "embed a.npy --key key.npy --strength 2"),
    rowwise("watermark", 120, &["-"], "detect a.npy --key key.npy --strength 2"),
    rowwise("watermark", 120, &["-"], "attack a.npy --kind noise --strength 0.1"),
    rowwise("watermark", 120, &["-"], "attack a.npy --kind jpeg --strength 50 --data-range=-4,4"),
    call("fig", "line grid.csv --x samples --y success --by rank --low ci_low --high ci_high"),
    call("fig", "heatmap grid.csv --x samples --y rank --value success"),
    call("fig", "violin grid.csv --x rank --y mean_error"),
    call("fig", "matrix grid.csv --row rank --column samples --value success"),
    rowwise("table", 10, &["-"], "cat grid.csv more.csv --with from=both --columns rank,n=samples,success"),
    rowwise("table", 8, &["-"], "let grid.csv ratio=samples/rank twice=2*ratio"),
    call("table", "mean grid.csv --by rank --value success,mean_error"),
    call("table", "pivot grid.csv --key samples --value success --by rank"),
    call("table", "crossing grid.csv --x samples --y success --by rank --level 0.5"),
    call("table", "sort grid.csv --by samples,rank --descending"),
    call("table", "roc scores.csv --score samples --label found"),
    call("table", "slope grid.csv --x samples --y mean_error --by rank --log-x"),
];

/// Inputs whose names stand for samples in [`CALLS`].
pub const SAMPLES: &[&str] =
    &["train.npy", "test.npy", "a.npy", "b.npy", "noise.npy", "few-means.npy", "few-products.npy"];

impl Place {
    /// A place with samples and models of this type.
    pub fn stocked(dtype: &str) -> Place {
        let place = Place::new();
        let draw = "molrg-gen -d 24 -r 3 -k 2 --seed 1 --shape 2,4,3";
        for line in [
            format!("{draw} -n 300 --truth truth.st -o train.npy --dtype {dtype}"),
            format!("{draw} -n 200 --skip 300 -o test.npy --dtype {dtype}"),
            "dae-fit train.npy --rows ..30 --kind molrg -r 3 -k 2 -o student.st".into(),
            "dae-fit train.npy --kind gaussian -o gaussian.st".into(),
            "dae-fit train.npy --rows ..80 --kind empirical -o empirical.st".into(),
            "dae-fit train.npy --rows ..40 --kind local --machine equivariant-local --patch 3 -q -o local.st"
                .into(),
            "dae-fit train.npy --kind unet --quiet --width 8 --steps 8 --batch 32 -o network.st".into(),
            "molrg-gen --from truth.st -n 300 --seed 1 --labels labels.npy -o /dev/null".into(),
            "npy noise -n 1 -d 8 --seed 9 -o direction.npy".into(),
            "dae-fit train.npy --kind mlp -q --width 8 --depth 1 --steps 30 --labels labels.npy -o classes.st".into(),
            "dae-fit train.npy --kind molrg -r 4 -o one.st".into(),
            "dae-fit train.npy --kind linear-vae -r 5 -o vae.st".into(),
            "dae-distill student.st train.npy --sigma 10,2,0.5 -o affine.st".into(),
            "dae-fit train.npy --kind random-features --features 40 --levels 10,2,0.5 -o features.st".into(),
            "phase-grid --dim 12 --ranks 2,3 --samples 2-5 --trials 3 --solver pca -o grid.csv".into(),
            "phase-grid --dim 12 --ranks 4 --samples 4,5 --trials 3 --solver pca -o more.csv".into(),
            "pf-sample student.st -n 120 --seed 3 -o a.npy".into(),
            "pf-sample truth.st -n 120 --seed 3 -o b.npy".into(),
            format!("npy noise -n 120 -d 24 --seed 3 --shape 2,4,3 -o noise.npy --dtype {dtype}"),
            "watermark key --shape 2,4,3 --radius 1.5 --seed 1 -o key.npy".into(),
            "npy cat noise.npy --rows ..6 -o few.npy".into(),
            "molrg-gen --from truth.st -n 120 --seed 4 --labels few-labels.npy -o /dev/null".into(),
            "npy let max(0,x) --in x=test.npy --rows ..1 -o mask.npy".into(),
            format!("npy noise -n 20 -d 432 --seed 4 --shape 12,12,3 -o large.npy --dtype {dtype}"),
            "icl optimal -d 12 -r 3 --prompt 4-6 --gamma gamma.npy -o /dev/null".into(),
            "table let grid.csv found=floor(success) -o scores.csv".into(),
            "dae-fit train.npy --rows ..60 --kind molrg -r 3 -k 2 --fit means,variances,noise -o noisy.st".into(),
            "bridge fit --system ou:1.5 --start 0.7 -n 600 --steps 8 --degree 1 -o fitted.csv".into(),
            "bridge exact --system double-well:0.5 --target 1 --steps 8 -o controlled.csv".into(),
            "measure a.npy --operator downsample:2 --noise-std 0.2 -o few-means.npy".into(),
            "measure a.npy --operator matrix:few.npy --noise-std 0.2 -o few-products.npy".into(),
            "sde --system lorenz63 -n 30 --steps 5 --observations seen.npy -o paths.npy".into(),
            "npy cat paths.npy --cols ..3 -o states.npy".into(),
            "npy noise -n 300 -d 2 --seed 6 -o few-told.npy".into(),
            "npy noise -n 300 -d 24 --seed 7 --shape 2,4,3 -o other-train.npy".into(),
            "npy cat paths.npy --cols 3..6 -o after.npy".into(),
            "dae-fit after.npy --kind mlp -q --width 6 --depth 1 --steps 20 --loss interpolant --condition states.npy -o moves.st"
                .into(),
            "dae-fit after.npy --kind mlp -q --width 6 --depth 1 --steps 20 --loss regression --condition states.npy -o means.st"
                .into(),
        ] {
            place.out(&line);
        }
        place.put("few-eigenvalues.csv", "2\n1\n0.5\n0\n");
        place
    }

    /// Every array cut into blocks of odd sizes, in one file as before.
    pub fn split_samples(&self) {
        for name in SAMPLES {
            let blocks: Vec<u8> = ["..1", "1..8", "8..71", "71..73", "73.."]
                .iter()
                .flat_map(|rows| self.out(&format!("npy cat {name} --rows {rows}")))
                .collect();
            self.put(name, blocks);
        }
    }
}

/// Every command of the registry as it is called, `npy cat` or `pfd`, with its entry.
pub fn entries() -> BTreeMap<String, &'static Entry> {
    let mut all = BTreeMap::new();
    for program in PROGRAMS {
        if program.commands().is_empty() {
            all.insert(program.name.to_string(), program);
        }
        all.extend(
            program.commands().iter().map(|inner| (format!("{} {}", program.name, inner.name), inner)),
        );
    }
    all
}

/// The names of all commands.
pub fn commands() -> BTreeSet<String> {
    entries().into_keys().collect()
}

/// The command of a call: its program, and its subcommand where it has some.
pub fn command_of(line: &str) -> String {
    let several =
        |program: &Entry| line.starts_with(&format!("{} ", program.name)) && !program.commands().is_empty();
    let words = if PROGRAMS.iter().any(several) { 2 } else { 1 };
    line.split_whitespace().take(words).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_holds_every_command() {
    let table: BTreeSet<String> = CALLS.iter().map(|c| command_of(&c.line())).collect();
    assert_eq!(table, commands(), "a command without a call in the table, or a call without a command");
    for call in CALLS {
        assert_eq!(call.rows.is_some(), !call.joined.is_empty(), "{}", call.line());
    }
}

/// Each is three lines in src/bin, and `molrg` is all of them.
#[test]
fn executables_are_the_registry() {
    let sources = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin")).unwrap();
    let files = sources.map(|e| e.unwrap().path().file_stem().unwrap().to_str().unwrap().to_string());
    let names = PROGRAMS.iter().map(|program| program.name).chain(["molrg"]);
    assert_eq!(files.collect::<BTreeSet<_>>(), names.map(str::to_string).collect());
    let place = Place::new();
    let list = place.text("molrg --list");
    for (program, line) in PROGRAMS.iter().zip(list.lines()) {
        let (name, about) = line.split_once("  ").unwrap();
        assert_eq!((name, about.trim()), (program.name, program.line().as_str()));
        assert_eq!(place.text(&format!("molrg {name} --help")), place.text(&format!("{name} --help")));
        // By the name that it is called by, as where it is installed.
        std::os::unix::fs::symlink(super::place::programs().join("molrg"), place.path(name)).unwrap();
        let called = place.bash(&format!("./{name} --version")).silent(name);
        assert_eq!(called, place.out(&format!("{name} --version")));
    }
    assert_eq!(list.lines().count(), PROGRAMS.len());
    assert_eq!(place.run("molrg").code, Some(2));
    assert_eq!(place.run("molrg unheard-of").code, Some(2));
}
