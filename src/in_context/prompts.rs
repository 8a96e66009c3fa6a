//! Prompts as they are drawn: with all their pairs, or as h alone, which has the same law at a cost without N.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, aview1};
use rand::Rng;
use rand_distr::{ChiSquared, Distribution};

use super::Prompt;
use crate::linalg::dot;
use crate::random::{Purpose, fill_normal, row_rng, standard_normals};

/// Whole prompts, each with a task of its own: prompt i depends on the seed and i alone.
#[derive(Clone, Copy, Debug)]
pub struct Prompts {
    pub prompt: Prompt,
    pub seed: u64,
}

impl Prompts {
    /// (ŷ − y)² of prompt i about a task w = Wa, a ~ N(0, I_r), for each of several W (d, r), with the same draws of all
    /// else; the mean over several Γ (d, d).
    pub fn squared_errors(&self, i: u64, gammas: &[ArrayView2<f64>], bases: &[Array2<f64>]) -> Vec<f64> {
        let n = self.prompt.pairs;
        let (d, rank) = bases.first().map_or((0, 0), Array2::dim);
        let mut rng = row_rng(self.seed, Purpose::Prompts, i);
        let a = Array1::from(standard_normals::<f64>(&mut rng, rank));
        let tasks: Vec<Array1<f64>> = bases.iter().map(|w| w.dot(&a)).collect();
        let mut moments = vec![Array1::<f64>::zeros(d); tasks.len()];
        // A pair at a time: x, then the noise of its y; the query is the last pair.
        let mut pair = vec![0.0; d + 1];
        for _ in 0..n {
            fill_normal(&mut rng, &mut pair);
            let x = aview1(&pair[..d]);
            for (h, w) in moments.iter_mut().zip(&tasks) {
                let y = dot(w.view(), x) + self.prompt.noise_std * pair[d];
                h.scaled_add(y / n as f64, &x);
            }
        }
        fill_normal(&mut rng, &mut pair);
        let query = aview1(&pair[..d]);
        let attention: Vec<Array1<f64>> = gammas.iter().map(|gamma| query.dot(gamma)).collect();
        let error = |(h, w): (&Array1<f64>, &Array1<f64>)| {
            let y = dot(w.view(), query) + self.prompt.noise_std * pair[d];
            let squares = attention.iter().map(|of_query| (dot(of_query.view(), h.view()) - y).powi(2));
            squares.sum::<f64>() / gammas.len() as f64
        };
        moments.iter().zip(&tasks).map(error).collect()
    }
}

impl Prompt {
    /// h of a prompt about the task w (d), drawn without its pairs. With Xw = ‖w‖g, each row of X is g_i w/‖w‖ and, off w,
    /// independent of y = ‖w‖g + τε: h = (1/N) [(gᵀy) w/‖w‖ + ‖y‖ z], z ~ N(0, I − wwᵀ/‖w‖²). And of g and ε only
    /// ‖g‖² ~ χ²_N, gᵀε/‖g‖ ~ N(0, 1) and what else ‖ε‖² has, χ²_(N−1), enter.
    pub fn draw_moment(&self, rng: &mut impl Rng, w: ArrayView1<f64>) -> Array1<f64> {
        let (n, tau) = (self.pairs as f64, self.noise_std);
        let mut normals = standard_normals::<f64>(rng, w.len() + 1);
        let along = normals.pop().unwrap_or_default();
        let g2 = chi_squared(rng, n);
        let rest = chi_squared(rng, n - 1.0);
        let norm = dot(w, w).sqrt();
        let g = g2.sqrt();
        let y = ((norm * g + tau * along).powi(2) + tau * tau * rest).sqrt();
        let mut h = Array1::from(normals) * y;
        if norm > 0.0 {
            let direction = &w / norm;
            let off = (norm * g + tau * along) * g - dot(h.view(), direction.view());
            h.scaled_add(off, &direction);
        }
        h / n
    }
}

fn chi_squared(rng: &mut impl Rng, degrees: f64) -> f64 {
    // Of none it is 0.
    ChiSquared::new(degrees).map_or(0.0, |law| law.sample(rng))
}
