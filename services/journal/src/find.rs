//! Reading: search, journeys, bodies. Nothing here writes.

use std::collections::HashMap;

use prost::Message as _;
use proto::journal::v1::get_request::Part;
use proto::journal::v1::{
    Body, Entry, Envelope, FindRequest, FindResponse, GetRequest, GetResponse, Hop,
    JourneyResponse, Summary,
};
use proto::message::v1::{Index, MessageType, Receipt, State};

use crate::database::{Database, DatabaseError, Row, Value};
use crate::facts::{self, Positions};
use crate::fold;
use crate::stored::{COLUMNS, Stored, state};

/// States of a message that went its way, as nearly all do; the others have an index.
const SETTLED: [i32; 2] = [State::Routed as i32, State::Taken as i32];

/// Facts of one journey that are told at most, and rows of facts that are read for it.
const HOPS_MAX: usize = 2_000;

/// Where facts are of a submitted message and of what was derived from it.
const TOLD_AT: &str = "SELECT id, application, told_at FROM standing \
     WHERE conversation = $1 AND sequence = $2 AND (id = $3 OR parent = $3)";

/// What was derived from a message, of its conversation and place.
const DERIVED: &str = "conversation = $1 AND sequence = $2 AND parent = $3";

/// The beginning of a condition on what was derived from `message`; the bracket is left open.
const DERIVED_EXISTS: &str = "EXISTS (SELECT 1 FROM standing s \
     WHERE s.conversation = message.conversation AND s.sequence = message.sequence \
     AND s.parent = message.id";

/// Finds a page of messages, newest first.
pub(crate) async fn find(
    database: &mut Database,
    request: &FindRequest,
) -> Result<FindResponse, DatabaseError> {
    let limit = match request.limit {
        0 => 50,
        asked => i64::from(asked.min(500)),
    };
    let wanted = Wanted::new(request, database.search(&fold::searched(&request.text)));
    let sql = wanted.page(limit + 1);
    let mut messages = summaries(database, &sql, wanted.values).await?;
    let next = if messages.len() > usize::try_from(limit).unwrap_or(500) {
        messages.pop();
        messages.last().and_then(|it| it.envelope.as_ref()).map_or_else(String::new, cursor)
    } else {
        String::new()
    };
    Ok(FindResponse { messages, next })
}

fn cursor(envelope: &Envelope) -> String {
    format!("{}:{}", envelope.accepted_at_us, envelope.id)
}

/// Conditions and the values they compare with.
struct Wanted {
    conditions: Vec<String>,
    values: Vec<Value>,
    order: Order,
}

/// Which table gives the order of the pages, newest first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    /// All messages.
    All,
    /// Those of an organisation.
    Addressed,
}

impl Order {
    /// The columns of the time and the id, each once in the tables that are read.
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::All => ("accepted_at", "id"),
            Self::Addressed => ("at", "message"),
        }
    }
}

impl Wanted {
    fn new(request: &FindRequest, search: (&str, String)) -> Self {
        // A text or a key leads to few messages; an organisation may have any number of them.
        let is_narrow = !request.text.trim().is_empty()
            || !request.key.is_empty()
            || !request.conversation.is_empty();
        let by_organisation = !request.organisation.is_empty() && !request.derived && !is_narrow;
        let order = if by_organisation { Order::Addressed } else { Order::All };
        let mut wanted = Self { conditions: Vec::new(), values: Vec::new(), order };
        wanted.text(request.text.trim(), search);
        wanted.parties(request);
        wanted.narrow(request);
        wanted
    }

    /// The end of the statement that reads a page.
    fn page(&self, limit: i64) -> String {
        let (at, id) = self.order.columns();
        let from = match self.order {
            Order::All => "message",
            Order::Addressed => "addressed JOIN message ON message.id = addressed.message",
        };
        let conditions = self.conditions.join(" AND ");
        format!("{from} WHERE {conditions} ORDER BY {at} DESC, {id} DESC LIMIT {limit}")
    }

    /// Adds a condition; each `?` stands for the next of the values.
    fn and(&mut self, condition: &str, values: Vec<Value>) {
        let mut numbered = String::new();
        let mut next = self.values.len();
        for part in condition.split_inclusive('?') {
            match part.strip_suffix('?') {
                Some(words) => {
                    next += 1;
                    numbered.push_str(&format!("{words}${next}"));
                }
                None => numbered.push_str(part),
            }
        }
        self.conditions.push(numbered);
        self.values.extend(values);
    }

    fn parties(&mut self, request: &FindRequest) {
        let organisation = request.organisation.as_str();
        if self.order == Order::Addressed {
            self.and("organisation = ?", vec![organisation.into()]);
        } else if !organisation.is_empty() {
            self.and(
                "(sender = ? OR ',' || recipients || ',' LIKE ? ESCAPE '\\')",
                vec![organisation.into(), format!("%,{},%", literal(organisation)).into()],
            );
        }
        let application = request.application.as_str();
        let both = || vec![application.into(), application.into()];
        if !request.key.is_empty() {
            let key = || [application.into(), request.key.as_str().into()];
            self.and(
                "message.id IN (SELECT id FROM kept WHERE source = ? AND item_key = ? AND item_key <> '' \
                 UNION ALL SELECT message FROM alias WHERE source = ? AND item_key = ?)",
                key().into_iter().chain(key()).collect(),
            );
        } else if !application.is_empty() && request.derived {
            self.and("(source = ? OR application = ?)", both());
        } else if !application.is_empty() {
            self.and(&format!("(source = ? OR {DERIVED_EXISTS} AND s.application = ?))"), both());
        }
    }

    fn narrow(&mut self, request: &FindRequest) {
        let (at, id) = self.order.columns();
        if request.derived {
            self.and(&format!("{at} >= 0"), Vec::new());
        } else {
            self.and("parent = ''", Vec::new());
        }
        if !request.conversation.is_empty() {
            self.and("conversation = ?", vec![request.conversation.as_str().into()]);
        }
        self.states(&request.states);
        if request.r#type != 0 {
            self.and("kind = ?", vec![i64::from(request.r#type).into()]);
        }
        if request.from_us > 0 {
            self.and(&format!("{at} >= ?"), vec![request.from_us.into()]);
        }
        if request.to_us > 0 {
            self.and(&format!("{at} < ?"), vec![request.to_us.into()]);
        }
        if let Some((time, last)) = request.cursor.split_once(':') {
            let time: i64 = time.parse().unwrap_or_default();
            self.and(&format!("({at}, {id}) < (?, ?)"), vec![time.into(), last.into()]);
        }
    }

    /// A submitted message is where its derived ones are.
    fn states(&mut self, states: &[i32]) {
        if states.is_empty() {
            return;
        }
        let list: Vec<String> = states.iter().map(ToString::to_string).collect();
        // As `stored::resting` has it.
        let resting: Vec<String> = states.iter().map(|it| (-it).to_string()).collect();
        let list = list.join(", ");
        let condition = if states.iter().any(|it| SETTLED.contains(it)) {
            format!("(state IN ({list}) OR {DERIVED_EXISTS} AND s.state IN ({list})))")
        } else {
            let moving = format!("s.sweep_at > (SELECT at FROM swept) AND s.state IN ({list})");
            let resting = format!("s.sweep_at IN ({})", resting.join(", "));
            let each = |it: &str| {
                format!(
                    "SELECT s.id FROM standing s WHERE {it} \
                     UNION ALL SELECT s.parent FROM standing s WHERE {it}"
                )
            };
            format!("message.id IN ({} UNION ALL {})", each(&moving), each(&resting))
        };
        self.and(&condition, Vec::new());
    }

    /// Each way to read the text has its index; what any of them finds is found.
    fn text(&mut self, text: &str, (search, search_words): (&str, String)) {
        if text.is_empty() {
            return;
        }
        let (number, words, lower) =
            (fold::number(text), fold::words(text), text.to_ascii_lowercase());
        let mut ways = vec!["SELECT id FROM kept WHERE id = ?"];
        ways.push("SELECT id FROM kept WHERE trace = ? AND trace <> ''");
        let mut values: Vec<Value> = vec![lower.as_str().into(), lower.into()];
        if !words.is_empty() {
            ways.push("SELECT id FROM kept WHERE document_id = ? AND document_id <> ''");
            ways.push(
                "SELECT id FROM kept WHERE number_folded >= ? AND number_folded < ? \
                 AND number_folded <> ''",
            );
            // Nothing sorts after the last character there can be.
            let beyond = format!("{number}\u{10FFFF}");
            values.extend([words.into(), number.into(), beyond.into()]);
        }
        if !search_words.is_empty() {
            ways.push(search);
            values.push(search_words.into());
        }
        self.and(&format!("message.id IN ({})", ways.join(" UNION ")), values);
    }
}

/// A text inside a pattern of LIKE, taken as it is.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// Messages with their recipients counted; `of` names the tables and conditions.
async fn summaries(
    database: &mut Database,
    of: &str,
    values: Vec<Value>,
) -> Result<Vec<Summary>, DatabaseError> {
    let sql = format!("SELECT {COLUMNS}, envelope, receipt, shown, item_key FROM {of}");
    let rows = database.query(&sql, values).await?;
    let mut found: Vec<Summary> = rows.into_iter().map(summary).collect();
    let sets = found.iter().map(|it| it.envelope.as_ref().map_or_else(Vec::new, family));
    let sql = format!("SELECT state, COUNT(*) FROM standing WHERE {DERIVED} GROUP BY state");
    let counts = database.query_many(&sql, sets.collect()).await?;
    for (summary, rows) in found.iter_mut().zip(counts) {
        for mut row in rows {
            let (of, count) =
                (state(row.number()), u32::try_from(row.number()).unwrap_or(u32::MAX));
            summary.recipients_total += count;
            match of {
                State::Taken => summary.recipients_taken += count,
                State::Refused | State::Dead | State::InDoubt => summary.recipients_failed += count,
                State::Unspecified
                | State::Accepted
                | State::Routed
                | State::Queued
                | State::Held
                | State::InHand
                | State::Parked
                | State::Withdrawn => {}
            }
        }
    }
    Ok(found)
}

fn summary(mut row: Row) -> Summary {
    let stored = Stored::read(&mut row);
    let envelope = Envelope::decode(row.bytes().as_slice()).unwrap_or_default();
    let receipt = Receipt::decode(row.bytes().as_slice()).unwrap_or_default();
    Summary {
        envelope: Some(envelope),
        state: stored.state.into(),
        index: Index::decode(row.bytes().as_slice()).ok(),
        changed_at_us: stored.changed_at,
        key: row.text(),
        due_us: if stored.state == State::Parked { stored.next_at } else { 0 },
        fault: stored.fault,
        detail: stored.detail,
        attachments: receipt.attachments,
        behind: stored.behind,
        attempt: u32::try_from(stored.attempt).unwrap_or(u32::MAX),
        native_sha256: receipt.native_sha256,
        ..Summary::default()
    }
}

/// Everything that happened to a message and to what was derived from it.
pub(crate) async fn journey(
    database: &mut Database,
    id: &str,
) -> Result<Option<JourneyResponse>, DatabaseError> {
    let one = "message WHERE id = $1";
    let Some(found) = summaries(database, one, vec![id.into()]).await?.pop() else {
        return Ok(None);
    };
    let envelope = found.envelope.clone().unwrap_or_default();
    if !envelope.parent.is_empty() {
        return Box::pin(journey(database, &envelope.parent)).await;
    }
    let of = format!("message WHERE {DERIVED} ORDER BY application");
    let derived = summaries(database, &of, family(&envelope)).await?;
    let (hops, truncated) = hops(database, &envelope).await?;
    let of = "message WHERE conversation = $1 AND application = '' AND parent = '' AND kind = $2 \
              ORDER BY sequence LIMIT 200";
    let kind = i64::from(i32::from(MessageType::Status));
    let statuses = if envelope.r#type() == MessageType::Status {
        Vec::new()
    } else {
        summaries(database, of, vec![envelope.conversation.into(), kind.into()]).await?
    };
    Ok(Some(JourneyResponse { message: Some(found), derived, hops, statuses, truncated }))
}

/// Parameters of [`DERIVED`] and of [`TOLD_AT`].
fn family(of: &Envelope) -> Vec<Value> {
    let sequence = i64::try_from(of.sequence).unwrap_or(i64::MAX);
    vec![of.conversation.as_str().into(), sequence.into(), of.id.as_str().into()]
}

/// What happened to a submitted message and to what was derived from it, in the order written; with
/// whether that is not all.
async fn hops(database: &mut Database, of: &Envelope) -> Result<(Vec<Hop>, bool), DatabaseError> {
    let (mut applications, mut at) = (HashMap::new(), Vec::new());
    for mut row in database.query(TOLD_AT, family(of)).await? {
        applications.insert(row.text(), row.text());
        at.push(Positions::decode(&row.bytes()));
    }
    let mut positions = facts::merged(&at);
    let is_long = positions.len() > HOPS_MAX || at.iter().any(Positions::is_full);
    positions.truncate(HOPS_MAX);
    let mut hops = Vec::new();
    for Entry { message_id, facts, .. } in facts::read(database, positions).await? {
        let Some(application) = applications.get(&message_id) else { continue };
        let (message_id, application) = (message_id.as_str(), application.as_str());
        hops.extend(facts.into_iter().map(|fact| Hop {
            message_id: message_id.to_owned(),
            application: application.to_owned(),
            fact: Some(fact),
        }));
    }
    let truncated = is_long || hops.len() > HOPS_MAX;
    hops.truncate(HOPS_MAX);
    Ok((hops, truncated))
}

/// A message as it is kept.
pub(crate) async fn get(
    database: &mut Database,
    request: &GetRequest,
) -> Result<Option<GetResponse>, DatabaseError> {
    let column = match request.part() {
        Part::Native => "native",
        Part::Body | Part::Unspecified => "body",
    };
    let sql = format!("SELECT envelope, {column} FROM message WHERE id = $1");
    let rows = database.query(&sql, vec![request.message_id.as_str().into()]).await?;
    Ok(rows.into_iter().next().map(|mut row| GetResponse {
        envelope: Envelope::decode(row.bytes().as_slice()).ok(),
        body: Body::decode(row.bytes().as_slice()).ok(),
    }))
}
