//! Which patches a machine compares, an axis at a time: rows and columns do not know of each other.

use std::ops::Range;

use super::windows::Windows;
use super::{Dictionary, Machine, Settings};

/// Patches of x and of an image whose places are a fixed number apart, along one axis.
pub struct Axis {
    /// The places whose numbers are compared: of x, and of the image.
    pub cells: Vec<(usize, usize)>,
    /// The patches' centres among the cells.
    centres: Range<usize>,
    /// Sums of cells over patches.
    pub patches: Windows,
    /// Sums, for every cell, of the patches that have it.
    pub owners: Windows,
}

impl Axis {
    fn new(cells: Vec<(usize, usize)>, centres: Range<usize>, radius: usize, circular: bool) -> Axis {
        let patches = Windows::new(cells.len(), centres.clone(), radius, circular);
        let owners = Windows::transposed(cells.len(), centres.clone(), radius, circular);
        Axis { cells, centres, patches, owners }
    }

    /// Places of the patches' centres: of x, and of the image.
    pub fn centres_of(&self) -> &[(usize, usize)] {
        &self.cells[self.centres.clone()]
    }
}

/// All that are to be compared along an axis of `length` places, with the patches of a side, or with whole images.
pub fn axes(settings: &Settings, patch: Option<usize>, length: usize) -> Vec<Axis> {
    // Whole images are patches that reach everywhere.
    let radius = patch.map_or(length, |side| side / 2);
    let same_place = || Axis::new((0..length).map(|i| (i, i)).collect(), 0..length, radius, false);
    // Cells in the image's order, since its patches may have to stay within it.
    let shifted = |s: usize| (0..length).map(move |y| ((y + length - s) % length, y)).collect();
    match (settings.machine, settings.dictionary) {
        (Machine::Ideal | Machine::Local, _) => vec![same_place()],
        (Machine::Equivariant, _) | (Machine::EquivariantLocal, Dictionary::Circular) => {
            (0..length).map(|s| Axis::new(shifted(s), 0..length, radius, true)).collect()
        }
        (Machine::EquivariantLocal, Dictionary::Interior) => {
            (0..length).map(|s| Axis::new(shifted(s), radius..length - radius, radius, false)).collect()
        }
        (Machine::Bordered, _) => {
            // Patches that are clipped are clipped alike at one place only; all others are alike.
            let inner = radius..length.saturating_sub(radius);
            let apart = (1..inner.len()).flat_map(|s| {
                let cells =
                    |from: usize, to: usize| (0..length - s).map(move |i| (i + from, i + to)).collect();
                let centres = inner.start..inner.end - s;
                [
                    Axis::new(cells(0, s), centres.clone(), radius, false),
                    Axis::new(cells(s, 0), centres, radius, false),
                ]
            });
            std::iter::once(same_place()).chain(apart).collect()
        }
    }
}
