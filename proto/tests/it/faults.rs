//! The error catalogue, and the encoding of faults as gRPC statuses.

use proto::fault::v1::{Fault, Reason};
use proto::fault::{Lang, catalog, code, find};
use tonic_types::StatusExt as _;

#[test]
fn every_catalog_entry_is_complete_and_translated() {
    let mut seen = std::collections::BTreeSet::new();
    for entry in catalog() {
        let parts: Vec<_> = entry.code.split('-').collect();
        assert!(
            parts.len() == 3 && parts[0] == "LT" && parts[2].len() == 3,
            "{} is not LT-<COMPONENT>-<nnn>",
            entry.code
        );
        assert!(seen.insert(entry.code), "{} is defined twice", entry.code);
        for text in [entry.title, entry.cause, entry.remedy] {
            assert!(text.vi.len() > 5 && text.en.len() > 5, "{} has an empty text", entry.code);
            assert_ne!(text.vi, text.en, "{} is not translated", entry.code);
        }
        assert!((400..600).contains(&entry.http), "{} has HTTP status {}", entry.code, entry.http);
    }
}

#[test]
fn a_fault_is_equal_after_encoding_and_decoding_as_a_status() {
    let fault = Fault::new(&code::LT_SYS_001)
        .param("id", "7")
        .violation("a/b", "sai", "wrong")
        .retry_after(std::time::Duration::from_secs(3));
    let status = tonic::Status::from(fault.clone());
    assert_eq!(Fault::from_status(&status), Some(fault.clone()));
    assert_eq!(status.code(), tonic::Code::Internal);
    assert!(fault.title(Lang::En).contains("reference 7"));
    assert_eq!(find("lt-sys-001").unwrap().reason, Reason::Internal);
    assert_eq!(Fault::from_status(&tonic::Status::internal("other")), None);
}

#[test]
fn a_status_carries_the_standard_error_details() {
    let fault = Fault::new(&code::LT_EX_008).param("part", "scan").violation(
        "/Value/Data/0/KyHieu",
        "thiếu ký hiệu",
        "the notation is missing",
    );
    let details = tonic::Status::from(fault.clone()).get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("LT-EX-008", "lienthong"));
    assert_eq!(info.metadata["part"], "scan");
    let request = details.bad_request().unwrap();
    assert_eq!(request.field_violations[0].field, "/Value/Data/0/KyHieu");
    assert!(request.field_violations[0].description.contains("thiếu ký hiệu"));
    let message = details.localized_message().unwrap();
    assert_eq!((message.locale.as_str(), &message.message), ("vi", &fault.title(Lang::Vi)));
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(!wait.is_zero(), "a retryable fault says when to retry");
    let permanent = tonic::Status::from(Fault::new(&code::LT_EX_001)).get_error_details();
    assert!(permanent.retry_info().is_none());
}

#[test]
fn a_fault_too_long_for_a_header_is_truncated_and_counts_what_it_leaves_out() {
    let long = "văn bản ".repeat(500);
    let mut fault = Fault::new(&code::LT_EX_011).param("field", &long).detail(&long);
    for number in 0..53 {
        fault = fault.violation(format!("/edXML/{number}/{long}"), &long, &long);
    }
    assert_eq!((fault.violations.len(), fault.violations_left_out), (50, 3));
    let status = tonic::Status::from(fault);
    assert!(status.details().len() <= 5 * 1024, "{}", status.details().len());
    let decoded = Fault::from_status(&status).unwrap();
    assert!(!decoded.violations.is_empty());
    assert_eq!(decoded.violations.len() + decoded.violations_left_out as usize, 53);
    assert!(decoded.violations[0].field.starts_with("/edXML/0/"));
    let info = status.get_error_details().error_info().unwrap().clone();
    assert_eq!(info.metadata["violations_left_out"], decoded.violations_left_out.to_string());
}

#[test]
fn a_fault_is_retryable_when_its_catalog_entry_says_so() {
    assert!(Fault::new(&code::LT_GW_004).is_retryable());
    assert!(!Fault::new(&code::LT_JNL_006).is_retryable(), "an internal error that needs a fix");
    assert!(!Fault::new(&code::LT_JNL_002).is_retryable(), "in doubt, until an operator decides");
}
