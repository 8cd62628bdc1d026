//! The statement of a search: conditions for every filter of a Find, each served by an index.

use name_folding::{fold_number, fold_words};
use proto::journal::v1::FindRequest;
use proto::message::v1::{MessageType, State};

use crate::database::row::{Parameters, Value};

/// States that nearly all messages end in; rows in other states are found by their `sweep_at`.
const SETTLED: [i32; 2] = [State::Routed as i32, State::Taken as i32];

/// The beginning of a condition on messages derived from `message`; the bracket is left open.
const DERIVED_EXISTS: &str = "EXISTS (SELECT 1 FROM delivery_state s \
     WHERE s.conversation = message.conversation AND s.sequence = message.sequence \
     AND s.parent = message.id";

/// States of messages that have a fault: in all others it is empty.
const WITH_FAULT: [i32; 5] = [
    State::Held as i32,
    State::Parked as i32,
    State::Refused as i32,
    State::Dead as i32,
    State::InDoubt as i32,
];

/// A number that is no state's.
const NO_STATE: i32 = i32::MAX;

/// Least digits of an id's beginning: with fewer, numbers of documents would be taken for ids.
const ID_DIGITS_MIN: usize = 6;

/// The lookup of a text without a letter or a digit.
const NOTHING: &str = "SELECT id FROM message_row WHERE id = ''";

/// What the two databases write differently.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// The lookup of words, and its value; empty for no words.
    pub(crate) full_text: (&'static str, String),
    /// The condition that the fault of the row `s` contains some bytes.
    pub(crate) contains: &'static str,
}

/// Conditions and the values they compare with.
#[derive(Debug)]
pub(crate) struct SearchQuery {
    conditions: Vec<String>,
    pub(crate) values: Parameters,
    order: Order,
}

/// Which table's index gives the order of the pages, newest first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    /// `message_row`, for all messages.
    All,
    /// `message_party`, for those of one organisation.
    Party,
}

impl Order {
    /// The columns of the time and the id; each name is unique among the tables of the query.
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::All => ("accepted_at", "id"),
            Self::Party => ("party_at", "message_id"),
        }
    }
}

impl SearchQuery {
    /// The conditions of a request; `full_text` is the database's condition for its words.
    pub(crate) fn new(request: &FindRequest, dialect: Dialect) -> Self {
        // A text or a key leads to few messages; an organisation may have any number of them.
        let is_narrow = !request.text.trim().is_empty()
            || !request.key.is_empty()
            || !request.number.is_empty()
            || !request.conversation.is_empty();
        let by_organisation = !request.organisation.is_empty() && !request.derived && !is_narrow;
        let order = if by_organisation { Order::Party } else { Order::All };
        let mut query = Self { conditions: Vec::new(), values: Vec::new(), order };
        query.match_text(request, dialect.full_text);
        query.match_number(&request.number);
        query.match_parties(request);
        query.match_attributes(request);
        query.match_states(request, dialect.contains);
        query
    }

    /// The statement's part behind `FROM`.
    pub(crate) fn page(&self, limit: i64) -> String {
        let (at, id) = self.order.columns();
        let from = match self.order {
            Order::All => "message",
            Order::Party => "message_party JOIN message ON message.id = message_party.message_id",
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
                Some(sql) => {
                    next += 1;
                    numbered.push_str(&format!("{sql}${next}"));
                }
                None => numbered.push_str(part),
            }
        }
        self.conditions.push(numbered);
        self.values.extend(values);
    }

    fn match_parties(&mut self, request: &FindRequest) {
        let organisation = request.organisation.as_str();
        if self.order == Order::Party {
            self.and("organisation = ?", vec![organisation.into()]);
        } else if !organisation.is_empty() {
            self.and(
                "(sender = ? OR ',' || recipients || ',' LIKE ? ESCAPE '\\')",
                vec![organisation.into(), format!("%,{},%", like_literal(organisation)).into()],
            );
        }
        let application = request.application.as_str();
        let both = || vec![application.into(), application.into()];
        if !request.key.is_empty() {
            let key = [application.into(), request.key.as_str().into()];
            let keys = vec![key; 4].into_iter().flatten().collect();
            let first = "SELECT id FROM message_row WHERE source = ? AND item_key = ? \
                 AND item_key <> '' AND generation = 0 \
                 UNION ALL SELECT message_id FROM key_alias WHERE source = ? AND item_key = ?";
            // The key leads to the first message, and from there to those that its sender submitted
            // again.
            let again = format!(
                "SELECT id FROM message_row WHERE copy_of <> '' AND generation > 0 \
                 AND copy_of IN ({first})"
            );
            self.and(&format!("message.id IN ({first} UNION ALL {again})"), keys);
        } else if !application.is_empty() && request.derived {
            self.and("(source = ? OR application = ?)", both());
        } else if !application.is_empty() {
            self.and(&format!("(source = ? OR {DERIVED_EXISTS} AND s.application = ?))"), both());
        }
    }

    fn match_attributes(&mut self, request: &FindRequest) {
        let (at, id) = self.order.columns();
        if request.derived {
            self.and(&format!("{at} >= 0"), Vec::new());
        } else {
            self.and("parent = ''", Vec::new());
        }
        if !request.conversation.is_empty() {
            self.and("conversation = ?", vec![request.conversation.as_str().into()]);
        }
        // A report is shown with the message that it is about; on its own only to who asks for it,
        // or for messages in some state.
        let is_list = request.states.is_empty() && request.text.trim().is_empty();
        if request.r#type != 0 {
            self.and("message_type = ?", vec![i64::from(request.r#type).into()]);
        } else if is_list && request.conversation.is_empty() {
            let report = i64::from(i32::from(MessageType::DeliveryReport));
            self.and("message_type <> ?", vec![report.into()]);
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

    /// A submitted message matches by its own state and fault or by those of a derived one. Only
    /// messages that wait or ended badly have a fault, so that a search by its code alone reads those.
    fn match_states(&mut self, request: &FindRequest, contains: &str) {
        let has_code = !request.code.is_empty();
        let is_asked = |it: &i32| request.states.is_empty() || request.states.contains(it);
        let mut states: Vec<i32> = if has_code {
            WITH_FAULT.into_iter().filter(is_asked).collect()
        } else {
            request.states.clone()
        };
        match (states.is_empty(), has_code) {
            (true, false) => return,
            (true, true) => states.push(NO_STATE),
            (false, _) => {}
        }
        let list: Vec<String> = states.iter().map(ToString::to_string).collect();
        // The negative numbers of `delivery_row::resting_sweep_at`.
        let resting: Vec<String> = states.iter().map(|it| (-it).to_string()).collect();
        let list = list.join(", ");
        let condition = if states.iter().any(|it| SETTLED.contains(it)) {
            format!("(state IN ({list}) OR {DERIVED_EXISTS} AND s.state IN ({list})))")
        } else {
            let moving =
                format!("s.sweep_at > (SELECT at FROM sweep_watermark) AND s.state IN ({list})");
            let resting = format!("s.sweep_at IN ({})", resting.join(", "));
            let of_code = if has_code { format!(" AND {contains}") } else { String::new() };
            let each = |it: &str| {
                format!(
                    "SELECT s.id FROM delivery_state s WHERE {it}{of_code} \
                     UNION ALL SELECT s.parent FROM delivery_state s WHERE {it}{of_code}"
                )
            };
            format!("message.id IN ({} UNION ALL {})", each(&moving), each(&resting))
        };
        let code = || Value::Bytes(request.code.as_bytes().to_vec());
        let values = (0..condition.matches('?').count()).map(|_| code()).collect();
        self.and(&condition, values);
    }

    fn match_number(&mut self, number: &str) {
        if !number.is_empty() {
            self.and(
                "message.id IN (SELECT id FROM message_row WHERE number_folded = ? \
                 AND number_folded <> '')",
                vec![fold_number(number).into()],
            );
        }
    }

    /// The text is read as each kind of key there is, and each kind has its index.
    fn match_text(
        &mut self,
        request: &FindRequest,
        (full_text, words_query): (&'static str, String),
    ) {
        let text = request.text.trim();
        if text.is_empty() {
            return;
        }
        let (number, words) = (fold_number(text), fold_words(text));
        let (mut lookups, mut values) = (Vec::new(), Vec::<Value>::new());
        if let Some(beginning) = beginning_of_id(text) {
            lookups.push(if request.derived {
                "SELECT id FROM message_row WHERE id >= ? AND id < ?"
            } else {
                // A derived message is listed with the one that it was made from.
                "SELECT CASE WHEN parent = '' THEN id ELSE parent END FROM message_row \
                 WHERE id >= ? AND id < ?"
            });
            lookups.push(
                "SELECT id FROM message_row WHERE trace_id >= ? AND trace_id < ? AND trace_id <> ''",
            );
            for it in [hyphenated(&beginning), beginning] {
                // The last character of Unicode sorts after every other.
                let beyond = format!("{it}\u{10FFFF}");
                values.extend([it.into(), beyond.into()]);
            }
        }
        if !words.is_empty() {
            lookups.push("SELECT id FROM message_row WHERE document_id = ? AND document_id <> ''");
            lookups.push(
                "SELECT id FROM message_row WHERE number_folded >= ? AND number_folded < ? \
                 AND number_folded <> ''",
            );
            let beyond = format!("{number}\u{10FFFF}");
            values.extend([words.into(), number.into(), beyond.into()]);
        }
        if !words_query.is_empty() {
            lookups.push(full_text);
            values.push(words_query.into());
        }
        let lookups = if lookups.is_empty() { NOTHING.to_owned() } else { lookups.join(" UNION ") };
        self.and(&format!("message.id IN ({lookups})"), values);
    }
}

/// The hexadecimal digits of a text that is the beginning of an id or of a trace id; none for a text
/// that is too short or something else.
fn beginning_of_id(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|it| *it != '-').collect();
    let is_hex = digits.chars().all(|it| it.is_ascii_hexdigit());
    let is_id = is_hex && (ID_DIGITS_MIN..=32).contains(&digits.len());
    is_id.then(|| digits.to_ascii_lowercase())
}

/// Hexadecimal digits in the groups of a UUID.
fn hyphenated(digits: &str) -> String {
    let mut id = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}

/// A text with the wildcards of `LIKE` escaped.
fn like_literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
