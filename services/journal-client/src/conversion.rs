//! A message as the journal stores it and as the bus carries it.

use bus::{Body, Message};
use bytes::Bytes;
use proto::journal::v1::body::Place;
use proto::journal::v1::{Body as JournalBody, Envelope, Message as JournalMessage};
use proto::message::v1::Claim;

/// Why a stored message cannot be carried: its row is damaged or incomplete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJournalMessage {
    /// The id is not a UUID.
    #[error("the message's id `{id}` is not a UUID")]
    Id {
        /// The id as stored.
        id: String,
    },
    /// There is neither an inline body nor a claim.
    #[error("the message has no body")]
    NoBody,
    /// The digest of a claim is not 32 bytes long.
    #[error("the digest of a claim has {bytes} bytes and not 32")]
    Digest {
        /// Its length.
        bytes: usize,
    },
}

/// The bus message of a stored message.
///
/// # Errors
///
/// The id, the body or the claim is missing or damaged.
pub fn to_bus_message(
    envelope: &Envelope,
    body: Option<JournalBody>,
) -> Result<Message, InvalidJournalMessage> {
    let id = envelope.id.parse();
    let invalid = |_error| InvalidJournalMessage::Id { id: envelope.id.clone() };
    let body = match body.and_then(|it| it.place).ok_or(InvalidJournalMessage::NoBody)? {
        Place::Inline(bytes) => Body::Inline(bytes),
        Place::Claim(claim) => Body::Claim(to_bus_claim(&claim)?),
    };
    Ok(Message {
        id: id.map_err(invalid)?,
        conversation: envelope.conversation.clone(),
        attributes: envelope.attributes(),
        body,
    })
}

/// The bus claim of a claim of the contract.
///
/// # Errors
///
/// The digest is not 32 bytes long.
pub fn to_bus_claim(claim: &Claim) -> Result<bus::Claim, InvalidJournalMessage> {
    let bytes = claim.sha256.len();
    let digest = claim.sha256.as_ref().try_into();
    let sha256 = digest.map_err(|_length| InvalidJournalMessage::Digest { bytes })?;
    Ok(bus::Claim { sha256, size: claim.size })
}

/// The stored form of a bus claim.
pub fn to_journal_claim(claim: &bus::Claim) -> Claim {
    Claim { sha256: Bytes::copy_from_slice(&claim.sha256), size: claim.size }
}

/// The stored form of a bus body. Inline bytes are shared, not copied.
pub fn to_journal_body(body: &Body) -> JournalBody {
    let place = match body {
        Body::Inline(bytes) => Place::Inline(bytes.clone()),
        Body::Claim(claim) => Place::Claim(to_journal_claim(claim)),
    };
    JournalBody { place: Some(place) }
}

/// The stored form of a message. Without a body it is a message that could not be translated: the
/// journal keeps its envelope, and stores the body when it is translated again.
pub fn to_journal_message(envelope: Envelope, body: Option<&Body>) -> JournalMessage {
    let body = body.map_or(JournalBody { place: None }, to_journal_body);
    JournalMessage { envelope: Some(envelope), body: Some(body) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

    fn envelope() -> Envelope {
        Envelope { id: ID.to_owned(), conversation: "hồ sơ 7".to_owned(), ..Envelope::default() }
    }

    #[test]
    fn a_body_keeps_its_bytes_or_its_claim_in_both_directions() {
        let claim = bus::Claim { sha256: [0xab; 32], size: 9_000_000_000 };
        for body in [Body::Inline(Bytes::from_static(b"than")), Body::Claim(claim)] {
            let stored = to_journal_message(envelope(), Some(&body));
            let message = to_bus_message(&stored.envelope.unwrap(), stored.body).unwrap();
            assert_eq!((message.id.to_string().as_str(), message.body), (ID, body));
            assert_eq!(message.conversation, "hồ sơ 7");
            assert_eq!(message.attributes, envelope().attributes());
        }
    }

    #[test]
    fn a_damaged_row_is_an_error_and_never_an_empty_message() {
        let convert =
            |envelope: &Envelope, place| to_bus_message(envelope, Some(JournalBody { place }));
        let missing = InvalidJournalMessage::NoBody;
        assert_eq!(to_bus_message(&envelope(), None), Err(missing.clone()));
        assert_eq!(convert(&envelope(), None), Err(missing));
        let short = Claim { sha256: vec![1; 31].into(), size: 1 };
        let digest = InvalidJournalMessage::Digest { bytes: 31 };
        assert_eq!(convert(&envelope(), Some(Place::Claim(short))), Err(digest));
        let nameless = Envelope { id: "7".to_owned(), ..envelope() };
        let id = InvalidJournalMessage::Id { id: "7".to_owned() };
        assert_eq!(convert(&nameless, Some(Place::Inline(Bytes::new()))), Err(id));
    }
}
