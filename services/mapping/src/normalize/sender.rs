//! The sender that a message names must be the organisation that was authenticated.

use proto::canonical::v1::{Canonical, Organisation, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Finding;
use registry_client::CodeOwner;

use super::context::{NormalizeContext, first_code, not_in_force, to_canonical};
use super::spelling::{check_spelling, explain_unknown};

/// Checks the sender that the message names, or fills in the authenticated organisation.
///
/// A format without a field for the sender shows the receiver the issuer, so the issuer is checked
/// in its place.
pub(super) fn check_or_complete(
    canonical: &mut Canonical,
    context: &NormalizeContext<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), Fault> {
    let (sender, issuer, path) = match &mut canonical.body {
        Some(Body::Document(it)) => (&mut it.sender, it.issuer.as_ref(), "sender.ids[0].value"),
        Some(Body::Status(it)) => (&mut it.reporter, None, "reporter.ids[0].value"),
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => return Ok(()),
    };
    if first_code(sender.as_ref()).is_some() {
        return check_codes(sender.as_ref(), path, context);
    }
    if first_code(issuer).is_some() {
        check_codes(issuer, "issuer.ids[0].value", context)?;
    } else {
        findings.push(Finding {
            code: "LT-MAP-222".to_owned(),
            field: (context.native_path)(path),
            text_vi: "Không nêu mã cơ quan gửi; lấy cơ quan của ứng dụng.".to_owned(),
            text_en: "No sender code is given; the application's organisation is taken.".to_owned(),
        });
    }
    *sender = context.directory.organisation(context.sender).map(to_canonical);
    Ok(())
}

/// Every code of the organisation must belong to the authenticated sender.
fn check_codes(
    organisation: Option<&Organisation>,
    path: &str,
    context: &NormalizeContext<'_>,
) -> Result<(), Fault> {
    let ids = organisation.into_iter().flat_map(|it| &it.ids).map(|it| it.value.as_str());
    for id in ids.filter(|it| !it.is_empty()) {
        let fault = match context.directory.resolve_code(id, context.day) {
            CodeOwner::InForce(it) | CodeOwner::CodeExpired(it) if it.key == context.sender => {
                match check_spelling(id, it) {
                    Ok(()) => continue,
                    Err(fault) => return Err(with_path(fault, (context.native_path)(path))),
                }
            }
            CodeOwner::NotInForce(it) if it.key == context.sender => {
                not_in_force(it, &code::LT_MAP_206)
            }
            CodeOwner::InForce(it) | CodeOwner::CodeExpired(it) | CodeOwner::NotInForce(it) => {
                Fault::new(&code::LT_MAP_202).param("owner", &it.key)
            }
            CodeOwner::Unknown => match explain_unknown(id, context.directory, context.day) {
                Some(fault) => return Err(with_path(fault, (context.native_path)(path))),
                None => Fault::new(&code::LT_MAP_201),
            },
            CodeOwner::Ambiguous(owners) => {
                Fault::new(&code::LT_MAP_203).param("owners", owners.join(", "))
            }
        };
        return Err(fault.param("code", id).param("sender", context.sender).violation(
            (context.native_path)(path),
            format!("Mã cơ quan gửi `{id}` không phải của cơ quan đang gửi."),
            format!("The sender code `{id}` is not of the organisation that sends."),
        ));
    }
    Ok(())
}

/// The fault with the path of its field.
fn with_path(mut fault: Fault, path: String) -> Fault {
    if let Some(first) = fault.violations.first_mut() {
        first.field = path;
    }
    fault
}
