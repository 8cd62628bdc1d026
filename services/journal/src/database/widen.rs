//! Statements for one set of parameters, rewritten for many sets at once (PostgreSQL).
//!
//! A wide statement takes one array for each parameter. A wide `SELECT` returns the number of the
//! set, from 1, before its own columns.

use std::fmt::Write as _;

use tokio_postgres::types::Type;

/// The wide form; none when the statement has no shape that can be widened. A change that returns
/// rows has none: it names no set of its rows, and changes a row once that two sets name.
pub(crate) fn widen(sql: &str, types: &[Type]) -> Option<String> {
    if types.is_empty() || sql.contains(" RETURNING ") {
        return None;
    }
    let arrays: Vec<String> =
        (1..).zip(types).map(|(number, kind)| format!("${number}::{}[]", kind.name())).collect();
    let names: Vec<String> = (1..=types.len()).map(|number| format!("p{number}")).collect();
    let (arrays, names) = (arrays.join(", "), names.join(", "));
    let inner = with_named_parameters(sql);
    if sql.starts_with("SELECT ") {
        // `OFFSET 0` keeps PostgreSQL from joining the sets with the whole table, which it prefers
        // while the table has no statistics: each set is looked up by its index.
        return Some(format!(
            "SELECT r.n, q.* FROM unnest({arrays}) WITH ORDINALITY AS r({names}, n) \
             CROSS JOIN LATERAL ({inner} OFFSET 0) q"
        ));
    }
    let sets = format!("unnest({arrays}) AS r({names})");
    if sql.starts_with("INSERT ") {
        let (into, rest) = inner.split_once(" VALUES (")?;
        let (values, conflict) = rest.split_once(')')?;
        return Some(format!("{into} SELECT {values} FROM {sets}{conflict}"));
    }
    if sql.starts_with("UPDATE ") {
        let (set, condition) = inner.split_once(" WHERE ")?;
        return Some(format!("{set} FROM {sets} WHERE {condition}"));
    }
    None
}

/// The `COPY` that inserts the same rows; none when the insert does anything but store its
/// parameters as they are, in their order.
pub(crate) fn copy_statement(sql: &str) -> Option<String> {
    let (into, values) = sql.strip_prefix("INSERT INTO ")?.split_once(" VALUES (")?;
    let count = values.split(", ").count();
    let plain: Vec<String> = (1..=count).map(|it| format!("${it}")).collect();
    let is_plain = values.strip_suffix(')')? == plain.join(", ");
    is_plain.then(|| format!("COPY {into} FROM STDIN (FORMAT binary)"))
}

/// The statement with `$3` written as `r.p3`.
fn with_named_parameters(sql: &str) -> String {
    let mut named = String::with_capacity(sql.len() + 32);
    let mut parts = sql.split('$');
    named.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|it: char| !it.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        let written = write!(named, "r.p{number}{rest}");
        debug_assert!(written.is_ok(), "writing into a String cannot fail");
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_has_its_wide_form() {
        let two = [Type::TEXT, Type::INT8];
        assert_eq!(
            widen("SELECT a FROM t WHERE b = $1 AND c < $2 ORDER BY a LIMIT 1", &two).unwrap(),
            "SELECT r.n, q.* FROM unnest($1::text[], $2::int8[]) WITH ORDINALITY AS r(p1, p2, n) \
             CROSS JOIN LATERAL (SELECT a FROM t WHERE b = r.p1 AND c < r.p2 ORDER BY a LIMIT 1 \
             OFFSET 0) q"
        );
        assert_eq!(
            widen("INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING", &two).unwrap(),
            "INSERT INTO t (a, b) SELECT r.p1, r.p2 FROM unnest($1::text[], $2::int8[]) \
             AS r(p1, p2) ON CONFLICT (a) DO NOTHING"
        );
        assert_eq!(
            widen("UPDATE t SET b = $2 WHERE a = $1", &two).unwrap(),
            "UPDATE t SET b = r.p2 FROM unnest($1::text[], $2::int8[]) AS r(p1, p2) WHERE a = r.p1"
        );
        assert_eq!(widen("DELETE FROM t WHERE a = $1", &two), None);
        assert_eq!(widen("SELECT 1", &[]), None);
        assert_eq!(widen("UPDATE t SET b = $2 WHERE a = $1 RETURNING a", &two), None);
        let returning =
            "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING RETURNING a";
        assert_eq!(widen(returning, &two), None);
    }

    #[test]
    fn only_an_insert_of_its_parameters_is_copied() {
        let copied = copy_statement("INSERT INTO t (a, b) VALUES ($1, $2)");
        assert_eq!(copied.unwrap(), "COPY t (a, b) FROM STDIN (FORMAT binary)");
        for other in [
            "INSERT INTO t (a, b) VALUES ($2, $1)",
            "INSERT INTO t (a, b) VALUES ($1, '')",
            "INSERT INTO t (a) VALUES ($1::text::tsvector)",
            "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO NOTHING",
            "UPDATE t SET a = $1",
            "SELECT a FROM t WHERE b = $1",
        ] {
            assert_eq!(copy_statement(other), None, "{other}");
        }
    }

    #[test]
    fn the_tenth_parameter_is_not_the_first() {
        assert_eq!(with_named_parameters("$1, $10, $11)"), "r.p1, r.p10, r.p11)");
    }
}
