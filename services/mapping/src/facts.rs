//! Facts that this service records in the journal.

use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::journal::v1::Envelope;
use proto::message::v1::{Fact, Finding, MessageType, Step};

/// The name under which the journal shows this service's facts.
const COMPONENT: &str = "mapping";

/// A fact of this service, without details.
pub(crate) fn new_fact(step: Step, at_us: i64) -> Fact {
    Fact {
        step: step.into(),
        at_us,
        component: COMPONENT.to_owned(),
        attempt: 1,
        ..Fact::default()
    }
}

/// The finding of a status that is the first message of its conversation: the document it is about
/// has not passed through the bus. It is routed all the same (catalogue B-110), because documents
/// travel other ways too; the finding lets people who look for the reason see it.
pub(crate) fn status_findings(envelope: &Envelope) -> Vec<Finding> {
    if envelope.r#type() != MessageType::Status || envelope.sequence != 1 {
        return Vec::new();
    }
    let fault = Fault::new(&code::LT_MAP_228);
    let (text_vi, text_en) = (fault.title(Lang::Vi), fault.title(Lang::En));
    vec![Finding { code: fault.code, text_vi, text_en, ..Finding::default() }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_message_of_a_conversation_can_be_about_an_unknown_document() {
        let codes = |message_type: MessageType, sequence| {
            let envelope =
                Envelope { r#type: message_type.into(), sequence, ..Envelope::default() };
            status_findings(&envelope).into_iter().map(|it| it.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(MessageType::Status, 1), ["LT-MAP-228"]);
        assert_eq!(codes(MessageType::Status, 2), [""; 0]);
        assert_eq!(codes(MessageType::Document, 1), [""; 0]);
    }
}
