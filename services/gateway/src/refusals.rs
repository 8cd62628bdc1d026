//! What is recorded of refused items and calls: who, why and which, and nothing of the content.

use bytes::Bytes;
use proto::exchange::v1::SubmitRequest;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::Refusal;
use proto::mapping::v1::{Normalized, ReadAttributes};
use proto::message::v1::MessageType;
use proto::registry::v1::Application;

use crate::check_item::KEY_BYTES_MAX;
use crate::gateway::Gateway;

/// The codes of items that bear a secrecy mark.
pub(crate) const SECRECY_CODES: [&str; 2] = [code::LT_MAP_007.code, code::LT_MAP_210.code];

/// The most characters of a number, and of the name of a format.
const NAME_CHARS_MAX: usize = 200;

/// What is known of an item that may be refused. It grows while the item is processed.
#[derive(Debug, Default)]
pub(crate) struct SubmittedItem {
    key: String,
    format: String,
    native_sha256: Bytes,
    number: String,
    message_type: MessageType,
    /// Mapping has read the item and found no secrecy mark.
    is_judged: bool,
}

impl SubmittedItem {
    pub(crate) fn new(request: &SubmitRequest) -> Self {
        Self { key: request.key.clone(), format: request.format.clone(), ..Self::default() }
    }

    /// Notes the digest of the body, by which an item without key and number is recognised.
    pub(crate) fn note_body(&mut self, sha256: &[u8]) {
        self.native_sha256 = Bytes::copy_from_slice(sha256);
    }

    /// Notes what mapping could read of an item that it refused.
    pub(crate) fn note_read(&mut self, read: Option<ReadAttributes>) {
        self.is_judged = true;
        if let Some(read) = read {
            self.message_type = read.r#type();
            (self.number, self.format) = (read.number, read.format);
        }
    }

    /// Notes what mapping read of an item that it did not refuse.
    pub(crate) fn note_normalized(&mut self, normalized: &Normalized) {
        self.is_judged = true;
        self.message_type = normalized.r#type();
        self.number = normalized.index.as_ref().map(|it| it.number.clone()).unwrap_or_default();
        self.format.clone_from(&normalized.format);
    }
}

/// Records the refusal of an item. Of one with a secrecy mark only application, code and time are
/// recorded, because its key may be its number or its subject.
pub(crate) fn note_refused_item(
    gateway: &Gateway,
    application: &Application,
    item: SubmittedItem,
    fault: &Fault,
) {
    let SubmittedItem { key, format, native_sha256, number, message_type, is_judged } = item;
    let refusal = match SECRECY_CODES.contains(&fault.code.as_str()) {
        true => Refusal {
            fault: Some(Fault { code: fault.code.clone(), ..Fault::default() }),
            ..Refusal::default()
        },
        false => Refusal {
            // Before mapping has looked for a secrecy mark, only a key that no person wrote is
            // recorded.
            key: if is_judged || is_technical(&key) { key } else { String::new() },
            format: bounded(&format),
            number: bounded(&number),
            r#type: message_type.into(),
            native_sha256,
            ..of_fault(fault, is_judged)
        },
    };
    enqueue(gateway, application, refusal);
}

/// Records the refusal of a call of which no item was looked at.
pub(crate) fn note_refused_call(gateway: &Gateway, application: &Application, fault: &Fault) {
    if !fault.is_retryable() {
        enqueue(gateway, application, of_fault(fault, false));
    }
}

/// The code and the names of the fields, without their texts, which may quote the content. A name
/// that is written by the sender may too, until mapping has judged the item.
fn of_fault(fault: &Fault, is_judged: bool) -> Refusal {
    let fields = fault.violations.iter().map(|it| it.field.clone());
    let params = fault.params.iter().filter(|(_, it)| is_judged || is_technical(it));
    let params = params.map(|(name, value)| (name.clone(), value.clone())).collect();
    Refusal {
        fields: fields.filter(|it| is_judged || is_technical(it)).collect(),
        fault: Some(Fault {
            violations: Vec::new(),
            detail: if is_judged { fault.detail.clone() } else { String::new() },
            params,
            ..fault.clone()
        }),
        ..Refusal::default()
    }
}

/// True for a name such as programs make: without spaces and letters beyond ASCII.
fn is_technical(name: &str) -> bool {
    name.len() <= KEY_BYTES_MAX && name.bytes().all(|it| it.is_ascii_graphic())
}

fn bounded(text: &str) -> String {
    text.chars().filter(|it| !it.is_control()).take(NAME_CHARS_MAX).collect()
}

fn enqueue(gateway: &Gateway, application: &Application, refusal: Refusal) {
    let code = refusal.fault.as_ref().map_or_else(String::new, |it| it.code.clone());
    gateway.metrics.count_refusal(&application.id, &code);
    let refusal = Refusal {
        application: application.id.clone(),
        organisation: application.organisation.clone(),
        at_us: gateway.clock.now_us(),
        // The key may be too long or have control characters, and be refused for that.
        key: refusal.key.chars().filter(|it| !it.is_control()).take(KEY_BYTES_MAX).collect(),
        ..refusal
    };
    if !gateway.workers.refusals.add(refusal) {
        tracing::warn!(code, "refusal was not recorded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_an_item_is_judged_nothing_is_recorded_that_a_person_may_have_written() {
        let fault = Fault::new(&code::LT_EX_011)
            .param("field", "Độ mật")
            .param("limit", "200")
            .detail("near Tuyệt mật")
            .violation("items[0].key", "dài", "long")
            .violation("Tối mật", "lạ", "unknown");
        let recorded = of_fault(&fault, false);
        assert_eq!(recorded.fields, ["items[0].key"]);
        let recorded = recorded.fault.unwrap();
        assert_eq!((recorded.violations.len(), recorded.detail.as_str()), (0, ""));
        assert_eq!(recorded.params.keys().collect::<Vec<_>>(), ["limit"]);
        assert_eq!(of_fault(&fault, true).fields.len(), 2);
    }
}
