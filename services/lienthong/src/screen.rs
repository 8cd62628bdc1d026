//! What people and programs see: tables and sentences for the one, JSON for the other.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use proto::fault::Lang;
use proto::fault::v1::{Fault, Reason};

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
}

impl Ending {
    /// The exit code, as the help of the program lists them.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 3,
            Self::NotFound => 4,
            Self::Forbidden => 5,
            Self::Unreachable => 6,
            Self::Conflict => 7,
            Self::Partial => 8,
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
            self.value(&fault_json(fault));
        } else {
            let mut text = format!("{}: {}", fault.code, fault.title(self.lang));
            for it in &fault.violations {
                let words = self.say(&it.description_vi, &it.description_en);
                text.push_str(&format!("\n  {}: {words}", it.field));
            }
            let remedy = fault.remedy(self.lang);
            if !remedy.is_empty() {
                text.push_str(&format!("\n{}: {remedy}", self.say("Cách xử lý", "What to do")));
            }
            text.push_str(&format!(
                "\n{}: lienthong explain {}",
                self.say("Xem thêm", "More"),
                fault.code
            ));
            write_to(&mut io::stderr().lock(), text.as_bytes(), true);
        }
        Ending::of(fault)
    }

    /// Prints an error that has no code of its own, with its whole cause.
    pub(crate) fn error(&self, error: &anyhow::Error) -> Ending {
        if let Some(fault) = fault_in(error) {
            return self.fault(&fault);
        }
        if self.json {
            self.value(&serde_json::json!({ "error": format!("{error:#}") }));
        } else {
            let text = format!("{}: {error:#}", self.say("Lỗi", "Error"));
            write_to(&mut io::stderr().lock(), text.as_bytes(), true);
        }
        Ending::Failed
    }

    /// Prints rows under headings, each column as wide as its widest cell.
    pub(crate) fn table(&self, headings: &[&str], rows: &[Vec<String>]) {
        let mut widths: Vec<usize> = headings.iter().map(|it| it.chars().count()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let heading: Vec<String> = headings.iter().map(|it| (*it).to_owned()).collect();
        self.line(&joined(&heading, &widths));
        self.line(&widths.iter().map(|it| "─".repeat(*it)).collect::<Vec<_>>().join("  "));
        for row in rows {
            self.line(&joined(row, &widths));
        }
    }
}

/// A fault as programs read it.
pub(crate) fn fault_json(fault: &Fault) -> serde_json::Value {
    let violations: Vec<_> = fault
        .violations
        .iter()
        .map(|it| {
            serde_json::json!({
                "field": it.field,
                "description_vi": it.description_vi,
                "description_en": it.description_en,
            })
        })
        .collect();
    serde_json::json!({
        "code": fault.code,
        "title_vi": fault.title(Lang::Vi),
        "title_en": fault.title(Lang::En),
        "remedy_vi": fault.remedy(Lang::Vi),
        "remedy_en": fault.remedy(Lang::En),
        "violations": violations,
        "retry_after_ms": fault.retry_after_ms,
    })
}

/// The coded fault somewhere in a chain of causes.
fn fault_in(error: &anyhow::Error) -> Option<Fault> {
    error.chain().find_map(|it| {
        it.downcast_ref::<Fault>()
            .cloned()
            .or_else(|| it.downcast_ref::<tonic::Status>().and_then(Fault::from_status))
    })
}

fn joined(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        line.push_str(cell);
        if index + 1 < cells.len() {
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
    }
    line.trim_end().to_owned()
}

/// A closed pipe (`| head`) is how a reader says it has seen enough; nothing is lost by stopping.
fn write_to(stream: &mut impl io::Write, bytes: &[u8], newline: bool) {
    let mut outcome = stream.write_all(bytes);
    if newline {
        outcome = outcome.and_then(|()| stream.write_all(b"\n"));
    }
    if outcome.and_then(|()| stream.flush()).is_err() {
        std::process::exit(0);
    }
}
