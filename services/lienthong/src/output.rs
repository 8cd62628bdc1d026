//! Prints for people (tables and sentences) or for programs (JSON).

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::pin::pin;
use std::time::Duration;

use proto::fault::Lang;
use proto::fault::v1::Fault;
use tokio::time::Instant;

use crate::exit_status::ExitStatus;
use crate::fault::{fault_from_error, fault_json};
use crate::table::{self, Row};
use crate::terminal_text::{escape_json, printable};

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
    /// Hints and progress are left out; faults are printed.
    pub(crate) is_quiet: bool,
    /// Lines are never redrawn.
    pub(crate) is_plain: bool,
}

impl Output {
    /// Prints hints, and redraws the progress line where stderr is a terminal.
    #[cfg(test)]
    pub(crate) fn new(json: bool, lang: Lang) -> Self {
        Self { json, lang, is_quiet: false, is_plain: false }
    }

    /// The text in the chosen language.
    pub(crate) fn localize<'a>(&self, vi: &'a str, en: &'a str) -> &'a str {
        match self.lang {
            Lang::Vi => vi,
            Lang::En => en,
        }
    }

    /// Prints one line on stdout, in several rows where the terminal is narrower. Characters that a
    /// terminal would act on, line feeds among them, are spelled out, so that no text of a sender can
    /// look like a line of this program.
    pub(crate) fn print_line(&self, text: &str) {
        let width = terminal_width(&io::stdout());
        write_or_exit(&mut io::stdout().lock(), rows_of(text, width).as_bytes(), true);
    }

    /// Prints bytes on stdout without a line end: a file that is read by a program. A terminal gets
    /// them with everything but line feeds spelled out.
    pub(crate) fn print_bytes(&self, bytes: &[u8]) {
        if io::stdout().is_terminal() {
            let text = String::from_utf8_lossy(bytes);
            let lines: Vec<_> = text.split('\n').map(printable).collect();
            write_or_exit(&mut io::stdout().lock(), lines.join("\n").as_bytes(), false);
        } else {
            write_or_exit(&mut io::stdout().lock(), bytes, false);
        }
    }

    /// Prints a JSON value on stdout. A terminal gets what it would act on as JSON's own escapes.
    pub(crate) fn print_json(&self, value: &serde_json::Value) {
        let mut text = format!("{value:#}");
        if io::stdout().is_terminal() {
            text = escape_json(&text);
        }
        write_or_exit(&mut io::stdout().lock(), text.as_bytes(), true);
    }

    /// Prints a hint of one line on stderr, unless a program reads the output. What is spelled out is
    /// that of [`Self::print_line`].
    pub(crate) fn print_note(&self, text: &str) {
        if !self.is_quiet {
            self.print_warning(text);
        }
    }

    /// Prints a line on stderr that `--quiet` keeps, unless a program reads the output.
    pub(crate) fn print_warning(&self, text: &str) {
        if !self.json {
            let width = terminal_width(&io::stderr());
            write_or_exit(&mut io::stderr().lock(), rows_of(text, width).as_bytes(), true);
        }
    }

    /// Redraws the progress line, if stderr is a terminal.
    pub(crate) fn show_progress(&self, text: &str) {
        if self.is_interactive() {
            let line = format!("\r\x1b[2K{}", printable(text));
            write_or_exit(&mut io::stderr().lock(), line.as_bytes(), false);
        }
    }

    /// Clears the progress line.
    pub(crate) fn clear_progress(&self) {
        self.show_progress("");
    }

    /// True when a person can be asked: keyboard and stderr are a terminal, and no program reads.
    pub(crate) fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks the person on the terminal; the answer is empty at the end of the input.
    pub(crate) fn ask(&self, question: &str) -> String {
        write_or_exit(&mut io::stderr().lock(), printable(question).as_bytes(), false);
        let mut answer = String::new();
        // A terminal that cannot be read answers nothing.
        io::stdin().lock().read_line(&mut answer).map_or_else(|_| String::new(), |_| answer)
    }

    /// Asks for a yes; anything else is a no.
    pub(crate) fn confirm(&self, question: &str) -> bool {
        let hint = self.localize("[c = có, Enter = không]", "[y = yes, Enter = no]");
        let answer = self.ask(&format!("{question} {hint} ")).trim().to_lowercase();
        matches!(answer.as_str(), "c" | "có" | "co" | "y" | "yes")
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
        self.print_warning(&format!("{}: {}", fault.code, fault.title(self.lang)));
        for it in &fault.violations {
            let description = self.localize(&it.description_vi, &it.description_en);
            self.print_warning(&format!("  {}: {description}", it.field));
        }
        if !fault.detail.is_empty() {
            self.print_warning(&format!("  {}", fault.detail));
        }
        let remedy = fault.remedy(self.lang);
        if !remedy.is_empty() {
            let what_to_do = self.localize("Cách xử lý", "What to do");
            self.print_warning(&format!("{what_to_do}: {remedy}"));
        }
        let more = self.localize("Xem thêm", "More");
        self.print_note(&format!("{more}: lienthong explain {}", fault.code));
    }

    /// Prints an error with its causes under the code of its fault.
    pub(crate) fn print_error(&self, error: &anyhow::Error) -> ExitStatus {
        self.print_fault(&fault_from_error(error))
    }

    /// Columns of the terminal on stdout; none for a file or a pipe.
    pub(crate) fn width(&self) -> Option<usize> {
        terminal_width(&io::stdout())
    }

    /// Prints rows under headings in the width of the terminal.
    pub(crate) fn print_table(&self, headings: &[&str], rows: &[Row]) {
        self.print_cut_table(headings, rows, &[]);
    }

    /// Prints rows under headings in the width of the terminal. Long texts of the columns with these
    /// numbers are cut where the table would be wider.
    pub(crate) fn print_cut_table(&self, headings: &[&str], rows: &[Row], cut: &[usize]) {
        let rows: Vec<Row> = rows.iter().map(Row::printable).collect();
        for line in table::layout(headings, &rows, (self.width(), cut)) {
            write_or_exit(&mut io::stdout().lock(), line.as_bytes(), true);
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
        !self.json && !self.is_quiet && !self.is_plain && io::stderr().is_terminal()
    }
}

/// Columns of a stream: what `COLUMNS` says, else those of its terminal; none for a file or a pipe.
fn terminal_width(stream: &impl std::os::fd::AsFd) -> Option<usize> {
    let of_terminal =
        || terminal_size::terminal_size_of(stream).map(|(width, _)| usize::from(width.0));
    chassis::terminal::columns().or_else(of_terminal)
}

/// A line in rows of at most this width, as a terminal may show it.
fn rows_of(text: &str, width: Option<usize>) -> String {
    let text = printable(text);
    match width {
        Some(width) => table::wrap_line(&text, width).join("\n"),
        None => text,
    }
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
