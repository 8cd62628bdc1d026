//! The digest by which a role and the journal compare a copy from a channel with the stored message.

use bus::{Body, Message};
use sha2::{Digest as _, Sha256};

/// SHA-256 of a copy.
pub type CopyDigest = [u8; 32];

/// Attributes that differ among genuine copies: the journal counts attempts, and each service
/// continues the trace. No decision depends on them.
const VARYING: [&str; 3] = ["attempt", "traceparent", "tracestate"];

/// The digest of a copy that came from the channel of `application`, or from intake when that is
/// empty: of its id, its conversation, all attributes that decide anything, and its body.
///
/// The channel is part of it, because a genuine copy on another channel would be taken for a message
/// to another application. A digest inside the message would protect nothing: whoever changes the
/// body can change it as well, so only the journal's own value counts.
pub fn copy_digest(message: &Message, application: &str) -> CopyDigest {
    let mut digest = Sha256::new();
    add(&mut digest, message.id.as_uuid().as_bytes());
    add(&mut digest, application.as_bytes());
    add(&mut digest, message.conversation.as_bytes());
    let fixed = message.attributes.iter().filter(|(name, _)| !VARYING.contains(&name.as_ref()));
    for (name, value) in fixed.filter(|(_, value)| !value.is_empty()) {
        add(&mut digest, name.as_bytes());
        add(&mut digest, value.as_bytes());
    }
    // No attribute has an empty name, so what follows is the body.
    add(&mut digest, b"");
    match &message.body {
        Body::Inline(bytes) => {
            add(&mut digest, b"inline");
            add(&mut digest, bytes);
        }
        Body::Claim(claim) => {
            add(&mut digest, b"claim");
            add(&mut digest, &claim.sha256);
            add(&mut digest, &claim.size.to_be_bytes());
        }
    }
    digest.finalize().into()
}

/// Adds a part, preceded by its length, so that no two messages have the same concatenation.
fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let attributes = [
            ("source", "a-app"),
            ("sender", "a"),
            ("type", "document"),
            ("recipients", "b,c"),
            ("sequence", "7"),
        ];
        Message {
            id: "6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap(),
            conversation: "hồ sơ 7".to_owned(),
            attributes: attributes.map(|(name, value)| (name.into(), value.to_owned())).into(),
            body: Body::Inline("than".into()),
        }
    }

    fn changed(change: impl FnOnce(&mut Message)) -> CopyDigest {
        let mut message = message();
        change(&mut message);
        copy_digest(&message, "b-app")
    }

    #[test]
    fn whatever_decides_anything_changes_the_digest() {
        let claim = |first, size| {
            let mut sha256 = [0; 32];
            sha256[0] = first;
            Body::Claim(bus::Claim { sha256, size })
        };
        let set = |name: &'static str, value: &str| {
            let value = value.to_owned();
            changed(move |it| drop(it.attributes.insert(name.into(), value)))
        };
        let mut digests = vec![
            changed(|_| {}),
            changed(|it| it.body = Body::Inline("thaN".into())),
            changed(|it| it.body = claim(1, 4)),
            changed(|it| it.body = claim(2, 4)),
            changed(|it| it.body = claim(1, 5)),
            changed(|it| it.id = it.id.derive("another")),
            changed(|it| it.conversation.push('7')),
            changed(|it| drop(it.attributes.remove("sequence"))),
            set("sender", "b"),
            set("recipients", "b"),
            set("type", "status"),
            set("sequence", "8"),
            set("acceptedat", "1"),
            set("added", "by a stranger"),
            copy_digest(&message(), "c-app"),
            copy_digest(&message(), ""),
        ];
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn every_genuine_copy_has_the_same_digest() {
        for name in VARYING {
            let copy = changed(|it| drop(it.attributes.insert(name.into(), "00-1-2-01".into())));
            assert_eq!(copy, changed(|_| {}), "{name}");
        }
        let empty = changed(|it| drop(it.attributes.insert("copyof".into(), String::new())));
        assert_eq!(empty, changed(|_| {}), "no event has an empty attribute");
    }

    #[test]
    fn bytes_that_move_between_parts_change_the_digest() {
        let moved = changed(|it| {
            it.conversation.push_str("than");
            it.body = Body::Inline("".into());
        });
        assert_ne!(moved, changed(|_| {}));
    }
}
