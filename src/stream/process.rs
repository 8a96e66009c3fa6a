//! Programs that answer requests on their standard input and output, in [frames](super::frames): started through
//! the shell, several of the same, and ended with the run whatever becomes of it.
//!
//! Knows nothing of what is asked. Of every program a thread writes its requests, one reads its answers and one
//! passes on what it says on standard error, so that neither side ever waits for the other to read. Nothing waits
//! for a limited time but the end.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::bytes::widen;
use super::frames::{self, Frames};
use super::input::one_line;
use super::tensors::{Entry, Numbers, TensorFile, Values};

/// Requests under way with one program: while it computes one, the next is on its way.
const UNDER_WAY: usize = 2;

/// What a program may take to end once its input has ended, and once it was told to.
const TO_END: Duration = Duration::from_secs(2);

/// Between two looks whether a program has ended.
const LOOK: Duration = Duration::from_millis(2);

/// Between two looks of a run's length.
const LOOK_FOR_END: Duration = Duration::from_millis(100);

/// Characters of a program's last words that a message repeats.
const LAST_WORDS: usize = 300;

/// Bytes of a line that are held until it ends.
const LONGEST_LINE: usize = 64 << 10;

/// What is asked.
pub struct Request {
    pub metadata: BTreeMap<String, String>,
    /// Name, shape and numbers.
    pub tensors: Vec<(&'static str, Vec<usize>, Values)>,
    /// What it is, for messages.
    pub about: String,
}

/// An answer to come.
pub struct Ticket {
    /// Of the request, for messages.
    pub about: String,
    worker: usize,
    answer: Receiver<Result<TensorFile, String>>,
}

/// Programs of one command, any of which answers any request.
pub struct Workers {
    name: String,
    workers: Vec<Worker>,
    line: Arc<Line>,
}

struct Worker {
    /// None once it is told to end.
    requests: Option<Sender<(String, Request)>>,
    child: Arc<Running>,
}

/// What all threads share.
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Requests that wait for an answer, by worker.
    waiting: Vec<VecDeque<Waiting>>,
    /// Requests sent so far, by worker.
    sent: Vec<u64>,
    /// Why nothing can be asked any more.
    failed: Option<String>,
}

struct Waiting {
    /// Nothing for the first, whose answer says what the program is.
    id: Option<String>,
    about: String,
    answer: Sender<Result<TensorFile, String>>,
}

impl Workers {
    /// Starts `count` programs of one command; `name` is what messages call them. Each finds its number, from 0, in
    /// the environment as MOLRG_WORKER.
    ///
    /// # Errors
    /// When there is no shell, or no more processes.
    pub fn start(command: &OsStr, name: &str, count: usize) -> Result<Workers> {
        let state = State {
            waiting: (0..count).map(|_| VecDeque::new()).collect(),
            sent: vec![0; count],
            failed: None,
        };
        let line = Arc::new(Line { state: Mutex::new(state), changed: Condvar::new() });
        let mut workers = Workers { name: one_line(name), workers: Vec::new(), line };
        for worker in 0..count {
            workers.add(command, worker)?;
        }
        Ok(workers)
    }

    fn add(&mut self, command: &OsStr, worker: usize) -> Result<()> {
        let cannot = |e: io::Error| anyhow!("{}: cannot start it: {e}", self.name);
        end_with_us();
        // In a group of its own, so that what it starts ends with it.
        let child = Command::new("sh")
            .arg("-c")
            .arg(command)
            .env("MOLRG_WORKER", worker.to_string())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.map_err(cannot)?;
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let child = Arc::new(Running {
            group: child.id(),
            child: Mutex::new(child),
            words: Mutex::default(),
            greeting: Mutex::default(),
        });
        lock(&RUNNING).push(child.clone());
        let (requests, to_write) = mpsc::channel();
        self.workers.push(Worker { requests: Some(requests), child: child.clone() });
        // All three were asked for.
        let (Some(input), Some(output), Some(errors)) = (input, output, errors) else {
            bail!("{}: cannot start it: it has no pipes", self.name);
        };
        widen(&input);
        widen(&output);
        let line = self.line.clone();
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(format!("{name} {worker}")).spawn(work).map_err(cannot)
        };
        let (writer, of_writer) = (line.clone(), child.clone());
        spawn("requests", Box::new(move || write_requests(input, to_write, &writer, worker, &of_writer)))?;
        let watched = child.clone();
        spawn("ending", Box::new(move || watched.end_group()))?;
        let of_reader = child.clone();
        spawn("answers", Box::new(move || read_answers(output, &line, worker, &of_reader)))?;
        spawn("errors", Box::new(move || child.pass_on(errors)))?;
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// As messages call them.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends the first request to every program: what it is.
    ///
    /// # Errors
    /// As [`Workers::ask`].
    pub fn greet(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<Ticket>> {
        let greet = |worker| {
            let about = "the greeting".to_string();
            let request = Request { metadata: metadata.clone(), tensors: Vec::new(), about };
            self.send(&mut lock(&self.line.state), worker, None, request)
        };
        (0..self.count()).map(greet).collect()
    }

    /// Sends a request to a program that has room for it, and waits until one has.
    ///
    /// # Errors
    /// When one of the programs has failed.
    pub fn ask(&self, request: Request) -> Result<Ticket> {
        let mut state = lock(&self.line.state);
        loop {
            if let Some(why) = &state.failed {
                bail!("{}: {why}", self.name);
            }
            let waiting = state.waiting.iter().map(VecDeque::len).enumerate();
            match waiting.min_by_key(|(_, waiting)| *waiting) {
                Some((worker, waiting)) if waiting < UNDER_WAY => {
                    state.sent[worker] += 1;
                    let id = state.sent[worker].to_string();
                    return self.send(&mut state, worker, Some(id), request);
                }
                _ => state = self.line.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn send(
        &self,
        state: &mut State,
        worker: usize,
        id: Option<String>,
        mut request: Request,
    ) -> Result<Ticket> {
        let about = match &id {
            Some(id) => {
                request.metadata.insert("id".into(), id.clone());
                format!("request {id} ({})", request.about)
            }
            None => request.about.clone(),
        };
        let (sender, answer) = mpsc::channel();
        state.waiting[worker].push_back(Waiting { id, about: about.clone(), answer: sender });
        if let Some(requests) = &self.workers[worker].requests {
            // What writes them is gone only when the program is, which the answer says.
            let _ = requests.send((about.clone(), request));
        }
        Ok(Ticket { about, worker, answer })
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// One line with the command, the request and the program's last line on standard error: when it has ended, sent
    /// what is no answer, or answers that it cannot.
    pub fn answer(&self, ticket: &Ticket) -> Result<TensorFile> {
        match ticket.answer.recv() {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => bail!("{}: {why}", self.name),
            // Only when its thread is gone.
            Err(_) => Err(self.refuse(ticket, "there was no answer")),
        }
    }

    /// The error of an answer that cannot be used.
    pub fn refuse(&self, ticket: &Ticket, why: &str) -> anyhow::Error {
        anyhow!("{}: {}: {why}{}", self.name, ticket.about, self.workers[ticket.worker].child.last_words())
    }
}

impl Drop for Workers {
    /// Programs end when their input does. Those that do not, and all when one has failed, are told to.
    fn drop(&mut self) {
        let failed = lock(&self.line.state).failed.is_some();
        for worker in &mut self.workers {
            worker.requests = None;
        }
        let children: Vec<Arc<Running>> = self.workers.iter().map(|worker| worker.child.clone()).collect();
        if !failed {
            let until = Instant::now() + TO_END;
            children.iter().for_each(|child| child.wait(until));
        }
        end(&children);
        // What they have said stands before what this program has to say of it.
        let until = Instant::now() + TO_END / 4;
        children.iter().for_each(|child| child.wait_for_words(until));
        lock(&RUNNING).retain(|running| !children.iter().any(|child| Arc::ptr_eq(child, running)));
    }
}

impl Line {
    /// Nothing is answered any more, and all that wait are told why; the first failure counts.
    fn fail(&self, worker: usize, child: &Running, why: &str) {
        // A program that we end is no failure of its own; this process ends now.
        while STOPPING.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
        }
        let mut state = lock(&self.state);
        let at = match state.waiting[worker].front() {
            Some(waiting) => format!("{}: ", waiting.about),
            None => String::new(),
        };
        let why = format!("{at}{why}{}", child.last_words());
        let why = state.failed.get_or_insert(why).clone();
        for waiting in state.waiting.iter_mut().flat_map(std::mem::take) {
            let _ = waiting.answer.send(Err(why.clone()));
        }
        self.changed.notify_all();
    }

    fn has_failed(&self) -> bool {
        lock(&self.state).failed.is_some()
    }
}

fn entry_of<'a>((name, shape, values): &'a (&'static str, Vec<usize>, Values)) -> Entry<'a> {
    Entry {
        name: name.to_string(),
        shape: shape.clone(),
        dtype: values.dtype(),
        numbers: Numbers::from(values),
    }
}

/// Until there are no more: then its input ends.
fn write_requests(
    mut input: ChildStdin,
    requests: Receiver<(String, Request)>,
    line: &Line,
    worker: usize,
    child: &Running,
) {
    for (about, request) in requests {
        let entries: Vec<Entry> = request.tensors.iter().map(entry_of).collect();
        if let Err(e) = frames::write(&mut input, &request.metadata, &entries) {
            // Most likely it has ended, which is known with its reason at the end of its output.
            let until = Instant::now() + TO_END;
            while !line.has_failed() && Instant::now() < until {
                thread::sleep(LOOK);
            }
            return line.fail(worker, child, &format!("it reads no more requests ({about}: {e:#})"));
        }
    }
}

fn read_answers(output: ChildStdout, line: &Line, worker: usize, child: &Running) {
    let mut frames = Frames::new(output);
    // What it says before its first frame is said to people.
    let greeted = frames.skip_greeting(|said| say(&child.greeting, said));
    end_words(&child.greeting);
    match greeted {
        Ok(true) => {}
        Ok(false) => {
            return line.fail(worker, child, &format!("it ended before its first frame{}", child.how()));
        }
        Err(e) => return line.fail(worker, child, &format!("{e:#}")),
    }
    loop {
        let frame = match frames.next_frame() {
            Ok(Some(frame)) => frame,
            Ok(None) => return line.fail(worker, child, &format!("it ended early{}", child.how())),
            Err(e) => {
                if frames.has_ended() {
                    child.wait(Instant::now() + TO_END / 4);
                }
                return line.fail(worker, child, &format!("{e:#}"));
            }
        };
        let mut state = lock(&line.state);
        let expected = state.waiting[worker].front().map(|waiting| waiting.id.clone());
        let id = frame.entry("id").map(str::to_string);
        let why = match expected {
            None => Some("it answers what was not asked".to_string()),
            Some(expected) if expected.is_some() && expected != id => {
                let id = id.map_or("none".to_string(), |id| one_line(&id));
                Some(format!("its answer has the id {id}"))
            }
            Some(_) => None,
        };
        if let Some(why) = why {
            drop(state);
            return line.fail(worker, child, &why);
        }
        let Some(waiting) = state.waiting[worker].pop_front() else { continue };
        line.changed.notify_all();
        drop(state);
        let answer = match frame.entry("error") {
            Some(error) => Err(format!("{}: it answers: {}", waiting.about, one_line(error))),
            None => Ok(frame),
        };
        // Who asked may have failed meanwhile.
        let _ = waiting.answer.send(answer);
    }
}

/// A program that was started.
struct Running {
    /// The number of the process, and of its group.
    group: u32,
    child: Mutex<Child>,
    /// On standard error.
    words: Mutex<Words>,
    /// On standard output, before its first frame.
    greeting: Mutex<Words>,
}

/// What a program says to people.
#[derive(Default)]
struct Words {
    /// The last whole line that is not blank.
    last: String,
    /// What there is of the next.
    line: Vec<u8>,
    ended: bool,
}

impl Running {
    /// Passes on what it says on standard error.
    fn pass_on(&self, mut errors: ChildStderr) {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match errors.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => say(&self.words, &buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        end_words(&self.words);
    }

    /// Until all that it says on standard error is passed on; what still runs may go on to speak.
    fn wait_for_words(&self, until: Instant) {
        while self.status().is_some() && !lock(&self.words).ended && Instant::now() < until {
            thread::sleep(LOOK);
        }
    }

    /// "; it last said: …", once what it says has arrived.
    fn last_words(&self) -> String {
        self.wait_for_words(Instant::now() + TO_END / 4);
        let said = [&self.words, &self.greeting].map(|words| lock(words).last_line());
        match said.into_iter().find(|line| !line.is_empty()) {
            Some(line) => format!("; it last said: {line}"),
            None => String::new(),
        }
    }

    /// How it ended, if it does now: " (exit status: 3)".
    fn how(&self) -> String {
        self.wait(Instant::now() + TO_END / 4);
        match self.status() {
            Some(status) => format!(" ({status})"),
            None => " (it closed its output, and goes on)".to_string(),
        }
    }

    /// Once it has ended, ends what it started and left behind: that may hold its output open, whose end is waited for.
    fn end_group(&self) {
        while self.status().is_none() {
            thread::sleep(LOOK_FOR_END);
        }
        thread::sleep(TO_END / 4);
        self.signal("KILL");
    }

    fn status(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().ok().flatten()
    }

    fn wait(&self, until: Instant) {
        while self.status().is_none() && Instant::now() < until {
            thread::sleep(LOOK);
        }
    }

    /// The shell's own kill reaches a whole group.
    fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} -{}", self.group);
        let quiet =
            Command::new("sh").args(["-c", &kill]).stdin(Stdio::null()).stderr(Stdio::null()).status();
        if quiet.is_err() {
            let _ = lock(&self.child).kill();
        }
    }
}

/// Says it on standard error, by whole lines: no other line is to begin within one.
fn say(words: &Mutex<Words>, said: &[u8]) {
    let lines = lock(words).lines(said);
    // If standard error is gone there is nobody to tell.
    let _ = io::stderr().write_all(&lines);
}

/// Says what is left, which has no end of its own.
fn end_words(words: &Mutex<Words>) {
    let unended = !lock(words).line.is_empty();
    if unended {
        say(words, b"\n");
    }
    lock(words).ended = true;
}

/// What draws over itself ends its lines so.
fn ends_line(byte: &u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

impl Words {
    /// The lines that are whole now.
    fn lines(&mut self, said: &[u8]) -> Vec<u8> {
        self.line.extend_from_slice(said);
        let whole = self.line.iter().rposition(ends_line).map_or(0, |end| end + 1);
        let too_long = self.line.len() - whole > LONGEST_LINE;
        let rest = self.line.split_off(if too_long { self.line.len() } else { whole });
        let lines = std::mem::replace(&mut self.line, rest);
        if let Some(last) = lines.rsplit(ends_line).find(|line| !line.trim_ascii().is_empty()) {
            self.last = shortened(last);
        }
        lines
    }

    /// The last that is not blank, ended or not.
    fn last_line(&self) -> String {
        match self.line.trim_ascii().is_empty() {
            true => self.last.clone(),
            false => shortened(&self.line),
        }
    }
}

/// A line as messages repeat it.
fn shortened(line: &[u8]) -> String {
    one_line(String::from_utf8_lossy(line).trim()).chars().take(LAST_WORDS).collect()
}

/// Ends those that have not ended, and what those left behind that have.
fn end(children: &[Arc<Running>]) {
    let (mut left, ended): (Vec<&Arc<Running>>, Vec<_>) =
        children.iter().partition(|child| child.status().is_none());
    // What they started may go on without them.
    ended.iter().for_each(|child| child.signal("TERM"));
    for signal in ["TERM", "KILL"] {
        left.iter().for_each(|child| child.signal(signal));
        let until = Instant::now() + TO_END;
        left.iter().for_each(|child| child.wait(until));
        left.retain(|child| child.status().is_none());
    }
}

/// Programs that have been started and not ended.
static RUNNING: Mutex<Vec<Arc<Running>>> = Mutex::new(Vec::new());

/// A signal ends this process, once it has ended its programs.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// From here on signals that end this program end those first that it has started; they are in groups of their own.
fn end_with_us() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [SIGTERM, SIGINT, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)) {
            let listen = || -> io::Result<()> {
                let (mut arrives, sent) = UnixStream::pair()?;
                signal_hook::low_level::pipe::register(signal, sent)?;
                thread::Builder::new().name("signals".into()).spawn(move || {
                    if arrives.read_exact(&mut [0]).is_ok() {
                        STOPPING.store(true, Ordering::Relaxed);
                        let running = lock(&RUNNING).clone();
                        end(&running);
                        let _ = signal_hook::low_level::emulate_default_handler(signal);
                    }
                })?;
                Ok(())
            };
            // Without it they end with their input.
            let _ = listen();
        }
    });
}

/// Whether whoever started this program has it ignore the signal, as nohup does.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

/// A panic elsewhere leaves what is locked as good as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_passed_on_by_whole_lines() {
        let said = "Traceback:\n  at 3\r 50 %\r\n\n \nKeyError: é".as_bytes();
        for cut in 0..=said.len() {
            let mut words = Words::default();
            let first = words.lines(&said[..cut]);
            assert!(first.is_empty() || first.ends_with(b"\n") || first.ends_with(b"\r"), "{cut}");
            let passed = [first, words.lines(&said[cut..])].concat();
            assert_eq!(passed, said[..said.len() - "KeyError: é".len()]);
            assert_eq!((words.last.as_str(), words.last_line().as_str()), ("50 %", "KeyError: é"));
            assert_eq!(words.lines(b"\n"), "KeyError: é\n".as_bytes());
            assert_eq!(words.last_line(), "KeyError: é");
        }
        // What never ends a line is not held for ever.
        let mut words = Words::default();
        let passed: usize = (0..100).map(|_| words.lines(&[b'#'; 4096]).len()).sum();
        assert!(passed > 300 << 10 && words.line.len() <= LONGEST_LINE, "{passed}");
    }
}
