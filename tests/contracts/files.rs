//! Files appear complete or not at all; pipes and devices end as they should.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::place::Place;

#[test]
fn a_closed_pipe_ends_even_an_endless_run_quietly() {
    let place = Place::stocked("f32");
    for endless in [
        "molrg-gen -d 64 -r 4 -n 1000000000",
        "molrg-gen -d 64 -r 4 -n 1000000000 -f csv",
        "pf-sample student.st -n 1000000000",
        "npy noise -n 1000000000 -d 64",
        "npy noise -n 1000000000 -d 64 | npy cat --nan pass -f csv",
        "npy noise -n 1000000000 -d 24 | dae-apply student.st --sigma 1 -f csv",
        "npy noise -n 1000000000 -d 24 | pf-sample student.st --noise - -f json",
    ] {
        let done = place.bash(&format!("{endless} | head -c 100000 | wc -c"));
        assert_eq!((done.out.as_slice(), done.err.as_str()), (&b"100000\n"[..], ""), "{endless}");
        assert_eq!(done.code, Some(0), "{endless}");
    }
}

#[test]
fn permissions_follow_the_umask() {
    let place = Place::stocked("f32");
    for (umask, mode) in [("022", 0o644), ("027", 0o640), ("077", 0o600), ("002", 0o664)] {
        let scripts = [
            ("molrg-gen -d 8 -r 2 -n 9 -o x --labels y --truth z", &["x", "y", "z"][..]),
            ("dae-fit train.npy --kind gaussian -o x --report y --manifest z", &["x", "y", "z"]),
            ("pf-sample student.st -n 3 -o x --trajectory y --report z", &["x", "y", "z"]),
            ("rp-score a.npy b.npy -o x --per-sample y", &["x", "y"]),
            ("jacobian-rank student.st --sigma 1 -n 2 -o x --spectrum y --basis z", &["x", "y", "z"]),
        ];
        for (line, names) in scripts {
            place.bash(&format!("umask {umask}; {line}")).silent(line);
            for name in names {
                let found = fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o7777;
                assert_eq!(found, mode, "{line}: {name} under umask {umask}");
                fs::remove_file(place.path(name)).unwrap();
            }
        }
    }
}
