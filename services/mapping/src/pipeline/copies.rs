//! A message into one application's copy, or into why there is none.

use std::collections::HashMap;

use bus::{Body, Channel, Message, MessageId, Publish};
use bytes::Bytes;
use chassis::trace::{About, Operation, failed, message_span, traceparent};
use formats::EncodeContext;
use proto::fault::v1::Fault;
use proto::journal::v1::{Derived, Envelope, body};
use proto::message::v1::{Claim, Fact, Step};
use tracing::Instrument as _;

use super::{Pipeline, Source};
use crate::consent::refusal;
use crate::route::Way;
use crate::translate::Translated;

/// What a message came to in each format that was asked for; a copy's context is its message's.
pub(super) type Made = HashMap<String, Result<Translated, Fault>>;

impl<P: Publish> Pipeline<P> {
    /// One application's copy: where it goes when it could be made, its row always.
    pub(super) async fn copy(
        &self,
        source: &Source,
        way: &Way,
        made: &mut Made,
    ) -> (Option<(Channel, Message)>, Derived) {
        let target = if way.application.is_empty() { &way.organisation } else { &way.application };
        let channel = Channel::delivery(target);
        let name =
            channel.as_ref().map_or_else(|_| format!("delivery.{target}"), ToString::to_string);
        let id = source.id.derive(&name);
        let mut envelope = self.envelope(source, way, id);
        let span = message_span(
            Operation::Send,
            About {
                destination: &name,
                message_id: &envelope.id,
                conversation: &envelope.conversation,
                traceparent: &source.envelope.traceparent,
            },
        );
        let sent = traceparent(&span);
        if !sent.is_empty() {
            envelope.traceparent = sent;
        }
        let attachments = source.attachments.clone();
        let translated = match self.translated(source, way, made).instrument(span.clone()).await {
            Ok(translated) => translated,
            Err(fault) => {
                failed(&span, &fault.code);
                let fault = self.kept_back(fault, way, id);
                let message = Some(row(envelope, None));
                return (None, Derived { message, attachments, fault, ..Derived::default() });
            }
        };
        envelope.format_version = translated.version;
        envelope.format_hash.clone_from(&translated.hash);
        let facts = vec![self.told(&envelope, &translated)];
        let refused = refusal(&source.read, &translated.losses, &way.accepts_losses);
        if let Some(fault) = refused {
            failed(&span, &fault.code);
            let fault = self.kept_back(fault, way, id);
            let message = Some(row(envelope, None));
            return (None, Derived { message, attachments, facts, fault });
        }
        self.metrics.copy(None);
        let message = Message {
            id,
            conversation: envelope.conversation.clone(),
            attributes: envelope.attributes(),
            body: translated.body.clone(),
        };
        let message_row = Some(row(envelope, Some(&translated.body)));
        let row = Derived { message: message_row, attachments, facts, fault: None };
        (channel.ok().map(|it| (it, message)), row)
    }

    /// The message in the format of a way: written once for all applications that take it.
    async fn translated(
        &self,
        source: &Source,
        way: &Way,
        made: &mut Made,
    ) -> Result<Translated, Fault> {
        let format = way.format.as_deref().map_err(Clone::clone)?;
        if let Some(known) = made.get(format) {
            return known.clone();
        }
        let context =
            EncodeContext { now_us: source.envelope.accepted_at_us, ..EncodeContext::default() };
        let (canonical, files) = (&source.canonical, &source.attachments);
        let translated = self.translator.translate(canonical, files, format, context).await;
        made.insert(format.to_owned(), translated.clone());
        translated
    }

    fn kept_back(&self, fault: Fault, way: &Way, id: MessageId) -> Option<Fault> {
        self.metrics.copy(Some(&fault.code));
        let fault = fault.param("application", &way.application);
        tracing::warn!(error = %fault, messaging.message.id = %id, "copy is kept back");
        Some(fault)
    }

    fn envelope(&self, source: &Source, way: &Way, id: MessageId) -> Envelope {
        Envelope {
            id: id.to_string(),
            format: way.format.clone().unwrap_or_default(),
            format_version: 0,
            format_hash: String::new(),
            recipients: vec![way.organisation.clone()],
            application: way.application.clone(),
            attempt: 1,
            parent: source.id.to_string(),
            ..source.envelope.clone()
        }
    }

    fn told(&self, envelope: &Envelope, made: &Translated) -> Fact {
        Fact {
            format: envelope.format.clone(),
            format_version: made.version,
            format_hash: made.hash.clone(),
            duration_us: made.took_us,
            losses: made.losses.clone(),
            detail: envelope.application.clone(),
            ..self.fact(Step::Translated)
        }
    }
}

fn row(envelope: Envelope, made: Option<&Body>) -> proto::journal::v1::Message {
    let place = made.map(|it| match it {
        Body::Inline(bytes) => body::Place::Inline(bytes.clone()),
        Body::Claim(claim) => body::Place::Claim(Claim {
            sha256: Bytes::copy_from_slice(&claim.sha256),
            size: claim.size,
        }),
    });
    let body = Some(proto::journal::v1::Body { place });
    proto::journal::v1::Message { envelope: Some(envelope), body }
}
