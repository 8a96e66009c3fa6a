//! An empty directory in which programs are run as their users run them.

use std::collections::{BTreeMap, BTreeSet};
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
pub struct Place {
    directory: TempDir,
    /// The program that all calls are of, where they do not begin with its name.
    program: &'static str,
}

/// Whether a program said nothing on standard error but warnings, which are of the numbers and not of the run.
pub fn only_warnings(said: &str) -> bool {
    said.lines().all(|line| line.contains(": warning: "))
}

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

    /// Standard output of a run that succeeded and said nothing but warnings.
    #[track_caller]
    pub fn silent(self, what: &str) -> Vec<u8> {
        assert!(self.code == Some(0) && only_warnings(&self.err), "{what}: {:?}, {}", self.code, self.err);
        self.out
    }
}

impl Place {
    pub fn new() -> Place {
        Place::of("")
    }

    /// Whose calls are the arguments of one program, without its name.
    pub fn of(program: &'static str) -> Place {
        Place { directory: TempDir::new().unwrap(), program }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
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
        let entries = fs::read_dir(self.directory.path()).unwrap().map(|e| e.unwrap());
        entries
            .map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap_or_default()))
            .collect()
    }

    /// What stands here by name.
    pub fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Takes away what stands here beside what did before, with its bytes.
    pub fn take(&self, before: &BTreeSet<String>) -> BTreeMap<String, Vec<u8>> {
        let mut taken = BTreeMap::new();
        for name in self.names().difference(before) {
            let path = self.path(name);
            taken.insert(name.clone(), fs::read(&path).unwrap_or_default());
            let _ = fs::remove_file(path);
        }
        taken
    }

    pub fn process(&self, program: &Path) -> Command {
        let mut path = programs().as_os_str().to_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command.current_dir(self.directory.path()).env("PATH", path).stdin(Stdio::null());
        for granted in ["OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"] {
            command.env_remove(granted);
        }
        command
    }

    fn words<'a>(&self, line: &'a str) -> impl Iterator<Item = &'a str> {
        Some(self.program).filter(|p| !p.is_empty()).into_iter().chain(line.split_whitespace())
    }

    /// A program with its arguments, all separated by spaces.
    pub fn command(&self, line: &str) -> Command {
        let mut words = self.words(line);
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

    /// Standard output of a run that succeeds and says nothing, given standard input.
    #[track_caller]
    pub fn pipe(&self, stdin: impl AsRef<[u8]>, line: &str) -> Vec<u8> {
        self.feed(line, stdin.as_ref(), 1 << 16).silent(line)
    }

    /// The one line of a run that fails with this exit code, and writes nothing to standard output.
    #[track_caller]
    pub fn fails(&self, code: i32, line: &str) -> String {
        let done = self.run(line);
        assert_eq!((done.code, done.out.as_slice()), (Some(code), &b""[..]), "{line}: {}", done.err);
        assert_eq!(done.err.matches('\n').count(), 1, "{line}: not one line: {}", done.err);
        let program = self.words(line).next().unwrap();
        assert!(done.err.starts_with(&format!("{program}: ")), "{line}: {}", done.err);
        assert!(!done.err.contains("internal error"), "{line}: {}", done.err);
        done.err
    }

    /// A script for bash, in which a pipeline fails when a part of it does.
    pub fn bash(&self, script: &str) -> Done {
        let mut command = self.process(Path::new("bash"));
        Done::of(command.args(["-e", "-o", "pipefail", "-c", script]).output().unwrap())
    }
}
