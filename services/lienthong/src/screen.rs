//! What people and programs see: tables and sentences for the one, JSON for the other.

use std::io::{self, IsTerminal as _, Write as _};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use proto::fault::Lang;
use proto::fault::v1::{Fault, Reason};
use tokio::time::Instant;

use crate::fault;
use crate::table::{self, Row};

/// How often a running line is redrawn for whoever watches.
const PACE_WATCHED: Duration = Duration::from_millis(200);
/// How often long work says that it goes on, where nobody watches.
const PACE: Duration = Duration::from_secs(5);

/// How a command ended; becomes the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything asked for was done.
    Done,
    /// It failed on our side.
    Failed,
    /// What was given is refused.
    Refused,
    /// What was named does not exist.
    NotFound,
    /// It is not allowed.
    Forbidden,
    /// A part could not be reached in time.
    Unreachable,
    /// It contradicts what is there.
    Conflict,
    /// Some of it was done.
    Partial,
    /// It was called wrongly.
    Usage,
    /// A signal ended it.
    Interrupted,
}

impl Ending {
    /// The exit code, as the help of the program lists them.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NotFound => 4,
            Self::Forbidden => 5,
            Self::Unreachable => 6,
            Self::Conflict => 7,
            Self::Partial => 8,
            Self::Interrupted => 130,
        }
    }

    /// How a fault ends a command.
    pub(crate) fn of(fault: &Fault) -> Self {
        match fault.reason() {
            Reason::Unspecified | Reason::Internal => Self::Failed,
            Reason::Invalid => Self::Refused,
            Reason::Unauthenticated | Reason::Forbidden => Self::Forbidden,
            Reason::NotFound => Self::NotFound,
            Reason::Conflict => Self::Conflict,
            Reason::Exhausted | Reason::Unavailable => Self::Unreachable,
        }
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(ending.code())
    }
}

/// Where a command prints, in which language and form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// One JSON value on stdout instead of sentences.
    pub(crate) json: bool,
    /// The language of the sentences.
    pub(crate) lang: Lang,
}

impl Screen {
    /// The words of the chosen language.
    pub(crate) fn say<'a>(&self, vi: &'a str, en: &'a str) -> &'a str {
        match self.lang {
            Lang::Vi => vi,
            Lang::En => en,
        }
    }

    /// Prints a line of data.
    pub(crate) fn line(&self, text: &str) {
        write_to(&mut io::stdout().lock(), text.as_bytes(), true);
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        write_to(&mut io::stdout().lock(), bytes, false);
    }

    /// Prints a JSON value.
    pub(crate) fn value(&self, value: &serde_json::Value) {
        self.line(&format!("{value:#}"));
    }

    /// Says something beside the data: progress, hints. Silent where programs read.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            write_to(&mut io::stderr().lock(), text.as_bytes(), true);
        }
    }

    /// True when a person watches stderr, so that a running line may be redrawn.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// Redraws the running line on a terminal; elsewhere says nothing.
    pub(crate) fn progress(&self, text: &str) {
        if self.is_watched() {
            write_to(&mut io::stderr().lock(), format!("\r\x1b[2K{text}").as_bytes(), false);
        }
    }

    /// Clears the running line.
    pub(crate) fn progress_done(&self) {
        self.progress("");
    }

    /// Prints a fault, what to do, and ends the command.
    pub(crate) fn fault(&self, fault: &Fault) -> Ending {
        if self.json {
            self.value(&serde_json::json!({ "error": fault::value(fault) }));
        } else {
            self.complain(fault);
        }
        Ending::of(fault)
    }

    /// Tells people about a fault, beside the data.
    pub(crate) fn complain(&self, fault: &Fault) {
        let mut text = format!("{}: {}", fault.code, fault.title(self.lang));
        for it in &fault.violations {
            let words = self.say(&it.description_vi, &it.description_en);
            text.push_str(&format!("\n  {}: {words}", it.field));
        }
        if !fault.detail.is_empty() {
            text.push_str(&format!("\n  {}", fault.detail));
        }
        let remedy = fault.remedy(self.lang);
        if !remedy.is_empty() {
            text.push_str(&format!("\n{}: {remedy}", self.say("Cách xử lý", "What to do")));
        }
        let more = self.say("Xem thêm", "More");
        self.note(&format!("{text}\n{more}: lienthong explain {}", fault.code));
    }

    /// Prints an error and its whole cause under its code.
    pub(crate) fn error(&self, error: &anyhow::Error) -> Ending {
        self.fault(&fault::of(error))
    }

    /// Prints rows under headings, as wide as the terminal is.
    pub(crate) fn table(&self, headings: &[&str], rows: &[Row]) {
        for line in table::lines(headings, rows, self.width()) {
            self.line(&line);
        }
    }

    /// Columns of the terminal on stdout; none where there is no terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
    }

    /// Waits for long work, and says every few seconds that it goes on.
    pub(crate) async fn wait<F: Future>(&self, words: &str, work: F) -> F::Output {
        let begun = Instant::now();
        let pace = if self.is_watched() { PACE_WATCHED } else { PACE };
        let mut look = tokio::time::interval_at(begun + pace, pace);
        let mut work = pin!(work);
        loop {
            tokio::select! {
                output = &mut work => {
                    self.progress_done();
                    return output;
                }
                now = look.tick() => {
                    let line = format!("{words} {} s", (now - begun).as_secs());
                    if self.is_watched() { self.progress(&line) } else { self.note(&line) }
                }
            }
        }
    }
}

/// A closed pipe (`| head`) is how a reader says it has seen enough; nothing is lost by stopping.
/// Anything else, a full disk, is a failure: what was asked for is not there.
fn write_to(stream: &mut impl io::Write, bytes: &[u8], newline: bool) {
    let mut outcome = stream.write_all(bytes);
    if newline {
        outcome = outcome.and_then(|()| stream.write_all(b"\n"));
    }
    match outcome.and_then(|()| stream.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            let words = format!("LT-CLI-012: không ghi được / cannot be written: {error}\n");
            // Where even this cannot be said, the exit code says it.
            drop(io::stderr().lock().write_all(words.as_bytes()));
            std::process::exit(1);
        }
    }
}
