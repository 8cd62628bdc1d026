//! Every version of a format's description that was ever in force.

use proto::journal::v1::{
    GetFormatResponse, ListFormatsRequest, ListFormatsResponse, StoreFormatsRequest,
    StoreFormatsResponse, StoredFormat,
};

use crate::database::Database;
use crate::database::error::DatabaseError;
use crate::database::row::{Parameters, Row, Unreadable};
use crate::unit_of_work::UnitOfWork;

const TABLE: &str = "format_version";

/// Most versions that one call stores or lists.
pub(crate) const VERSIONS_MAX: usize = 1_000;

/// Stores a version once.
const INSERT: &str = "INSERT INTO format_version \
     (hash, name, version, shipped, first_seen, description) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hash) DO NOTHING";

const OF_VERSION: &str = "SELECT hash, name, version, shipped, first_seen FROM format_version \
     WHERE name = $1 AND version = $2";

const OF_NAME: &str = "SELECT hash, name, version, shipped, first_seen FROM format_version \
     WHERE name = $1 ORDER BY version DESC, hash LIMIT $2";

const ALL: &str = "SELECT hash, name, version, shipped, first_seen FROM format_version \
     ORDER BY first_seen DESC, hash DESC LIMIT $1";

const OF_HASH: &str = "SELECT hash, name, version, shipped, first_seen, description \
     FROM format_version WHERE hash = $1";

/// Stores the versions that are not stored yet. A loaded one whose name and version number another
/// content has already is not stored, unless it is in use.
pub(crate) async fn store(
    unit: &mut UnitOfWork<'_>,
    StoreFormatsRequest { formats, in_use }: &StoreFormatsRequest,
) -> Result<StoreFormatsResponse, DatabaseError> {
    let keys: Vec<Parameters> =
        formats.iter().map(|it| vec![it.name.clone().into(), version_of(it).into()]).collect();
    let found = unit.database.query_many(OF_VERSION, keys).await?;
    let mut response = StoreFormatsResponse::default();
    let mut inserts = Vec::new();
    for (format, rows) in formats.iter().zip(found) {
        let same: Vec<StoredFormat> = rows.into_iter().map(stored).collect::<Result<_, _>>()?;
        let is_known = same.iter().any(|it| it.hash == format.hash);
        if is_known {
            continue;
        }
        let conflict = same.into_iter().next().filter(|_| !format.shipped);
        if *in_use || conflict.is_none() {
            inserts.push(insertion(format, unit.now));
        }
        response.conflicts.extend(conflict);
    }
    unit.database.query_many(INSERT, inserts).await?;
    Ok(response)
}

/// The stored versions of a name, the highest first, or of all, the newest first.
pub(crate) async fn list(
    database: &mut Database,
    request: &ListFormatsRequest,
) -> Result<ListFormatsResponse, DatabaseError> {
    let bound = usize::try_from(request.limit).unwrap_or(VERSIONS_MAX);
    let bound = if bound == 0 { VERSIONS_MAX } else { bound.min(VERSIONS_MAX) };
    let limit = i64::try_from(bound).unwrap_or(i64::MAX);
    let rows = if request.name.is_empty() {
        database.query(ALL, vec![limit.into()]).await?
    } else {
        database.query(OF_NAME, vec![request.name.clone().into(), limit.into()]).await?
    };
    let formats = rows.into_iter().map(stored).collect::<Result<_, _>>()?;
    Ok(ListFormatsResponse { formats })
}

/// One stored version with its text.
pub(crate) async fn get(
    database: &mut Database,
    hash: &str,
) -> Result<Option<GetFormatResponse>, DatabaseError> {
    let rows = database.query(OF_HASH, vec![hash.into()]).await?;
    let Some(mut row) = rows.into_iter().next() else { return Ok(None) };
    let text = row.bytes("description").map_err(|it| it.in_row(TABLE, hash))?;
    let unreadable = |_| Unreadable { column: "description" }.in_row(TABLE, hash);
    let text = String::from_utf8(text).map_err(unreadable)?;
    Ok(Some(GetFormatResponse { format: Some(StoredFormat { text, ..stored(row)? }) }))
}

fn version_of(format: &StoredFormat) -> i64 {
    format.version.into()
}

fn insertion(format: &StoredFormat, now_us: i64) -> Parameters {
    vec![
        format.hash.clone().into(),
        format.name.clone().into(),
        version_of(format).into(),
        i64::from(format.shipped).into(),
        now_us.into(),
        format.text.clone().into_bytes().into(),
    ]
}

fn stored(mut row: Row) -> Result<StoredFormat, DatabaseError> {
    let hash = row.text("hash").map_err(|it| it.in_row(TABLE, "unknown"))?;
    let mut read = || -> Result<StoredFormat, Unreadable> {
        Ok(StoredFormat {
            hash: hash.clone(),
            name: row.text("name")?,
            version: u32::try_from(row.number("version")?)
                .map_err(|_negative| Unreadable { column: "version" })?,
            shipped: row.number("shipped")? != 0,
            first_seen_us: row.number("first_seen")?,
            text: String::new(),
        })
    };
    Ok(read().map_err(|it| it.in_row(TABLE, &hash))?)
}
