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
/// the name of what holds it. Flat rows go with items of any shape, and axes of length 1 count for nothing.
///
/// # Errors
/// Shapes that differ, both of more than one axis.
pub fn same_items(first: (&str, &[usize]), other: (&str, &[usize])) -> Result<()> {
    let axes = |shape: &[usize]| shape.iter().copied().filter(|&n| n > 1).collect::<Vec<_>>();
    let (a, b) = (axes(first.1), axes(other.1));
    if a == b || a.len() < 2 || b.len() < 2 {
        return Ok(());
    }
    let short = |shape: &[usize]| shape_text(shape).replace(' ', "");
    let channels_first = |a: &[usize], b: &[usize]| matches!((a, b), (&[c, h, w], b) if b == [h, w, c]);
    let turn = |name| format!("{name} has its channels first; turn it with npy transpose --axes 0,2,3,1");
    let way_out = if channels_first(&a, &b) {
        turn(first.0)
    } else if channels_first(&b, &a) {
        turn(other.0)
    } else {
        "give both in one layout".to_string()
    };
    bail!(
        "{} and {}: items of shape {} against {}: {way_out}",
        first.0,
        other.0,
        short(first.1),
        short(other.1)
    )
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
