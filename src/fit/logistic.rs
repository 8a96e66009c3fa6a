//! Multinomial logistic regression, by Newton's method.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use crate::blocks::{block_size, map_rows};
use crate::linalg::{accumulate_wide, argmax, column_means, leading_right_vectors, product, varies};

/// What is minimized, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// λ.
    pub ridge: f64,
    /// Newton steps at most.
    pub iterations: u32,
}

/// Probabilities softmax(xᵀW + b) of classes.
pub struct Logistic {
    /// W, (d, K).
    pub weights: Array2<f64>,
    /// b, (K).
    pub biases: Array1<f64>,
    /// Of the mean loss with its penalty.
    pub loss: f64,
    pub iterations: u32,
    /// The largest entry of the gradient, in coordinates in which the Hessian is at most about 1.
    pub gradient: f64,
    /// Whether that has become small.
    pub converged: bool,
    /// The largest standard deviation of a coordinate over the least of those that vary.
    pub spread: f64,
}

/// A gradient so small is 0: the parameters are then off by as much.
const TOLERANCE: f64 = 1e-8;

/// Steps of conjugate gradients for one of Newton's.
const INNER: usize = 200;

impl Logistic {
    /// Of rows x (N, d) and their classes 0..K: the minimum of
    ///
    ///   (1/N) Σ −ln softmax(x̃_iᵀW̃ + b)_{y_i} + λ/2 ‖W̃‖², x̃ = (x − m)/s,
    ///
    /// m the mean of the rows and s² the mean of their coordinates' variances, so that λ has no unit: scikit-learn's with
    /// C = 1/(λN) on x̃ (2/(λN) where K = 2). In principal axes, each in the unit (¼ variance + λ)^−½, the Hessian is nearly 1 and
    /// conjugate gradients solve for Newton's steps in a few products.
    ///
    /// # Errors
    /// No rows, or all equal; numbers too large to factorize.
    pub fn fit(x: ArrayView2<f64>, classes: &[usize], count: usize, settings: Settings) -> Result<Logistic> {
        let (n, d) = x.dim();
        ensure!(n > 0 && count > 0, "no rows to learn from; give samples");
        ensure!(varies(x), "all rows are equal, which leaves nothing to tell classes by; give others");
        let mean = column_means(x);
        let centred = &x - &mean;
        let scale = (centred.iter().map(|v| v * v).sum::<f64>() / (n * d) as f64).sqrt();
        ensure!(
            scale > 0.0 && scale.is_finite(),
            "the numbers of rows are too large or small to square; give them in another unit"
        );
        let deviations = (0..d).filter(|&j| varies(x.slice(s![.., j..=j]))).map(|j| {
            let column = centred.column(j);
            column.dot(&column).sqrt()
        });
        let (least, largest) =
            deviations.fold((f64::INFINITY, 0.0f64), |(least, largest), s| (s.min(least), s.max(largest)));
        let centred = centred / scale;
        let (axes, energies) = leading_right_vectors(centred.view(), d)?;
        let units = energies.mapv(|e| (0.25 * e / n as f64 + settings.ridge).sqrt().recip());
        let frame = axes * &units;
        let problem = Problem {
            rows: map_rows(centred.view(), block_size(n), frame.ncols(), |x| Ok(product(x, frame.view())))?,
            classes,
            penalties: units.mapv(|u| settings.ridge * u * u),
        };
        let mut found = problem.solve(count, settings.iterations)?;
        found.weights = product(frame.view(), found.weights.view()) / scale;
        found.biases = found.biases - mean.dot(&found.weights);
        found.spread = largest / least;
        Ok(found)
    }

    /// The most likely class of every row, of equally likely ones the first.
    pub fn predict(&self, x: ArrayView2<f64>) -> Result<Vec<usize>> {
        let scores = map_rows(x, block_size(x.nrows()), self.biases.len(), |x| {
            Ok(product(x, self.weights.view()) + &self.biases)
        })?;
        Ok(scores.outer_iter().map(|row| argmax(row.iter().copied())).collect())
    }
}

/// Rows in coordinates of their own (N, p); parameters are (p + 1, K), the last row the biases.
struct Problem<'a> {
    rows: Array2<f64>,
    classes: &'a [usize],
    /// Of every coordinate's weights.
    penalties: Array1<f64>,
}

/// At some parameters.
struct State {
    loss: f64,
    /// (N, K).
    probabilities: Array2<f64>,
}

impl Problem<'_> {
    fn solve(&self, count: usize, iterations: u32) -> Result<Logistic> {
        let p = self.rows.ncols();
        let mut theta = Array2::<f64>::zeros((p + 1, count));
        let mut state = self.at(&theta)?;
        let mut taken = 0;
        loop {
            let gradient = self.gradient(&theta, &state);
            let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
            let done = largest <= TOLERANCE;
            let next = if done || taken == iterations { None } else { self.step(&theta, &state, &gradient)? };
            let Some((further, its_state)) = next else {
                return Ok(Logistic {
                    weights: theta.slice(s![..p, ..]).to_owned(),
                    biases: theta.row(p).to_owned(),
                    loss: state.loss,
                    iterations: taken,
                    gradient: largest,
                    converged: done,
                    spread: 1.0,
                });
            };
            (theta, state) = (further, its_state);
            taken += 1;
        }
    }

    /// XW + b.
    fn scores(&self, theta: &Array2<f64>) -> Result<Array2<f64>> {
        let p = self.rows.ncols();
        let weights = theta.slice(s![..p, ..]);
        let block = block_size(self.rows.nrows());
        let scores = map_rows(self.rows.view(), block, theta.ncols(), |x| Ok(product(x, weights)))?;
        Ok(scores + theta.row(p))
    }

    /// XᵀR/N and the mean of R's rows below it, with the penalty of `theta`.
    fn back(&self, r: &Array2<f64>, theta: &Array2<f64>) -> Array2<f64> {
        let (n, p) = self.rows.dim();
        let mut transposed = Array2::zeros((r.ncols(), p));
        accumulate_wide(transposed.view_mut(), r.t(), self.rows.view());
        let mut out = Array2::zeros(theta.raw_dim());
        for (i, mut row) in out.outer_iter_mut().enumerate() {
            if i < p {
                row.assign(&transposed.column(i));
                row /= n as f64;
                row.scaled_add(self.penalties[i], &theta.row(i));
            } else {
                row.assign(&(r.sum_axis(Axis(0)) / n as f64));
            }
        }
        out
    }

    fn at(&self, theta: &Array2<f64>) -> Result<State> {
        let mut scores = self.scores(theta)?;
        let mut losses = 0.0;
        for (mut row, &class) in scores.outer_iter_mut().zip(self.classes) {
            let most = row.iter().fold(f64::NEG_INFINITY, |m, s| m.max(*s));
            row -= most;
            let own = row[class];
            row.mapv_inplace(f64::exp);
            let total = row.sum();
            losses += total.ln() - own;
            row /= total;
        }
        let squares = theta.slice(s![..self.penalties.len(), ..]).mapv(|w| w * w).sum_axis(Axis(1));
        let loss = losses / self.rows.nrows() as f64 + 0.5 * self.penalties.dot(&squares);
        Ok(State { loss, probabilities: scores })
    }

    fn gradient(&self, theta: &Array2<f64>, state: &State) -> Array2<f64> {
        let mut residual = state.probabilities.clone();
        for (mut row, &class) in residual.outer_iter_mut().zip(self.classes) {
            row[class] -= 1.0;
        }
        self.back(&residual, theta)
    }

    /// H v: of every row diag(p) z − p pᵀz, z = vᵀx.
    fn hessian(&self, state: &State, v: &Array2<f64>) -> Result<Array2<f64>> {
        let mut z = self.scores(v)?;
        for (mut z, p) in z.outer_iter_mut().zip(state.probabilities.outer_iter()) {
            let mean = p.dot(&z);
            z.zip_mut_with(&p, |z, p| *z = p * (*z - mean));
        }
        Ok(self.back(&z, v))
    }

    /// Newton's step by conjugate gradients, shortened until the loss falls; nothing where it does not.
    fn step(
        &self,
        theta: &Array2<f64>,
        state: &State,
        gradient: &Array2<f64>,
    ) -> Result<Option<(Array2<f64>, State)>> {
        let inner = |a: &Array2<f64>, b: &Array2<f64>| (a * b).sum();
        let start = inner(gradient, gradient);
        // As exact as the step deserves: then convergence is faster than linear.
        let enough = start * start.sqrt().min(0.1).powi(2);
        let mut direction = Array2::<f64>::zeros(theta.raw_dim());
        let (mut residual, mut square) = (-gradient, start);
        let mut search = residual.clone();
        for _ in 0..INNER {
            let image = self.hessian(state, &search)?;
            let curvature = inner(&search, &image);
            if curvature <= 0.0 {
                break;
            }
            direction.scaled_add(square / curvature, &search);
            residual.scaled_add(-square / curvature, &image);
            let before = square;
            square = inner(&residual, &residual);
            if square <= enough {
                break;
            }
            search = &residual + &(search * (square / before));
        }
        let slope = inner(gradient, &direction);
        let mut length = 1.0;
        while length > 1e-10 {
            let further = theta + &(&direction * length);
            let reached = self.at(&further)?;
            // By more than losses are rounded.
            if reached.loss <= state.loss + 1e-4 * length * slope + 1e-14 * state.loss.abs() {
                return Ok(Some((further, reached)));
            }
            length *= 0.5;
        }
        Ok(None)
    }
}
