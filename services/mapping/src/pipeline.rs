//! From intake to delivery: a window is routed, translated, recorded in one call, published as one
//! batch.
//!
//! Recorded first: a copy that reached an application before the journal knew it could not begin.
//! If publishing then fails, the copies are rows that the journal drives.

use std::collections::HashMap;
use std::time::Duration;

use bus::{Body, Channel, ClaimStore, Handle, Message, MessageId, Publish, Verdict, Verdicts};
use bytes::Bytes;
use chassis::trace::{About, Operation, failed, message_span};
use chassis::{Clock, Upstream};
use futures::{StreamExt as _, stream};
use prost::Message as _;
use proto::canonical::v1::Canonical;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::journal_client::JournalClient;
use proto::journal::v1::{Entry, Envelope, RecordResponse, entry};
use proto::message::v1::{Attachment, Fact, Step};
use tonic::Status;
use tracing::Instrument as _;

use crate::attachments;
use crate::batches::{CALL_BYTES_MAX, calls};
use crate::config::Config;
use crate::follow::Registered;
use crate::metrics::Metrics;
use crate::route::route;
use crate::translate::{Translator, unstored};

mod copies;

use self::copies::Made;

/// Who says so in the journal.
const COMPONENT: &str = "mapping";

/// Handles intake. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline<P> {
    pub(crate) publisher: P,
    /// The partition it handles, by name.
    pub(crate) intake: String,
    pub(crate) journal: JournalClient<Upstream>,
    pub(crate) registered: Registered,
    pub(crate) translator: Translator,
    pub(crate) claims: ClaimStore,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
}

/// Copies on their way out, and the place of their message in the window.
struct Outgoing {
    place: usize,
    id: String,
    copies: Vec<(Channel, Message)>,
}

/// A message whose copies are made.
struct Routed {
    entry: Entry,
    copies: Vec<(Channel, Message)>,
}

/// What one copy is made from.
struct Source {
    id: MessageId,
    envelope: Envelope,
    canonical: Bytes,
    read: Canonical,
    attachments: Vec<Attachment>,
}

impl<P: Publish> Pipeline<P> {
    /// A pipeline that publishes here and records there.
    pub(crate) fn new(
        publisher: P,
        journal: Upstream,
        registered: Registered,
        (translator, claims): (Translator, ClaimStore),
        config: Config,
    ) -> Self {
        let journal = JournalClient::new(journal);
        let clock = Clock::System;
        let metrics = Metrics::new();
        let intake = "intake".to_owned();
        Self { publisher, intake, journal, registered, translator, claims, clock, config, metrics }
    }

    /// Routes and translates one message.
    async fn work(&self, message: Message) -> Result<Routed, Refused> {
        let source = self.open(&message).await?;
        let directory = self.registered.now();
        let about = &source.envelope;
        let ways = route(&directory, &about.recipients, about.r#type());
        let mut copies = Vec::new();
        let mut derived = Vec::new();
        let mut made = Made::new();
        for way in &ways {
            let (copy, row) = self.copy(&source, way, &mut made).await;
            copies.extend(copy);
            derived.push(row);
        }
        let to: Vec<&str> = ways.iter().map(|it| it.application.as_str()).collect();
        let fact = Fact { detail: to.join(", "), ..self.fact(Step::Routed) };
        let entry = Entry {
            message_id: message.id.to_string(),
            facts: vec![fact],
            derived,
            disposition: Some(entry::Disposition::Routed(true)),
        };
        Ok(Routed { entry, copies })
    }

    fn fact(&self, step: Step) -> Fact {
        Fact {
            step: step.into(),
            at_us: self.clock.now_us(),
            component: COMPONENT.to_owned(),
            attempt: 1,
            ..Fact::default()
        }
    }

    async fn open(&self, message: &Message) -> Result<Source, Refused> {
        let unreadable = |detail: String| Fault::new(&code::LT_MAP_217).detail(detail);
        let envelope = Envelope::from_attributes(message.id.to_string(), &message.attributes)
            .map_err(|it| Refused::ForGood(unreadable(it.to_string())))?;
        let canonical = match &message.body {
            Body::Inline(bytes) => bytes.clone(),
            Body::Claim(claim) => {
                let read = async {
                    let limit = self.config.canonical_bytes_max;
                    self.claims.open(claim, 0).await?.read_all(limit).await
                };
                read.await.map_err(|it| Refused::of(unstored(&it), it.may_pass()))?
            }
        };
        let read = Canonical::decode(canonical.clone())
            .map_err(|it| Refused::ForGood(unreadable(it.to_string())))?;
        let attachments = attachments::of(&read);
        Ok(Source { id: message.id, envelope, canonical, read, attachments })
    }

    /// Records what was routed: the ids that the journal does not know, and those that are over.
    async fn record(&self, entries: Vec<Entry>) -> Result<RecordResponse, Fault> {
        let away = |status: Status| {
            Fault::from_status(&status).unwrap_or_else(|| {
                let away = Fault::new(&code::LT_SYS_002).param("part", "journal");
                away.detail(status.message())
            })
        };
        let limit = Duration::from_millis(self.config.journal_ms_max);
        let mut told = RecordResponse::default();
        for call in calls(entries, CALL_BYTES_MAX) {
            let mut journal = self.journal.clone();
            let answer = tokio::time::timeout(limit, journal.record(call)).await;
            let answer = answer.map_err(|it| away(Status::deadline_exceeded(it.to_string())))?;
            let RecordResponse { unknown, ended } = answer.map_err(away)?.into_inner();
            told.unknown.extend(unknown);
            told.ended.extend(ended);
        }
        Ok(told)
    }
}

/// A message that could not be worked on at all.
enum Refused {
    ForNow(Fault),
    ForGood(Fault),
}

impl Refused {
    fn of(fault: Fault, may_pass: bool) -> Self {
        if may_pass { Self::ForNow(fault) } else { Self::ForGood(fault) }
    }

    fn fault(&self) -> &Fault {
        match self {
            Self::ForNow(fault) | Self::ForGood(fault) => fault,
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Self::ForNow(fault) => Verdict::Retry(words(&fault)),
            Self::ForGood(fault) => Verdict::Reject(words(&fault)),
        }
    }
}

fn words(fault: &Fault) -> bus::Fault {
    bus::Fault::new(&fault.code, fault.to_string())
}

/// Each message of a window once, and which of those each place is a copy of.
fn apart(window: Vec<Message>) -> (Vec<usize>, Vec<Message>) {
    let mut first: HashMap<MessageId, usize> = HashMap::new();
    let mut fresh: Vec<Message> = Vec::new();
    let mut places = Vec::new();
    for message in window {
        let place = *first.entry(message.id).or_insert(fresh.len());
        places.push(place);
        if place == fresh.len() {
            fresh.push(message);
        }
    }
    (places, fresh)
}

impl<P: Publish> Handle for Pipeline<P> {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        let begun = tokio::time::Instant::now();
        let (places, fresh) = apart(window);
        let judged = self.judge(fresh).await;
        let judged = judged.as_slice();
        let verdicts = places.iter().filter_map(|it| judged.get(*it).cloned()).collect();
        self.metrics.window(begun.elapsed());
        verdicts
    }
}

impl<P: Publish> Pipeline<P> {
    async fn judge(&self, window: Vec<Message>) -> Verdicts {
        let mut verdicts = Verdicts::undecided(window.len());
        let spans: Vec<_> = window.iter().map(|it| process_span(&self.intake, it)).collect();
        let worked: Vec<_> = stream::iter(window.into_iter().zip(spans.clone()))
            .map(|(message, span)| self.work(message).instrument(span))
            .buffered(self.config.translating_max.max(1))
            .collect()
            .await;
        let mut entries = Vec::new();
        let mut routed = Vec::new();
        for (place, outcome) in worked.into_iter().enumerate() {
            match outcome {
                Ok(Routed { entry, copies }) => {
                    routed.push(Outgoing { place, id: entry.message_id.clone(), copies });
                    entries.push(entry);
                }
                Err(refused) => {
                    failed(&spans[place], &refused.fault().code);
                    verdicts.decide(place, refused.verdict());
                }
            }
        }
        // One call for all of them, in the trace of the first.
        let first = spans.first().cloned().unwrap_or_else(tracing::Span::none);
        let told = match self.record(entries).instrument(first).await {
            Ok(told) => told,
            Err(fault) => {
                for it in routed {
                    verdicts.decide(it.place, Verdict::Retry(words(&fault)));
                }
                return verdicts;
            }
        };
        let (strangers, routed): (Vec<_>, Vec<_>) =
            routed.into_iter().partition(|it| told.unknown.contains(&it.id));
        for it in strangers {
            verdicts.decide(it.place, Verdict::Reject(words(&Fault::new(&code::LT_MAP_221))));
        }
        // What an operator withdrew meanwhile stays here.
        let goes = |copy: &Message| !told.ended.contains(&copy.id.to_string());
        let routed = routed.into_iter().map(|mut it| {
            it.copies.retain(|(_, copy)| told.ended.is_empty() || goes(copy));
            it
        });
        self.publish(routed.collect(), &mut verdicts).await;
        verdicts
    }

    /// Publishes all copies as one batch and decides about their messages.
    async fn publish(&self, routed: Vec<Outgoing>, verdicts: &mut Verdicts) {
        let mut batch = Vec::new();
        let mut of = Vec::new();
        for Outgoing { place, copies, .. } in routed {
            verdicts.decide(place, Verdict::Done);
            of.extend(std::iter::repeat_n(place, copies.len()));
            batch.extend(copies);
        }
        if batch.is_empty() {
            return;
        }
        let outcomes = self.publisher.publish(batch).await;
        for (place, outcome) in of.into_iter().zip(outcomes) {
            if let Err(error) = outcome {
                // The copy is a row already; the journal drives it when this comes to nothing.
                verdicts.decide(place, Verdict::Retry(bus::Fault::from(&error)));
            }
        }
    }
}

fn process_span(intake: &str, message: &Message) -> tracing::Span {
    message_span(
        Operation::Process,
        About {
            destination: intake,
            message_id: &message.id.to_string(),
            conversation: &message.conversation,
            traceparent: message.attributes.get("traceparent").map_or("", String::as_str),
        },
    )
}

#[cfg(test)]
#[path = "pipeline/tests.rs"]
mod tests;
