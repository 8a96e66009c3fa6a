//! Shapes of items: whether two of them mean the same, and where the channels of images lie.

use anyhow::{Result, bail, ensure};

use super::blocks::shape_text;

/// How the numbers of an image with channels lie.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channels last: (N, H, W, C)
    Nhwc,
    /// Channels first, as PyTorch has them: (N, C, H, W)
    Nchw,
}

impl Layout {
    /// The axes that turn items of this shape into images with channels last; `None` where they are that already.
    /// Without a word on the layout, what looks like channels first is refused: 1, 3 or 4 of them before two longer,
    /// equal axes.
    ///
    /// # Errors
    /// A shape that leaves it open; a layout said of items without an axis of channels.
    pub fn axes(layout: Option<Layout>, shape: &[usize]) -> Result<Option<[usize; 3]>> {
        if layout.is_some() && shape.len() != 3 {
            bail!("--layout: items of shape {} have no axis of channels; leave it out", shape_text(shape));
        }
        match (layout, shape) {
            (Some(Layout::Nchw), _) => Ok(Some([1, 2, 0])),
            (None, &[c @ (1 | 3 | 4), h, w]) if h == w && c < h => bail!(
                "items of shape {} look like images with channels first, as PyTorch has them; give --layout nchw to \
                 turn them, or --layout nhwc if they are {}",
                shape_text(shape),
                image_text(shape)
            ),
            _ => Ok(None),
        }
    }

    /// Axes of a batch of images that bring its channels to the end, and to the front, for npy transpose.
    const LAST: &str = "0,2,3,1";
    const FIRST: &str = "0,3,1,2";

    /// Which of the two turns images of one shape into those of another.
    fn turning(from: &[usize], to: &[usize]) -> Option<&'static str> {
        let turns = |a: &[usize], b: &[usize]| matches!((a, b), (&[c, h, w], b) if b == [h, w, c]);
        if turns(from, to) {
            Some(Layout::LAST)
        } else if turns(to, from) {
            Some(Layout::FIRST)
        } else {
            None
        }
    }
}

/// What items are taken to be, for people: `28×28, 3 channels`.
pub fn image_text(shape: &[usize]) -> String {
    let image = |h, w, c| format!("{h}×{w}, {c} channel{}", if c == 1 { "" } else { "s" });
    match *shape {
        [h, w] => image(h, w, 1),
        [h, w, c] => image(h, w, c),
        _ => format!("{} numbers", shape.iter().product::<usize>()),
    }
}

/// Refuses items of equal size whose numbers lie in another order: `(3,8,8)` against `(8,8,3)`. Each is given with
/// the name of what holds it, two arrays, of which either can be turned. Flat rows go with items of any shape, and axes of
/// length 1 count for nothing.
///
/// # Errors
/// Shapes that differ, both of more than one axis.
pub fn same_items(first: (&str, &[usize]), other: (&str, &[usize])) -> Result<()> {
    let channels_first = |(_, shape): &(&str, &[usize]), last: &(&str, &[usize])| {
        Layout::turning(shape, last.1) == Some(Layout::LAST)
    };
    refuse(first, other, || {
        let array = [(first, other), (other, first)].into_iter().find(|(a, b)| channels_first(a, b))?.0.0;
        Some(format!("{array} has its channels first; turn it with npy transpose --axes {}", Layout::LAST))
    })
}

/// The same of an array, and of what cannot be turned: a model, an operator.
///
/// # Errors
/// As [`same_items`].
pub fn items_suit(array: (&str, &[usize]), what: (&str, &[usize])) -> Result<()> {
    let turn = |axes| format!("turn {} with npy transpose --axes {axes}", array.0);
    refuse(array, what, || Layout::turning(array.1, what.1).map(turn))
}

/// The same of two models.
///
/// # Errors
/// As [`same_items`].
pub fn models_suit(first: (&str, &[usize]), other: (&str, &[usize])) -> Result<()> {
    refuse(first, other, || Some("models cannot be turned; fit both to data in one layout".to_string()))
}

fn refuse(a: (&str, &[usize]), b: (&str, &[usize]), way_out: impl Fn() -> Option<String>) -> Result<()> {
    let [axes_a, axes_b] = [a.1, b.1].map(long_axes);
    if axes_a == axes_b || axes_a.len() < 2 || axes_b.len() < 2 {
        return Ok(());
    }
    let short = |shape: &[usize]| shape_text(shape).replace(' ', "");
    bail!(
        "{} and {}: items of shape {} against {}: {}",
        a.0,
        b.0,
        short(a.1),
        short(b.1),
        way_out().unwrap_or_else(|| "give both in one layout".to_string())
    )
}

/// Axes that count.
fn long_axes(shape: &[usize]) -> Vec<usize> {
    shape.iter().copied().filter(|&n| n > 1).collect()
}

/// Another order of the axes of items: the place in a stored row of each number of a turned one.
pub(super) struct Turn(Vec<usize>);

impl Turn {
    /// Axis i of a turned item is axis `axes[i]` of a stored one; returns the turned shape, too.
    ///
    /// # Errors
    /// Axes that are not each of the item's, once.
    pub(super) fn new(shape: &[usize], axes: &[usize]) -> Result<(Turn, Vec<usize>)> {
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        ensure!(
            sorted.iter().copied().eq(0..shape.len()),
            "items of shape {} have other axes than these; name each of them once",
            shape_text(shape)
        );
        let stride = |axis: usize| shape[axis + 1..].iter().product::<usize>();
        let turned: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
        let mut places = vec![0];
        for (&axis, &length) in axes.iter().zip(&turned) {
            let step = stride(axis);
            places = places.iter().flat_map(|&at| (0..length).map(move |i| at + i * step)).collect();
        }
        Ok((Turn(places), turned))
    }

    /// Turns rows, one after the other.
    pub(super) fn apply<T: Copy>(&self, rows: &mut [T]) {
        let mut turned = Vec::with_capacity(self.0.len());
        for row in rows.chunks_exact_mut(self.0.len()) {
            turned.clear();
            turned.extend(self.0.iter().map(|&place| row[place]));
            row.copy_from_slice(&turned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_numpys_transpose() {
        // np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0).ravel()
        let expected = [0, 12, 1, 13, 2, 14, 3, 15, 4, 16, 5, 17, 6, 18, 7, 19, 8, 20, 9, 21, 10, 22, 11, 23];
        let mut rows: Vec<usize> = (0..48).collect();
        let (turn, shape) = Turn::new(&[2, 3, 4], &[1, 2, 0]).unwrap();
        turn.apply(&mut rows);
        assert_eq!(shape, [3, 4, 2]);
        assert_eq!(rows[..24], expected);
        assert_eq!(rows[24..], expected.map(|n| n + 24));
        assert!(Turn::new(&[2, 3], &[0, 0]).is_err());
        assert!(Turn::new(&[2, 3], &[0]).is_err());
    }
}
