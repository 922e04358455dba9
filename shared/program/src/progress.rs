//! Progress of long work on stderr: a bar with ETA on a terminal, plain lines elsewhere.

use files::text;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

/// How often a log that is no terminal gets a line.
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);

/// One piece of long work with a known number of steps.
#[derive(Debug)]
pub struct Progress {
    label: String,
    bar: ProgressBar,
    terminal: bool,
    started: Instant,
    printed: Instant,
}

impl Progress {
    /// Starts the display; `total` steps.
    pub fn new(label: &str, total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix:>12} {wide_bar:.cyan/dim} {percent:>3}% {pos}/{len} {elapsed} ETA {eta} {msg}",
        ) {
            bar.set_style(style);
        }
        bar.set_prefix(label.to_owned());
        let now = Instant::now();
        Self { label: label.to_owned(), bar, terminal, started: now, printed: now }
    }

    /// `steps` more are done.
    pub fn advance(&mut self, steps: u64) {
        self.bar.inc(steps);
        if !self.terminal && self.printed.elapsed() >= PLAIN_INTERVAL {
            self.printed = Instant::now();
            self.plain(&format!("ETA {:#}", HumanDuration(self.bar.eta())));
        }
    }

    /// A short note beside the bar, for example the current loss.
    pub fn note(&mut self, note: &str) {
        self.bar.set_message(text::name(note).into_owned());
    }

    /// A line of its own that stays, above the bar.
    pub fn line(&self, line: &str) {
        self.bar.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{}", text::lines(line));
        });
    }

    /// Ends the display with the time that it took.
    pub fn finish(self) {
        // Cleared where it stands: work that was stopped is not shown as complete.
        let position = self.bar.position();
        self.bar.finish_and_clear();
        self.bar.set_position(position);
        self.plain(&format!("in {:.1} s", self.started.elapsed().as_secs_f64()));
    }

    fn plain(&self, tail: &str) {
        let total = self.bar.length().unwrap_or(0);
        let note = self.bar.message();
        let gap = if note.is_empty() { "" } else { " " };
        // A closed stderr must not end the work.
        let _ =
            writeln!(std::io::stderr(), "{}: {}/{total} {tail}{gap}{note}", self.label, self.bar.position());
    }
}
