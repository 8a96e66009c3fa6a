//! Progress on standard error: a bar, for work that takes over a second; lines, where nobody watches.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shown only when standard error is a terminal, and only after a second.
pub struct Progress {
    bar: ProgressBar,
    /// When to show it; `None` once shown, or never to be.
    due: Option<Instant>,
}

impl Progress {
    pub(super) fn new(total: Option<u64>, what: &'static str, quiet: bool) -> Progress {
        let bar = match total {
            Some(n) => ProgressBar::with_draw_target(Some(n), ProgressDrawTarget::hidden()),
            None => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
        };
        let template = match total {
            Some(_) => "{wide_bar} {pos}/{len} {msg} {per_sec}, {eta} left",
            None => "{spinner} {pos} {msg} {per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        let shown = !quiet && io::stderr().is_terminal();
        Progress { bar, due: shown.then(|| Instant::now() + Duration::from_secs(1)) }
    }

    /// Says something else beside the numbers.
    pub fn say(&mut self, what: String) {
        self.bar.set_message(what);
    }

    /// `n` more units are done.
    pub fn advance(&mut self, n: usize) {
        self.bar.inc(n as u64);
        if self.due.is_some_and(|due| Instant::now() >= due) {
            self.due = None;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
}

/// Lines now and then where standard error is no terminal, as under a batch system.
pub struct Lines {
    every: Duration,
    due: Instant,
    started: Instant,
    /// Units done before.
    from: u64,
}

impl Lines {
    /// None on a terminal, where progress is shown, and where there is to be none.
    pub(super) fn new(quiet: bool, from: u64) -> Option<Lines> {
        (!quiet && !io::stderr().is_terminal()).then(|| Lines::every(Duration::from_secs(30), from))
    }

    pub fn every(every: Duration, from: u64) -> Lines {
        let started = Instant::now();
        Lines { every, due: started + every, started, from }
    }

    /// The time that is left, if a line is due.
    pub fn left(&mut self, done: u64, total: u64) -> Option<String> {
        let now = Instant::now();
        if now < self.due || done <= self.from {
            return None;
        }
        self.due = now + self.every;
        let spent = (now - self.started).as_secs_f64();
        Some(clock(spent * (total - done) as f64 / (done - self.from) as f64))
    }
}

/// Seconds as 4:10, or 1:04:10.
pub fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_clocks_do() {
        let told = [0.4, 59.6, 250.0, 3599.0, 3850.2].map(clock);
        assert_eq!(told, ["0:00", "1:00", "4:10", "59:59", "1:04:10"]);
    }

    #[test]
    fn a_line_is_due_once_in_a_while_and_counts_what_was_done_before() {
        let mut later = Lines::every(Duration::from_secs(1000), 0);
        assert_eq!(later.left(10, 20), None);
        let mut lines = Lines::every(Duration::ZERO, 100);
        assert_eq!(lines.left(100, 300), None, "nothing done, nothing to go by");
        lines.started -= Duration::from_secs(60);
        // A quarter of what there was to do, in a minute.
        assert_eq!(lines.left(150, 300).as_deref(), Some("3:00"));
        lines.due += Duration::from_secs(1000);
        assert_eq!(lines.left(200, 300), None);
    }
}
