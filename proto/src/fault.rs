//! Faults: an error code with the parameters of its texts, and their encoding as a gRPC status.
//!
//! The catalogue of error codes is compiled from `proto/fault/errors/*.toml` by `build.rs`.

use std::time::Duration;

use prost::Message as _;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use self::v1::{Fault, FieldViolation, Reason};

pub mod v1 {
    //! Version 1.
    tonic::include_proto!("lienthong.fault.v1");
}

/// The `domain` of `google.rpc.ErrorInfo` (AIP-193).
pub const DOMAIN: &str = "lienthong";

/// Maximum number of field violations in one fault; more are counted in `violations_left_out`.
pub const VIOLATIONS_MAX: usize = 50;

/// A language of the user interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// Vietnamese, the default.
    #[default]
    Vi,
    /// English.
    En,
}

/// A text in both languages. Each `{name}` in it is a placeholder for a parameter of the fault.
#[derive(Clone, Copy, Debug)]
pub struct LocalizedText {
    /// Vietnamese.
    pub vi: &'static str,
    /// English.
    pub en: &'static str,
}

impl LocalizedText {
    /// The text in one language.
    pub fn get(&self, lang: Lang) -> &'static str {
        match lang {
            Lang::Vi => self.vi,
            Lang::En => self.en,
        }
    }
}

/// The party that has to act on a fault (`who` in the catalogue's files).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponsibleParty {
    /// The organisation that sent the message.
    Sender,
    /// The organisation that receives the message.
    Recipient,
    /// The operator of the bus.
    Operator,
    /// The vendor of the adapter or of the bus.
    Vendor,
}

impl ResponsibleParty {
    /// The party's name for the user interface.
    pub fn label(self) -> LocalizedText {
        match self {
            Self::Sender => LocalizedText { vi: "bên gửi", en: "the sender" },
            Self::Recipient => LocalizedText { vi: "bên nhận", en: "the recipient" },
            Self::Operator => LocalizedText { vi: "người vận hành", en: "the operator" },
            Self::Vendor => {
                LocalizedText { vi: "nhà cung cấp ứng dụng", en: "the application's vendor" }
            }
        }
    }
}

/// Whether repeating the same call may succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call never succeeds.
    Never,
    /// The same call may succeed once the cause is fixed.
    AfterFix,
    /// The fault is transient: the same call may succeed later without a change.
    Automatic,
}

impl Retry {
    /// The value as the catalogue's files and the HTTP interface write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AfterFix => "after-fix",
            Self::Automatic => "automatic",
        }
    }

    /// The advice for the user interface.
    pub fn label(self) -> LocalizedText {
        match self {
            Self::Never => LocalizedText { vi: "không gửi lại", en: "do not retry" },
            Self::AfterFix => {
                LocalizedText { vi: "gửi lại sau khi sửa", en: "retry after the fix" }
            }
            Self::Automatic => {
                LocalizedText { vi: "hệ thống tự thử lại", en: "retried by itself" }
            }
        }
    }
}

/// One entry of the error catalogue.
#[derive(Debug)]
pub struct CodeEntry {
    /// `LT-<component>-<number>`, e.g. `LT-GW-004`; never reused.
    pub code: &'static str,
    /// What happened, in one sentence.
    pub title: LocalizedText,
    /// Why it happens.
    pub cause: LocalizedText,
    /// What to do about it.
    pub remedy: LocalizedText,
    /// The party that has to act.
    pub responsible: ResponsibleParty,
    /// The class of errors that callers branch on; follows from `grpc`.
    pub reason: Reason,
    /// The gRPC status code.
    pub grpc: tonic::Code,
    /// The HTTP status code (RFC 9110).
    pub http: u16,
    /// Whether repeating the same call may succeed.
    pub retry: Retry,
}

/// An error code of the catalogue.
pub type Code = &'static CodeEntry;

pub mod code {
    //! One constant for each code, generated from `proto/fault/errors/*.toml`.
    use super::{CodeEntry, LocalizedText, Reason, ResponsibleParty, Retry};
    include!(concat!(env!("OUT_DIR"), "/codes.rs"));
}

static CATALOG: &[Code] = &include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// All entries, in the order of their codes.
pub fn catalog() -> &'static [Code] {
    CATALOG
}

/// Looks up a code; upper and lower case are the same.
pub fn find(code: &str) -> Option<Code> {
    CATALOG.iter().copied().find(|it| it.code.eq_ignore_ascii_case(code))
}

impl Fault {
    /// Makes a fault of this code without parameters.
    pub fn new(code: Code) -> Self {
        Self { code: code.code.to_owned(), reason: code.reason.into(), ..Self::default() }
    }

    /// Sets the value of a placeholder. Values are logged and recorded: never document content.
    #[must_use]
    pub fn param(mut self, name: &str, value: impl Into<String>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a wrong field, named by its path in the sender's own format. Beyond [`VIOLATIONS_MAX`]
    /// only the number of further violations is stored.
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

    /// Sets a technical explanation for logs, in English and without document content.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Sets how long the caller should wait before it repeats the call.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The catalogue's entry of this fault; `None` for a code of a newer version.
    pub fn entry(&self) -> Option<Code> {
        find(&self.code)
    }

    /// What happened, with the parameters filled in.
    pub fn title(&self, lang: Lang) -> String {
        self.entry().map_or_else(|| self.code.clone(), |entry| self.fill(entry.title.get(lang)))
    }

    /// What to do, with the parameters filled in.
    pub fn remedy(&self, lang: Lang) -> String {
        self.entry().map_or_else(String::new, |entry| self.fill(entry.remedy.get(lang)))
    }

    /// True for a transient fault: the same call may succeed later without a change. A code that
    /// this version does not know is judged by its reason.
    pub fn is_retryable(&self) -> bool {
        self.entry().map_or_else(
            || matches!(self.reason(), Reason::Exhausted | Reason::Unavailable),
            |entry| entry.retry == Retry::Automatic,
        )
    }

    /// How long to wait before repeating the call; `None` for a fault that is not transient.
    pub fn wait(&self) -> Option<Duration> {
        match self.retry_after_ms {
            0 => self.is_retryable().then_some(RETRY_AFTER_DEFAULT),
            retry_after_ms => Some(Duration::from_millis(retry_after_ms)),
        }
    }

    fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.params {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }

    /// Decodes the fault in a status's details; `None` for a status without one, such as those of
    /// the transport.
    pub fn from_status(status: &Status) -> Option<Self> {
        let details = tonic_types::Status::decode(status.details()).ok()?.details;
        let fault = details.into_iter().find(|it| it.type_url == TYPE_URL)?;
        Self::decode(fault.value.as_slice()).ok()
    }

    /// Encodes the fault as a status: the standard `google.rpc` details (AIP-193) for clients that
    /// know only these, and the fault itself beside them.
    fn to_status(&self) -> Status {
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
        let grpc = self.entry().map_or(tonic::Code::Unknown, |it| it.grpc);
        let message = format!("{}: {}", self.code, self.title(Lang::En));
        let standard = Status::with_error_details(grpc, message.as_str(), details);
        let mut all = tonic_types::Status::decode(standard.details()).unwrap_or_default();
        let value = self.encode_to_vec();
        all.details.push(prost_types::Any { type_url: TYPE_URL.to_owned(), value });
        Status::with_details(grpc, message, all.encode_to_vec().into())
    }

    /// Truncates texts that are too long for a header, at a character boundary.
    fn truncate_texts(&mut self) {
        let violations = self.violations.iter_mut();
        let violation_texts = violations
            .flat_map(|it| [&mut it.field, &mut it.description_vi, &mut it.description_en]);
        let params = self.params.values_mut();
        for text in params.chain([&mut self.detail]).chain(violation_texts) {
            if text.len() > TEXT_BYTES {
                let end = (0..=TEXT_BYTES).rev().find(|it| text.is_char_boundary(*it));
                text.truncate(end.unwrap_or_default());
                text.push('…');
            }
        }
    }
}

/// Type URL of the fault among the details of a status.
const TYPE_URL: &str = "type.googleapis.com/lienthong.fault.v1.Fault";
/// Maximum size of a status's details, bytes. They are sent as base64 in the trailer
/// `grpc-status-details-bin`, and gRPC clients accept 8 KiB of metadata by default.
const DETAILS_BYTES_MAX: usize = 5 * 1024;
/// Length to which an overlong text is truncated, bytes.
const TEXT_BYTES: usize = 200;
/// The wait before a retry when the fault names none.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

impl From<Fault> for Status {
    /// Keeps the details within `DETAILS_BYTES_MAX`: truncates long texts first, then drops
    /// violations from the end and counts them in `violations_left_out`.
    fn from(mut fault: Fault) -> Self {
        if fault.encoded_len() > DETAILS_BYTES_MAX / 2 {
            fault.truncate_texts();
        }
        loop {
            let status = fault.to_status();
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
