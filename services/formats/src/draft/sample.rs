//! What a native sample holds: its syntax, and its places with a text of each.

use proto::fault::code;
use proto::fault::v1::Fault;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::draft::known_names::{Within, find_name};
use crate::grammar::Syntax;
use crate::scan;
use crate::tree::{NodeKind, ROOT_LIST, Tree};

/// A sample, taken apart.
#[derive(Debug)]
pub(super) struct Sample {
    /// The `syntax` of the description, as YAML.
    pub(super) syntax: String,
    /// What the author should know of it, in Vietnamese and English; may be empty.
    pub(super) remark: &'static str,
    pub(super) fields: Vec<SampleField>,
}

/// A place of the sample; of a repeated one, all items together.
#[derive(Debug)]
pub(super) struct SampleField {
    pub(super) name: String,
    /// The first text that is there.
    pub(super) text: String,
    pub(super) is_list: bool,
    pub(super) fields: Vec<SampleField>,
}

/// Takes a sample apart.
///
/// # Errors
///
/// The text is of no syntax, or breaks its own.
pub(super) fn read_sample(text: &str, format: &str) -> Result<Sample, Fault> {
    let begin = text.trim_start();
    if begin.starts_with('<') {
        scan::refuse_html(text)?;
        return read_xml(text, format);
    }
    if begin.starts_with(['{', '[']) && !has_closed_fields(begin) {
        return read_json(text);
    }
    let flat = csv_syntax(text).or_else(|| fields_syntax(text));
    let syntax = flat.ok_or_else(|| Fault::new(&code::LT_FMT_071))?;
    read_flat(text, syntax)
}

/// A text as YAML, which takes JSON's strings.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn read_xml(text: &str, format: &str) -> Result<Sample, Fault> {
    let mut reader = Reader::from_str(text);
    let (mut root, mut prefix) = (String::new(), String::new());
    let mut namespace = None;
    while let Ok(event) = reader.read_event() {
        let (Event::Start(start) | Event::Empty(start)) = event else {
            if matches!(event, Event::Eof) {
                break;
            }
            continue;
        };
        let name = start.name().as_ref().to_owned();
        let (before, local) = name.split_once(':').unwrap_or(("", &name));
        (root, prefix) = (local.to_owned(), before.to_owned());
        let key = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
        let mut attributes = start.attributes().flatten();
        let found = attributes.find(|it| it.key.as_ref() == key);
        namespace = found.map(|it| it.value.into_owned());
        break;
    }
    let remark = if namespace.is_some() {
        ""
    } else {
        "# Mẫu không có không gian tên; khi ghi sẽ có tên này. / The sample has no namespace; what is\n\
         # written has this one.\n"
    };
    let namespace = namespace.unwrap_or_else(|| format!("urn:{format}"));
    let prefix = if prefix.is_empty() { "vb" } else { &prefix };
    let tree = scan::xml::scan(text, &root, &namespace)?;
    let syntax = format!(
        "{{kind: xml, root: {root}, namespace: {}, prefix: {prefix}, declared-at: {root}}}",
        quote(&namespace)
    );
    Ok(Sample { syntax, remark, fields: fields_of(&tree, &[0]) })
}

fn read_json(text: &str) -> Result<Sample, Fault> {
    let tree = scan::json::scan(text)?;
    let (path, records) = find_records(&tree);
    let mut syntax = format!("{{kind: json, records: {}", quote(&path));
    if let Some((around, count)) = json_around(text, &path, records.len()) {
        syntax += &format!(", around: {}", quote(&around));
        syntax += &count.map(|it| format!(", count: {}", quote(&it))).unwrap_or_default();
    }
    Ok(Sample { syntax: syntax + "}", remark: "", fields: fields_of(&tree, &records) })
}

/// The list of records, where nothing else of the body is a document's own: its path and its items.
fn find_records(tree: &Tree<'_>) -> (String, Vec<usize>) {
    let mut path: Vec<String> = Vec::new();
    let mut at = 0;
    loop {
        let children: Vec<usize> = tree.children(at).collect();
        let of = |id: usize| tree.nodes.get(id);
        let is_known =
            |id: &usize| of(*id).is_some_and(|it| find_name(Within::Document, &it.name).is_some());
        let mut inner: Vec<usize> =
            children.iter().copied().filter(|it| !tree.is_leaf(*it)).collect();
        let name = inner.first().and_then(|it| of(*it)).map(|it| it.name.to_string());
        let Some(name) = name.filter(|_| !children.iter().any(is_known)) else { break };
        inner.retain(|it| of(*it).is_some_and(|it| it.name == name));
        let is_only = children.iter().filter(|it| !tree.is_leaf(**it)).count() == inner.len();
        let Some(first) = inner.first().copied().filter(|_| is_only) else { break };
        path.push(name);
        if of(first).is_some_and(|it| it.kind == NodeKind::Item) {
            return (path.join("/"), inner);
        }
        at = first;
    }
    (String::new(), vec![0])
}

/// The body without its records, and the path of the member beside them that counts them.
fn json_around(text: &str, path: &str, count: usize) -> Option<(String, Option<String>)> {
    if path.is_empty() || path == ROOT_LIST {
        return None;
    }
    let mut body: serde_json::Value = serde_json::from_str(text).ok()?;
    let outer = path.rsplit_once('/').map_or("", |(outer, _)| outer);
    let beside = body.pointer(format!("/{outer}").trim_end_matches('/'))?.as_object()?;
    let is_count = |(name, value): &(&String, &serde_json::Value)| {
        let is_name = ["total", "count", "tong", "tongso", "soluong"]
            .contains(&name_folding::fold_field_name(name).as_str());
        is_name && value.as_u64() == u64::try_from(count).ok()
    };
    let counter = beside.iter().find(is_count).map(|(name, _)| name.clone());
    let counter = counter.map(|it| format!("{outer}/{it}").trim_start_matches('/').to_owned());
    let list = body.pointer_mut(&format!("/{path}"))?;
    *list = serde_json::Value::Array(Vec::new());
    Some((body.to_string(), counter))
}

/// True for `[Name]value[/Name]`.
fn has_closed_fields(text: &str) -> bool {
    let name = text.strip_prefix('[').and_then(|it| it.split_once(']')).map(|(name, _)| name);
    name.is_some_and(|it| !it.is_empty() && text.contains(&format!("[/{it}]")))
}

/// Delimited text: the separator that gives each row the same number of cells, three at least.
fn csv_syntax(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().filter(|it| !it.trim().is_empty()).collect();
    let first = lines.first()?;
    let cells = |separator: &char| first.matches(*separator).count() + 1;
    let separator = [';', '\t', ',', '|'].into_iter().max_by_key(cells)?;
    let is_table = lines.len() > 1 && cells(&separator) > 2 && !first.contains(": ");
    is_table.then(|| format!("{{kind: csv, separator: {}}}", quote(&separator.to_string())))
}

/// Text with named fields: closed ones, or one in a line.
fn fields_syntax(text: &str) -> Option<String> {
    if has_closed_fields(text.trim_start()) {
        return Some("{kind: fields, open: \"[{name}]\", close: \"[/{name}]\"}".to_owned());
    }
    let lines: Vec<&str> = text.lines().filter(|it| !it.trim().is_empty()).collect();
    let is_field = |line: &&&str, separator: &str| {
        line.split_once(separator)
            .is_some_and(|(name, _)| !name.trim().is_empty() && name.chars().count() <= 40)
    };
    let separator = [": ", "=", ":"].into_iter().find(|separator| {
        let count = lines.iter().filter(|it| is_field(it, separator)).count();
        count > 1 && count * 3 >= lines.len() * 2
    })?;
    Some(format!("{{kind: fields, open: {}}}", quote(&format!("{{name}}{separator}"))))
}

fn read_flat(text: &str, syntax: String) -> Result<Sample, Fault> {
    let parsed = serde_saphyr::from_str::<Syntax>(&syntax);
    let tree =
        match parsed.map_err(|error| Fault::new(&code::LT_FMT_071).detail(error.to_string()))? {
            Syntax::Csv(it) => scan::csv::scan(text, &it, &[])?,
            Syntax::Fields(it) => scan::fields::scan(text, &it, &[])?,
            Syntax::Xml { .. } | Syntax::Json { .. } | Syntax::CanonicalJson => {
                return Err(Fault::new(&code::LT_FMT_071));
            }
        };
    let records: Vec<usize> = tree.children(0).collect();
    let mut fields = fields_of(&tree, &records);
    // Texts of other rows are no items of the first.
    fields.iter_mut().for_each(|it| it.is_list = false);
    Ok(Sample { syntax, remark: "", fields })
}

/// The places inside these nodes, which are items of one place.
fn fields_of(tree: &Tree<'_>, parents: &[usize]) -> Vec<SampleField> {
    let mut names: Vec<(String, Vec<usize>, bool)> = Vec::new();
    for parent in parents {
        let mut own: Vec<&str> = Vec::new();
        for id in tree.children(*parent) {
            let Some(node) = tree.nodes.get(id) else { continue };
            let is_item = matches!(node.kind, NodeKind::Item | NodeKind::EmptyList);
            let is_list = is_item || own.contains(&node.name.as_ref());
            own.push(&node.name);
            match names.iter_mut().find(|(name, ..)| *name == node.name) {
                Some((_, nodes, list)) => {
                    nodes.push(id);
                    *list |= is_list;
                }
                None => names.push((node.name.to_string(), vec![id], is_list)),
            }
        }
    }
    let field = |(name, nodes, is_list): (String, Vec<usize>, bool)| {
        let texts = nodes.iter().filter_map(|it| tree.nodes.get(*it));
        let text = texts.map(|it| it.text.trim()).find(|it| !it.is_empty()).unwrap_or_default();
        SampleField { text: text.to_owned(), fields: fields_of(tree, &nodes), name, is_list }
    };
    names.into_iter().map(field).collect()
}
