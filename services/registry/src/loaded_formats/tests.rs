//! Which formats are in force, with an engine of words.

use super::*;

/// An engine of texts `NAME VERSION [CLASH]`: two texts with one clash cannot be loaded together.
#[derive(Debug)]
struct Words;

impl FormatEngine for Words {
    fn shipped(&self) -> Vec<FormatDescription> {
        vec![FormatDescription { name: "edxml".to_owned(), ..FormatDescription::default() }]
    }

    fn load(&self, files: &[FormatFile]) -> Vec<Result<FormatDescription, Fault>> {
        let mut clashes = Vec::new();
        let mut all = Vec::new();
        for it in files {
            let words: Vec<&str> = it.text.split(' ').collect();
            let version = words.get(1).and_then(|it| it.parse().ok());
            let clash = words.get(2).copied();
            all.push(match version {
                None => Err(Fault::new(&code::LT_FMT_020)),
                Some(_) if clash.is_some_and(|it| clashes.contains(&it)) => {
                    Err(Fault::new(&code::LT_FMT_023))
                }
                Some(version) => Ok(format(&it.file, &it.text, version)),
            });
            clashes.extend(clash);
        }
        all
    }
}

fn format(file: &str, text: &str, version: u32) -> FormatDescription {
    FormatDescription {
        name: text.split(' ').next().unwrap_or_default().to_owned(),
        version,
        hash: format!("hash of {text}"),
        title: String::new(),
        file: file.to_owned(),
        text: text.to_owned(),
    }
}

fn found(name: &str, text: &str) -> FoundDescription {
    let file = FormatFile { file: format!("{name}.yaml"), text: text.to_owned() };
    FoundDescription { name: name.to_owned(), file, fault: None }
}

/// Texts in force after files, before which others were in force, and the codes of mistakes.
fn run(
    files: &[FoundDescription],
    before: &[&str],
    used: &[&str],
) -> (Vec<String>, Vec<(String, String)>) {
    let version = |text: &str| text.split(' ').nth(1).unwrap().parse().unwrap();
    let file = |text: &str| format!("{}.yaml", text.split(' ').next().unwrap());
    let in_force: Vec<_> = before.iter().map(|it| format(&file(it), it, version(it))).collect();
    let used = used.iter().map(|it| ((*it).to_owned(), "app".to_owned())).collect();
    let refused = BTreeMap::from([("hash of stored 2".to_owned(), Fault::new(&code::LT_FMT_027))]);
    let context =
        ResolveContext { engine: &Words, in_force: &in_force, used: &used, refused: &refused };
    let loaded = resolve(files, &context);
    let mistakes = loaded.mistakes.into_iter().map(|it| (it.file, it.fault.code)).collect();
    (loaded.formats.into_iter().map(|it| it.text).collect(), mistakes)
}

fn mistake(file: &str, code: &str) -> (String, String) {
    (file.to_owned(), code.to_owned())
}

#[test]
fn a_new_version_replaces_the_old_one_and_a_mistake_keeps_it() {
    assert_eq!(run(&[found("a", "a 1")], &[], &[]), (vec!["a 1".to_owned()], vec![]));
    assert_eq!(run(&[found("a", "a 2")], &["a 1"], &[]).0, ["a 2"]);
    let broken = run(&[found("a", "a")], &["a 1"], &[]);
    assert_eq!(broken, (vec!["a 1".to_owned()], vec![mistake("a.yaml", "LT-FMT-020")]));
    let other = run(&[found("a", "b 2")], &["a 1"], &[]);
    assert_eq!(other, (vec!["a 1".to_owned()], vec![mistake("a.yaml", "LT-FMT-030")]));
    assert_eq!(run(&[found("a", "a")], &[], &[]).0, [""; 0], "it was never in force");
}

#[test]
fn a_version_number_has_one_content() {
    let changed = run(&[found("a", "a 1 other")], &["a 1"], &[]);
    assert_eq!(changed, (vec!["a 1".to_owned()], vec![mistake("a.yaml", "LT-FMT-027")]));
    let stored = run(&[found("stored", "stored 2")], &["stored 1"], &[]);
    assert_eq!(stored, (vec!["stored 1".to_owned()], vec![mistake("stored.yaml", "LT-FMT-027")]));
}

#[test]
fn a_format_whose_file_is_gone_stays_while_an_application_uses_it() {
    assert_eq!(run(&[], &["a 1", "b 1"], &[]), (vec![], vec![]));
    let kept = run(&[], &["a 1", "b 1"], &["b"]);
    assert_eq!(kept, (vec!["b 1".to_owned()], vec![mistake("b.yaml", "LT-FMT-028")]));
}

#[test]
fn of_two_formats_that_cannot_be_loaded_together_the_one_in_force_stays() {
    let both = run(&[found("a", "a 2 same"), found("b", "b 1 same")], &["b 1 same"], &[]);
    assert_eq!(both, (vec!["b 1 same".to_owned()], vec![mistake("a.yaml", "LT-FMT-023")]));
    let kept = run(&[found("b", "b 1 same")], &["a 1 same"], &["a"]);
    let mistakes = vec![mistake("a.yaml", "LT-FMT-028"), mistake("b.yaml", "LT-FMT-023")];
    assert_eq!(kept, (vec!["a 1 same".to_owned()], mistakes));
    let renamed = run(&[found("b", "b 1 same")], &["a 1 same"], &[]);
    assert_eq!(renamed, (vec!["b 1 same".to_owned()], vec![]));
}

#[test]
fn what_cannot_be_read_is_a_mistake_of_its_own_file() {
    let fault = Some(Fault::new(&code::LT_FMT_025));
    let large = FoundDescription { fault, ..found("a", "") };
    let loaded = run(&[large, found("b", "b 1")], &["a 1"], &[]);
    let formats = vec!["a 1".to_owned(), "b 1".to_owned()];
    assert_eq!(loaded, (formats, vec![mistake("a.yaml", "LT-FMT-025")]));
}
