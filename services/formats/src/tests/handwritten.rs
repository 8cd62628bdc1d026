//! Content on which an engine and its interpreter could disagree, written by hand: what stands twice,
//! what stands in a path of several names, and what XML itself says of texts.

use super::differential::compare;
use super::reference::Interpreter;
use crate::Format;

fn agree(syntax: &str, rules: &str, natives: &[&str]) {
    let head = "format: t\nversion: 1\ntitle: t\ncarries: Document\n";
    let text = format!("{head}syntax: {syntax}\n{rules}");
    let format = Format::compile(&text).unwrap_or_else(|it| panic!("{text}\n{it:#?}"));
    let interpreter = Interpreter::new(&text);
    for it in natives {
        assert!(compare((&interpreter, &format), it.as_bytes(), &[]), "not compared: {it}");
    }
}

const XML: &str =
    "{kind: xml, root: a, namespace: 'urn:thu', prefix: p, declared-at: a, ignore: [bo]}";
const JSON: &str = "{kind: json, records: ''}";

/// `b/c` is c in b, whether the description writes it as one path or as a group with a rule inside:
/// of two b the first is meant in which something stands.
#[test]
fn a_path_means_the_same_as_a_group_with_a_path() {
    let natives = [
        r#"{"b":[{"d":"1"},{"c":"2"}]}"#,
        r#"{"b":[{"c":""},{"c":"2"}]}"#,
        r#"{"b":[{},{"c":"2"}]}"#,
        r#"{"b":[{"c":"","d":"1"},{"c":"2"}]}"#,
        r#"{"b":[[],{"c":"2"}]}"#,
        r#"{"b":[{"c":["","1"]},{"c":"2"}]}"#,
        r#"{"b":{"c":"1"}}"#,
    ];
    agree(JSON, "fields:\n  - {at: b/c, to: subject}\n  - {at: b/d, to: note}\n", &natives);
    agree(
        JSON,
        "fields:\n  - at: b\n    fields: [{at: c, to: subject}, {at: d, to: note}]\n",
        &natives,
    );
}

/// Where a decisive value is missing, nothing that it permits may stand, in whatever way the
/// description writes its place.
#[test]
fn what_an_undecided_value_permits_is_refused_wherever_it_stands() {
    const RULES: &str = "
fields:
  - {at: loai, to: change.kind, as: code loai, decides: yes, read-default: NEW}
  - at: goc
    when: {change.kind: [REVOKE, UPDATE]}
    fields: [{at: ma, to: change.target.id}]
lists:
  loai: {rows: {'0': NEW, '1': REVOKE, '2': UPDATE}}
";
    agree(
        JSON,
        RULES,
        &[
            r#"{"goc":{"ma":"1"}}"#,
            r#"{"ma":"1"}"#,
            r#"{"loai":"1","goc":{"ma":"1"}}"#,
            r#"{"loai":"0","goc":{"ma":"1"}}"#,
            r#"{"LOAI":"1","goc":{"ma":"1"}}"#,
        ],
    );
}

/// The records of two lists inside one item are joined by the keys of their own list.
#[test]
fn lists_inside_an_item_do_not_share_their_keys() {
    const RULES: &str = "
fields:
  - each: r
    to: 'relations[kind=ANSWERS]'
    fields:
      - {each: cho, to: only_for, match: name, fields: [{at: ten, to: name}]}
      - {each: ma, to: target.issuer.ids, match: value, fields: [{at: ten, to: value}]}
";
    let natives = [
        r#"{"r":[{"cho":[{"ten":"x"},{"ten":"y"}],"ma":[{"ten":"y"},{"ten":"x"},{"ten":"y"}]}]}"#,
        r#"{"r":[{"cho":[{"ten":"x"},{"ten":"x"}],"ma":[{"ten":"x"}]}]}"#,
    ];
    agree(JSON, RULES, &natives);
}

/// White space, references, CDATA, attributes and namespaces, as XML 1.0 and its namespaces say.
#[test]
fn xml_is_read_as_every_reader_of_xml_reads_it() {
    const RULES: &str = "
fields:
  - {at: '@so', to: id}
  - {at: s, to: subject}
  - {at: s@k, to: language}
  - {each: n, to: places}
";
    let natives = [
        "<a xmlns='urn:thu' so='1\n2&#10;3\t4'><s k='v i'>x</s></a>",
        "<a><s>A &amp; &lt; B</s></a>",
        "<a><s k='vi'>A &amp; &lt; B</s></a>",
        "<a><s k='vi'>A<![CDATA[ & ]]> <![CDATA[<]]> B</s></a>",
        "<a><la>A<x/>&amp; &amp;</la><n>1</n></a>",
        "<a><la>A<x/> &amp; B</la></a>",
        "<a><s>  </s><s> b </s><s>c</s></a>",
        "<q:a xmlns:q='urn:thu' xmlns:x='urn:la' x:so='1'><x:s>la</x:s><q:s x:k='1'>b</q:s></q:a>",
        "<a xmlns='urn:thu'><s xmlns=''>b</s><bo><s>c</s>d</bo></a>",
        "<a xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><s xsi:nil='true'/><n xml:lang='vi'>1</n></a>",
        "<a><s>x<!-- giữa -->y</s><n>1</n><n></n><n><m>2</m></n></a>",
        "<a>ngoài<s>x</s>sau</a>",
    ];
    agree(XML, RULES, &natives);
}
