//! From intake to delivery: a window of messages is routed and translated, recorded in the journal,
//! and published as one batch.
//!
//! Recording comes before publishing: a copy that reached an application before the journal had its
//! row could not begin. When publishing fails, the recorded copies are published by the journal.

use std::collections::HashMap;
use std::time::Duration;

use bus::{Body, Channel, ClaimStore, Handle, Message, MessageId, Publish, Verdict, Verdicts};
use chassis::trace::{Operation, SpanMessage, message_span, set_failed};
use chassis::{Clock, Upstream};
use futures::{StreamExt as _, stream};
use journal_client::{JournalClient, copy_digest, to_fault};
use prost::Message as _;
use proto::canonical::v1::Canonical;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{Entry, Envelope, RecordResponse, entry};
use proto::message::v1::{Fact, Step};
use registry_client::{Directory, RegistryFollower, day_in_vietnam};
use tracing::Instrument as _;

use crate::attachments::list_attachments;
use crate::config::Config;
use crate::copies::{CopyMaker, ParentMessage};
use crate::facts::{new_fact, status_findings};
use crate::fault::from_claim_error;
use crate::metrics::Metrics;
use crate::normalize::complete_recipients;
use crate::record_calls::{CALL_BYTES_MAX, divide_into_calls};
use crate::report::{complete_report, report_of, report_routes};
use crate::route::{deny_copies, find_routes};
use crate::translate::Translator;

/// Handles the messages of one intake partition. Clones share everything but its name.
#[derive(Clone, Debug)]
pub(crate) struct Pipeline<P> {
    publisher: P,
    /// Name of the intake partition, for spans.
    intake: String,
    journal: JournalClient,
    pub(crate) registry: RegistryFollower,
    pub(crate) copy_maker: CopyMaker,
    pub(crate) claims: ClaimStore,
    clock: Clock,
    config: Config,
    metrics: Metrics,
}

/// A routed message: its journal entry, and its copies to publish.
struct RoutedMessage {
    entry: Entry,
    copies: Vec<(Channel, Message)>,
}

/// The copies to publish of the message at `index` of the window.
struct OutgoingCopies {
    index: usize,
    id: String,
    copies: Vec<(Channel, Message)>,
}

impl<P: Publish> Pipeline<P> {
    pub(crate) fn new(
        publisher: P,
        journal: Upstream,
        registry: RegistryFollower,
        (translator, claims): (Translator, ClaimStore),
        config: Config,
    ) -> Self {
        let time_limit = Duration::from_millis(config.journal_ms_max);
        let (clock, metrics) = (Clock::System, Metrics::new());
        Self {
            publisher,
            intake: "intake".to_owned(),
            journal: JournalClient::new(journal, time_limit),
            registry,
            copy_maker: CopyMaker::new(translator, clock.clone(), metrics.clone()),
            claims,
            clock,
            config,
            metrics,
        }
    }

    /// The same pipeline for another intake partition.
    pub(crate) fn with_intake(self, intake: String) -> Self {
        Self { intake, ..self }
    }

    /// Routes a message and makes its copies.
    async fn route_message(&self, message: Message) -> Result<RoutedMessage, ProcessingFailure> {
        let copy_digest = copy_digest(&message, "").to_vec().into();
        let directory = self.registry.directory();
        let parent = complete(self.read_message(&message).await?, &directory);
        let envelope = &parent.envelope;
        let routes = match report_of(&parent.canonical) {
            Some(report) => report_routes(&directory, report),
            None => find_routes(&directory, &envelope.recipients, envelope.r#type()),
        };
        let day = day_in_vietnam(self.clock.now_us());
        let routes = deny_copies(routes, (envelope, &directory, &day));
        let mut copies = Vec::new();
        let mut derived = Vec::new();
        let mut cache = self.copy_maker.new_cache(&directory);
        for route in &routes {
            let copy = self.copy_maker.make_copy(&parent, route, &mut cache).await;
            copies.extend(copy.message);
            derived.push(copy.row);
        }
        let applications: Vec<&str> = routes.iter().map(|it| it.application.as_str()).collect();
        let findings = status_findings(envelope);
        let fact = new_fact(Step::Routed, self.clock.now_us());
        let entry = Entry {
            message_id: message.id.to_string(),
            facts: vec![Fact { detail: applications.join(", "), findings, ..fact }],
            derived,
            disposition: Some(entry::Disposition::Routed(true)),
            copy_digest,
        };
        Ok(RoutedMessage { entry, copies })
    }

    /// Reads envelope and canonical body of a message; a large body from the claim store.
    pub(crate) async fn read_message(
        &self,
        message: &Message,
    ) -> Result<ParentMessage, ProcessingFailure> {
        let unreadable = |detail: String| {
            ProcessingFailure::Permanent(Fault::new(&code::LT_MAP_217).detail(detail))
        };
        let envelope = Envelope::from_attributes(message.id.to_string(), &message.attributes)
            .map_err(|it| unreadable(it.to_string()))?;
        let encoded = match &message.body {
            Body::Inline(bytes) => bytes.clone(),
            Body::Claim(claim) => {
                let read = async {
                    let limit = self.config.canonical_bytes_max;
                    self.claims.open(claim, 0).await?.read_all(limit).await
                };
                read.await.map_err(|it| {
                    ProcessingFailure::new(from_claim_error(&it), it.is_retryable())
                })?
            }
        };
        let canonical =
            Canonical::decode(encoded.clone()).map_err(|it| unreadable(it.to_string()))?;
        let attachments = list_attachments(&canonical);
        Ok(ParentMessage { id: message.id, envelope, encoded, canonical, attachments })
    }

    /// Records routed messages. The response names the messages that the journal does not know, those
    /// that were altered on their way, and the copies that have ended meanwhile.
    async fn record(&self, entries: Vec<Entry>) -> Result<RecordResponse, Fault> {
        let mut total = RecordResponse::default();
        for call in divide_into_calls(entries, CALL_BYTES_MAX) {
            let recorded = self.journal.record(call, Vec::new()).await;
            let RecordResponse { unknown, ended, altered } =
                recorded.map_err(|it| to_fault(&it))?;
            total.unknown.extend(unknown);
            total.altered.extend(altered);
            total.ended.extend(ended);
        }
        Ok(total)
    }
}

/// A delivery report with the names that the registry has, a copy with the agency that it goes to
/// among its recipients; any other message as it is.
fn complete(parent: ParentMessage, directory: &Directory) -> ParentMessage {
    let mut canonical = parent.canonical;
    if report_of(&canonical).is_some() {
        complete_report(&mut canonical, directory);
    } else if parent.envelope.copy_of.is_empty() {
        return ParentMessage { canonical, ..parent };
    } else {
        complete_recipients(&mut canonical, &parent.envelope.recipients, directory);
    }
    ParentMessage { encoded: canonical.encode_to_vec().into(), canonical, ..parent }
}

/// Why no copy of a message could be made.
#[derive(Debug)]
pub(crate) enum ProcessingFailure {
    /// The message comes again later.
    Transient(Fault),
    /// The message becomes a dead letter.
    Permanent(Fault),
}

impl ProcessingFailure {
    fn new(fault: Fault, is_transient: bool) -> Self {
        if is_transient { Self::Transient(fault) } else { Self::Permanent(fault) }
    }

    fn fault(&self) -> &Fault {
        match self {
            Self::Transient(fault) | Self::Permanent(fault) => fault,
        }
    }

    fn verdict(&self) -> Verdict {
        match self {
            Self::Transient(fault) => Verdict::Retry(to_bus_fault(fault)),
            Self::Permanent(fault) => Verdict::Reject(to_bus_fault(fault)),
        }
    }
}

fn to_bus_fault(fault: &Fault) -> bus::Fault {
    bus::Fault::new(&fault.code, fault.to_string())
}

/// The distinct messages of a window, and for each message of the window the index of its distinct
/// one: a redelivered message may be in a window twice, and is processed once.
fn deduplicate(window: Vec<Message>) -> (Vec<usize>, Vec<Message>) {
    let mut index_by_id: HashMap<MessageId, usize> = HashMap::new();
    let mut distinct: Vec<Message> = Vec::new();
    let mut indexes = Vec::new();
    for message in window {
        let index = *index_by_id.entry(message.id).or_insert(distinct.len());
        indexes.push(index);
        if index == distinct.len() {
            distinct.push(message);
        }
    }
    (indexes, distinct)
}

impl<P: Publish> Handle for Pipeline<P> {
    async fn handle(&self, window: Vec<Message>) -> Verdicts {
        let begin = tokio::time::Instant::now();
        let (indexes, distinct) = deduplicate(window);
        let verdicts = self.process_window(distinct).await;
        let verdicts = verdicts.as_slice();
        let verdicts = indexes.iter().filter_map(|it| verdicts.get(*it).cloned()).collect();
        self.metrics.record_window(begin.elapsed());
        verdicts
    }
}

impl<P: Publish> Pipeline<P> {
    async fn process_window(&self, window: Vec<Message>) -> Verdicts {
        let mut verdicts = Verdicts::undecided(window.len());
        let spans: Vec<_> = window.iter().map(|it| process_span(&self.intake, it)).collect();
        let outcomes: Vec<_> = stream::iter(window.into_iter().zip(spans.clone()))
            .map(|(message, span)| self.route_message(message).instrument(span))
            .buffered(self.config.translating_max.max(1))
            .collect()
            .await;
        let mut entries = Vec::new();
        let mut outgoing = Vec::new();
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(RoutedMessage { entry, copies }) => {
                    outgoing.push(OutgoingCopies { index, id: entry.message_id.clone(), copies });
                    entries.push(entry);
                }
                Err(failure) => {
                    set_failed(&spans[index], &failure.fault().code);
                    verdicts.decide(index, failure.verdict());
                }
            }
        }
        // The call is for the whole window; its span belongs to the trace of the first message.
        let span = spans.first().cloned().unwrap_or_else(tracing::Span::none);
        match self.record(entries).instrument(span).await {
            Ok(recorded) => self.publish_recorded(outgoing, &recorded, &mut verdicts).await,
            Err(fault) => {
                for it in outgoing {
                    verdicts.decide(it.index, Verdict::Retry(to_bus_fault(&fault)));
                }
            }
        }
        verdicts
    }

    /// Publishes the copies of recorded messages. Messages that the journal does not know were
    /// published by something else and are rejected; altered ones are dropped, because the journal
    /// publishes the genuine ones; copies that an operator withdrew meanwhile are left out.
    async fn publish_recorded(
        &self,
        outgoing: Vec<OutgoingCopies>,
        recorded: &RecordResponse,
        verdicts: &mut Verdicts,
    ) {
        let (unknown, mut outgoing): (Vec<_>, Vec<_>) =
            outgoing.into_iter().partition(|it| recorded.unknown.contains(&it.id));
        for it in unknown {
            let fault = Fault::new(&code::LT_MAP_221);
            verdicts.decide(it.index, Verdict::Reject(to_bus_fault(&fault)));
        }
        if !recorded.altered.is_empty() {
            let altered = outgoing.extract_if(.., |it| recorded.altered.contains(&it.id));
            altered.for_each(|it| verdicts.decide(it.index, Verdict::Done));
        }
        if !recorded.ended.is_empty() {
            let has_ended = |copy: &Message| recorded.ended.contains(&copy.id.to_string());
            for it in &mut outgoing {
                it.copies.retain(|(_, copy)| !has_ended(copy));
            }
        }
        self.publish(outgoing, verdicts).await;
    }

    /// Publishes all copies as one batch and decides the verdicts of their messages.
    async fn publish(&self, outgoing: Vec<OutgoingCopies>, verdicts: &mut Verdicts) {
        let mut batch = Vec::new();
        let mut indexes = Vec::new();
        for OutgoingCopies { index, copies, .. } in outgoing {
            verdicts.decide(index, Verdict::Done);
            indexes.extend(std::iter::repeat_n(index, copies.len()));
            batch.extend(copies);
        }
        if batch.is_empty() {
            return;
        }
        let outcomes = self.publisher.publish(batch).await;
        for (index, outcome) in indexes.into_iter().zip(outcomes) {
            if let Err(error) = outcome {
                // The whole message comes again; its copies have the same ids and meet their rows.
                verdicts.decide(index, Verdict::Retry(bus::Fault::from(&error)));
            }
        }
    }
}

fn process_span(intake: &str, message: &Message) -> tracing::Span {
    message_span(
        Operation::Process,
        SpanMessage {
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
