//! The README's tour is run: every command of its console blocks, in order, must
//! print what stands below it.

use std::path::Path;

use crate::place::Place;

/// Numbers agree to this, relatively or absolutely: errors at rounding level
/// (1e-7 and less) differ between processors, everything else does not show it.
const TOLERANCE: f64 = 2e-6;

#[test]
fn tour_prints_what_it_shows() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let place = Place::new();
    let mut commands = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for step in block.split("$ ").skip(1) {
            let (command, shown) = step.split_once('\n').unwrap();
            let run = place.bash(command);
            let printed = String::from_utf8(run.out).unwrap();
            assert_eq!(run.code, Some(0), "{command}: {}", run.err);
            assert!(alike(&printed, shown), "{command}\nprints\n{printed}\nbut the README shows\n{shown}");
            commands += 1;
        }
    }
    assert!(commands >= 9, "only {commands} commands found in the README");
}

/// Whether two texts have the same fields, numbers compared as numbers.
fn alike(a: &str, b: &str) -> bool {
    let fields = |text: &str| text.split([',', '\n']).map(str::to_string).collect::<Vec<_>>();
    let (a, b) = (fields(a), fields(b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(x), Ok(y)) => (x - y).abs() <= TOLERANCE * y.abs().max(1.0),
            _ => a == b,
        })
}
