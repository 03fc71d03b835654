//! What is printed: a line or a JSON object a file, bars, a table. Alone in naming `indicatif`.

use std::io::{IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// How the transfer of a file has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It is on the stage.
    Uploaded,
    /// It is here.
    Downloaded,
    /// One of this name was there, and stays.
    Skipped,
    /// Another file of this run has the same name at the other end.
    Collision,
    /// It is where it was, and nowhere else.
    Error,
}

impl Status {
    /// Whether the file is where it should be.
    pub fn arrived(self) -> bool {
        matches!(self, Status::Uploaded | Status::Downloaded | Status::Skipped)
    }
}

/// What a command has to say about one file.
pub trait Outcome: Serialize {
    /// How it has ended.
    fn status(&self) -> Status;
    /// In one line, for people.
    fn line(&self) -> String;
}

/// How a command speaks.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// JSON in place of lines.
    pub json: bool,
    /// No lines for what went well, and no bars.
    pub quiet: bool,
}

/// The printer of one command.
pub struct Report {
    voice: Voice,
    bars: MultiProgress,
    total: ProgressBar,
    arrived: u64,
    skipped: u64,
    failed: u64,
    /// Where lines go: standard output may be taken by a file's contents.
    to_stderr: bool,
}

impl Report {
    /// Bars are drawn only for a person who sees them.
    pub fn new(voice: Voice, files: u64, bytes: u64) -> Report {
        let hidden = voice.quiet || !std::io::stderr().is_terminal();
        let target =
            if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        let total = bars.add(ProgressBar::new(bytes));
        total.set_style(style(
            "{prefix:16} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
        ));
        total.set_prefix(format!("{files} files"));
        Report { voice, bars, total, arrived: 0, skipped: 0, failed: 0, to_stderr: false }
    }

    /// Lines go to standard error from here on.
    pub fn to_stderr(mut self) -> Report {
        self.to_stderr = true;
        self
    }

    /// For whoever moves a file's bytes.
    pub fn progress(&self) -> Progress {
        Progress { bars: self.bars.clone(), total: self.total.clone() }
    }

    /// One file has ended.
    pub fn file(&mut self, outcome: &impl Outcome) {
        let status = outcome.status();
        match status {
            Status::Uploaded | Status::Downloaded => self.arrived += 1,
            Status::Skipped => self.skipped += 1,
            Status::Collision | Status::Error => self.failed += 1,
        }
        if self.voice.json {
            // A type of our own always has a form in JSON.
            let line = serde_json::to_string(outcome).unwrap_or_default();
            self.print(&line, self.to_stderr);
        } else if !status.arrived() {
            self.print(&outcome.line(), true);
        } else if !self.voice.quiet {
            self.print(&outcome.line(), self.to_stderr);
        }
    }

    /// The end: the sum, and whether every file has arrived.
    pub fn end(self, verb: &str) -> bool {
        self.total.finish_and_clear();
        if !self.voice.json && !self.voice.quiet {
            let Report { arrived, skipped, failed, .. } = self;
            self.print(&format!("{arrived} {verb}, {skipped} skipped, {failed} failed"), true);
        }
        self.failed == 0
    }

    fn print(&self, line: &str, to_stderr: bool) {
        self.bars.suspend(|| {
            // A reader that has gone away is no reason to stop the transfer.
            let _ = if to_stderr {
                writeln!(std::io::stderr(), "{line}")
            } else {
                writeln!(std::io::stdout(), "{line}")
            };
        });
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The bars, for several workers.
#[derive(Debug, Clone)]
pub struct Progress {
    bars: MultiProgress,
    total: ProgressBar,
}

impl Progress {
    /// A bar for one file.
    pub fn file(&self, name: &str, bytes: u64) -> FileProgress {
        let bar = self.bars.insert_before(&self.total, ProgressBar::new(bytes));
        bar.set_style(style("{prefix:16!} {wide_bar} {bytes}/{total_bytes}"));
        bar.set_prefix(name.to_owned());
        FileProgress { bar, total: self.total.clone() }
    }
}

/// The bar of one file; it goes with it.
#[derive(Debug)]
pub struct FileProgress {
    bar: ProgressBar,
    total: ProgressBar,
}

impl FileProgress {
    /// Some bytes more.
    pub fn moved(&self, bytes: usize) {
        self.bar.inc(bytes as u64);
        self.total.inc(bytes as u64);
    }
}

impl Drop for FileProgress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Prints rows below their columns' names, numbers to the right.
pub fn table(columns: &[&str], rows: &[Vec<String>]) -> std::io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(columns[column].len())
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut out = std::io::stdout().lock();
    let header: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
    for row in std::iter::once(&header).chain(rows) {
        let mut line = String::new();
        for ((cell, width), name) in row.iter().zip(&widths).zip(columns) {
            let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
            line +=
                &if *name == "size" { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    out.flush()
}

/// Prints one JSON object in a line.
pub fn json_line(value: &impl Serialize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)
}
