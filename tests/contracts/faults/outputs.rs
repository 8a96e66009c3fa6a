//! Outputs that cannot be written, or are no ordinary files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::process::Stdio;

use super::super::place::{Place, only_warnings};
use super::{
    EARLIER, OLD, OUTPUTS, command_of, forget, refused, small, sound_calls, to_stdout, turn, unchanged,
    writes,
};

/// Every call with each of its outputs in turn left open, `{}`, and the name that was there.
fn calls_by_output() -> impl Iterator<Item = (String, String)> {
    sound_calls().into_iter().flat_map(|line| {
        let words: Vec<String> = line.split(' ').map(str::to_string).collect();
        // Of dae-fit labels are an input, eigenvalues of linear-theory, and the truth of assimilate.
        let input = |flag: &str| {
            flag == "--labels" && line.starts_with("dae-fit")
                || flag == "--spectrum" && line.starts_with("linear-theory")
                || flag == "--truth" && line.starts_with("assimilate")
        };
        let output = |flag: &str| OUTPUTS.contains(&flag) && !input(flag);
        let at = (0..words.len()).filter(|&i| output(&words[i]));
        let open = |i: usize| {
            let mut words = words.clone();
            let was = std::mem::replace(&mut words[i + 1], "{}".into());
            (words.join(" "), was)
        };
        // `npy check` reads manifests.
        let records = !line.starts_with("npy check");
        let manifest = records.then(|| (format!("{line} --manifest {{}}"), MANIFEST.to_string()));
        at.map(open).chain(manifest).collect::<Vec<_>>()
    })
}

const MANIFEST: &str = "run.json";

/// The mixture that samples are drawn from is complete before the first of them, for programs further down
/// the pipe; it stands where the samples fail later.
fn without_truth(line: &str) -> String {
    line.replace(" --truth third", "")
}

/// Every call with its result on standard output, where it has one.
fn printing_calls() -> Vec<String> {
    let calls = sound_calls().into_iter().filter(|line| writes(line));
    calls.map(|line| to_stdout(&line)).collect()
}

/// A path in place of `{}`, with the ending that the output had: it may decide the format.
fn at(line: &str, was: &str, path: &str) -> String {
    let svg = was.ends_with(".svg") && !path.starts_with("/dev");
    line.replace("{}", &format!("{path}{}", if svg { ".svg" } else { "" }))
}

#[test]
fn an_output_that_cannot_be_written_is_named_and_the_others_do_not_appear() {
    let place = small();
    fs::create_dir(place.path("directory")).unwrap();
    fs::create_dir(place.path("directory.svg")).unwrap();
    symlink("loop", place.path("loop")).unwrap();
    symlink("loop.svg", place.path("loop.svg")).unwrap();
    let before = place.files();
    let (mut seen, mut met) = (0, BTreeSet::new());
    for (line, was) in calls_by_output() {
        // Each output takes every other path; a call's only output and its manifest take different ones.
        let paths = [
            ("/dev/full", "/dev/full: cannot write: No space left on device"),
            ("nowhere/out", ": there is no directory nowhere; create it first"),
            // Directories in which nobody may make a file, not even root.
            ("/proc/self/out", ": cannot write in directory /proc/self: "),
            ("/sys/kernel/out", ": cannot write in directory /sys/kernel: "),
            ("old/out", ": cannot write in directory old: "),
            ("directory", ": is a directory; name a file in it"),
            ("loop", ": is a symbolic link that leads nowhere"),
        ];
        for (path, words) in paths.into_iter().skip(turn(&line, 2)).step_by(2) {
            met.insert((path, was.ends_with(".svg")));
            let mut line = at(&line, &was, path);
            if path == "/dev/full" {
                line = without_truth(&line);
            }
            let said = refused(&place, &before, 1, &line, &place.run(&line));
            assert!(said.contains(path) && said.contains(words), "{line}: {said}");
            seen += 1;
        }
    }
    assert!(seen > 300 && met.len() == 14, "{seen} runs of {met:?}");
}

#[test]
fn a_full_standard_output_is_an_error_and_a_full_standard_error_none() {
    let place = small();
    let before = place.files();
    for line in printing_calls().iter().map(|line| without_truth(line)) {
        let said = refused(&place, &before, 1, &line, &place.bash(&format!("{line} > /dev/full")));
        assert!(said.contains("<stdout>: cannot write: No space left on device"), "{line}: {said}");
        let expected = place.out(&line);
        forget(&place);
        let done = place.bash(&format!("{line} 2> /dev/full"));
        assert!((done.code, &done.out) == (Some(0), &expected), "{line}");
        forget(&place);
        // Nobody hears why, yet the exit code tells.
        let done = place.bash(&format!("{line} --bogus 2> /dev/full"));
        assert_eq!((done.code, done.out.len()), (Some(2), 0), "{line}");
        let done = place.bash(&format!("{line} -o nowhere/out.svg 2> /dev/full"));
        assert_eq!((done.code, done.out.len()), (Some(1), 0), "{line}");
        unchanged(&place, &before, &line);
    }
}

#[test]
fn two_outputs_do_not_share_a_file() {
    let place = small();
    let before = place.files();
    for (line, _) in calls_by_output() {
        for other in OLD.iter().filter(|other| line.split(' ').any(|word| word == **other)) {
            for path in [other.to_string(), format!("./{other}")] {
                let line = line.replace("{}", &path);
                refused(&place, &before, 2, &line, &place.run(&line));
            }
        }
    }
}

#[test]
fn links_pipes_devices_and_the_input_itself_are_written_as_they_should() {
    let place = small();
    let before = place.files();
    let made = std::process::Command::new("mkfifo").arg(place.path("fifo")).status().unwrap();
    assert!(made.success());
    let odd = place.path("").join(OsStr::from_bytes(b"n\xff\xfe.svg"));
    for (line, was) in calls_by_output() {
        // They speak of time.
        if was == MANIFEST || line.contains("--log {}") {
            continue;
        }
        place.out(&line.replace("{}", &was));
        let expected = place.get(&was);
        forget(&place);
        let ending = if was.ends_with(".svg") { ".svg" } else { "" };

        // Through links, to what is there and to what is not yet.
        let (link, target) = (format!("link{ending}"), format!("target{ending}"));
        symlink(&target, place.path(&link)).unwrap();
        for _ in 0..2 {
            let _ = fs::remove_file(place.path(&target));
            place.out(&line.replace("{}", &link));
            assert!(place.get(&target) == expected, "{line}: {link}");
            assert!(fs::symlink_metadata(place.path(&link)).unwrap().is_symlink(), "{line}");
            place.put(&target, EARLIER);
        }
        fs::remove_file(place.path(&link)).unwrap();
        fs::remove_file(place.path(&target)).unwrap();

        // Straight through a pipe.
        if ending.is_empty() {
            let fifo = place.path("fifo");
            let reader = std::thread::spawn(move || fs::read(fifo).unwrap());
            place.out(&line.replace("{}", "fifo"));
            assert!(reader.join().unwrap() == expected, "{line}: fifo");
            assert!(fs::metadata(place.path("fifo")).unwrap().file_type().is_fifo(), "{line}");
        }

        // A device stays one.
        place.out(&line.replace("{}", "/dev/null"));
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device(), "{line}");

        // A name that is not text, in place of `{}`.
        let words: Vec<OsString> =
            line.split(' ').map(|w| if w == "{}" { odd.clone().into() } else { w.into() }).collect();
        let done = place
            .process(&super::super::place::programs().join(&words[0]))
            .args(&words[1..])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(0) && only_warnings(&said), "{line}: {said}");
        assert!(fs::read(&odd).unwrap() == expected, "{line}: not UTF-8");
        fs::remove_file(&odd).unwrap();
        forget(&place);

        // Onto its own input, whose name has no ending that would say what it is.
        let input = line.split(' ').find(|word| ["whole.npy", "truth.st", "table.csv"].contains(word));
        if let Some(input) = input.filter(|_| ending.is_empty()) {
            let line = line.replace(input, "own");
            fs::copy(place.path(input), place.path("own")).unwrap();
            place.out(&line.replace("{}", &was));
            let expected = place.get(&was);
            forget(&place);
            place.out(&line.replace("{}", "own"));
            assert!(place.get("own") == expected, "{line}: its own input");
            fs::remove_file(place.path("own")).unwrap();
        }
        forget(&place);
    }
    fs::remove_file(place.path("fifo")).unwrap();
    unchanged(&place, &before, "links, pipes and devices");
}

#[test]
fn a_file_protected_from_writing_is_named() {
    let place = small();
    for name in ["closed", "closed.svg"] {
        place.put(name, EARLIER);
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o444)).unwrap();
    }
    if fs::OpenOptions::new().write(true).open(place.path("closed")).is_ok() {
        // Root may write anywhere, so there is nothing to be seen.
        return;
    }
    let before = place.files();
    for (line, was) in calls_by_output() {
        let line = at(&line, &was, "closed");
        let said = refused(&place, &before, 1, &line, &place.run(&line));
        assert!(said.contains("closed") && said.contains("Permission denied"), "{line}: {said}");
    }
}

/// Where files may grow no further, at any byte, as where a disk is full.
#[test]
fn a_write_that_fails_at_any_byte_is_an_error() {
    let place = small();
    for line in sound_calls().iter().filter(|line| writes(line)) {
        place.out(line);
        let sizes: BTreeMap<&str, usize> = OLD.iter().map(|name| (*name, place.get(name).len())).collect();
        let written = OLD.iter().filter(|name| place.get(name) != EARLIER);
        let sizes: Vec<usize> = written.map(|name| sizes[name]).collect();
        forget(&place);
        let before = place.files();
        let largest = *sizes.iter().max().unwrap();
        // The last byte of each file, another one and one where headers end by turns, and no byte.
        let limits = sizes.iter().flat_map(|s| [[0, 1, s / 2][turn(line, 3)], s - 1]);
        let limits = limits.chain([127 + turn(line, 3), largest]);
        for limit in limits.filter(|limit| *limit <= largest).collect::<BTreeSet<_>>() {
            let limited = place
                .process("prlimit".as_ref())
                .arg(format!("--fsize={limit}"))
                .args(line.split(' '))
                .output()
                .unwrap();
            let done = super::Done {
                code: limited.status.code(),
                out: limited.stdout,
                err: String::from_utf8(limited.stderr).unwrap(),
            };
            if limit == largest {
                assert!(
                    done.code == Some(0) && only_warnings(&done.err),
                    "{line}: {limit} bytes: {}",
                    done.err
                );
                forget(&place);
                continue;
            }
            let said = refused(&place, &before, 1, line, &done);
            assert!(said.contains("File too large"), "{line}: {limit} bytes: {said}");
        }
    }
}

#[test]
fn a_closed_pipe_ends_a_program_quietly() {
    let place = small();
    let before = place.files();
    for line in printing_calls() {
        let mut command = place.command(&line);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(0) && only_warnings(&said), "{line}: {said}");
        forget(&place);
        unchanged(&place, &before, &line);
    }
}

/// A model or an array is nothing for a person to see.
#[test]
fn no_terminal_gets_binary() {
    let place = small();
    let before = place.files();
    let binary = [
        "molrg-gen",
        "dae-fit",
        "dae-apply",
        "pf-sample",
        "npy noise",
        "npy cat",
        "npy stack",
        "npy images",
        "npy take",
        "npy transpose",
    ];
    for line in printing_calls().iter().filter(|l| binary.contains(&command_of(l).as_str())) {
        let outside = Place::new();
        let (seen, err) = (outside.path("seen"), outside.path("err"));
        let mut command = place.process("script".as_ref());
        command.args(["-qec", &format!("{line} 2> {}", err.display())]).arg(&seen).stdout(Stdio::null());
        let code = command.status().unwrap().code();
        let seen = fs::read(seen).unwrap();
        let holds = |text: &[u8]| seen.windows(text.len()).any(|part| part == text);
        assert!(!holds(b"NUMPY") && !holds(b"metadata"), "{line}");
        let done = super::Done { code, out: Vec::new(), err: fs::read_to_string(err).unwrap() };
        let said = refused(&place, &before, done.code.unwrap(), line, &done);
        assert!(said.contains("terminal") && done.code != Some(0), "{line}: {said}");
    }
}
