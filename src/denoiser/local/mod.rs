//! Local machines: optimal denoisers that see patches only, of a finite set of images (Kamb and Ganguli,
//! arXiv 2412.20292). A pixel of D(x; σ) is the mean of the centres of all patches of a dictionary, with weights
//! ∝ exp(−‖patch of x − patch‖²/2σ²).
//!
//! * [`windows`]: sums over windows at a cost that does not know their width;
//! * [`axes`]: which patches are compared, an axis at a time;
//! * [`posterior`]: the denoiser and its Jacobian.

mod axes;
mod posterior;
mod windows;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use ndarray::Array2;

use crate::scalar::Scalar;
use crate::schedule::{SIGMAS, same_level};
use crate::stream::tensors::{Entry, Numbers, TensorFile, Values};

pub use posterior::LocalDenoiser;

/// What a machine sees of an image, and which patches it compares that with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Machine {
    /// The whole image, with all images: the optimal denoiser of a finite set
    Ideal,
    /// The whole image, with all cyclic shifts of all images
    Equivariant,
    /// A patch, clipped at the border, with those of the same place
    Local,
    /// A patch that goes on at the opposite border, with those of all places
    EquivariantLocal,
    /// A patch, clipped at the border, with those of all places that are clipped alike
    Bordered,
}

impl Machine {
    /// Whether it sees patches.
    pub fn has_patches(self) -> bool {
        !matches!(self, Machine::Ideal | Machine::Equivariant)
    }
}

/// Which patches of its images an equivariant-local machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Dictionary {
    /// Those of all places, going on at the opposite border
    #[default]
    Circular,
    /// Those that do not reach beyond the border
    Interior,
}

/// A machine but for its images.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub machine: Machine,
    pub dictionary: Dictionary,
    /// Sides of the patches, odd, a level each; empty where it sees whole images.
    pub patches: Vec<usize>,
    /// Noise levels that the patches belong to; empty where one is for all.
    pub levels: Vec<f64>,
}

impl Settings {
    /// # Errors
    /// Patches that are even, too many or too few; levels that are none.
    pub fn check(&self) -> Result<()> {
        let (patches, levels) = (self.patches.len(), self.levels.len());
        ensure!(
            (patches > 0) == self.machine.has_patches(),
            if self.machine.has_patches() {
                "patch: this machine needs the size of its patches"
            } else {
                "patch: this machine sees whole images; leave it out"
            }
        );
        if let Some(even) = self.patches.iter().find(|k| k.is_multiple_of(2)) {
            bail!("patch {even}: a patch has a centre, so an odd size; give {}", even + 1);
        }
        ensure!(
            levels == patches || levels == 0 && patches <= 1,
            "patch-levels: {levels} levels for {patches} sizes of patches; give a level for each"
        );
        if let Some(level) = self.levels.iter().find(|s| !SIGMAS.contains(*s)) {
            bail!("patch-levels {level}: a noise level must be positive, between 1e-18 and 1e18");
        }
        for (i, level) in self.levels.iter().enumerate() {
            ensure!(
                !self.levels[..i].iter().any(|other| same_level(*other, *level)),
                "patch-levels {level}: is there twice; a patch belongs to each"
            );
        }
        Ok(())
    }

    /// That its patches are in images of this height and width.
    ///
    /// # Errors
    /// Patches of which no image has one.
    pub fn check_size(&self, height: usize, width: usize) -> Result<()> {
        let interior = self.machine == Machine::EquivariantLocal && self.dictionary == Dictionary::Interior;
        if let Some(patch) = self.patches.iter().find(|k| interior && **k > height.min(width)) {
            bail!(
                "patch {patch}: no patch of that size lies within {height}×{width} pixels; give a smaller one, or \
                 --dictionary circular"
            );
        }
        Ok(())
    }
}

/// A local machine, as a model file holds it.
pub struct Local {
    pub settings: Settings,
    /// N, height, width, channels.
    pub shape: [usize; 4],
    /// The images' numbers.
    pub(super) values: Values,
}

impl Local {
    /// Of images with channels last, one a row.
    ///
    /// # Errors
    /// Settings that do not go together or with these images, no images, or rows that are not of their size.
    pub fn new<T: Scalar>(settings: Settings, image: [usize; 3], data: Array2<T>) -> Result<Local> {
        let [h, w, c] = image;
        let shape = [data.nrows(), h, w, c];
        let (values, _) = data.as_standard_layout().into_owned().into_raw_vec_and_offset();
        Local { settings, shape, values: Values::new(values) }.checked()
    }

    fn checked(self) -> Result<Local> {
        let [n, h, w, c] = self.shape;
        ensure!(n > 0 && h * w * c > 0, "it has no images");
        ensure!(self.values.len() == n * h * w * c, "its images are not of one size");
        self.settings.check()?;
        self.settings.check_size(h, w)?;
        Ok(self)
    }

    pub(super) fn read(file: &mut TensorFile) -> Result<Local> {
        fn named<E: ValueEnum>(file: &TensorFile, key: &str) -> Result<E> {
            let name = file.entry(key).unwrap_or("");
            E::from_str(name, false)
                .ok()
                .with_context(|| format!("damaged, or of a later version: its {key} is {name:?}"))
        }
        fn list<N: std::str::FromStr>(file: &TensorFile, key: &str) -> Result<Vec<N>> {
            let text = file.entry(key).unwrap_or("");
            let numbers = text.split(',').filter(|_| !text.is_empty()).map(|n| n.trim().parse().ok());
            numbers
                .collect::<Option<_>>()
                .with_context(|| format!("damaged: its {key}, {text:?}, is no list of numbers"))
        }
        let machine = named(file, "machine")?;
        let dictionary = match machine {
            Machine::EquivariantLocal => named(file, "dictionary")?,
            _ => Dictionary::default(),
        };
        let (patches, levels) = (list(file, "patch")?, list(file, "patch_levels")?);
        let data = file.take("data")?;
        let [n, h, w, c] = data.shape[..] else {
            bail!("damaged: tensor data has {} axes, not 4", data.shape.len());
        };
        ensure!(data.values.all_finite(), "damaged: it holds numbers that are not finite");
        let settings = Settings { machine, dictionary, patches, levels };
        Local { settings, shape: [n, h, w, c], values: data.values }.checked().context("damaged")
    }

    /// d.
    pub(super) fn dim(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// What its file says of it.
    pub(super) fn metadata(&self) -> Vec<(String, String)> {
        fn list<N: ToString>(numbers: &[N]) -> String {
            numbers.iter().map(N::to_string).collect::<Vec<_>>().join(",")
        }
        fn name(value: impl ValueEnum) -> String {
            value.to_possible_value().map(|v| v.get_name().to_string()).unwrap_or_default()
        }
        let Settings { machine, dictionary, patches, levels } = &self.settings;
        let mut all = vec![("machine", name(*machine))];
        if *machine == Machine::EquivariantLocal {
            all.push(("dictionary", name(*dictionary)));
        }
        if !patches.is_empty() {
            all.push(("patch", list(patches)));
        }
        if !levels.is_empty() {
            all.push(("patch_levels", list(levels)));
        }
        all.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
    }

    /// The tensor of its file.
    pub(super) fn entries(&self) -> [Entry<'_>; 1] {
        let numbers = Numbers::from(&self.values);
        [Entry { name: "data".into(), shape: self.shape.to_vec(), dtype: self.values.dtype(), numbers }]
    }
}
