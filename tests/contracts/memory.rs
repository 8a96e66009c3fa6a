//! Memory does not grow with the number of rows, and what is large is of large pages.

use serde_json::Value;

use super::place::Place;

const MIB: u64 = 1 << 20;

/// The largest memory that the program of the script held; the script says
/// `{n}` for its number of rows and `MANIFEST` for the flag.
#[track_caller]
fn peak(place: &Place, script: &str, n: usize) -> u64 {
    let script = script
        .replace("{n}", &n.to_string())
        .replace("MANIFEST", "--threads 2 --manifest run.json --manifest-host");
    place.bash(&script).silent(&script);
    let run: Value = serde_json::from_slice(&place.get("run.json")).unwrap();
    run["host"]["peak_memory_bytes"].as_u64().unwrap()
}

#[track_caller]
fn bounded(script: &str, small: usize, large: usize) {
    let place = Place::new();
    place.out("molrg-gen -d 16 -r 2 -k 2 -n 60 --truth truth.st -o x.npy");
    place.out("dae-fit x.npy --kind molrg -r 2 -k 2 -o student.st");
    let (few, many) = (peak(&place, script, small), peak(&place, script, large));
    assert!(many < 300 * MIB, "{script}: {} MiB", many / MIB);
    assert!(many < few + few / 5 + 16 * MIB, "{script}: {} MiB, then {} MiB", few / MIB, many / MIB);
}

#[test]
fn molrg_gen() {
    bounded(
        "molrg-gen -d 64 -r 6 -k 3 -n {n} --noise-std 0.1 --labels /dev/null MANIFEST > /dev/null",
        100_000,
        500_000,
    );
}

#[test]
fn npy_noise() {
    bounded("npy noise -d 64 -n {n} MANIFEST > /dev/null", 100_000, 500_000);
}

#[test]
fn pf_sample() {
    bounded("pf-sample truth.st -n {n} --steps 6 MANIFEST > /dev/null", 40_000, 200_000);
}

#[test]
fn pf_sample_from_a_pipe() {
    let script = "npy noise -d 16 -n {n} | pf-sample truth.st --noise - --steps 3 --trajectory /dev/null \
                  MANIFEST > /dev/null";
    bounded(script, 40_000, 200_000);
}

#[test]
fn dae_apply() {
    bounded(
        "npy noise -d 64 -n 300 | dae-fit --kind gaussian -o g.st; npy noise -d 64 -n {n} | \
             dae-apply g.st --sigma 1 --add-noise MANIFEST > /dev/null",
        40_000,
        200_000,
    );
}

#[test]
fn rp_score() {
    let script = "npy noise -d 64 -n 500 -o t.npy; rp-score <(npy noise -d 64 -n {n} --seed 1) \
                  <(npy noise -d 64 -n {n} --seed 2) --train t.npy --per-sample /dev/null MANIFEST > /dev/null";
    bounded(script, 30_000, 150_000);
}

#[test]
fn pfd() {
    bounded("pfd student.st truth.st -n {n} --steps 5 MANIFEST > /dev/null", 20_000, 100_000);
    bounded(
        "pfd <(npy noise -d 16 -n {n} --seed 1) <(npy noise -d 16 -n {n}) MANIFEST > /dev/null",
        50_000,
        300_000,
    );
}

#[test]
fn dae_fit_of_a_gaussian() {
    bounded("npy noise -d 64 -n {n} | dae-fit --kind gaussian -o g.st MANIFEST", 50_000, 300_000);
}

#[test]
fn npy_reading() {
    bounded("npy noise -d 64 -n {n} | npy info - MANIFEST > /dev/null", 100_000, 400_000);
    bounded("npy noise -d 64 -n {n} | npy cat - MANIFEST > /dev/null", 50_000, 300_000);
    bounded("npy diff <(npy noise -d 64 -n {n}) <(npy noise -d 64 -n {n}) MANIFEST", 50_000, 300_000);
}

#[test]
fn pf_sample_of_a_program() {
    bounded(
        "pf-sample 'exec:dae-serve student.st' -n {n} --steps 2 --workers 2 MANIFEST > /dev/null",
        20_000,
        100_000,
    );
}

/// The flags that the system has of the memory around an address, by smaps.
#[cfg(target_os = "linux")]
fn flags_of(address: usize) -> String {
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut within = false;
    for line in maps.lines() {
        let ends = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        if let Some((Some(from), Some(to))) = ends.map(|(from, to)| (number(from), number(to))) {
            within = (from..to).contains(&address);
        }
        if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| within) {
            return flags.to_string();
        }
    }
    String::new()
}

/// `hg` says that large pages are asked for: of an allocation that grows, too.
#[test]
#[cfg(target_os = "linux")]
fn large_memory_asks_for_large_pages() {
    if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        eprintln!("not run: this system has no large pages");
        return;
    }
    let middle = |numbers: &[f32]| flags_of(numbers[numbers.len() / 2..].as_ptr().addr());
    let asked = |flags: &str| flags.split(' ').any(|flag| flag == "hg");
    let (zeros, ones) = (vec![0.0f32; 16 << 20], vec![1.0f32; 16 << 20]);
    // From what is too small to ask.
    let mut grown = vec![1.0f32; 1 << 18];
    grown.resize(16 << 20, 2.0);
    for numbers in [&zeros, &ones, &grown] {
        let flags = middle(numbers);
        assert!(asked(&flags), "'{flags}'");
    }
}
