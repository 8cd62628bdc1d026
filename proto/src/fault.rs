//! Faults: a code of the catalogue with the values its texts need, and how they travel in gRPC.

use std::time::Duration;

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

    /// Names a wrong field by the sender's own path. More than [`VIOLATIONS_MAX`] are left out.
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

    /// True when the same call may succeed later without a change.
    pub fn may_pass(&self) -> bool {
        matches!(self.reason(), Reason::Exhausted | Reason::Unavailable | Reason::Internal)
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
        let value = status.metadata().get_bin(METADATA)?;
        prost::Message::decode(value.to_bytes().ok()?).ok()
    }
}

/// Metadata key under which the whole fault rides beside the google.rpc details.
const METADATA: &str = "lienthong-fault-bin";

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let page = fault.page();
        let mut details = ErrorDetails::new();
        details.set_error_info(&fault.code, DOMAIN, fault.params.clone());
        details.set_localized_message("vi", fault.title(Lang::Vi));
        for it in &fault.violations {
            details.add_bad_request_violation(
                &it.field,
                format!("{} ({})", it.description_vi, it.description_en),
            );
        }
        if fault.retry_after_ms > 0 {
            details.set_retry_info(Some(Duration::from_millis(fault.retry_after_ms)));
        }
        let grpc = page.map_or(tonic::Code::Unknown, |it| it.grpc);
        let words = format!("{}: {}", fault.code, fault.title(Lang::En));
        let mut status = Self::with_error_details(grpc, words, details);
        let bytes = prost::Message::encode_to_vec(&fault);
        status
            .metadata_mut()
            .insert_bin(METADATA, tonic::metadata::MetadataValue::from_bytes(&bytes));
        status
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.title(Lang::En))?;
        if self.detail.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.detail) }
    }
}

impl std::error::Error for Fault {}
