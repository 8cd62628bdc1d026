//! What somebody with the broker's password can do.

#![expect(
    clippy::disallowed_methods,
    reason = "somebody who does not use the bus; the bus's rules are what is tested"
)]

use std::time::Duration;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
    QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::{Channel, Connection, ConnectionProperties};

/// A part of every document's subject, and what it is changed to: as many bytes, so that the
/// message around it stays readable.
const BEFORE: &str = "hội nghị lần thứ";
const AFTER: &str = "hội nghỉ lần thứ";

/// The longest that the broker may take for all of it.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Deletes a queue with what it holds.
pub(crate) fn delete_queue(url: &str, queue: &str) {
    run(url, async |channel| {
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    });
}

/// Empties a queue; how many messages it held.
pub(crate) fn purge_queue(url: &str, queue: &str) -> usize {
    run(url, async |channel| {
        let purged = channel.queue_purge(queue.into(), QueuePurgeOptions::default()).await;
        purged.unwrap() as usize
    })
}

/// Takes every message out of a queue, changes what every second one says, and puts all of them
/// back in their order and under their ids; how many were changed.
pub(crate) fn alter_bodies(url: &str, queue: &str) -> usize {
    run(url, async |channel| {
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let mut taken = Vec::new();
        while let Some(message) =
            channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap()
        {
            taken.push(message.delivery);
        }
        let mut changed = 0;
        for (index, delivery) in taken.into_iter().enumerate() {
            let mut body = delivery.data.clone();
            if index % 2 == 0 && replace(&mut body) {
                changed += 1;
            }
            let options = BasicPublishOptions::default();
            let properties = delivery.properties.clone();
            let publishing =
                channel.basic_publish("".into(), queue.into(), options, &body, properties);
            publishing.await.unwrap().await.unwrap();
            delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
        }
        assert!(changed > 0, "no message in {queue} holds the text that is changed");
        changed
    })
}

/// Replaces each occurrence; true when there was one.
fn replace(body: &mut [u8]) -> bool {
    let length = BEFORE.len();
    let mut has_changed = false;
    for start in 0..body.len().saturating_sub(length - 1) {
        if let Some(part) = body.get_mut(start..start + length)
            && part == BEFORE.as_bytes()
        {
            part.copy_from_slice(AFTER.as_bytes());
            has_changed = true;
        }
    }
    has_changed
}

fn run<T>(url: &str, work: impl AsyncFnOnce(Channel) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let working = async {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let done = work(connection.create_channel().await.unwrap()).await;
        // A broker that goes away meanwhile closes it as well.
        drop(connection.close(200, "done".into()).await);
        done
    };
    runtime.block_on(async { tokio::time::timeout(TIME_LIMIT, working).await.unwrap() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_text_has_the_length_of_the_genuine_one() {
        assert_eq!(BEFORE.len(), AFTER.len());
        let mut body = format!("a {BEFORE} b {BEFORE}").into_bytes();
        assert!(replace(&mut body));
        assert_eq!(String::from_utf8(body).unwrap(), format!("a {AFTER} b {AFTER}"));
        assert!(!replace(&mut b"h".to_vec()));
    }
}
