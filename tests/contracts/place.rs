//! An empty directory in which programs are run as their users run them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Where the programs under test are.
pub fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_npy")).parent().unwrap()
}

/// An empty directory to run in.
pub struct Place(TempDir);

/// How a run ended.
pub struct Done {
    pub code: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Done {
    fn of(output: Output) -> Done {
        let err = String::from_utf8(output.stderr).expect("messages are UTF-8");
        Done { code: output.status.code(), out: output.stdout, err }
    }

    /// Standard output of a run that succeeded and said nothing.
    #[track_caller]
    pub fn silent(self, what: &str) -> Vec<u8> {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{what}");
        self.out
    }
}

impl Place {
    pub fn new() -> Place {
        Place(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    #[track_caller]
    pub fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Every file with its bytes; directories with none.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap());
        entries
            .map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap_or_default()))
            .collect()
    }

    pub fn process(&self, program: &Path) -> Command {
        let mut path = programs().as_os_str().to_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).env("PATH", path).stdin(Stdio::null());
        for granted in ["OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"] {
            command.env_remove(granted);
        }
        command
    }

    /// A program with its arguments, all separated by spaces.
    pub fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = self.process(&programs().join(words.next().unwrap()));
        command.args(words);
        command
    }

    pub fn run(&self, line: &str) -> Done {
        Done::of(self.command(line).output().unwrap())
    }

    /// Runs with `stdin` piped in, written in pieces of `step` bytes.
    pub fn feed(&self, line: &str, stdin: &[u8], step: usize) -> Done {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for piece in stdin.chunks(step) {
                    // A program that fails early reads no further.
                    if pipe.write_all(piece).is_err() {
                        break;
                    }
                }
            });
            Done::of(child.wait_with_output().unwrap())
        })
    }

    /// Standard output of a run that succeeds and says nothing.
    #[track_caller]
    pub fn out(&self, line: &str) -> Vec<u8> {
        self.run(line).silent(line)
    }

    #[track_caller]
    pub fn text(&self, line: &str) -> String {
        String::from_utf8(self.out(line)).unwrap()
    }

    /// A script for bash, in which a pipeline fails when a part of it does.
    pub fn bash(&self, script: &str) -> Done {
        let mut command = self.process(Path::new("bash"));
        Done::of(command.args(["-e", "-o", "pipefail", "-c", script]).output().unwrap())
    }
}
