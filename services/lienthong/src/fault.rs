//! Every failure of a command as a fault with a code: what people read, and what programs branch on.

use std::error::Error;
use std::path::Path;

use chassis::config::ConfigError;
use chassis::secret::SecretError;
use chassis::upstream::UpstreamError;
use proto::fault::v1::Fault;
use proto::fault::{Code, Lang, code};
use sdk::{ServeError, SubmitError};
use serde_json::{Value, json};
use tonic::Status;

/// The fault of an error: the first cause that has one, else that the command failed.
pub(crate) fn of(error: &anyhow::Error) -> Fault {
    let failed = || Fault::new(&code::LT_CLI_009).detail(format!("{error:#}"));
    error.chain().find_map(known).unwrap_or_else(failed)
}

fn known(cause: &(dyn Error + 'static)) -> Option<Fault> {
    if let Some(fault) = cause.downcast_ref::<Fault>() {
        return Some(fault.clone());
    }
    if let Some(status) = cause.downcast_ref::<Status>() {
        return Some(answered(status, "gateway"));
    }
    if let Some(error) = cause.downcast_ref::<ConfigError>() {
        return Some(crate::settings::fault(error));
    }
    if let Some(SecretError::Unreadable { path, .. } | SecretError::Empty { path }) =
        cause.downcast_ref()
    {
        return Some(named(&code::LT_CLI_004, path).detail(words(cause)));
    }
    if let Some(UpstreamError::Address { uri, .. }) = cause.downcast_ref() {
        return Some(Fault::new(&code::LT_CLI_006).param("address", uri).detail(words(cause)));
    }
    if let Some(error) = cause.downcast_ref::<bus::ConnectError>() {
        return Some(away("RabbitMQ", error));
    }
    if let Some(error) = cause.downcast_ref::<journal::DatabaseError>() {
        return Some(away("database", error));
    }
    if let Some(SubmitError::Unreadable(error)) = cause.downcast_ref() {
        return Some(Fault::new(&code::LT_CLI_001).param("file", "").detail(error.to_string()));
    }
    if let Some(ServeError::Address(error)) = cause.downcast_ref() {
        return Some(Fault::new(&code::LT_CLI_006).param("address", "").detail(error.to_string()));
    }
    None
}

/// A part that cannot be reached, with the whole cause.
fn away(part: &str, error: &(dyn Error + 'static)) -> Fault {
    Fault::new(&code::LT_SYS_002).param("part", part).detail(words(error))
}

/// An error and all that lies under it.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut words = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        words.push(cause.to_string());
        next = cause.source();
    }
    words.join(": ")
}

/// The fault of a call that did not come through; a coded answer keeps its own.
pub(crate) fn answered(status: &Status, part: &str) -> Fault {
    if let Some(fault) = Fault::from_status(status) {
        return fault;
    }
    let page = match status.code() {
        tonic::Code::Unauthenticated | tonic::Code::PermissionDenied => &code::LT_CLI_005,
        tonic::Code::Unimplemented => &code::LT_CLI_006,
        // Without a code of ours, the link broke or the other end is no service of ours yet.
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
    Fault::new(page).param("part", part).param("address", part).detail(causes(status))
}

/// A status and what lies under it, without what each already says of the next.
fn causes(status: &Status) -> String {
    let mut words = status.message().to_owned();
    let mut next = status.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        next = cause.source();
    }
    words
}

/// A fault about a file or folder.
pub(crate) fn named(page: Code, path: &Path) -> Fault {
    Fault::new(page).param("file", path.display().to_string())
}

/// That a file or folder cannot be read, and why.
pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Fault {
    named(&code::LT_CLI_001, path).detail(error.to_string())
}

/// That a file or folder cannot be written, and why.
pub(crate) fn unwritable(path: &Path, error: &std::io::Error) -> Fault {
    named(&code::LT_CLI_012, path).detail(error.to_string())
}

/// A fault as programs read it.
pub(crate) fn value(fault: &Fault) -> Value {
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
    use crate::screen::Ending;
    use crate::settings::Settings;

    fn ends(error: impl Into<anyhow::Error>) -> (String, u8) {
        let fault = of(&error.into());
        (fault.code.clone(), Ending::of(&fault).code())
    }

    #[test]
    fn every_failure_has_a_code_and_its_exit_code() {
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
            let shown = format!("{error:#}");
            assert_eq!(ends(error), (code.to_owned(), exit), "{shown}");
        }
    }

    #[test]
    fn a_fault_under_a_context_is_found() {
        let error = anyhow::Error::new(Fault::new(&code::LT_MAP_001)).context("while reading");
        assert_eq!(ends(error), ("LT-MAP-001".to_owned(), 3));
        assert_eq!(of(&anyhow::Error::new(Status::unavailable("x"))).params["part"], "gateway");
    }

    #[test]
    fn malformed_configuration_is_refused_with_its_code_and_its_place() {
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
            let fault = of(&error);
            assert_eq!(fault.code, code);
            let text = format!("{} {}", fault.title(Lang::Vi), fault.detail);
            assert!(text.contains(".toml") || code == "LT-CFG-004", "{code} says where: {text}");
            assert_eq!(Ending::of(&fault).code(), 3, "{code}");
        }
    }
}
