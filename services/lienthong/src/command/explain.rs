//! `explain`: the page of an error code, in both languages.

use proto::fault::{Code, Lang, Words, catalogue, find};
use serde_json::json;

use crate::screen::{Ending, Screen};

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
        screen.value(&catalogue().iter().map(|it| value(it)).collect());
        return Ending::Done;
    }
    let rows: Vec<_> = catalogue()
        .iter()
        .map(|it| vec![it.code.to_owned(), it.title.get(screen.lang).to_owned()])
        .collect();
    screen.table(&[screen.say("Mã", "Code"), screen.say("Nội dung", "What happened")], &rows);
    Ending::Done
}

fn one(screen: Screen, page: Code) {
    let both = |words: Words| match screen.lang {
        Lang::Vi => (words.vi, words.en),
        Lang::En => (words.en, words.vi),
    };
    screen.line(page.code);
    for (name, words) in [
        (screen.say("Nội dung", "What happened"), page.title),
        (screen.say("Nguyên nhân", "Why"), page.cause),
        (screen.say("Cách xử lý", "What to do"), page.remedy),
        (screen.say("Ai xử lý", "Who acts"), page.who.words()),
        (screen.say("Gửi lại", "Retry"), page.retry.words()),
    ] {
        let (first, second) = both(words);
        screen.line(&format!("\n{name}\n  {first}\n  {second}"));
    }
    screen.line(&format!("\ngRPC {:?}, HTTP {}", page.grpc, page.http));
}

fn unknown(screen: Screen, code: &str) -> Ending {
    let near: Vec<_> = catalogue()
        .iter()
        .map(|it| it.code)
        .filter(|it| near(it, &code.to_ascii_uppercase()))
        .take(5)
        .collect();
    if screen.json {
        screen.value(&json!({ "error": "unknown code", "code": code, "near": near }));
    } else {
        let words = screen.say("Không có mã", "There is no code");
        let list = screen
            .say("Danh sách: lienthong explain --all", "All of them: lienthong explain --all");
        screen.note(&format!("{words} {code}. {} {list}", near.join(" ")));
    }
    Ending::NotFound
}

/// Same room, or the same number elsewhere.
fn near(code: &str, asked: &str) -> bool {
    let room = |it: &str| it.split('-').nth(1).map(ToOwned::to_owned);
    let number = |it: &str| it.rsplit('-').next().and_then(|it| it.parse::<u32>().ok());
    room(code) == room(asked) || (number(code).is_some() && number(code) == number(asked))
}

fn value(page: Code) -> serde_json::Value {
    let words = |it: Words| json!({ "vi": it.vi, "en": it.en });
    json!({
        "code": page.code,
        "title": words(page.title),
        "cause": words(page.cause),
        "remedy": words(page.remedy),
        "who": words(page.who.words()),
        "retry": words(page.retry.words()),
        "grpc": format!("{:?}", page.grpc),
        "http": page.http,
    })
}
