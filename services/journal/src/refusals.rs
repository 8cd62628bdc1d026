//! Items that were refused before they became messages: stored without their content, coalesced
//! where a client repeats one in a loop, and found.

use std::collections::HashMap;

use name_folding::fold_number;
use prost::Message as _;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRefusalsRequest, FindRefusalsResponse, Refusal};
use uuid::Uuid;

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::database::row::{Parameters, Row, Unreadable, Value};
use crate::new_message::{NAME_BYTES_MAX, bounded};

const TABLE: &str = "refusal";

/// Inserts a refused item, or counts it where it was refused on this day before.
pub(crate) const INSERT: &str = "INSERT INTO refusal (identity, application, organisation, \
     item_key, number_folded, code, first_at, last_at, count, details) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (identity) \
     DO UPDATE SET last_at = excluded.last_at, count = refusal.count + excluded.count, \
     details = excluded.details";

/// Deletes the oldest refused items of an application above their limit.
pub(crate) const TRIM: &str = "DELETE FROM refusal WHERE identity IN (SELECT identity \
     FROM refusal WHERE application = $1 ORDER BY last_at DESC, identity DESC \
     LIMIT 1000 OFFSET $2)";

/// Refused items that are stored for each application. A client that repeats one item raises its
/// count; one that sends ever new wrong items pushes out its own oldest, and nobody else's.
const REFUSALS_MAX: i64 = 5_000;

/// Names of refused fields that are stored, and the most bytes of each.
const FIELDS_MAX: usize = 16;
const FIELD_BYTES_MAX: usize = 200;

/// Namespace of the identities of refused items (UUID v5).
const NAMESPACE: Uuid = Uuid::from_u128(0x6c69_656e_7468_6f6e_675f_7265_6675_7361);

/// Microseconds of a day, and those by which the day in Vietnam begins earlier than that of UTC.
const DAY_US: i64 = 86_400_000_000;
const VIETNAM_US: i64 = 7 * 3_600_000_000;

/// Refused items of one unit of work, each identity once.
#[derive(Debug, Default)]
pub(crate) struct Refusals(HashMap<String, Refusal>);

impl Refusals {
    /// Adds a refused item, or counts it.
    pub(crate) fn add(&mut self, refusal: &Refusal) {
        let count = refusal.count.max(1);
        match self.0.get_mut(&identity(refusal)) {
            Some(known) => {
                known.count += count;
                known.at_us = known.at_us.max(refusal.at_us);
            }
            None => {
                let first_at_us = match refusal.first_at_us {
                    0 => refusal.at_us,
                    first => first,
                };
                let refusal = Refusal { count, first_at_us, ..refusal.clone() };
                self.0.insert(identity(&refusal), refusal);
            }
        }
    }

    /// Parameters of [`INSERT`] and of [`TRIM`].
    pub(crate) fn take(&mut self) -> (Vec<Parameters>, Vec<Parameters>) {
        let refusals = std::mem::take(&mut self.0);
        let mut applications: Vec<String> =
            refusals.values().map(|it| it.application.clone()).collect();
        applications.sort_unstable();
        applications.dedup();
        let trims = applications.into_iter().map(|it| vec![it.into(), REFUSALS_MAX.into()]);
        let rows = refusals.into_iter().map(|(identity, it)| insertion(identity, it));
        (rows.collect(), trims.collect())
    }
}

/// What makes two refusals the same one: application, code, day, and the item by its key, its number
/// or its bytes.
fn identity(of: &Refusal) -> String {
    let number = folded(&of.number);
    let digest = hex::encode(&of.native_sha256);
    let names =
        [("key", of.key.as_str()), ("number", number.as_str()), ("digest", digest.as_str())];
    let (kind, name) = names.into_iter().find(|(_, it)| !it.is_empty()).unwrap_or_default();
    let day = (of.at_us + VIETNAM_US).div_euclid(DAY_US);
    let parts = [of.application.as_str(), code(of), kind, name];
    let text = format!("{day}\n{}", parts.join("\n"));
    Uuid::new_v5(&NAMESPACE, text.as_bytes()).to_string()
}

/// A number in one spelling: letters and digits, without leading zeros.
fn folded(number: &str) -> String {
    fold_number(number).trim_start_matches('0').to_owned()
}

fn code(of: &Refusal) -> &str {
    of.fault.as_ref().map_or("", |it| it.code.as_str())
}

fn insertion(identity: String, mut refusal: Refusal) -> Parameters {
    let name = |text: &str| Value::from(bounded(text.to_owned(), NAME_BYTES_MAX));
    let count = i64::try_from(refusal.count).unwrap_or(i64::MAX);
    refusal.fields.truncate(FIELDS_MAX);
    for it in &mut refusal.fields {
        *it = bounded(std::mem::take(it), FIELD_BYTES_MAX);
    }
    vec![
        identity.into(),
        name(&refusal.application),
        name(&refusal.organisation),
        name(&refusal.key),
        name(&folded(&refusal.number)),
        name(code(&refusal)),
        refusal.first_at_us.into(),
        refusal.at_us.into(),
        count.into(),
        refusal.encode_to_vec().into(),
    ]
}

/// Finds a page of refused items, those refused last first.
pub(crate) async fn find(
    database: &mut Database,
    request: &FindRefusalsRequest,
) -> Result<FindRefusalsResponse, DatabaseError> {
    let limit = match request.limit {
        0 => 50,
        requested => usize::try_from(requested.min(500)).unwrap_or(500),
    };
    let (conditions, values) = conditions(request);
    let sql = format!(
        "SELECT identity, application, organisation, item_key, code, first_at, last_at, count, \
         details FROM refusal WHERE {conditions} ORDER BY last_at DESC, identity DESC LIMIT {}",
        limit + 1
    );
    let mut found = Vec::new();
    for row in database.query(&sql, values).await? {
        found.push(refusal(row)?);
    }
    let next = if found.len() > limit {
        found.truncate(limit);
        found.last().map_or_else(String::new, |(it, of)| format!("{}:{it}", of.at_us))
    } else {
        String::new()
    };
    let refusals = found.into_iter().map(|(_, it)| it).collect();
    Ok(FindRefusalsResponse { refusals, next })
}

/// The conditions of a request, and the values that they compare with.
fn conditions(request: &FindRefusalsRequest) -> (String, Parameters) {
    let mut values: Parameters = Vec::new();
    let mut place = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let mut all = vec!["last_at >= 0".to_owned()];
    let names = [
        ("application", &request.application),
        ("organisation", &request.organisation),
        ("code", &request.code),
    ];
    for (column, name) in names.into_iter().filter(|(_, it)| !it.is_empty()) {
        all.push(format!("{column} = {}", place(name.as_str().into())));
    }
    let text = request.text.trim();
    let numbers = [request.number.as_str(), text].map(folded);
    let keys = [request.key.as_str(), text];
    for (key, number) in [(keys[0], ""), ("", numbers[0].as_str()), (keys[1], &numbers[1])] {
        let mut lookups = Vec::new();
        if !key.is_empty() {
            let key = place(key.into());
            lookups.push(format!(
                "SELECT identity FROM refusal WHERE item_key = {key} AND item_key <> ''"
            ));
        }
        if !number.is_empty() {
            // The last character of Unicode sorts after every other.
            let (from, to) = (place(number.into()), place(format!("{number}\u{10FFFF}").into()));
            lookups.push(format!(
                "SELECT identity FROM refusal WHERE number_folded >= {from} \
                 AND number_folded < {to} AND number_folded <> ''"
            ));
        }
        if !lookups.is_empty() {
            all.push(format!("identity IN ({})", lookups.join(" UNION ")));
        }
    }
    if request.from_us > 0 {
        all.push(format!("last_at >= {}", place(request.from_us.into())));
    }
    if request.to_us > 0 {
        all.push(format!("first_at < {}", place(request.to_us.into())));
    }
    if let Some((time, last)) = request.cursor.split_once(':') {
        let time: i64 = time.parse().unwrap_or_default();
        let (time, last) = (place(time.into()), place(last.into()));
        all.push(format!("(last_at, identity) < ({time}, {last})"));
    }
    (all.join(" AND "), values)
}

/// A stored refusal with its identity. Where its details cannot be read, the columns are returned.
fn refusal(mut row: Row) -> Result<(String, Refusal), DatabaseError> {
    let identity = row.text("identity").map_err(|it| it.in_row(TABLE, "unknown"))?;
    let mut read = || -> Result<Refusal, Unreadable> {
        let (application, organisation) = (row.text("application")?, row.text("organisation")?);
        let (key, code) = (row.text("item_key")?, row.text("code")?);
        let first_at_us = row.number("first_at")?;
        let at_us = row.number("last_at")?;
        let count = u64::try_from(row.number("count")?).unwrap_or_default();
        let columns = Refusal {
            fault: Some(Fault { code, ..Fault::default() }),
            application,
            organisation,
            key,
            ..Refusal::default()
        };
        let details = row.message::<Refusal>("details").unwrap_or(columns);
        Ok(Refusal { first_at_us, at_us, count, ..details })
    };
    let refusal = read().map_err(|it| it.in_row(TABLE, &identity))?;
    Ok((identity, refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(key: &str, number: &str, digest: u8, at_us: i64) -> Refusal {
        Refusal {
            application: "a-app".to_owned(),
            key: key.to_owned(),
            number: number.to_owned(),
            native_sha256: vec![digest; 32].into(),
            at_us,
            fault: Some(Fault { code: "LT-MAP-205".to_owned(), ..Fault::default() }),
            ..Refusal::default()
        }
    }

    #[test]
    fn an_item_is_the_same_by_its_key_its_number_or_its_bytes_on_one_day() {
        let same = [
            (refused("k", "1/A", 1, 5), refused("k", "2/A", 2, 9)),
            (refused("", "01/CV-A", 1, 5), refused("", "1 / cv-a", 2, 9)),
            (refused("", "", 1, 5), refused("", "", 1, 9)),
        ];
        for (one, other) in same {
            assert_eq!(identity(&one), identity(&other), "{one:?}");
        }
        let others = [
            (refused("k", "", 1, 5), refused("l", "", 1, 5)),
            (refused("", "", 1, 5), refused("", "", 2, 5)),
            (refused("k", "", 1, 5), refused("k", "", 1, 5 + DAY_US)),
        ];
        for (one, other) in others {
            assert_ne!(identity(&one), identity(&other), "{one:?}");
        }
    }

    #[test]
    fn a_loop_in_one_group_is_one_row() {
        let mut refusals = Refusals::default();
        for at_us in 1..=100 {
            refusals.add(&refused("k", "", 1, at_us));
        }
        let (rows, trims) = refusals.take();
        assert_eq!((rows.len(), trims.len()), (1, 1));
        let numbers: Vec<i64> = rows[0][6..9].iter().map(Value::as_number).collect();
        assert_eq!(numbers, [1, 100, 100], "first, last, count");
    }
}
