//! What a measured curve says: where it crosses a level, and the line through it.

use super::interval::Mean;

/// Where a curve meets a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crossing {
    pub x: f64,
    /// Whether the curve goes up there; `None` where it lies on the level from beginning to end.
    pub up: Option<bool>,
}

/// The first x at which the points (x, y), in order of x and joined by straight lines, meet a level: between
/// two points by y_i + t (y_{i+1} − y_i) = L at x_i + t (x_{i+1} − x_i), or x_i (x_{i+1}/x_i)^t where lines
/// are straight in log x. A curve that begins on the level goes where it goes first.
pub fn crossing(points: &[(f64, f64)], level: f64, log_x: bool) -> Option<Crossing> {
    let side = |y: f64| y.partial_cmp(&level).map_or(0, |order| order as i8);
    let first = side(points.first()?.1);
    if first == 0 {
        let next = points.iter().map(|p| side(p.1)).find(|side| *side != 0);
        return Some(Crossing { x: points[0].0, up: next.map(|side| side > 0) });
    }
    let i = points.iter().position(|p| side(p.1) != first)?;
    let ((x0, y0), (x1, y1)) = (points[i - 1], points[i]);
    if y1 == level {
        return Some(Crossing { x: x1, up: Some(first < 0) });
    }
    // Halves only where they are needed, since those of the smallest numbers are 0.
    let half = if (y1 - y0).is_finite() && (level - y0).is_finite() { 1.0 } else { 0.5 };
    let t = (level * half - y0 * half) / (y1 * half - y0 * half);
    let x = if log_x { (x0.ln() * (1.0 - t) + x1.ln() * t).exp() } else { x0 * (1.0 - t) + x1 * t };
    Some(Crossing { x: x.clamp(x0, x1), up: Some(first < 0) })
}

/// A straight line fitted to points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub slope: f64,
    /// `None` for two points, through which every line is exact.
    pub slope_std_error: Option<f64>,
    pub intercept: f64,
    /// The share of the variance of y that the line explains; `None` where y does not vary.
    pub r_squared: Option<f64>,
}

/// Least squares: slope S_xy/S_xx with error sqrt(Σ (y − ŷ)² / (n − 2) / S_xx), S about the means. `None`
/// where there are no two different x.
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    let (mut x_mean, mut y_mean) = (Mean::default(), Mean::default());
    for &(x, y) in points {
        x_mean.add(x);
        y_mean.add(y);
    }
    let (x_mean, y_mean) = (x_mean.mean, y_mean.mean);
    let (mut sxx, mut sxy, mut syy) = (0.0, 0.0, 0.0);
    for &(x, y) in points {
        let (dx, dy) = (x - x_mean, y - y_mean);
        sxx += dx * dx;
        sxy += dx * dy;
        syy += dy * dy;
    }
    let distinct = points.iter().any(|p| p.0 != points[0].0);
    if !distinct || sxx == 0.0 {
        return None;
    }
    let slope = sxy / sxx;
    let residuals = points.iter().map(|&(x, y)| (y - y_mean) - slope * (x - x_mean));
    let rss: f64 = residuals.map(|r| r * r).sum();
    let n = points.len();
    Some(Line {
        slope,
        slope_std_error: (n > 2).then(|| (rss / (n - 2) as f64 / sxx).sqrt()),
        intercept: y_mean - slope * x_mean,
        r_squared: (syy > 0.0).then(|| 1.0 - rss / syy),
    })
}
