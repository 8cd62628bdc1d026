//! Many new rows at once, by `COPY` in its binary format (PostgreSQL 15, "COPY", file formats): the
//! server takes each row as it comes, where an insert of arrays builds all of them first.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::Value;

/// Rows from which on they are copied. A copy costs a trip more, so few rows are inserted.
pub(crate) const ROWS_MIN: usize = 16;

/// Bytes of one piece on the wire.
const PIECE: usize = 1 << 20;

/// The statement that copies the rows of an insert; none when it does anything but write its
/// parameters as they are, in their order.
pub(crate) fn copy(sql: &str) -> Option<String> {
    let (into, values) = sql.strip_prefix("INSERT INTO ")?.split_once(" VALUES (")?;
    let count = values.split(", ").count();
    let plain: Vec<String> = (1..=count).map(|it| format!("${it}")).collect();
    let is_plain = values.strip_suffix(')')? == plain.join(", ");
    is_plain.then(|| format!("COPY {into} FROM STDIN (FORMAT binary)"))
}

/// The rows in pieces.
pub(crate) fn pieces(rows: &[Vec<Value>]) -> Vec<Bytes> {
    let size: usize = rows.iter().flatten().map(|it| it.size() + 4).sum();
    let mut pieces = Vec::new();
    let mut piece = BytesMut::with_capacity((size + 2 * rows.len() + 32).min(2 * PIECE));
    piece.put_slice(b"PGCOPY\n\xff\r\n\0");
    // No flags, and no more header.
    piece.put_bytes(0, 8);
    for row in rows {
        piece.put_i16(i16::try_from(row.len()).unwrap_or(i16::MAX));
        row.iter().for_each(|it| put(&mut piece, it));
        if piece.len() >= PIECE {
            pieces.push(piece.split().freeze());
        }
    }
    piece.put_i16(-1);
    pieces.push(piece.freeze());
    pieces
}

fn put(piece: &mut BytesMut, value: &Value) {
    // A value beyond this is refused by the server, as one that is cut short.
    piece.put_i32(i32::try_from(value.size()).unwrap_or(i32::MAX));
    match value {
        Value::Text(text) => piece.put_slice(text.as_bytes()),
        Value::Number(number) => piece.put_i64(*number),
        Value::Bytes(bytes) => piece.put_slice(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_insert_of_its_parameters_is_copied() {
        let copied = copy("INSERT INTO t (a, b) VALUES ($1, $2)");
        assert_eq!(copied.unwrap(), "COPY t (a, b) FROM STDIN (FORMAT binary)");
        for other in [
            "INSERT INTO t (a, b) VALUES ($2, $1)",
            "INSERT INTO t (a, b) VALUES ($1, '')",
            "INSERT INTO t (a) VALUES ($1::text::tsvector)",
            "INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO NOTHING",
            "UPDATE t SET a = $1",
            "SELECT a FROM t WHERE b = $1",
        ] {
            assert_eq!(copy(other), None, "{other}");
        }
    }

    #[test]
    fn rows_are_written_as_the_format_says() {
        let rows = [vec![Value::Text("vb".to_owned()), Value::Number(-2), Value::Bytes(vec![7])]];
        let expected = [
            b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".as_slice(),
            b"\0\x03\0\0\0\x02vb\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xfe\0\0\0\x01\x07",
            b"\xff\xff",
        ];
        assert_eq!(pieces(&rows), [expected.concat()]);
    }

    #[test]
    fn many_bytes_go_in_pieces() {
        let rows: Vec<_> = (0..5).map(|_| vec![Value::Bytes(vec![0; PIECE / 2])]).collect();
        let lengths: Vec<_> = pieces(&rows).iter().map(Bytes::len).collect();
        let two = PIECE + 2 * 6;
        assert_eq!(lengths, [two + 19, two, PIECE / 2 + 6 + 2]);
    }
}
