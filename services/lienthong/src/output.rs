//! Prints for people (tables and sentences) or for programs (JSON).

use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::Duration;

use proto::fault::Lang;
use proto::fault::v1::Fault;
use tokio::time::Instant;

use crate::exit_status::ExitStatus;
use crate::fault::{fault_from_error, fault_json};
use crate::table::{self, Row};

/// How often the progress line is redrawn on a terminal.
const TERMINAL_PROGRESS_INTERVAL: Duration = Duration::from_millis(200);
/// How often progress is printed where stderr is not a terminal.
const LOG_PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// The form and the language in which a command prints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// One JSON value on stdout instead of sentences.
    pub(crate) json: bool,
    /// The language of the sentences.
    pub(crate) lang: Lang,
}

impl Output {
    /// The text in the chosen language.
    pub(crate) fn localize<'a>(&self, vi: &'a str, en: &'a str) -> &'a str {
        match self.lang {
            Lang::Vi => vi,
            Lang::En => en,
        }
    }

    /// Prints a line on stdout.
    pub(crate) fn print_line(&self, text: &str) {
        write_or_exit(&mut io::stdout().lock(), text.as_bytes(), true);
    }

    /// Prints bytes on stdout without a line end.
    pub(crate) fn print_bytes(&self, bytes: &[u8]) {
        write_or_exit(&mut io::stdout().lock(), bytes, false);
    }

    /// Prints a JSON value on stdout.
    pub(crate) fn print_json(&self, value: &serde_json::Value) {
        self.print_line(&format!("{value:#}"));
    }

    /// Prints a hint on stderr, unless a program reads the output.
    pub(crate) fn print_note(&self, text: &str) {
        if !self.json {
            write_or_exit(&mut io::stderr().lock(), text.as_bytes(), true);
        }
    }

    /// Redraws the progress line, if stderr is a terminal.
    pub(crate) fn show_progress(&self, text: &str) {
        if self.is_interactive() {
            write_or_exit(&mut io::stderr().lock(), format!("\r\x1b[2K{text}").as_bytes(), false);
        }
    }

    /// Clears the progress line.
    pub(crate) fn clear_progress(&self) {
        self.show_progress("");
    }

    /// Prints the fault that ends a command.
    pub(crate) fn print_fault(&self, fault: &Fault) -> ExitStatus {
        if self.json {
            self.print_json(&serde_json::json!({ "error": fault_json(fault) }));
        } else {
            self.print_fault_text(fault);
        }
        ExitStatus::from_fault(fault)
    }

    /// Prints a fault and its remedy on stderr.
    pub(crate) fn print_fault_text(&self, fault: &Fault) {
        let mut text = format!("{}: {}", fault.code, fault.title(self.lang));
        for it in &fault.violations {
            let description = self.localize(&it.description_vi, &it.description_en);
            text.push_str(&format!("\n  {}: {description}", it.field));
        }
        if !fault.detail.is_empty() {
            text.push_str(&format!("\n  {}", fault.detail));
        }
        let remedy = fault.remedy(self.lang);
        if !remedy.is_empty() {
            text.push_str(&format!("\n{}: {remedy}", self.localize("Cách xử lý", "What to do")));
        }
        let more = self.localize("Xem thêm", "More");
        self.print_note(&format!("{text}\n{more}: lienthong explain {}", fault.code));
    }

    /// Prints an error with its causes under the code of its fault.
    pub(crate) fn print_error(&self, error: &anyhow::Error) -> ExitStatus {
        self.print_fault(&fault_from_error(error))
    }

    /// Prints rows under headings in the width of the terminal.
    pub(crate) fn print_table(&self, headings: &[&str], rows: &[Row]) {
        for line in table::layout(headings, rows, terminal_width()) {
            self.print_line(&line);
        }
    }

    /// Waits for long work, and prints at intervals that it goes on.
    pub(crate) async fn wait_with_progress<F: Future>(&self, what: &str, work: F) -> F::Output {
        let begun = Instant::now();
        let interval =
            if self.is_interactive() { TERMINAL_PROGRESS_INTERVAL } else { LOG_PROGRESS_INTERVAL };
        let mut turns = tokio::time::interval_at(begun + interval, interval);
        let mut work = pin!(work);
        loop {
            tokio::select! {
                outcome = &mut work => {
                    self.clear_progress();
                    return outcome;
                }
                now = turns.tick() => {
                    let line = format!("{what} {} s", (now - begun).as_secs());
                    if self.is_interactive() {
                        self.show_progress(&line);
                    } else {
                        self.print_note(&line);
                    }
                }
            }
        }
    }

    /// True when a person sees stderr on a terminal, where a line can be redrawn.
    fn is_interactive(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }
}

/// Columns of the terminal on stdout; none when stdout is not a terminal.
fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Writes, or ends the process. A closed pipe (`| head`) means that the reader has read enough, so
/// the process ends well; after any other error (a full disk) it fails, because what was asked for
/// is not written.
fn write_or_exit(stream: &mut impl io::Write, bytes: &[u8], newline: bool) {
    let mut outcome = stream.write_all(bytes);
    if newline {
        outcome = outcome.and_then(|()| stream.write_all(b"\n"));
    }
    match outcome.and_then(|()| stream.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            let text = format!("LT-CLI-012: không ghi được / cannot be written: {error}\n");
            // When stderr fails as well, the exit status alone reports the failure.
            drop(io::stderr().lock().write_all(text.as_bytes()));
            std::process::exit(1);
        }
    }
}
