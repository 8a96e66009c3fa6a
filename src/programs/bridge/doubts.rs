//! Where paths begin and end of which a control knows nothing.

use ndarray::ArrayView2;

use crate::bridge::control::{PolynomialControl, Scales};
use crate::bridge::network::NetworkControl;
use crate::bridge::{Control, GridControl, System};

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

/// Points outside the places of a control are told from this share of them on.
const OUTSIDE: f64 = 0.02;
/// How much straight lines between places may tell of themselves, as the divergence of a path from one that is led rightly.
const ASTRAY: f64 = 0.02;

/// Where paths were, and what a control on a grid knows there.
pub(super) struct Visits<'a> {
    grid: &'a GridControl,
    /// The same of every second place.
    thinned: Option<GridControl>,
    paths: u64,
    outside: u64,
    /// Σσ²(u − v)²Δt of all paths, v by every second place.
    apart: f64,
}

impl<'a> Visits<'a> {
    /// Of a control on a grid; linear ones go on rightly between places and beyond.
    pub fn of(control: &'a Control) -> Option<Visits<'a>> {
        match control {
            Control::Grid(grid) if !is_linear(control) => {
                Some(Visits { grid, thinned: grid.thinned(), paths: 0, outside: 0, apart: 0.0 })
            }
            _ => None,
        }
    }

    pub fn add(&mut self, paths: ArrayView2<f64>) {
        let setting = &self.grid.setting;
        let unit = setting.noise_std * setting.noise_std * setting.step();
        self.paths += paths.nrows() as u64;
        for path in paths.outer_iter() {
            for (k, &x) in path.iter().enumerate().take(setting.steps) {
                self.outside += u64::from(!contains(self.grid, x));
                if let Some(thinned) = self.thinned.as_ref().filter(|thinned| contains(thinned, x)) {
                    self.apart += unit * (self.grid.at(k, x) - thinned.at(k, x)).powi(2);
                }
            }
        }
    }

    pub fn tell(&self) -> Vec<String> {
        let places = &self.grid.x;
        let (n, first, last) = (places.len(), places[0], places[places.len() - 1]);
        let points = self.paths as f64 * self.grid.setting.steps as f64;
        let share = self.outside as f64 / points.max(1.0);
        let outside = (share > OUTSIDE).then(|| {
            format!(
                "{:.1} % of the paths' points lie outside the places of the control, {first} to {last}, beyond which it goes on straight, \
                 as the drift does not; give exact a wider --range",
                100.0 * share
            )
        });
        // Of a parabola the square off a straight line is on average a tenth of that between lines of twice the length and it;
        // by Girsanov half of what is left is the divergence.
        let divergence = self.apart / 20.0 / self.paths.max(1) as f64;
        let coarse = (divergence > ASTRAY).then(|| {
            format!(
                "between the {n} places of the control, from {first} to {last}, straight lines lead paths astray by a divergence of about \
                 {divergence:.2e}, as every second place shows, where {ASTRAY} is little; give exact more --places"
            )
        });
        let two = self.thinned.is_none().then(|| {
            format!("the control has {n} places, a straight line, where that of this system bends; give exact more --places")
        });
        outside.into_iter().chain(coarse).chain(two).collect()
    }
}

fn contains(grid: &GridControl, x: f64) -> bool {
    (grid.x[0]..=grid.x[grid.x.len() - 1]).contains(&x)
}

/// Of these systems controls are linear, and go on rightly.
fn is_linear(control: &Control) -> bool {
    matches!(control.setting().system, System::Brownian | System::Ou { .. })
}

fn coordinate(j: usize, all: &[f64]) -> String {
    if all.len() > 1 { format!(" of coordinate {j}") } else { String::new() }
}

/// A start from which the first steps are where the control knows nothing.
pub(super) fn start(start: &[f64], control: &Control) -> Option<String> {
    let linear = is_linear(control);
    match control {
        Control::Grid(grid) => {
            let (x, first, last) = (start[0], grid.x[0], grid.x[grid.x.len() - 1]);
            (!linear && !contains(grid, x)).then(|| {
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
