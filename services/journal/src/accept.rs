//! Accept: a new item gets a receipt, a repeat the receipt of the first. A repeat of what ended
//! without arriving anywhere is accepted as a new message.

mod known;

use std::sync::Arc;

use prost::Message as _;
use proto::fault::v1::Fault;
use proto::fault::{Lang, code};
use proto::journal::v1::accept_outcome::Outcome;
use proto::journal::v1::body::Place;
use proto::journal::v1::command_request::Action;
use proto::journal::v1::{AcceptOutcome, Acceptance, Envelope};
use proto::message::v1::{Fact, Finding, Receipt, State, Step};

use self::known::{Known, KnownDocument, Match};
pub(crate) use self::known::{LAST_SEQUENCE, last_sequence};
use crate::database::error::{Corrupt, DatabaseError};
use crate::delivery_row::DeliveryInfo;
use crate::family::{self, Families, Family, Member};
use crate::new_message::{Digests, NAME_BYTES_MAX, NewMessage, NewRows, TABLE};
use crate::retry_schedule::publish_deadline;
use crate::steps::release_blocked;
use crate::transitions::{Event, Transition};
use crate::unit_of_work::UnitOfWork;

/// The longest conversation: it travels as a routing key.
const CONVERSATION_BYTES_MAX: usize = 255;

/// The longest digest.
const DIGEST_BYTES_MAX: usize = 64;

/// Accepts items in their order; each gets its own outcome.
pub(crate) async fn accept(
    unit: &mut UnitOfWork<'_>,
    items: &[&Acceptance],
) -> Result<Vec<AcceptOutcome>, DatabaseError> {
    let known = Known::load(unit, items).await?;
    let families = family::load(unit, known.first_messages()).await?;
    let mut acceptor = Acceptor { unit, known, families, withdrawn: Vec::new() };
    let outcomes = items.iter().map(|it| acceptor.accept_one(it)).collect();
    let withdrawn = std::mem::take(&mut acceptor.withdrawn);
    release_blocked(unit, &withdrawn).await?;
    Ok(outcomes)
}

fn refused(fault: Fault) -> AcceptOutcome {
    AcceptOutcome { outcome: Some(Outcome::Refused(fault)), ..AcceptOutcome::default() }
}

/// The outcome of an item that is only asked for, and that no repeat is answered for.
fn unknown() -> AcceptOutcome {
    AcceptOutcome { outcome: Some(Outcome::Unknown(true)), ..AcceptOutcome::default() }
}

/// The part of an item that breaks the contract. Items come from a gateway, so this is a defect of
/// the bus, not of the sender.
fn invalid_part(item: &Acceptance) -> Option<&'static str> {
    let message = item.message.as_ref();
    let envelope = message.and_then(|it| it.envelope.as_ref());
    let Some(envelope) = envelope else { return Some("envelope") };
    let names = [
        ("source", &envelope.source),
        ("sender", &envelope.sender),
        ("conversation", &envelope.conversation),
        ("key", &item.key),
    ];
    let digests = [&item.content_digest, &item.submission_digest, &item.outline_digest];
    let recipients = envelope.recipients.iter().map(|it| ("recipients", it));
    let invalid_name = names.into_iter().chain(recipients).find(|(_, it)| !is_name(it));
    if let Some((part, _)) = invalid_name {
        Some(part)
    } else if digests.into_iter().any(|it| it.len() > DIGEST_BYTES_MAX) {
        Some("digest")
    } else if item.known_only {
        None
    } else if envelope.id.parse::<bus::MessageId>().is_err() {
        Some("id")
    } else if envelope.conversation.is_empty()
        || envelope.conversation.len() > CONVERSATION_BYTES_MAX
    {
        Some("conversation")
    } else if !has_body(item) {
        Some("body")
    } else if item.content_digest.is_empty() {
        Some("content_digest")
    } else {
        None
    }
}

/// True when there is a body and no inline one is too large.
fn has_body(item: &Acceptance) -> bool {
    let body = item.message.as_ref().and_then(|it| it.body.as_ref());
    let mut places =
        [body, item.native.as_ref()].into_iter().flatten().filter_map(|it| it.place.as_ref());
    let is_too_large =
        |it: &Place| matches!(it, Place::Inline(bytes) if bytes.len() > bus::INLINE_BYTES_MAX);
    body.is_some_and(|it| it.place.is_some()) && !places.any(is_too_large)
}

/// Names are bounded, and equal in both databases: PostgreSQL stores no NUL.
fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control)
}

/// A group of items being accepted.
struct Acceptor<'a, 'b> {
    unit: &'a mut UnitOfWork<'b>,
    known: Known,
    families: Families,
    /// Dead letters that a new message takes the place of.
    withdrawn: Vec<String>,
}

impl Acceptor<'_, '_> {
    fn accept_one(&mut self, item: &Acceptance) -> AcceptOutcome {
        if let Some(part) = invalid_part(item) {
            return refused(Fault::new(&code::LT_JNL_006).param("part", part));
        }
        let envelope = item.message.as_ref().and_then(|it| it.envelope.clone()).unwrap_or_default();
        // Without the earlier row a repeat cannot be distinguished from a conflict, and accepted as
        // a new message it could arrive twice.
        self.accept_matched(item, envelope).unwrap_or_else(|corrupt| {
            corrupt.log();
            refused(corrupt.fault())
        })
    }

    fn accept_matched(
        &mut self,
        item: &Acceptance,
        envelope: Envelope,
    ) -> Result<AcceptOutcome, Corrupt> {
        let (first, is_same) = match self.known.find(item, &envelope)? {
            Match::New if item.known_only => return Ok(unknown()),
            Match::New => return self.accept_first(item, envelope),
            Match::Conflict(first) => {
                self.unit.step(&first, Step::Conflicted, &item.key);
                let fault = Fault::new(&code::LT_JNL_001).param("key", &item.key);
                return Ok(refused(fault.param("first", first)));
            }
            Match::Repeat(first) => (first, true),
            Match::Undecided(first) => (first, false),
        };
        let unread = || Corrupt::new(TABLE, &first, "id");
        let family = self.families.get(&first).cloned().unwrap_or_else(|| Err(unread()))?;
        // Bytes that are known and differ are not compared by less.
        let is_same = is_same
            || item.submission_digest.is_empty()
                && family.has_outline(&hex::encode(&item.outline_digest));
        let has_ended = family.has_ended_without_arriving(self.unit);
        if is_same && !has_ended {
            self.repeat((item, &envelope), &family)
        } else if item.known_only {
            Ok(unknown())
        } else {
            self.accept_again(item, envelope, family)
        }
    }

    /// The receipt that the earlier submission got, and how its message stands.
    fn repeat(
        &mut self,
        (item, envelope): (&Acceptance, &Envelope),
        family: &Family,
    ) -> Result<AcceptOutcome, Corrupt> {
        let newest = family.newest();
        let receipt = Receipt::decode(newest.receipt.as_slice()).ok();
        let receipt = receipt.filter(|it| it.message_id == newest.id);
        let receipt = receipt.ok_or_else(|| Corrupt::new(TABLE, &newest.id, "receipt"))?;
        self.unit.step(&newest.id, Step::Repeated, &item.key);
        self.add_names((item, envelope), &family.first);
        Ok(AcceptOutcome {
            outcome: Some(Outcome::Receipt(Receipt { repeat: true, ..receipt })),
            findings: Vec::new(),
            recipients: family.recipients(self.unit),
        })
    }

    /// Stores the key and the digests of a repeat that are new.
    fn add_names(&mut self, (item, envelope): (&Acceptance, &Envelope), first: &str) {
        if self.known.add_key(envelope, &item.key, first) {
            self.unit.add_alias(&envelope.source, &item.key, first);
        }
        for digest in self.known.add_digests((item, envelope), first) {
            self.unit.add_digest_alias(&envelope.sender, &digest, first);
        }
    }

    fn accept_first(
        &mut self,
        item: &Acceptance,
        envelope: Envelope,
    ) -> Result<AcceptOutcome, Corrupt> {
        let document = self.known.document(item, &envelope);
        let digests = Digests {
            submission: hex::encode(&item.submission_digest),
            outline: hex::encode(&item.outline_digest),
            content: hex::encode(&item.content_digest),
        };
        self.known.add_first(item, &envelope);
        let findings: Vec<Finding> = document.iter().map(known_document).collect();
        let facts = vec![Fact {
            findings: findings.clone(),
            ..self.unit.own_fact(&envelope.id, Step::Accepted)
        }];
        let (receipt, member) = self.accept_new((item, envelope), (digests, 0), facts)?;
        self.families.insert(member.id.clone(), Ok(Family::of(member)));
        let outcome = Some(Outcome::Receipt(receipt));
        Ok(AcceptOutcome { outcome, findings, recipients: Vec::new() })
    }

    /// Accepts content again that ended without arriving anywhere: as a new message whose id is
    /// derived from the first. Its dead letters are withdrawn, so that nobody redrives them as well.
    fn accept_again(
        &mut self,
        item: &Acceptance,
        mut envelope: Envelope,
        mut family: Family,
    ) -> Result<AcceptOutcome, Corrupt> {
        let newest = family.newest();
        let generation = newest.generation + 1;
        let first: bus::MessageId =
            family.first.parse().map_err(|_invalid| Corrupt::new(TABLE, &family.first, "id"))?;
        envelope.id = first.derive(&format!("again.{generation}")).to_string();
        envelope.copy_of.clone_from(&family.first);
        self.unit.step(&newest.id, Step::Resubmitted, &envelope.id);
        for id in family.dead(self.unit) {
            let withdraw = Event::Command(Action::Withdraw);
            let Some(Transition::To(state)) = self.unit.allowed(&id, withdraw) else { continue };
            let cause = Fault::new(&code::LT_JNL_024).param("id", &envelope.id);
            self.unit.step_because(&id, Step::Withdrawn, cause);
            self.unit.set_state(&id, state, 0);
            self.withdrawn.push(id);
        }
        self.add_names((item, &envelope), &family.first);
        let outline = hex::encode(&item.outline_digest);
        let digests = Digests { outline, ..Digests::default() };
        let detail = format!("again, first {}", family.first);
        let facts = vec![Fact { detail, ..self.unit.own_fact(&envelope.id, Step::Accepted) }];
        let (receipt, member) = self.accept_new((item, envelope), (digests, generation), facts)?;
        family.add(member);
        self.families.insert(family.first.clone(), Ok(family));
        Ok(AcceptOutcome { outcome: Some(Outcome::Receipt(receipt)), ..AcceptOutcome::default() })
    }

    fn accept_new(
        &mut self,
        (item, mut envelope): (&Acceptance, Envelope),
        (digests, generation): (Digests, i64),
        facts: Vec<Fact>,
    ) -> Result<(Receipt, Member), Corrupt> {
        envelope.sequence = self.known.next_sequence(&envelope.conversation)?;
        envelope.accepted_at_us = self.unit.now;
        let receipt = Receipt {
            message_id: envelope.id.clone(),
            conversation: envelope.conversation.clone(),
            accepted_at_us: self.unit.now,
            sequence: envelope.sequence,
            repeat: false,
            native_sha256: item.native_sha256.clone(),
            attachments: item.attachments.clone(),
            r#type: envelope.r#type,
            recipients: envelope.recipients.clone(),
            copy_of: envelope.copy_of.clone(),
        };
        for fact in item.facts.iter().cloned().chain(facts) {
            self.unit.fact(&envelope.id, fact);
        }
        let encoded = receipt.encode_to_vec();
        let outline = digests.outline.clone();
        let id = envelope.id.clone();
        let member = Member { id, generation, receipt: encoded.clone(), outline };
        let rows = new_rows(self.unit, (item, &envelope), (digests, generation, encoded));
        self.unit.add(rows);
        Ok((receipt, member))
    }
}

/// The finding of a document whose id its sender has used for other content before. It is accepted
/// all the same: it may be a correction, and refusing it would keep the right text back.
fn known_document(earlier: &KnownDocument) -> Finding {
    let number = if earlier.number.is_empty() { "-" } else { &earlier.number };
    let fault = Fault::new(&code::LT_JNL_012).param("id", &earlier.id).param("number", number);
    let (text_vi, text_en) = (fault.title(Lang::Vi), fault.title(Lang::En));
    Finding { code: fault.code, field: String::new(), text_vi, text_en }
}

fn new_rows(
    unit: &mut UnitOfWork<'_>,
    (item, envelope): (&Acceptance, &Envelope),
    (digests, generation, receipt): (Digests, i64, Vec<u8>),
) -> NewRows {
    let body = item.message.as_ref().and_then(|it| it.body.as_ref());
    let index = item.index.clone().unwrap_or_default();
    // Receivers get the attachments of the derived message, so the parent's are not cached.
    let info = DeliveryInfo { attachments: Vec::new(), index: index.clone() };
    let message = NewMessage {
        envelope,
        body: body.map(prost::Message::encode_to_vec).unwrap_or_default(),
        native: item.native.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default(),
        receipt,
        index: &index,
        key: &item.key,
        digests,
        generation,
        state: State::Accepted,
        now: unit.now,
        due_at: publish_deadline(unit.now, 0),
        fault: None,
        info: Some(Arc::new(info)),
        row_id: unit.next_row_id(),
        reports: 0,
    };
    message.into_rows()
}
