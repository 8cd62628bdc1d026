//! Recipient list: one derived copy of a message for each receiving application.

use std::collections::HashMap;
use std::sync::Arc;

use bus::{Channel, Message, MessageId};
use bytes::Bytes;
use chassis::Clock;
use chassis::trace::{Operation, SpanMessage, message_span, set_failed, traceparent};
use formats::EncodeContext;
use journal_client::to_journal_message;
use proto::canonical::v1::Canonical;
use proto::fault::v1::Fault;
use proto::journal::v1::{Derived, Envelope};
use proto::message::v1::{Attachment, Fact, Step};
use registry_client::Directory;
use tracing::{Instrument as _, Span};

use crate::codec::Codec;
use crate::facts::new_fact;
use crate::loss_policy::refuse_losses;
use crate::metrics::Metrics;
use crate::route::Route;
use crate::translate::{Translation, Translator};

/// The message that copies are derived from.
pub(crate) struct ParentMessage {
    pub(crate) id: MessageId,
    pub(crate) envelope: Envelope,
    /// The canonical message as it is stored, so that encoding it again cannot change it.
    pub(crate) encoded: Bytes,
    pub(crate) canonical: Canonical,
    pub(crate) attachments: Vec<Attachment>,
}

/// The translations of one message by format. Applications that take the same format share one,
/// because nothing in a translation depends on the application.
pub(crate) struct TranslationCache {
    /// The formats of the snapshot by which the message is routed.
    codec: Arc<Codec>,
    pub(crate) by_format: HashMap<String, Result<Translation, Fault>>,
}

/// A copy of a message: its row for the journal, and the message to publish. A copy that is held
/// back by a fault has a row only.
pub(crate) struct MessageCopy {
    pub(crate) row: Derived,
    pub(crate) message: Option<(Channel, Message)>,
}

/// Makes copies of messages. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct CopyMaker {
    translator: Translator,
    clock: Clock,
    metrics: Metrics,
}

impl CopyMaker {
    pub(crate) fn new(translator: Translator, clock: Clock, metrics: Metrics) -> Self {
        Self { translator, clock, metrics }
    }

    /// No translations yet of a message that is routed by a snapshot of the registry.
    pub(crate) fn new_cache(&self, directory: &Directory) -> TranslationCache {
        TranslationCache { codec: self.translator.codec(directory), by_format: HashMap::new() }
    }

    /// Makes the copy for one route. Its id is derived from the parent's id and the channel, so
    /// routing a message twice makes the same copies.
    pub(crate) async fn make_copy(
        &self,
        parent: &ParentMessage,
        route: &Route,
        cache: &mut TranslationCache,
    ) -> MessageCopy {
        let target =
            if route.application.is_empty() { &route.organisation } else { &route.application };
        let channel = Channel::delivery(target);
        let channel_name =
            channel.as_ref().map_or_else(|_| format!("delivery.{target}"), ToString::to_string);
        let id = parent.id.derive(&channel_name);
        let mut envelope = derive_envelope(parent, route, id);
        let span = start_span(&channel_name, &mut envelope);
        let attachments = parent.attachments.clone();
        let translation = self.translate(parent, route, cache).instrument(span.clone()).await;
        let translation = match translation {
            Ok(translation) => translation,
            Err(fault) => {
                let fault = self.hold_back(fault, route, id, &span);
                let message = Some(to_journal_message(envelope, None));
                let row = Derived { message, attachments, fault, ..Derived::default() };
                return MessageCopy { row, message: None };
            }
        };
        envelope.format_version = translation.version;
        envelope.format_hash.clone_from(&translation.hash);
        let facts = vec![self.translated_fact(&envelope, &translation)];
        let refusal = refuse_losses(&parent.canonical, &translation.losses, &route.accepts_losses);
        if let Some(fault) = refusal {
            let fault = self.hold_back(fault, route, id, &span);
            let message = Some(to_journal_message(envelope, None));
            return MessageCopy {
                row: Derived { message, attachments, facts, fault },
                message: None,
            };
        }
        self.metrics.count_copy(None);
        let message = Message {
            id,
            conversation: envelope.conversation.clone(),
            attributes: envelope.attributes(),
            body: translation.body.clone(),
        };
        let journal_message = Some(to_journal_message(envelope, Some(&translation.body)));
        let row = Derived { message: journal_message, attachments, facts, fault: None };
        MessageCopy { row, message: channel.ok().map(|it| (it, message)) }
    }

    async fn translate(
        &self,
        parent: &ParentMessage,
        route: &Route,
        cache: &mut TranslationCache,
    ) -> Result<Translation, Fault> {
        let format = route.format.as_deref().map_err(Clone::clone)?;
        if let Some(translation) = cache.by_format.get(format) {
            return translation.clone();
        }
        // The time of acceptance, and not the time now: a repeated translation gives the same
        // bytes.
        let context =
            EncodeContext { now_us: parent.envelope.accepted_at_us, ..EncodeContext::default() };
        let (encoded, attachments) = (&parent.encoded, &parent.attachments);
        let format_of = (&cache.codec, format);
        let translation = self.translator.translate(encoded, attachments, format_of, context).await;
        cache.by_format.insert(format.to_owned(), translation.clone());
        translation
    }

    /// Reports that a copy waits for an operator, and names its application in the fault.
    fn hold_back(&self, fault: Fault, route: &Route, id: MessageId, span: &Span) -> Option<Fault> {
        set_failed(span, &fault.code);
        self.metrics.count_copy(Some(&fault.code));
        let fault = fault.param("application", &route.application);
        tracing::warn!(error = %fault, messaging.message.id = %id, "copy is held back");
        Some(fault)
    }

    fn translated_fact(&self, envelope: &Envelope, translation: &Translation) -> Fact {
        Fact {
            format: envelope.format.clone(),
            format_version: translation.version,
            format_hash: translation.hash.clone(),
            duration_us: translation.duration_us,
            losses: translation.losses.clone(),
            detail: envelope.application.clone(),
            ..new_fact(Step::Translated, self.clock.now_us())
        }
    }
}

/// Starts the copy's span, and writes its trace context into the envelope when it is recorded.
fn start_span(channel_name: &str, envelope: &mut Envelope) -> Span {
    let span = message_span(
        Operation::Send,
        SpanMessage {
            destination: channel_name,
            message_id: &envelope.id,
            conversation: &envelope.conversation,
            traceparent: &envelope.traceparent,
        },
    );
    let context = traceparent(&span);
    if !context.is_empty() {
        envelope.traceparent = context;
    }
    span
}

fn derive_envelope(parent: &ParentMessage, route: &Route, id: MessageId) -> Envelope {
    Envelope {
        id: id.to_string(),
        format: route.format.clone().unwrap_or_default(),
        format_version: 0,
        format_hash: String::new(),
        recipients: vec![route.organisation.clone()],
        application: route.application.clone(),
        attempt: 1,
        parent: parent.id.to_string(),
        ..parent.envelope.clone()
    }
}
