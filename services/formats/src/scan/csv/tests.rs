//! Tests of the scanner of delimited text.

use proptest::prelude::{prop_assert_eq, proptest};

use super::*;

fn syntax(yaml: &str) -> CsvSyntax {
    serde_saphyr::from_str(yaml).unwrap()
}

/// The rows as lists of title and text.
fn rows(text: &str, yaml: &str) -> Result<Vec<Vec<(String, String)>>, Fault> {
    let titles = ["Số".to_owned(), "Trích yếu".to_owned()];
    let tree = scan(text, &syntax(yaml), &titles)?;
    if let Some((_, fault)) = tree.defects.first() {
        return Err(fault.clone());
    }
    let cells = |row: usize| {
        let cell = |it: usize| (tree.nodes[it].name.to_string(), tree.nodes[it].text.to_string());
        tree.children(row).map(cell).collect()
    };
    Ok(tree.children(0).map(cells).collect())
}

fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[test]
fn excel_forms_are_read_as_excel_shows_them() {
    let expected = vec![vec![pair("Số", "0045"), pair("Trích yếu", "một\r\nhai; \"ba\"")]];
    let body = "Số;Trích yếu\r\n0045;\"một\r\nhai; \"\"ba\"\"\"\r\n;\r\n\r\n";
    assert_eq!(rows(body, "separator: ';'").unwrap(), expected);
    assert_eq!(rows(body, "separator: [',', ';', \"\\t\"]").unwrap(), expected, "told by titles");
    let with_line = format!("sep=;\r\n{body}");
    assert_eq!(rows(&with_line, "separator: ','").unwrap(), expected, "the sep= line wins");
    let decomposed = body.nfd().collect::<String>();
    assert_eq!(rows(&decomposed, "separator: ';'").unwrap()[0][1].0, "Trích yếu");
    let old = body.replace("\r\n", "\r");
    assert_eq!(rows(&old, "separator: ';'").unwrap().len(), 1);
}

#[test]
fn columns_without_titles_have_numbers() {
    let read = rows("a,b\nc,d", "header: no").unwrap();
    assert_eq!(read, [[pair("1", "a"), pair("2", "b")], [pair("1", "c"), pair("2", "d")]]);
    let read = rows("Số,\n1,x", "{}").unwrap();
    assert_eq!(read, [[pair("Số", "1"), pair("2", "x")]]);
}

#[test]
fn a_malformed_table_is_refused_with_its_line() {
    for (text, line) in [
        ("Số,b\n1,2\n3", "line 3"),
        ("Số,b\n1,2,3", "line 2"),
        ("Số,b\n\"x\ny\",1\n2,\"3\n4\n5", "line 4"),
        ("Số,b\n1,\"2\"3", "line 2"),
    ] {
        let fault = rows(text, "{}").err().unwrap();
        assert_eq!((fault.code.as_str(), fault.violations[0].field.as_str()), ("LT-MAP-065", line));
    }
}

#[test]
fn a_guarded_formula_is_read_without_its_guard() {
    for (cell, text) in [("'=1+1", "=1+1"), ("''@x", "'@x"), ("'x", "'x"), ("=1", "=1")] {
        assert_eq!(rows(&format!("Số\n{cell}"), "{}").unwrap()[0][0].1, text);
    }
    for number in ["-5", "+84 912.345", "-", "(5)"] {
        assert!(!needs_guard(number), "{number}");
    }
    for formula in ["=1", "+1+A1", "-x", "@SUM(A1)", " =1", "'=1", "+cmd|'/c calc'!A0"] {
        assert!(needs_guard(formula), "{formula}");
    }
}

proptest! {
    /// On text without mistakes, the cells are those of the csv crate's automaton.
    #[test]
    fn cells_are_those_of_csv_core(text in "[ab\",\n\r;]{0,40}") {
        let Ok(read) = rows(&text, "header: no") else { return Ok(()) };
        let texts = |row: Vec<(String, String)>| row.into_iter().map(|(_, it)| it).collect();
        let mut read: Vec<Vec<String>> = read.into_iter().map(texts).collect();
        let mut expected = csv_core_rows(&text);
        // Rows without content are no records; whether a cell was quoted, csv-core does not tell.
        for rows in [&mut read, &mut expected] {
            rows.retain(|row| row.iter().any(|it| !it.trim().is_empty()));
        }
        prop_assert_eq!(read, expected);
    }
}

fn csv_core_rows(text: &str) -> Vec<Vec<String>> {
    let (mut reader, mut input) = (csv_core::Reader::new(), text.as_bytes());
    let (mut rows, mut row, mut text) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let mut cell = [0; 100];
        let (result, read, written) = reader.read_field(input, &mut cell);
        input = &input[read..];
        text.extend_from_slice(&cell[..written]);
        match result {
            csv_core::ReadFieldResult::Field { record_end } => {
                row.push(String::from_utf8(std::mem::take(&mut text)).unwrap());
                if record_end {
                    rows.push(std::mem::take(&mut row));
                }
            }
            csv_core::ReadFieldResult::End => return rows,
            csv_core::ReadFieldResult::InputEmpty => {}
            other => panic!("{other:?}"),
        }
    }
}
