//! Colours that people with any colour vision, and printers, tell apart.

/// Red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Color(pub u8, pub u8, pub u8);

pub(super) const INK: Color = Color(0x22, 0x22, 0x22);
pub(super) const PAPER: Color = Color(0xff, 0xff, 0xff);
pub(super) const FAINT: Color = Color(0xe4, 0xe4, 0xe4);
pub(super) const MIDDLE: Color = Color(0x77, 0x77, 0x77);

/// The palette of Okabe and Ito, the ones that stand out on white first; then darker ones,
/// most of them of Paul Tol's "muted".
pub(super) const SERIES: [Color; 16] = [
    Color(0x00, 0x72, 0xb2),
    Color(0xd5, 0x5e, 0x00),
    Color(0x00, 0x9e, 0x73),
    Color(0xcc, 0x79, 0xa7),
    Color(0xe6, 0x9f, 0x00),
    Color(0x56, 0xb4, 0xe9),
    Color(0x00, 0x00, 0x00),
    Color(0xf0, 0xe4, 0x42),
    Color(0x33, 0x22, 0x88),
    Color(0x88, 0x22, 0x55),
    Color(0x66, 0x66, 0x66),
    Color(0x99, 0x99, 0x33),
    Color(0x11, 0x77, 0x33),
    Color(0xaa, 0x44, 0x99),
    Color(0x44, 0xaa, 0x99),
    Color(0x66, 0x11, 0x00),
];

/// Pale tints of the palette, for regions behind the data.
pub(super) const SHADES: [Color; 4] =
    [Color(0xec, 0xec, 0xec), Color(0xfb, 0xee, 0xda), Color(0xe0, 0xee, 0xf8), Color(0xe0, 0xf2, 0xec)];

/// Nine points of viridis (van der Walt and Smith, CC0), equally spaced.
const VIRIDIS: [[f64; 3]; 9] = [
    [68.0, 1.0, 84.0],
    [71.0, 44.0, 122.0],
    [59.0, 81.0, 139.0],
    [44.0, 113.0, 142.0],
    [33.0, 144.0, 141.0],
    [39.0, 173.0, 129.0],
    [92.0, 200.0, 99.0],
    [170.0, 220.0, 50.0],
    [253.0, 231.0, 37.0],
];

/// The colour of a share from 0 to 1: dark to light, blue to yellow.
pub(super) fn viridis(share: f64) -> Color {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let from = (place as usize).min(VIRIDIS.len() - 2);
    let part = place - from as f64;
    let mix = |i: usize| (VIRIDIS[from][i] * (1.0 - part) + VIRIDIS[from + 1][i] * part).round() as u8;
    Color(mix(0), mix(1), mix(2))
}

impl Color {
    /// Black or white, whichever is easier to read on this colour.
    pub(super) fn contrast(self) -> Color {
        let light = 0.299 * f64::from(self.0) + 0.587 * f64::from(self.1) + 0.114 * f64::from(self.2);
        if light > 140.0 { Color(0, 0, 0) } else { PAPER }
    }

    pub(super) fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}
