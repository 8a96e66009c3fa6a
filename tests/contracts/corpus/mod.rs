//! Bytes that fuzzing kept (`make fuzz`), each because it took another way through a reader: testdata/corpus.

mod checks;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zip::ZipArchive;

fn replay(target: &str, check: fn(&[u8])) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/corpus/{target}.zip"));
    let mut corpus = ZipArchive::new(File::open(path).unwrap()).unwrap();
    assert!(corpus.len() > 50, "{} inputs", corpus.len());
    for i in 0..corpus.len() {
        let mut input = corpus.by_index(i).unwrap();
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).unwrap();
        // Shown where the check fails.
        println!("{target}.zip: {}", input.name().unwrap());
        check(&bytes);
    }
}

#[test]
fn npy() {
    replay("npy", checks::array);
}

#[test]
fn npz() {
    replay("npz", checks::archive);
}

#[test]
fn csv() {
    replay("csv", checks::array);
}

#[test]
fn table() {
    replay("table", checks::table);
}

#[test]
fn model() {
    replay("model", checks::model);
}

#[test]
fn argument() {
    replay("argument", checks::argument);
}
