//! Finds the messages that a person names by an id or by a document's number.

use std::collections::BTreeSet;

use journal_client::JournalClient;
use name_folding::fold_number;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, JourneyRequest, JourneyResponse, Summary};
use proto::message::v1::MessageType;

use crate::journal_access::journal_fault;

/// Most messages of one search.
const SEARCH_LIMIT: u32 = 500;
/// Most candidates that a person is asked to choose from.
const CANDIDATES_MAX: usize = 50;

/// The messages that a text names.
pub(crate) enum NamedMessages {
    /// The message with this id.
    Message(String),
    /// The documents of one conversation in their order, and the statuses about them.
    Conversation { documents: Vec<Summary>, statuses: Vec<Summary> },
    /// Documents of several conversations, which all match.
    Ambiguous(Vec<Summary>),
}

/// Finds the messages that a text names.
pub(crate) async fn find_named(
    journal: &JournalClient,
    text: &str,
) -> Result<NamedMessages, Fault> {
    if uuid::Uuid::parse_str(text.trim()).is_ok() {
        return Ok(NamedMessages::Message(text.trim().to_ascii_lowercase()));
    }
    let mut matches = prefer_exact_number(text, search(journal, text).await?);
    let conversations: BTreeSet<String> = matches.iter().map(conversation).collect();
    let mut conversations = conversations.into_iter();
    match (conversations.next(), conversations.next()) {
        (None, _) => Err(Fault::new(&code::LT_CLI_007).param("text", text)),
        (Some(_), Some(_)) => {
            matches.truncate(CANDIDATES_MAX);
            Ok(NamedMessages::Ambiguous(matches))
        }
        (Some(conversation), None) => {
            let request =
                FindRequest { conversation, limit: SEARCH_LIMIT, ..FindRequest::default() };
            let mut messages =
                journal.find(request).await.map_err(|it| journal_fault(&it))?.messages;
            // The journal lists the latest first.
            messages.reverse();
            let (statuses, documents) = messages.into_iter().partition(is_status);
            Ok(NamedMessages::Conversation { documents, statuses })
        }
    }
}

/// Searches documents, and messages of every type when no document matches: a meeting and a notice
/// are found by their words, a status by the number of its document.
async fn search(journal: &JournalClient, text: &str) -> Result<Vec<Summary>, Fault> {
    let request = FindRequest {
        text: text.to_owned(),
        r#type: MessageType::Document.into(),
        limit: SEARCH_LIMIT,
        ..FindRequest::default()
    };
    let any_type = FindRequest { r#type: 0, ..request.clone() };
    let documents = journal.find(request).await.map_err(|it| journal_fault(&it))?.messages;
    if !documents.is_empty() {
        return Ok(documents);
    }
    Ok(journal.find(any_type).await.map_err(|it| journal_fault(&it))?.messages)
}

/// The matches whose number is exactly the text; all matches when there is none.
fn prefer_exact_number(text: &str, matches: Vec<Summary>) -> Vec<Summary> {
    let number = fold_number(text);
    let is_exact =
        |it: &Summary| it.index.as_ref().is_some_and(|it| fold_number(&it.number) == number);
    if matches.iter().any(is_exact) {
        matches.into_iter().filter(is_exact).collect()
    } else {
        matches
    }
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
