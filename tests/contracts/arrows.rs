//! The map in `src/lib.rs` is the code's: every module uses only those of later lines, or of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The modules named in a line of the map.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("[`").skip(1).filter_map(|rest| rest.split_once("`]")).map(|(name, _)| name)
}

/// All source of a module, which is a file or a folder.
fn source(of: &Path) -> String {
    if of.is_dir() {
        let entries = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path());
        return entries.map(|entry| source(&entry)).collect();
    }
    fs::read_to_string(of).unwrap()
}

#[test]
fn modules_use_only_what_the_map_says_is_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map = fs::read_to_string(src.join("lib.rs")).unwrap();
    let lines = map.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(". "));
    let numbered = lines.filter_map(|(number, modules)| Some((number.parse::<usize>().ok()?, modules)));
    let level: BTreeMap<&str, usize> =
        numbered.flat_map(|(number, modules)| named(modules).map(move |module| (module, number))).collect();

    let modules: Vec<&str> =
        map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(modules.len() > 15);
    for module in &modules {
        let folder = src.join(module);
        let text = source(&if folder.is_dir() { folder } else { folder.with_extension("rs") });
        for used in modules.iter().filter(|used| *used != module && text.contains(&format!("crate::{used}")))
        {
            let allowed = match (level.get(module), level.get(used)) {
                (Some(from), Some(to)) => from <= to,
                // The stream stands beside: it takes only how rows are held, and only these two take it.
                (None, Some(_)) => *module == "stream" && ["blocks", "scalar"].contains(used),
                (Some(_), None) => ["programs", "cli", "denoiser"].contains(module) && *used == "stream",
                (None, None) => false,
            };
            assert!(allowed, "{module} uses {used}, which stands above it in src/lib.rs");
        }
    }
}
