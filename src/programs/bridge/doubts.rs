//! Where paths begin and end of which a control knows nothing.

use crate::bridge::control::{PolynomialControl, Scales};
use crate::bridge::network::NetworkControl;
use crate::bridge::{Control, System};

/// Of what free paths have done, no place so many of their deviations away.
const BEYOND: f64 = 4.0;
/// A share of steps at which a path that begins elsewhere is there.
const STEPS: f64 = 0.05;
/// A network, which takes y − x besides x, goes on from others so many deviations of all places well.
const AWAY: f64 = 2.0;

/// A target that hardly any free path has come near.
pub(super) fn target(target: &[f64], scales: &[Scales]) -> Option<String> {
    let away = |(y, scales): &(&f64, &Scales)| (*y - scales.y_mean).abs() / scales.y_std;
    let mut pairs = target.iter().zip(scales).enumerate();
    let (j, pair @ (y, Scales { y_mean, y_std, .. })) = pairs.find(|(_, pair)| away(pair) > BEYOND)?;
    Some(format!(
        "--target {y}{}: {:.1} deviations from the mean of the ends that the fit has seen ({y_mean:.3} ± {y_std:.3}): hardly any path \
         is near it, and the fit goes on from others; fit paths with more noise, or, of one coordinate, take bridge exact",
        coordinate(j, target),
        away(&pair)
    ))
}

fn coordinate(j: usize, all: &[f64]) -> String {
    if all.len() > 1 { format!(" of coordinate {j}") } else { String::new() }
}

/// A start from which the first steps are where the control knows nothing.
pub(super) fn start(start: &[f64], control: &Control) -> Option<String> {
    // Their controls are linear, and go on rightly.
    let linear = matches!(control.setting().system, System::Brownian | System::Ou { .. });
    match control {
        Control::Grid(grid) => {
            let (x, first, last) = (start[0], grid.x[0], grid.x[grid.x.len() - 1]);
            (!linear && !(first..=last).contains(&x)).then(|| {
                format!(
                    "--start {x}: outside the places of the control, {first} to {last}, beyond which it goes on straight, as the \
                     drift does not; give exact a wider --range"
                )
            })
        }
        Control::Polynomial(fit) => {
            let straight = fit.steps.iter().flat_map(|step| &step.terms).all(|(i, j, _)| i + j <= 1);
            if linear && straight { None } else { of_polynomial(start[0], fit) }
        }
        Control::Network(fit) => of_network(start, fit),
    }
}

/// By where free paths were at every step.
fn of_polynomial(start: f64, fit: &PolynomialControl) -> Option<String> {
    let away = (start - fit.start).abs();
    // At first all were in one place, of which there is no deviation.
    let beyond = fit.steps.iter().skip(1).filter(|step| away > BEYOND * step.scales.x_std).count();
    let (steps, begins) = (fit.steps.len(), fit.start);
    (beyond as f64 > STEPS * steps as f64).then(|| {
        format!(
            "--start {start}: the fit's paths began at {begins}, and at {beyond} of {steps} steps were more than {BEYOND} deviations nearer \
             to it than paths from {start} are: its polynomials know nothing there; fit with that --start"
        )
    })
}

/// By where free paths were at all times.
fn of_network(start: &[f64], fit: &NetworkControl) -> Option<String> {
    let away = |j: usize| (start[j] - fit.start[j]).abs() / fit.scales[j].x_std;
    let j = (0..start.len()).find(|&j| away(j) > AWAY)?;
    Some(format!(
        "--start {}{}: {:.1} deviations of the places that the fit has seen from {}, where its paths began: it goes on from others; \
         fit with that --start",
        start[j],
        coordinate(j, start),
        away(j),
        fit.start[j]
    ))
}
