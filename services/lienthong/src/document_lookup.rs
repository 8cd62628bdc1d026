//! Finds the messages that a person names by an id or by a document's number.

use std::collections::BTreeSet;

use journal_client::JournalClient;
use name_folding::fold_words;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, JourneyRequest, JourneyResponse, Summary};
use proto::message::v1::MessageType;

use crate::journal_access::journal_fault;
use crate::message_view::print_choices;
use crate::output::Output;

/// Most messages of one search.
const SEARCH_LIMIT: u32 = 500;
/// Most candidates that a person is asked to choose from.
const CANDIDATES_MAX: usize = 50;
/// Least hexadecimal digits that are read as the beginning of an id.
const ID_DIGITS_MIN: usize = 6;

/// The messages that a text names.
pub(crate) enum NamedMessages {
    /// The message with this id.
    Message(String),
    /// The documents of one conversation in their order, and the statuses about them.
    Conversation { documents: Vec<Summary>, statuses: Vec<Summary> },
    /// Documents of several conversations, which all match.
    Ambiguous(Vec<Summary>),
}

/// What a command that changes something may act on.
pub(crate) enum Choice {
    /// The one message that the text names, or that the person chose.
    Message(String),
    /// Several messages that the text may name; nothing may be done.
    Ambiguous(Vec<Summary>),
}

/// The messages that match a text, and whether it is exactly their number or the beginning of their
/// id.
struct Matches {
    messages: Vec<Summary>,
    is_exact: bool,
}

/// Finds the messages that a text names.
pub(crate) async fn find_named(
    journal: &JournalClient,
    text: &str,
) -> Result<NamedMessages, Fault> {
    if let Some(id) = whole_id(text) {
        return Ok(NamedMessages::Message(id));
    }
    let mut messages = find_matches(journal, text).await?.messages;
    if let ([only], Some(beginning)) = (messages.as_slice(), beginning_of_id(text))
        && id(only).starts_with(&beginning)
    {
        return Ok(NamedMessages::Message(id(only)));
    }
    let conversations: BTreeSet<String> = messages.iter().map(conversation).collect();
    let mut conversations = conversations.into_iter();
    match (conversations.next(), conversations.next()) {
        (Some(conversation), None) => read_conversation(journal, conversation).await,
        _ => {
            messages.truncate(CANDIDATES_MAX);
            Ok(NamedMessages::Ambiguous(messages))
        }
    }
}

/// Finds the one message that a command may act on. A number that several documents have, in one
/// conversation or in several, and a text that is only similar to a number, name none: on a terminal
/// the person is asked, otherwise the candidates are returned.
pub(crate) async fn choose_message(
    output: Output,
    journal: &JournalClient,
    text: &str,
) -> Result<Choice, Fault> {
    if let Some(id) = whole_id(text) {
        return Ok(Choice::Message(id));
    }
    let Matches { mut messages, is_exact } = find_matches(journal, text).await?;
    if let ([only], true) = (messages.as_slice(), is_exact) {
        return Ok(Choice::Message(id(only)));
    }
    messages.truncate(CANDIDATES_MAX);
    if !output.can_ask() {
        return Ok(Choice::Ambiguous(messages));
    }
    print_choices(output, &messages);
    let question = output.localize(
        "Số thứ tự của văn bản (Enter: thôi): ",
        "Which one, by its number in the list (Enter: none): ",
    );
    let answer = output.ask(question);
    let chosen =
        answer.trim().parse::<usize>().ok().and_then(|it| messages.get(it.wrapping_sub(1)));
    Ok(match chosen {
        Some(chosen) => Choice::Message(id(chosen)),
        None => Choice::Ambiguous(messages),
    })
}

/// The fault of a text that may name several documents.
pub(crate) fn ambiguous_fault(text: &str, candidates: &[Summary]) -> Fault {
    Fault::new(&code::LT_CLI_016).param("text", text).param("count", candidates.len().to_string())
}

/// The messages that a text names exactly: by the beginning of an id, by the whole number, by the
/// sender's document id. When it names none, those that have its words.
async fn find_matches(journal: &JournalClient, text: &str) -> Result<Matches, Fault> {
    let mut exact = Vec::new();
    if let Some(beginning) = beginning_of_id(text) {
        let request = FindRequest { text: beginning.clone(), derived: true, ..limited() };
        let found = find(journal, request).await?;
        exact.extend(found.into_iter().filter(|it| id(it).starts_with(&beginning)));
    }
    let number = FindRequest { number: text.to_owned(), ..limited() };
    exact.extend(find_documents(journal, number).await?);
    let words = FindRequest { text: text.to_owned(), ..limited() };
    if exact.is_empty() {
        let similar = find_documents(journal, words).await?;
        let document_id = fold_words(text);
        let is_named = |it: &&Summary| {
            it.index.as_ref().is_some_and(|it| fold_words(&it.document_id) == document_id)
        };
        exact.extend(similar.iter().filter(is_named).cloned());
        if exact.is_empty() {
            return match similar.is_empty() {
                true => Err(Fault::new(&code::LT_CLI_007).param("text", text)),
                false => Ok(Matches { messages: similar, is_exact: false }),
            };
        }
    }
    let mut seen = BTreeSet::new();
    exact.retain(|it| seen.insert(id(it)));
    Ok(Matches { messages: exact, is_exact: true })
}

fn limited() -> FindRequest {
    FindRequest { limit: SEARCH_LIMIT, ..FindRequest::default() }
}

async fn find(journal: &JournalClient, request: FindRequest) -> Result<Vec<Summary>, Fault> {
    Ok(journal.find(request).await.map_err(|it| journal_fault(&it))?.messages)
}

/// Searches documents, and messages of every type when no document matches: a meeting and a notice
/// are found by their words, a status by the number of its document.
async fn find_documents(
    journal: &JournalClient,
    request: FindRequest,
) -> Result<Vec<Summary>, Fault> {
    let of_type = FindRequest { r#type: MessageType::Document.into(), ..request.clone() };
    let documents = find(journal, of_type).await?;
    if documents.is_empty() { find(journal, request).await } else { Ok(documents) }
}

async fn read_conversation(
    journal: &JournalClient,
    conversation: String,
) -> Result<NamedMessages, Fault> {
    let mut messages = find(journal, FindRequest { conversation, ..limited() }).await?;
    // The journal lists the latest first.
    messages.reverse();
    let (statuses, documents) = messages.into_iter().partition(is_status);
    Ok(NamedMessages::Conversation { documents, statuses })
}

/// The id that a text is, with or without its hyphens.
fn whole_id(text: &str) -> Option<String> {
    uuid::Uuid::parse_str(text.trim()).ok().map(|it| it.hyphenated().to_string())
}

/// The beginning of an id that a text is, in groups as ids are printed.
fn beginning_of_id(text: &str) -> Option<String> {
    let text = text.trim();
    let digits: String = text.chars().filter(|it| *it != '-').collect();
    let is_id = digits.len() >= ID_DIGITS_MIN && digits.chars().all(|it| it.is_ascii_hexdigit());
    is_id.then(|| {
        let mut beginning = String::new();
        for (index, digit) in digits.to_ascii_lowercase().chars().enumerate() {
            if matches!(index, 8 | 12 | 16 | 20) {
                beginning.push('-');
            }
            beginning.push(digit);
        }
        beginning
    })
}

fn id(of: &Summary) -> String {
    of.envelope.as_ref().map_or_else(String::new, |it| it.id.clone())
}

fn conversation(of: &Summary) -> String {
    of.envelope.as_ref().map_or_else(String::new, |it| it.conversation.clone())
}

fn is_status(of: &Summary) -> bool {
    of.envelope.as_ref().is_some_and(|it| it.r#type() == MessageType::Status)
}

/// The journey of one message.
pub(crate) async fn read_journey(
    journal: &JournalClient,
    message_id: String,
) -> Result<JourneyResponse, Fault> {
    journal.journey(JourneyRequest { message_id }).await.map_err(|it| journal_fault(&it))
}

/// The journeys of messages, in their order.
pub(crate) async fn read_journeys(
    journal: &JournalClient,
    messages: Vec<Summary>,
) -> Result<Vec<JourneyResponse>, Fault> {
    let mut journeys = Vec::with_capacity(messages.len());
    for it in messages {
        journeys.push(read_journey(journal, it.envelope.unwrap_or_default().id).await?);
    }
    Ok(journeys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_hexadecimal_digits_begin_an_id() {
        for (text, expected) in [
            ("0198C0DE", Some("0198c0de")),
            (" 0198c0de-00 ", Some("0198c0de-00")),
            ("0198c0de0000", Some("0198c0de-0000")),
            ("0198c", None),
            ("45-CV/TU", None),
            ("123456/BC", None),
        ] {
            assert_eq!(beginning_of_id(text).as_deref(), expected, "{text}");
        }
        let id = "0198c0de-0000-5000-8000-000000000000";
        assert_eq!(whole_id(&id.replace('-', "").to_uppercase()).as_deref(), Some(id));
    }
}
