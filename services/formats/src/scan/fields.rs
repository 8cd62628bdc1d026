//! Scans text with named fields to a tree: `Name: value` by lines, or `[name]value[/name]`.

use proto::fault::code;
use proto::fault::v1::Fault;
use unicode_normalization::UnicodeNormalization as _;

use crate::grammar::FieldsSyntax;
use crate::limits::CELLS_MAX;
use crate::scan::csv::malformed;
use crate::tree::Tree;

/// Openings without a close that may be text of another kind, such as a mark that a mail server
/// puts in front; more are refused, because each is searched to the end of the text.
const UNCLOSED_MAX: usize = 100;

/// Scans fields; the root has one child per record. `names` are those that the description names.
/// Text outside every field becomes the text of its record.
///
/// # Errors
///
/// A field that the description names is not closed, or a bound is exceeded.
pub(crate) fn scan<'a>(
    text: &'a str,
    syntax: &FieldsSyntax,
    names: &[String],
) -> Result<Tree<'a>, Fault> {
    let mut scanner = Scanner { text, syntax, names, tree: Tree::new(""), outside: String::new() };
    if syntax.close.is_empty() {
        scanner.scan_lines()?;
    } else {
        scanner.scan_closed()?;
    }
    Ok(scanner.tree)
}

/// Characters of the longest name of a field.
const NAME_CHARS_MAX: usize = 100;

struct Scanner<'a, 'n> {
    text: &'a str,
    syntax: &'n FieldsSyntax,
    names: &'n [String],
    tree: Tree<'a>,
    /// Text of the current record outside its fields.
    outside: String,
}

impl<'a> Scanner<'a, '_> {
    /// Fields that end with their line.
    fn scan_lines(&mut self) -> Result<(), Fault> {
        let (before, after) = self.syntax.open_parts();
        let (before, after) =
            (before.trim(), if after.trim().is_empty() { after } else { after.trim() });
        let mut record = None;
        let text = self.text;
        for (index, line) in lines(text).enumerate() {
            let line = line.trim();
            if line.is_empty() {
                let ended = record.take_if(|_| self.syntax.blank_line);
                self.finish_record(ended);
                continue;
            }
            let parent = *record.get_or_insert_with(|| self.begin_record(index + 1));
            let field = line.strip_prefix(before).and_then(|it| it.split_once(after));
            match field.map(|(name, value)| (name.trim(), value)) {
                Some((name, value)) if !name.is_empty() => {
                    self.add_field(parent, (name, value), index + 1)?;
                }
                _ => self.push_outside(line),
            }
        }
        self.finish_record(record);
        Ok(())
    }

    /// Fields with a text at their end.
    fn scan_closed(&mut self) -> Result<(), Fault> {
        let (before, after) = self.syntax.open_parts();
        let (text, mut position, mut unclosed) = (self.text, 0, 0);
        let parent = self.begin_record(1);
        loop {
            let rest = text.get(position..).unwrap_or_default();
            let Some(begin) = rest.find(before).filter(|_| !rest.trim().is_empty()) else { break };
            self.push_outside(rest.get(..begin).unwrap_or_default());
            let line = || lines(text.get(..position + begin).unwrap_or_default()).count().max(1);
            let opened = rest.get(begin + before.len()..).unwrap_or_default();
            let Some((name, inner)) = self.split_name(opened, after) else {
                let first = rest.get(begin..).and_then(|it| it.chars().next());
                let skipped = before.len().max(first.map_or(1, char::len_utf8));
                self.push_outside(rest.get(begin..begin + skipped).unwrap_or_default());
                position += begin + skipped;
                continue;
            };
            let close = self.syntax.close_of(name);
            if let Some(end) = inner.find(&close) {
                self.add_field(parent, (name, inner.get(..end).unwrap_or_default()), line())?;
                position = text.len() - inner.len() + end + close.len();
                continue;
            }
            unclosed += 1;
            if unclosed > UNCLOSED_MAX || self.names.iter().any(|it| it == name) {
                return Err(malformed(
                    line(),
                    format!("trường `{name}` không có phần đóng `{close}`"),
                    format!("the field `{name}` has no end `{close}`"),
                ));
            }
            position = text.len() - inner.len();
            self.push_outside(&self.syntax.open_of(name));
        }
        self.push_outside(text.get(position..).unwrap_or_default());
        self.finish_record(Some(parent));
        Ok(())
    }

    /// The name at the beginning of a text, and what follows its end.
    fn split_name(&self, text: &'a str, after: &str) -> Option<(&'a str, &'a str)> {
        let end = text.char_indices().nth(NAME_CHARS_MAX).map_or(text.len(), |(it, _)| it);
        let end = text.get(..end)?.find(after)?;
        let name = text.get(..end)?.trim();
        let rest = text.get(end + after.len()..)?;
        self.syntax.permits_name(name).then_some((name, rest))
    }

    fn begin_record(&mut self, line: usize) -> usize {
        self.tree.add_child(0, format!("line {line}"))
    }

    fn push_outside(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            let separator = if self.outside.is_empty() { "" } else { "\n" };
            self.outside.extend([separator, text]);
        }
    }

    fn finish_record(&mut self, record: Option<usize>) {
        if let Some(record) = record {
            self.tree.nodes[record].text = std::mem::take(&mut self.outside).into();
        }
    }

    fn add_field(
        &mut self,
        parent: usize,
        (name, value): (&'a str, &'a str),
        line: usize,
    ) -> Result<(), Fault> {
        if self.tree.nodes.len() > CELLS_MAX {
            return Err(Fault::new(&code::LT_MAP_005).violation(
                format!("line {line}"),
                format!("có hơn {CELLS_MAX} trường"),
                format!("there are more than {CELLS_MAX} fields"),
            ));
        }
        let node_id = if unicode_normalization::is_nfc(name) {
            self.tree.add_child(parent, name)
        } else {
            self.tree.add_child(parent, name.nfc().collect::<String>())
        };
        // White space around a value is layout, as indentation is in XML.
        self.tree.nodes[node_id].text = value.trim_matches([' ', '\t', '\r', '\n']).into();
        Ok(())
    }
}

/// Lines that end with a carriage return, a line feed, or both.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|it| it.strip_suffix('\r').unwrap_or(it).split('\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields of each record, and the text outside them.
    type Record = (Vec<(String, String)>, String);

    fn scan_records(text: &str, yaml: &str, known: &str) -> Result<Vec<Record>, Fault> {
        let syntax: FieldsSyntax = serde_saphyr::from_str(yaml).unwrap();
        let tree = scan(text, &syntax, &[known.to_owned()])?;
        let field =
            |it: usize| (tree.nodes[it].name.to_string(), tree.nodes[it].text.trim().to_owned());
        let record =
            |it: usize| (tree.children(it).map(field).collect(), tree.nodes[it].text.to_string());
        Ok(tree.children(0).map(record).collect())
    }

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn lines_are_split_at_the_first_separator() {
        let text = "Tên: A: B\r\n Số : 1\n\nID: 2\nkhông có dấu\n";
        let colon = "{open: '{name}: ', blank-line: true}";
        let read = scan_records(text, colon, "").unwrap();
        assert_eq!(read[0], (fields(&[("Tên", "A: B"), ("Số", "1")]), String::new()));
        assert_eq!(read[1], (fields(&[("ID", "2")]), "không có dấu".to_owned()));
        let read = scan_records("a=1=2\n\nb =3", "{open: '{name}='}", "").unwrap();
        assert_eq!(read, [(fields(&[("a", "1=2"), ("b", "3")]), String::new())]);
    }

    #[test]
    fn closed_fields_hold_lines_and_other_brackets() {
        let brackets = "{open: '[{name}]', close: '[/{name}]'}";
        let text = "[EXT] Kính gửi\n[số]1[/số] [nội dung]a\n[b] c[/nội dung]\nTrân trọng";
        let read = scan_records(text, brackets, "số").unwrap();
        assert_eq!(read[0].0, fields(&[("số", "1"), ("nội dung", "a\n[b] c")]));
        assert_eq!(read[0].1, "[EXT]\nKính gửi\nTrân trọng");
        let fault = scan_records("x\n[số]1[số]", brackets, "số").err().unwrap();
        assert_eq!(
            (fault.code.as_str(), fault.violations[0].field.as_str()),
            ("LT-MAP-065", "line 2")
        );
        let read = scan_records("a=1;b=2;", "{open: '{name}=', close: ';'}", "").unwrap();
        assert_eq!(read[0].0, fields(&[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn many_openings_without_an_end_take_linear_time() {
        let text = "[a]".repeat(200_000);
        assert!(scan_records(&text, "{open: '[{name}]', close: '[/{name}]'}", "").is_err());
        let text = "[".repeat(1_000_000);
        assert!(scan_records(&text, "{open: '[{name}]', close: '[/{name}]'}", "").is_ok());
    }
}
