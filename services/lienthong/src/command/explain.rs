//! `explain`: the page of an error code, in both languages.

use proto::fault::v1::Fault;
use proto::fault::{Code, Lang, LocalizedText, catalog, code, find};
use serde_json::json;

use crate::fault;
use crate::screen::{Ending, Screen};
use crate::table::Row;

/// Prints the page of `code`, or a line for every code.
pub(crate) fn run(screen: Screen, code: Option<&str>) -> Ending {
    let Some(code) = code else { return list(screen) };
    match find(code) {
        Some(page) if screen.json => screen.value(&value(page)),
        Some(page) => one(screen, page),
        None => return unknown(screen, code),
    }
    Ending::Done
}

fn list(screen: Screen) -> Ending {
    if screen.json {
        screen.value(&catalog().iter().map(|it| value(it)).collect());
        return Ending::Done;
    }
    let rows: Vec<Row> = catalog()
        .iter()
        .map(|it| vec![it.code.to_owned(), it.title.get(screen.lang).to_owned()].into())
        .collect();
    screen.table(&[screen.say("Mã", "Code"), screen.say("Nội dung", "What happened")], &rows);
    Ending::Done
}

fn one(screen: Screen, page: Code) {
    let both = |words: LocalizedText| match screen.lang {
        Lang::Vi => (words.vi, words.en),
        Lang::En => (words.en, words.vi),
    };
    screen.line(page.code);
    for (name, words) in [
        (screen.say("Nội dung", "What happened"), page.title),
        (screen.say("Nguyên nhân", "Why"), page.cause),
        (screen.say("Cách xử lý", "What to do"), page.remedy),
        (screen.say("Ai xử lý", "Who acts"), page.responsible.label()),
        (screen.say("Gửi lại", "Retry"), page.retry.label()),
    ] {
        let (first, second) = both(words);
        screen.line(&format!("\n{name}\n  {first}\n  {second}"));
    }
    screen.line(&format!("\ngRPC {:?}, HTTP {}", page.grpc, page.http));
}

fn unknown(screen: Screen, asked: &str) -> Ending {
    let fault = Fault::new(&code::LT_CLI_008).param("code", asked);
    let near = nearest(&asked.to_ascii_uppercase());
    if screen.json {
        screen.value(&json!({ "error": fault::value(&fault), "near": near }));
        return Ending::NotFound;
    }
    screen.complain(&fault);
    for it in near.iter().filter_map(|it| find(it)) {
        let words = screen.say("Gần nhất", "Nearest");
        screen.note(&format!("{words}: {}  {}", it.code, it.title.get(screen.lang)));
    }
    Ending::NotFound
}

/// The codes that differ least from what was asked, the nearest first; none when nothing is near.
fn nearest(asked: &str) -> Vec<&'static str> {
    let mut all: Vec<(usize, &'static str)> = catalog()
        .iter()
        .map(|it| (distance(it.code, asked), it.code))
        .filter(|(distance, code)| *distance <= code.len() / 2)
        .collect();
    all.sort_unstable();
    all.into_iter().map(|(_, code)| code).take(3).collect()
}

/// How many letters have to be changed, added or taken away.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, left) in from.chars().enumerate() {
        let mut next = vec![row + 1];
        for (right, around) in to.iter().zip(last.windows(2)) {
            let [corner, above] = around else { continue };
            let before = next.last().copied().unwrap_or_default();
            next.push((corner + usize::from(left != *right)).min(above + 1).min(before + 1));
        }
        last = next;
    }
    last.last().copied().unwrap_or_default()
}

fn value(page: Code) -> serde_json::Value {
    let words = |it: LocalizedText| json!({ "vi": it.vi, "en": it.en });
    json!({
        "code": page.code,
        "title": words(page.title),
        "cause": words(page.cause),
        "remedy": words(page.remedy),
        "who": words(page.responsible.label()),
        "retry": words(page.retry.label()),
        "grpc": format!("{:?}", page.grpc),
        "http": page.http,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_code_suggests_the_nearest() {
        assert_eq!(nearest("LT-MAP-01").first(), Some(&"LT-MAP-001"));
        assert_eq!(nearest(&"lt-mpa-007".to_ascii_uppercase()).first(), Some(&"LT-MAP-007"));
        assert_eq!(nearest("LT_JNL_001").first(), Some(&"LT-JNL-001"));
        assert_eq!(nearest("hôm nay trời đẹp"), Vec::<&str>::new());
    }
}
