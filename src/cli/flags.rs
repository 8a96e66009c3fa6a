//! The flags that programs share. Those of [`Flag`] are had by the programs whose entry in the registry lists
//! them; where to write, threads and the record of a run by all.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{EnumValueParser, OsStringValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, ValueEnum, value_parser};

use super::classes::ClassArg;
use super::edits::EditArg;
use super::lists::{Shape, count};
use crate::stream::{Format, NanPolicy, RowRange};

/// A shared flag that only some programs take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// `--format`, where the output is an array or a table.
    Format,
    /// `--dtype`, where numbers are computed or converted.
    Dtype,
    /// `--seed`, where something is drawn.
    Seed,
    /// `--rows`, where the work has rows.
    Rows,
    /// `--nan`, where rows are read that may hold numbers which are not finite, with what is done by default.
    Nan(NanPolicy),
    /// `--shape`, where an input may lack the shape of its items.
    Shape,
    /// `--workers`, where a model may be a program.
    Workers,
    /// `--class`, where a denoiser is asked for one of its classes.
    Class,
    /// The same, where rows may have a class each, by their number.
    ClassOfRows,
    /// `--condition`, where rows of models that are told conditions have one each, by their number.
    ConditionOfRows,
    /// `--edit`, where the first model may be a network.
    Edit,
}

/// What the shared flags say; of those that a program does not take, the default.
#[derive(Clone, Debug)]
pub struct Shared {
    pub output: Option<PathBuf>,
    pub format: Option<Format>,
    pub dtype: Option<DtypeFlag>,
    pub seed: u64,
    pub threads: Option<u16>,
    pub rows: RowRange,
    pub nan: NanPolicy,
    pub shape: Option<Shape>,
    pub workers: usize,
    pub class: Option<ClassArg>,
    pub condition: Option<OsString>,
    pub edits: Vec<EditArg>,
    pub manifest: Option<PathBuf>,
    pub manifest_host: bool,
    pub quiet: bool,
    pub verbose: bool,
}

/// `--dtype` as written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum DtypeFlag {
    F32,
    F64,
}

/// Arguments of all programs, before and after those of [`Flag`].
const HEADING: &str = "Shared flags";

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).help(help).help_heading(HEADING)
}

/// A flag that is given or not.
fn switch(name: &'static str, help: &'static str) -> Arg {
    flag(name, help).action(ArgAction::SetTrue)
}

impl Flag {
    fn argument(self) -> Arg {
        match self {
            Flag::Format => flag(
                "format",
                "Encoding of the output (default: by the ending of --output, else npy for arrays, csv for tables)",
            )
            .short('f')
            .value_name("FORMAT")
            .value_parser(EnumValueParser::<Format>::new()),
            Flag::Dtype => {
                flag("dtype", "Arithmetic and output (default: that of the input; f32 without input)")
                    .value_name("DTYPE")
                    .value_parser(EnumValueParser::<DtypeFlag>::new())
            }
            Flag::Seed => flag("seed", "Every random draw follows from it")
                .value_name("U64")
                .value_parser(value_parser!(u64))
                .default_value("0"),
            Flag::Rows => {
                flag("rows", "Do only these rows of the work, half-open; either end may be left out")
                    .value_name("A..B")
                    .value_parser(value_parser!(RowRange))
                    .default_value("..")
                    .hide_default_value(true)
            }
            Flag::Nan(policy) => flag("nan", "What to do with a row that holds a number which is not finite")
                .value_name("POLICY")
                .value_parser(EnumValueParser::<NanPolicy>::new())
                .default_value(match policy {
                    NanPolicy::Error => "error",
                    NanPolicy::Drop => "drop",
                    NanPolicy::Pass => "pass",
                }),
            Flag::Shape => flag("shape", "Shape of one item, where the input does not say it (csv)")
                .value_name("H,W,C")
                .value_parser(value_parser!(Shape)),
            Flag::Workers => flag(
                "workers",
                "Run N of each exec:COMMAND at a time, with MOLRG_WORKER=0…N−1; never changes a byte",
            )
            .value_name("N")
            .value_parser(count(1..=1024_u16))
            .default_value("1"),
            Flag::Class => {
                flag("class", "Ask models that have classes (dae-fit --labels, exec:COMMAND) for this one, from 0")
                    .value_name("I")
                    .value_parser(ClassArg::parse_one)
            }
            Flag::ClassOfRows => flag(
                "class",
                "Ask models that have classes (dae-fit --labels, exec:COMMAND) for this one, from 0; or for that of every \
                 row, by its number, in FILE (npy or csv), which is held",
            )
            .value_name("I|FILE")
            .value_parser(OsStringValueParser::new().try_map(ClassArg::parse)),
            Flag::ConditionOfRows => flag(
                "condition",
                "Give models that are told one (dae-fit --condition) the condition of every row, by its number, in FILE, which \
                 is held",
            )
            .value_name("FILE")
            .value_parser(OsStringValueParser::new()),
            Flag::Edit => flag(
                "edit",
                "Add to a layer's values in the (first) model, a network, WEIGHT times the direction in FILE, one row (see \
                 dae-features --layers, rfm); may be repeated",
            )
            .value_name("LAYER=FILE:WEIGHT")
            .value_parser(OsStringValueParser::new().try_map(EditArg::parse))
            .action(ArgAction::Append),
        }
    }
}

/// All shared arguments of a program that takes these flags.
pub fn arguments(flags: &[Flag]) -> Vec<Arg> {
    let output =
        flag("output", "Write there instead of standard output; the file appears complete or not at all")
            .short('o')
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf));
    let threads = flag(
        "threads",
        "Threads to use (default: all granted by SLURM_CPUS_PER_TASK, OMP_NUM_THREADS or the system); never changes a byte",
    )
    .value_name("N")
    .value_parser(count(1..=4096_u16));
    let manifest = flag(
        "manifest",
        "Record the run as JSON: arguments, inputs and outputs with SHA-256. As FILE.manifest.json beside an output \
         FILE, the digest of the record itself goes into those of runs that read FILE",
    )
    .value_name("FILE")
    .value_parser(value_parser!(PathBuf));
    let host = switch(
        "manifest-host",
        "Record what differs between runs too: machine, processor, threads, time, memory",
    )
    .requires("manifest");
    let quiet = switch("quiet", "No progress on standard error").short('q');
    let verbose = switch(
        "verbose",
        "Say on standard error what the inputs are taken to be, as is said where that is a terminal",
    )
    .short('v')
    .conflicts_with("quiet");
    let mut all = vec![output];
    all.extend(flags.iter().map(|flag| flag.argument()));
    all.extend([threads, manifest, host, quiet, verbose]);
    all
}

impl Shared {
    pub fn of(matches: &ArgMatches) -> Shared {
        // A flag that the program does not have is not given.
        fn given<V: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Option<V> {
            matches.try_get_one::<V>(name).ok().flatten().cloned()
        }
        Shared {
            output: given(matches, "output"),
            format: given(matches, "format"),
            dtype: given(matches, "dtype"),
            seed: given(matches, "seed").unwrap_or_default(),
            threads: given(matches, "threads"),
            rows: given(matches, "rows").unwrap_or_default(),
            nan: given(matches, "nan").unwrap_or_default(),
            shape: given(matches, "shape"),
            workers: given::<u16>(matches, "workers").map_or(1, usize::from),
            class: given(matches, "class"),
            condition: given(matches, "condition"),
            edits: matches
                .try_get_many("edit")
                .ok()
                .flatten()
                .map_or(Vec::new(), |edits| edits.cloned().collect()),
            manifest: given(matches, "manifest"),
            manifest_host: given(matches, "manifest-host").unwrap_or_default(),
            quiet: given(matches, "quiet").unwrap_or_default(),
            verbose: given(matches, "verbose").unwrap_or_default(),
        }
    }
}
