//! The slow, independent path: every formula written out in f64 with plain loops and dense matrices, and nothing
//! of the library in it.

/// A matrix by rows.
pub type Rows = Vec<Vec<f64>>;

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f64>().sqrt()
}

pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The lower triangle L of A = L Lᵀ.
fn cholesky(a: &Rows) -> Rows {
    let n = a.len();
    let mut l = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let rest: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            l[i][j] = if i == j { (a[i][i] - rest).sqrt() } else { (a[i][j] - rest) / l[j][j] };
        }
    }
    l
}

/// A⁻¹ b, given L.
fn solve(l: &Rows, b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut y = b.to_vec();
    for i in 0..n {
        y[i] = (y[i] - (0..i).map(|k| l[i][k] * y[k]).sum::<f64>()) / l[i][i];
    }
    for i in (0..n).rev() {
        y[i] = (y[i] - (i + 1..n).map(|k| l[k][i] * y[k]).sum::<f64>()) / l[i][i];
    }
    y
}

/// Eigenvalues of a symmetric matrix, largest first, by Jacobi's rotations.
pub fn eigenvalues(mut a: Rows) -> Vec<f64> {
    let n = a.len();
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                let angle = 0.5 * (2.0 * a[p][q]).atan2(a[p][p] - a[q][q]);
                let (s, c) = angle.sin_cos();
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] + s * row[q], c * row[q] - s * row[p]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = (c * *x + s * *y, c * *y - s * *x);
                }
            }
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i][i]).collect();
    values.sort_by(|x, y| y.total_cmp(x));
    values
}

/// What D is of.
pub enum Law {
    /// Weight, mean and dense covariance of each.
    Mixture(Vec<(f64, Vec<f64>, Rows)>),
    /// The points themselves.
    Empirical(Rows),
}

impl Law {
    /// E[x_0 | x_0 + σ ε = x].
    pub fn denoise(&self, x: &[f64], sigma: f64) -> Vec<f64> {
        let (mut logs, mut guesses) = (Vec::new(), Vec::new());
        match self {
            Law::Mixture(components) => {
                for (weight, mean, covariance) in components {
                    let mut c = covariance.clone();
                    (0..x.len()).for_each(|i| c[i][i] += sigma * sigma);
                    let l = cholesky(&c);
                    let off: Vec<f64> = x.iter().zip(mean).map(|(x, m)| x - m).collect();
                    let solved = solve(&l, &off);
                    let half_log_det: f64 = (0..x.len()).map(|i| l[i][i].ln()).sum();
                    logs.push(weight.ln() - 0.5 * dot(&off, &solved) - half_log_det);
                    // μ + C (C + σ²)⁻¹ (x − μ) = x − σ² (C + σ²)⁻¹ (x − μ).
                    guesses
                        .push(x.iter().zip(&solved).map(|(x, s)| x - sigma * sigma * s).collect::<Vec<_>>());
                }
            }
            Law::Empirical(points) => {
                for point in points {
                    logs.push(-0.5 * (distance(x, point) / sigma).powi(2));
                    guesses.push(point.clone());
                }
            }
        }
        let top = logs.iter().fold(f64::NEG_INFINITY, |m, l| m.max(*l));
        let weights: Vec<f64> = logs.iter().map(|l| (l - top).exp()).collect();
        let total: f64 = weights.iter().sum();
        (0..x.len())
            .map(|i| weights.iter().zip(&guesses).map(|(w, g)| w * g[i]).sum::<f64>() / total)
            .collect()
    }

    fn epsilon(&self, x: &[f64], sigma: f64) -> Vec<f64> {
        x.iter().zip(self.denoise(x, sigma)).map(|(x, d)| (x - d) / sigma).collect()
    }

    /// The flow from `x` down (or up) the levels.
    pub fn flow(&self, solver: &str, x: &[f64], levels: &[f64]) -> Vec<f64> {
        let add =
            |x: &[f64], h: f64, k: &[f64]| x.iter().zip(k).map(|(x, k)| x + h * k).collect::<Vec<f64>>();
        let mut x = x.to_vec();
        let mut last: Option<(f64, Vec<f64>)> = None;
        for pair in levels.windows(2) {
            let (s, t) = (pair[0], pair[1]);
            let h = t - s;
            x = match solver {
                // To level 0, every one is the denoiser itself.
                _ if t == 0.0 => self.denoise(&x, s),
                "euler" => add(&x, h, &self.epsilon(&x, s)),
                "heun" => {
                    let a = self.epsilon(&x, s);
                    let b = self.epsilon(&add(&x, h, &a), t);
                    add(&add(&x, h / 2.0, &a), h / 2.0, &b)
                }
                "dpm2" => {
                    let u = (s * t).sqrt();
                    let middle = add(&x, u - s, &self.epsilon(&x, s));
                    add(&x, h, &self.epsilon(&middle, u))
                }
                "rk4" => {
                    let a = self.epsilon(&x, s);
                    let b = self.epsilon(&add(&x, h / 2.0, &a), s + h / 2.0);
                    let c = self.epsilon(&add(&x, h / 2.0, &b), s + h / 2.0);
                    let d = self.epsilon(&add(&x, h, &c), t);
                    let both: Vec<f64> =
                        (0..x.len()).map(|i| a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]).collect();
                    add(&x, h / 6.0, &both)
                }
                "dpmpp2m" => {
                    let d = self.denoise(&x, s);
                    let step = (s / t).ln();
                    let guess = match &last {
                        None => d.clone(),
                        Some((before, old)) => {
                            let w = 0.5 * step / before;
                            d.iter().zip(old).map(|(d, o)| d + w * (d - o)).collect()
                        }
                    };
                    last = Some((step, d));
                    x.iter().zip(guess).map(|(x, g)| t / s * x + (1.0 - t / s) * g).collect()
                }
                _ => panic!("no solver {solver}"),
            };
        }
        x
    }

    /// ∂D/∂x by central differences, by rows.
    pub fn jacobian(&self, x: &[f64], sigma: f64) -> Rows {
        let step = 1e-4 * sigma.max(0.1);
        let columns: Rows = (0..x.len())
            .map(|j| {
                let moved = |by: f64| {
                    let mut x = x.to_vec();
                    x[j] += by;
                    self.denoise(&x, sigma)
                };
                let (up, down) = (moved(step), moved(-step));
                up.iter().zip(down).map(|(u, d)| (u - d) / (2.0 * step)).collect()
            })
            .collect();
        (0..x.len()).map(|i| columns.iter().map(|c| c[i]).collect()).collect()
    }
}

/// All orders of 0 … n − 1.
pub fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let mut all = Vec::new();
    for shorter in permutations(n - 1) {
        for at in 0..n {
            let mut longer = shorter.clone();
            longer.insert(at, n - 1);
            all.push(longer);
        }
    }
    all
}
