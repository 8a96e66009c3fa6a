//! Recursive feature machines (Radhakrishnan et al., Science 383 (2024) 1461, arXiv 2212.13881; as concepts of networks'
//! features, arXiv 2602.11395): a kernel machine whose metric M is learned from its own gradients. With
//!
//!     K(x, z) = exp(−‖x − z‖_M / L),  ‖u‖²_M = uᵀMu,  M = I at first,
//!     α = (K + λI)⁻¹ y,  f(x) = Σ_i α_i K(x, x_i),
//!     ∇f(x) = −(1/L) Σ_i α_i K(x, x_i) M(x − x_i) / ‖x − x_i‖_M,
//!
//! every round takes M ← G / max G of G = (1/n) Σ_j ∇f(x_j)∇f(x_j)ᵀ, the average gradient outer product, whose leading
//! eigenvectors are the directions that f depends on. Of several f the outer products of all are summed.

use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use crate::linalg::{
    accumulate_moment, column_means, divide_by_symmetric, fix_signs, product, squared_distance,
    symmetric_eigen,
};

/// How to learn.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rounds; before the first, M = I.
    pub iterations: u32,
    /// L > 0.
    pub bandwidth: f64,
    /// λ > 0.
    pub ridge: f64,
}

/// The root of the mean square distance of two rows: a bandwidth at which a row's neighbours are neither all nor none.
pub fn typical_distance(x: ArrayView2<f64>) -> f64 {
    let off = &x - &column_means(x);
    let (n, squares) = (x.nrows() as f64, off.iter().map(|v| v * v).sum::<f64>());
    (2.0 * squares / (n - 1.0).max(1.0)).sqrt()
}

/// What is learned of features.
pub struct Features {
    /// G (d, d).
    pub gradients: Array2<f64>,
    /// The mean of ∇f over the rows where there is one f: where it grows.
    slope: Option<Array1<f64>>,
    /// Q (d, q) of M = QQᵀ: ‖u‖_M = ‖Qᵀu‖.
    root: Array2<f64>,
}

impl Features {
    /// Of rows (n, d) and what f should be there, (n, c).
    ///
    /// # Errors
    /// Where K + λI is singular for all that can be told, or f flat.
    pub fn learn(
        x: ArrayView2<f64>,
        y: ArrayView2<f64>,
        settings: Settings,
        mut done: impl FnMut(),
    ) -> Result<Features> {
        let d = x.ncols();
        let eye = Array2::eye(d);
        let mut features = Features { gradients: eye.clone(), slope: None, root: eye };
        for _ in 0..settings.iterations {
            let machine = Machine::fit(&features, x, y, settings)?;
            let (gradients, slope) = machine.gradients();
            let largest = gradients.iter().fold(0.0f64, |m, &v| m.max(v));
            ensure!(
                largest > 0.0,
                "the machine is flat at bandwidth {}: rows see none of the others, or all alike; give a --bandwidth of the size of \
                 distances between rows, or a smaller --ridge",
                settings.bandwidth
            );
            features.root = root((&gradients / largest).view())?;
            features.gradients = gradients;
            features.slope = (y.ncols() == 1).then_some(slope);
            done();
        }
        Ok(features)
    }

    /// The `r` leading eigenvectors of G as rows (r, d) and their eigenvalues. Of one f, they point to where it grows; of
    /// several, their largest entry is positive.
    pub fn directions(&self, r: usize) -> Result<(Array2<f64>, Array1<f64>)> {
        let (values, mut vectors) = symmetric_eigen(self.gradients.view())?;
        fix_signs(vectors.view_mut());
        if let Some(slope) = &self.slope {
            for mut v in vectors.columns_mut() {
                if v.dot(slope) < 0.0 {
                    v.mapv_inplace(|v| -v);
                }
            }
        }
        // Eigenvalues below 0 are rounding.
        let values = values.slice(s![..r]).mapv(|v| v.max(0.0));
        Ok((vectors.slice(s![.., ..r]).t().as_standard_layout().into_owned(), values))
    }
}

/// Q of M = QQᵀ, without directions in which M is 0 but for rounding.
fn root(m: ArrayView2<f64>) -> Result<Array2<f64>> {
    let (values, vectors) = symmetric_eigen(m)?;
    let largest = values.first().copied().unwrap_or(0.0);
    let rank = values.iter().take_while(|&&v| v > 1e-15 * largest).count();
    Ok(&vectors.slice(s![.., ..rank]) * &values.slice(s![..rank]).mapv(f64::sqrt))
}

/// Rows whose distance is below this share of the bandwidth are one: a kernel with a kink has no gradient there.
const SAME: f64 = 1e-10;

/// Rows whose gradients are held at a time.
const BLOCK: usize = 1024;

/// f of one metric.
pub struct Machine {
    /// Rows in the coordinates of the metric, Qᵀx, (n, q).
    z: Array2<f64>,
    root: Array2<f64>,
    /// αᵀ, (c, n).
    alpha: Array2<f64>,
    bandwidth: f64,
}

impl Machine {
    /// As [`Features::learn`], at the metric of what was learned. Memory: 2 n² numbers.
    ///
    /// # Errors
    /// Where K + λI is singular for all that can be told.
    pub fn fit(
        features: &Features,
        x: ArrayView2<f64>,
        y: ArrayView2<f64>,
        settings: Settings,
    ) -> Result<Machine> {
        let z = product(x, features.root.view());
        let mut machine = Machine {
            z,
            root: features.root.clone(),
            alpha: y.t().as_standard_layout().into_owned(),
            bandwidth: settings.bandwidth,
        };
        let mut k = machine.kernel(machine.z.view());
        k.diag_mut().mapv_inplace(|v| v + settings.ridge);
        let pivot = divide_by_symmetric(&mut machine.alpha, k.view())?;
        ensure!(
            pivot > 1e-15,
            "rows are alike to rounding, and the kernel matrix is singular; give a larger --ridge"
        );
        Ok(machine)
    }

    /// K of points in the metric's coordinates (m, q) and the rows, (m, n).
    fn kernel(&self, points: ArrayView2<f64>) -> Array2<f64> {
        let mut k = Array2::zeros((points.nrows(), self.z.nrows()));
        k.outer_iter_mut().into_par_iter().zip(points.outer_iter().into_par_iter()).for_each(
            |(mut k, point)| {
                for (k, z) in k.iter_mut().zip(self.z.outer_iter()) {
                    *k = (-squared_distance(point, z).sqrt() / self.bandwidth).exp();
                }
            },
        );
        k
    }

    /// f of points (m, d), (m, c).
    pub fn predict(&self, points: ArrayView2<f64>) -> Array2<f64> {
        let k = self.kernel(product(points, self.root.view()).view());
        product(k.view(), self.alpha.t())
    }

    /// G (d, d), and the mean of ∇f, summed over all f.
    fn gradients(&self) -> (Array2<f64>, Array1<f64>) {
        let ((n, q), c) = (self.z.dim(), self.alpha.nrows());
        let (mut sum, mut slope) = (Array2::zeros((q, q)), Array1::zeros(q));
        for from in (0..n).step_by(BLOCK) {
            let to = n.min(from + BLOCK);
            // Rows of ∇f in the metric's coordinates, where M(x − x_i) is Q(z − z_i); those of a row of x together.
            let mut block = Array2::<f64>::zeros(((to - from) * c, q));
            let rows = block.axis_chunks_iter_mut(Axis(0), c).into_par_iter();
            rows.zip(from..to).for_each(|(mut of_row, j)| self.add_gradients(j, &mut of_row));
            accumulate_moment(sum.view_mut(), block.view(), block.view(), false);
            slope += &block.sum_axis(Axis(0));
        }
        let count = n as f64;
        let root = &self.root;
        let outer = product(product(root.view(), (sum / count).view()).view(), root.t());
        // Symmetric but for rounding.
        ((&outer + &outer.t()) * 0.5, root.dot(&(slope / count)))
    }

    /// −(1/L) Σ_i α_i K (z_j − z_i)/‖z_j − z_i‖ for each f, to its row.
    fn add_gradients(&self, j: usize, of_row: &mut ArrayViewMut2<f64>) {
        let at: ArrayView1<f64> = self.z.row(j);
        for (i, z) in self.z.outer_iter().enumerate() {
            let distance = squared_distance(at, z).sqrt();
            if distance < SAME * self.bandwidth {
                continue;
            }
            let weight = -(-distance / self.bandwidth).exp() / (distance * self.bandwidth);
            for (mut gradient, alpha) in of_row.outer_iter_mut().zip(self.alpha.column(i)) {
                let weight = alpha * weight;
                gradient.iter_mut().zip(at.iter().zip(z)).for_each(|(g, (a, b))| *g += weight * (a - b));
            }
        }
    }
}
