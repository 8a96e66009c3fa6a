//! A progress bar on standard error, for work that takes over a second.

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

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
