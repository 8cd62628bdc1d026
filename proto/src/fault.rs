//! Faults: a code of the catalogue with the values its texts need, and how they travel in gRPC.

use std::time::Duration;

use prost::Message as _;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use self::v1::{Fault, FieldViolation, Reason};

pub mod v1 {
    //! Version 1.
    tonic::include_proto!("lienthong.fault.v1");
}

/// Domain in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "lienthong";

/// At most this many violations are told at once.
pub const VIOLATIONS_MAX: usize = 50;

/// A language of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Vietnamese, the first language of every screen.
    #[default]
    Vi,
    /// English.
    En,
}

/// A text in both languages, with `{placeholders}`.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Vietnamese.
    pub vi: &'static str,
    /// English.
    pub en: &'static str,
}

impl Words {
    /// The text in one language.
    pub fn get(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::Vi => self.vi,
            Lang::En => self.en,
        }
    }
}

/// Who must act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever sent it.
    Sender,
    /// Whoever receives it.
    Recipient,
    /// Whoever runs the bus.
    Operator,
    /// Whoever wrote the adapter.
    Vendor,
}

impl Who {
    /// The word people read.
    pub fn words(self) -> Words {
        match self {
            Self::Sender => Words { vi: "bên gửi", en: "the sender" },
            Self::Recipient => Words { vi: "bên nhận", en: "the recipient" },
            Self::Operator => Words { vi: "người vận hành", en: "the operator" },
            Self::Vendor => {
                Words { vi: "nhà cung cấp ứng dụng", en: "the application's vendor" }
            }
        }
    }
}

/// Whether the same call may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Never.
    Never,
    /// After somebody changed something.
    AfterFix,
    /// Later, by itself.
    Automatic,
}

impl Retry {
    /// The word software reads, as the catalogue writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AfterFix => "after-fix",
            Self::Automatic => "automatic",
        }
    }

    /// The words people read.
    pub fn words(self) -> Words {
        match self {
            Self::Never => Words { vi: "không gửi lại", en: "do not retry" },
            Self::AfterFix => Words { vi: "gửi lại sau khi sửa", en: "retry after the fix" },
            Self::Automatic => {
                Words { vi: "hệ thống tự thử lại", en: "retried by itself" }
            }
        }
    }
}

/// One page of the catalogue.
#[derive(Debug)]
pub struct Page {
    /// `LT-<ROOM>-<number>`.
    pub code: &'static str,
    /// What happened, one sentence.
    pub title: Words,
    /// Why it happens.
    pub cause: Words,
    /// What to do.
    pub remedy: Words,
    /// Who must act.
    pub who: Who,
    /// What software branches on.
    pub reason: Reason,
    /// gRPC status.
    pub grpc: tonic::Code,
    /// HTTP status.
    pub http: u16,
    /// Whether the same call may succeed.
    pub retry: Retry,
}

/// A code that is in the catalogue.
pub type Code = &'static Page;

pub mod code {
    //! One constant a code, made from `proto/fault/errors/*.toml`.
    use super::{Page, Reason, Retry, Who, Words};
    include!(concat!(env!("OUT_DIR"), "/codes.rs"));
}

static CATALOGUE: &[Code] = &include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// Every page, by code.
pub fn catalogue() -> &'static [Code] {
    CATALOGUE
}

/// The page of a code, in any case.
pub fn find(code: &str) -> Option<Code> {
    CATALOGUE.iter().copied().find(|it| it.code.eq_ignore_ascii_case(code))
}

impl Fault {
    /// A fault of this code.
    pub fn new(code: Code) -> Self {
        Self { code: code.code.to_owned(), reason: code.reason.into(), ..Self::default() }
    }

    /// Gives a value to a placeholder of the texts. Never document content.
    #[must_use]
    pub fn param(mut self, name: &str, value: impl Into<String>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    /// Names a wrong field by the sender's own path. More than [`VIOLATIONS_MAX`] are counted only.
    #[must_use]
    pub fn violation(
        mut self,
        field: impl Into<String>,
        vi: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(FieldViolation {
                field: field.into(),
                description_vi: vi.into(),
                description_en: en.into(),
            });
        } else {
            self.violations_left_out += 1;
        }
        self
    }

    /// Adds technical words for whoever reads logs.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Says when the same call may succeed.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The page of this fault's code; none when it comes from a newer catalogue.
    pub fn page(&self) -> Option<Code> {
        find(&self.code)
    }

    /// What happened, with the values filled in.
    pub fn title(&self, lang: Lang) -> String {
        self.page().map_or_else(|| self.code.clone(), |page| self.fill(page.title.get(lang)))
    }

    /// What to do, with the values filled in.
    pub fn remedy(&self, lang: Lang) -> String {
        self.page().map_or_else(String::new, |page| self.fill(page.remedy.get(lang)))
    }

    /// True when the same call may succeed later without a change, as the code's page says.
    pub fn may_pass(&self) -> bool {
        self.page().map_or_else(
            || matches!(self.reason(), Reason::Exhausted | Reason::Unavailable),
            |page| page.retry == Retry::Automatic,
        )
    }

    /// How long to wait before the same call; none: it will not succeed without a change.
    pub fn wait(&self) -> Option<Duration> {
        match self.retry_after_ms {
            0 => self.may_pass().then_some(WAIT),
            asked => Some(Duration::from_millis(asked)),
        }
    }

    fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.params {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }

    /// Reads a fault back from a status made from one; any other status becomes none.
    pub fn from_status(status: &Status) -> Option<Self> {
        let details = tonic_types::Status::decode(status.details()).ok()?.details;
        let fault = details.into_iter().find(|it| it.type_url == TYPE_URL)?;
        Self::decode(fault.value.as_slice()).ok()
    }

    /// The status of this fault: the `google.rpc` details, and the fault itself beside them.
    fn status(&self) -> Status {
        let mut params = self.params.clone();
        if self.violations_left_out > 0 {
            params.insert("violations_left_out".to_owned(), self.violations_left_out.to_string());
        }
        let mut details = ErrorDetails::new();
        details.set_error_info(&self.code, DOMAIN, params);
        details.set_localized_message("vi", self.title(Lang::Vi));
        for it in &self.violations {
            details.add_bad_request_violation(
                &it.field,
                format!("{} ({})", it.description_vi, it.description_en),
            );
        }
        if let Some(wait) = self.wait() {
            details.set_retry_info(Some(wait));
        }
        let grpc = self.page().map_or(tonic::Code::Unknown, |it| it.grpc);
        let words = format!("{}: {}", self.code, self.title(Lang::En));
        let standard = Status::with_error_details(grpc, words.as_str(), details);
        let mut all = tonic_types::Status::decode(standard.details()).unwrap_or_default();
        let value = self.encode_to_vec();
        all.details.push(prost_types::Any { type_url: TYPE_URL.to_owned(), value });
        Status::with_details(grpc, words, all.encode_to_vec().into())
    }

    /// Cuts texts that are too long for a header.
    fn cut(&mut self) {
        let said = self.violations.iter_mut();
        let said =
            said.flat_map(|it| [&mut it.field, &mut it.description_vi, &mut it.description_en]);
        for text in self.params.values_mut().chain([&mut self.detail]).chain(said) {
            if text.len() > TEXT_BYTES {
                let end = (0..=TEXT_BYTES).rev().find(|it| text.is_char_boundary(*it));
                text.truncate(end.unwrap_or_default());
                text.push('…');
            }
        }
    }
}

/// Under this name the whole fault stands among the details of a status.
const TYPE_URL: &str = "type.googleapis.com/lienthong.fault.v1.Fault";
/// Largest details, bytes. They travel in a header, as base64, and clients take 8 KiB of headers.
const DETAILS_BYTES_MAX: usize = 5 * 1024;
/// What is left of a text that is too long for a header, bytes.
const TEXT_BYTES: usize = 200;
/// How long to wait when nothing better is known.
const WAIT: Duration = Duration::from_secs(1);

impl From<Fault> for Status {
    /// What does not fit into a header is left out: ends of long texts, then the last violations.
    fn from(mut fault: Fault) -> Self {
        if fault.encoded_len() > DETAILS_BYTES_MAX / 2 {
            fault.cut();
        }
        loop {
            let status = fault.status();
            if status.details().len() <= DETAILS_BYTES_MAX || fault.violations.pop().is_none() {
                return status;
            }
            fault.violations_left_out += 1;
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.title(Lang::En))?;
        if self.detail.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.detail) }
    }
}

impl std::error::Error for Fault {}
