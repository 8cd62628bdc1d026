//! Turns every error of a command into a fault with a code, and a fault into JSON.

use std::error::Error;
use std::path::Path;

use chassis::config::ConfigError;
use chassis::secret::{SecretError, redact};
use chassis::upstream::UpstreamError;
use proto::fault::v1::Fault;
use proto::fault::{Code, Lang, code};
use sdk::{ServeError, SubmitError};
use serde_json::{Value, json};
use tls::TlsError;
use tonic::Status;

use crate::io_words::io_words;
use crate::settings::config_fault;

/// The fault of an error: that of the first cause that has one, else `LT-CLI-009`.
pub(crate) fn fault_from_error(error: &anyhow::Error) -> Fault {
    let uncoded = || Fault::new(&code::LT_CLI_009).detail(format!("{error:#}"));
    error.chain().find_map(fault_of_cause).unwrap_or_else(uncoded)
}

/// An error in one line: the code of its fault, what happened, and what is wrong with each field. One
/// without a code is its own text; of the operating system's errors, in the reader's language.
pub(crate) fn error_line(error: &anyhow::Error, lang: Lang) -> String {
    let in_language = |(vi, en): (String, String)| match lang {
        Lang::Vi => vi,
        Lang::En => en,
    };
    let Some(fault) = error.chain().find_map(fault_of_cause) else {
        let of_system = error.chain().find_map(|it| it.downcast_ref::<std::io::Error>());
        return of_system.map_or_else(|| format!("{error:#}"), |it| in_language(io_words(it)));
    };
    let title = fault.title(lang);
    let mut line = format!("{}: {title}", fault.code);
    if !fault.violations.is_empty() {
        line.truncate(line.trim_end_matches('.').len());
    }
    for it in fault.violations {
        let field =
            if title.contains(&it.field) { String::new() } else { format!("{}: ", it.field) };
        line += &format!(": {field}{}", in_language((it.description_vi, it.description_en)));
    }
    if fault.detail.is_empty() { line } else { format!("{line} ({})", fault.detail) }
}

fn fault_of_cause(cause: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(fault) = cause.downcast_ref::<Fault>() {
        return Some(fault.clone());
    }
    if let Some(status) = cause.downcast_ref::<Status>() {
        return Some(fault_from_status(status, "gateway"));
    }
    if let Some(error) = cause.downcast_ref::<ConfigError>() {
        return Some(config_fault(error));
    }
    if let Some(error) = cause.downcast_ref::<SecretError>() {
        return Some(secret_fault(error));
    }
    if let Some(UpstreamError::Address { url, .. }) = cause.downcast_ref() {
        return Some(
            Fault::new(&code::LT_CLI_006)
                .param("address", url.to_string())
                .detail(error_chain(cause)),
        );
    }
    if let Some(UpstreamError::Plaintext { url }) = cause.downcast_ref() {
        return Some(exposed("--internal", &url.to_string()));
    }
    if let Some(ServeError::Plaintext { gateway }) = cause.downcast_ref() {
        return Some(exposed("--gateway", gateway));
    }
    if let Some(error) = cause.downcast_ref::<TlsError>() {
        return Some(certificate_fault(error));
    }
    if let Some(error) = cause.downcast_ref::<bus::ConnectError>() {
        return Some(unavailable("RabbitMQ", error));
    }
    if let Some(error) = cause.downcast_ref::<journal::DatabaseError>() {
        return Some(unavailable("database", error));
    }
    if let Some(SubmitError::Unreadable(error)) = cause.downcast_ref() {
        return Some(Fault::new(&code::LT_CLI_001).param("file", "").detail(error.to_string()));
    }
    if let Some(ServeError::Address(error)) = cause.downcast_ref() {
        return Some(Fault::new(&code::LT_CLI_006).param("address", "").detail(error.to_string()));
    }
    None
}

/// The fault of a token's file.
fn secret_fault(error: &SecretError) -> Fault {
    let (path, (vi, en)) = match error {
        SecretError::Unreadable { path, source } => (path, io_words(source)),
        SecretError::Empty { path } => (path, ("tệp rỗng".into(), "the file is empty".into())),
        SecretError::NotText { path } => {
            (path, ("tệp không phải văn bản".into(), "the file is not a text".into()))
        }
    };
    let file = path.display().to_string();
    path_fault(&code::LT_CLI_004, path).violation(file, vi, en)
}

/// The fault of a certificate or key, which names its file.
fn certificate_fault(error: &TlsError) -> Fault {
    let fault = Fault::new(&code::LT_CFG_008);
    match error {
        TlsError::Unreadable { path, source } => {
            let (vi, en) = io_words(source);
            fault.violation(path.display().to_string(), vi, en)
        }
        TlsError::Content { path, expected } => fault.violation(
            path.display().to_string(),
            format!(
                "tệp không có {} ở dạng PEM",
                if *expected == "certificate" { "chứng thư" } else { "khóa" }
            ),
            format!("the file holds no {expected} in PEM form"),
        ),
        TlsError::Unusable { path, source } => fault
            .violation(path.display().to_string(), "không dùng được", "cannot be used")
            .detail(error_chain(source.as_ref())),
        TlsError::WithoutAuthorities => fault.violation(
            "tls.authorities_file",
            "cần chứng thư của bên gọi mà chưa nêu nơi cấp chứng thư",
            "certificates of callers are required, and no file of their authorities is named",
        ),
        TlsError::Incomplete => fault.violation(
            "tls.key_file",
            "chứng thư và khóa phải có cùng nhau",
            "a certificate and its key are needed together",
        ),
    }
}

/// The fault of a link that would be plain text to another machine.
fn exposed(key: &str, address: &str) -> Fault {
    Fault::new(&code::LT_CLI_027).param("key", key).param("address", redact(address))
}

/// The fault of a part that cannot be reached.
fn unavailable(part: &str, error: &(dyn Error + 'static)) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", part).detail(error_chain(error))
}

/// The texts of an error and of all its causes.
fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut texts = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts.join(": ")
}

/// The fault of a failed call: the fault in the answer, else the fault for its status code.
pub(crate) fn fault_from_status(status: &Status, part: &str) -> Fault {
    if let Some(fault) = Fault::from_status(status) {
        return fault;
    }
    let code = match status.code() {
        tonic::Code::Unauthenticated | tonic::Code::PermissionDenied => &code::LT_CLI_005,
        tonic::Code::Unimplemented => &code::LT_CLI_006,
        // A status without a fault comes from the transport, or from a server that is not ours.
        tonic::Code::Unavailable
        | tonic::Code::DeadlineExceeded
        | tonic::Code::Cancelled
        | tonic::Code::Unknown => &code::LT_SYS_002,
        tonic::Code::Ok
        | tonic::Code::InvalidArgument
        | tonic::Code::NotFound
        | tonic::Code::AlreadyExists
        | tonic::Code::ResourceExhausted
        | tonic::Code::FailedPrecondition
        | tonic::Code::Aborted
        | tonic::Code::OutOfRange
        | tonic::Code::Internal
        | tonic::Code::DataLoss => &code::LT_CLI_009,
    };
    let detail = status_chain(status);
    if detail.contains(WRONG_CERTIFICATE) {
        return Fault::new(&code::LT_CFG_008).detail(detail);
    }
    let fault = Fault::new(code).param("part", part).param("address", part);
    // The title of a wrong token says everything.
    if code.code == code::LT_CLI_005.code { fault } else { fault.detail(detail) }
}

/// The TLS library's words for a server whose authority or name is not the expected one.
pub(crate) const WRONG_CERTIFICATE: &str = "invalid peer certificate";

/// The texts of a status and of its causes, without those that the text before already contains.
pub(crate) fn status_chain(status: &Status) -> String {
    let mut texts = status.message().to_owned();
    let mut next = status.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !texts.contains(&text) {
            texts.push_str(": ");
            texts.push_str(&text);
        }
        next = cause.source();
    }
    texts
}

/// A fault about a file or folder.
fn path_fault(code: Code, path: &Path) -> Fault {
    Fault::new(code).param("file", path.display().to_string())
}

/// The fault of a file or folder that cannot be read.
pub(crate) fn unreadable_path(path: &Path, error: &std::io::Error) -> Fault {
    let (vi, en) = io_words(error);
    path_fault(&code::LT_CLI_001, path).violation(path.display().to_string(), vi, en)
}

/// The fault of a file or folder that cannot be written.
pub(crate) fn unwritable_path(path: &Path, error: &std::io::Error) -> Fault {
    let (vi, en) = io_words(error);
    path_fault(&code::LT_CLI_012, path).violation(path.display().to_string(), vi, en)
}

/// A fault as JSON, for programs.
pub(crate) fn fault_json(fault: &Fault) -> Value {
    let violations: Vec<_> = fault
        .violations
        .iter()
        .map(|it| {
            json!({
                "field": it.field,
                "description_vi": it.description_vi,
                "description_en": it.description_en,
            })
        })
        .collect();
    json!({
        "code": fault.code,
        "title_vi": fault.title(Lang::Vi),
        "title_en": fault.title(Lang::En),
        "remedy_vi": fault.remedy(Lang::Vi),
        "remedy_en": fault.remedy(Lang::En),
        "violations": violations,
        "retry_after_ms": fault.retry_after_ms,
        "detail": fault.detail,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chassis::config::Layers;

    use super::*;
    use crate::exit_status::ExitStatus;
    use crate::settings::Settings;

    fn code_and_exit_status(error: impl Into<anyhow::Error>) -> (String, u8) {
        let fault = fault_from_error(&error.into());
        (fault.code.clone(), ExitStatus::from_fault(&fault).code())
    }

    #[test]
    fn an_error_in_one_line_is_in_the_readers_language_and_says_nothing_twice() {
        let lines = |error: anyhow::Error| [Lang::Vi, Lang::En].map(|it| error_line(&error, it));
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(
            lines(anyhow::Error::new(refused).context("of a library")),
            ["không có gì chạy ở địa chỉ này", "nothing runs at this address"]
        );
        assert_eq!(lines(anyhow::anyhow!("odd")), ["odd", "odd"]);
        let missing = SecretError::Unreadable {
            path: "a.token".into(),
            source: std::io::ErrorKind::NotFound.into(),
        };
        let [vi, _] = lines(missing.into());
        assert_eq!(
            vi,
            "LT-CLI-004: Không có khóa truy cập trong tệp a.token: không có tệp hay thư mục này"
        );
        let [vi, en] = lines(TlsError::WithoutAuthorities.into());
        assert!(
            vi.ends_with(
                "tls.authorities_file: cần chứng thư của bên gọi mà chưa nêu nơi cấp chứng thư"
            ),
            "{vi}"
        );
        assert!(en.starts_with("LT-CFG-008: The certificates cannot be used: tls."), "{en}");
    }

    #[test]
    fn every_error_has_a_code_and_an_exit_status() {
        let cases: [(anyhow::Error, &str, u8); 11] = [
            (Status::unavailable("refused").into(), "LT-SYS-002", 6),
            (Status::deadline_exceeded("late").into(), "LT-SYS-002", 6),
            (Status::cancelled("cut").into(), "LT-SYS-002", 6),
            (Status::unknown("h2 protocol error").into(), "LT-SYS-002", 6),
            (Status::unauthenticated("who").into(), "LT-CLI-005", 5),
            (Status::permission_denied("no").into(), "LT-CLI-005", 5),
            (Status::unimplemented("404").into(), "LT-CLI-006", 3),
            (Status::internal("bug").into(), "LT-CLI-009", 1),
            (Status::from(Fault::new(&code::LT_JNL_005)).into(), "LT-JNL-005", 4),
            (Fault::new(&code::LT_JNL_001).into(), "LT-JNL-001", 7),
            (anyhow::anyhow!("something else").context("while working"), "LT-CLI-009", 1),
        ];
        for (error, code, exit) in cases {
            let text = format!("{error:#}");
            assert_eq!(code_and_exit_status(error), (code.to_owned(), exit), "{text}");
        }
    }

    #[test]
    fn a_fault_that_is_the_cause_of_an_error_is_found() {
        let error = anyhow::Error::new(Fault::new(&code::LT_MAP_001)).context("while reading");
        assert_eq!(code_and_exit_status(error), ("LT-MAP-001".to_owned(), 3));
        assert_eq!(
            fault_from_error(&anyhow::Error::new(Status::unavailable("x"))).params["part"],
            "gateway"
        );
    }

    #[test]
    fn a_mistake_in_the_configuration_has_a_code_and_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lienthong.toml");
        let mut outcomes = Vec::new();
        for text in ["[bus\n", "[bus]\nurll = \"x\"\n", "[bus]\nwindow = \"nhiều\"\n"] {
            std::fs::write(&file, text).unwrap();
            let layers = Layers::from_parts(Some(&file), BTreeMap::new());
            outcomes.push(layers.and_then(|it| Settings::read(&it)).unwrap_err());
        }
        let missing = folder.path().join("none.toml");
        outcomes.push(Layers::from_parts(Some(&missing), BTreeMap::new()).unwrap_err());
        for (error, code) in
            outcomes.into_iter().zip(["LT-CFG-002", "LT-CFG-003", "LT-CFG-004", "LT-CFG-001"])
        {
            let error = anyhow::Error::new(error);
            let fault = fault_from_error(&error);
            assert_eq!(fault.code, code);
            let text = format!("{} {}", fault.title(Lang::Vi), fault.detail);
            assert!(
                text.contains(".toml") || code == "LT-CFG-004",
                "{code} names the file: {text}"
            );
            assert_eq!(ExitStatus::from_fault(&fault).code(), 3, "{code}");
        }
    }
}
