//! Whether steps of Euler's scheme are short enough for the drift on the paths that are taken.

/// A step of less than this share of where it leads is rounding.
const ROUNDING: f64 = 1e-9;

/// How many times as long as itself the next step is, where a step from x leads over a place of rest to where the drift drives
/// back harder: such steps grow without end, or swing about that place, where the equation itself comes to rest. Of b = −θx these
/// are steps of θh > 2. None of other steps.
pub fn overshoot(x: f64, step: f64, next: f64) -> Option<f64> {
    let turned = step * next < 0.0 && next.abs() > step.abs();
    (turned && next.abs() > ROUNDING * (x + step).abs()).then(|| next.abs() / step.abs())
}
