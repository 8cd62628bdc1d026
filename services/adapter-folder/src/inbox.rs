//! The inbox: a message appears there whole, by one rename, once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use sdk::{Delivery, Download, FetchError};
use serde_json::json;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use crate::layout::{Layout, kept, moved, written};
use crate::name::Names;
use crate::outbox::{pretty, rfc3339};

/// A message could not be placed; it may succeed later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("the inbox cannot be written to: {0}")]
    Disk(#[from] io::Error),
    #[error("its bytes could not be fetched")]
    Fetch(#[from] FetchError),
    #[error("the message's id is not a name for a folder")]
    Id,
    #[error("writing broke down")]
    Broken(#[from] tokio::task::JoinError),
}

/// Places a message, or finds that it was placed before.
pub(crate) async fn place(
    layout: &Layout,
    delivery: &Delivery,
    now_us: i64,
) -> Result<(), PlaceError> {
    let id = delivery.message_id();
    if id.is_empty() || !id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') {
        return Err(PlaceError::Id);
    }
    let arriving = layout.arriving.join(id);
    if !was_placed(layout, id) {
        removed(&arriving)?;
        gather(&arriving, delivery, now_us).await?;
    }
    let (layout, id) = (layout.clone(), id.to_owned());
    tokio::task::spawn_blocking(move || finish(&layout, &id)).await??;
    Ok(())
}

/// True when the message is in the inbox, or was.
pub(crate) fn was_placed(layout: &Layout, id: &str) -> bool {
    layout.delivered.join(id).exists() || layout.inbox.join(id).exists()
}

/// From its mark on, a message is never gathered again: it is whole, and either still to be
/// renamed or renamed already.
fn finish(layout: &Layout, id: &str) -> io::Result<()> {
    let (arriving, placed) = (layout.arriving.join(id), layout.inbox.join(id));
    let mark = layout.delivered.join(id);
    if !mark.exists() {
        kept(&layout.arriving)?;
        written(&mark, b"")?;
        kept(&layout.delivered)?;
    }
    if placed.exists() {
        return removed(&arriving);
    }
    match moved(&arriving, &placed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn removed(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes the body, the files and what is known about them.
async fn gather(folder: &Path, delivery: &Delivery, now_us: i64) -> Result<(), PlaceError> {
    tokio::fs::create_dir_all(folder).await?;
    let kind =
        delivery.message_type().as_str_name().rsplit('_').next().unwrap_or_default().to_lowercase();
    let body = format!("{kind}.{}", extension(delivery.format()));
    fetched(delivery.body_download(), folder.join(&body)).await?;
    let beside = folder.join(format!("{body}.files"));
    let mut names = Names::default();
    let mut files = Vec::new();
    if !delivery.attachments().is_empty() {
        tokio::fs::create_dir_all(&beside).await?;
    }
    for it in delivery.attachments() {
        let name = names.give(&it.file_name);
        fetched(delivery.attachment(&it.id)?, beside.join(&name)).await?;
        let claim = it.claim.clone().unwrap_or_default();
        files.push(json!({
            "id": it.id,
            "name": it.file_name,
            "file": format!("{body}.files/{name}"),
            "media_type": it.media_type,
            "bytes": claim.size,
            "sha256": claim.sha256.iter().map(|it| format!("{it:02x}")).collect::<String>(),
        }));
    }
    let index = delivery.index();
    let about = json!({
        "message_id": delivery.message_id(),
        "type": kind,
        "format": delivery.format(),
        "sender": delivery.sender(),
        "sender_name": delivery.sender_name(),
        "conversation": delivery.conversation(),
        "number": index.number,
        "subject": index.subject,
        "document_id": index.document_id,
        "received_at": rfc3339(now_us),
        "body": body,
        "files": files,
    });
    let folder = folder.to_owned();
    let finish = move || {
        written(&folder.join("message.json"), &pretty(&about))?;
        if beside.exists() {
            kept(&beside)?;
        }
        kept(&folder)
    };
    Ok(tokio::task::spawn_blocking(finish).await??)
}

async fn fetched(mut from: Download, to: PathBuf) -> Result<(), PlaceError> {
    let mut file = File::create(to).await?;
    while let Some(piece) = from.next().await? {
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok(file.sync_all().await?)
}

fn extension(format: &str) -> &'static str {
    if format.starts_with("edxml") {
        "edxml"
    } else if format.contains("xml") {
        "xml"
    } else {
        "json"
    }
}

/// Forgets messages that came long ago; with 0 days, none.
pub(crate) fn forget(layout: &Layout, now_us: i64, days: u32) -> io::Result<()> {
    if days == 0 {
        return Ok(());
    }
    let now = UNIX_EPOCH + Duration::from_micros(u64::try_from(now_us).unwrap_or_default());
    let age_max = Duration::from_secs(u64::from(days) * 86_400);
    for entry in fs::read_dir(&layout.delivered)? {
        let entry = entry?;
        let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        if age > age_max {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_taken_out_of_the_inbox_does_not_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        fs::create_dir(layout.arriving.join("m-1")).unwrap();
        finish(&layout, "m-1").unwrap();
        assert!(layout.inbox.join("m-1").is_dir());
        fs::remove_dir(layout.inbox.join("m-1")).unwrap();
        assert!(was_placed(&layout, "m-1"));
        finish(&layout, "m-1").unwrap();
        assert!(!layout.inbox.join("m-1").exists());
    }

    #[test]
    fn a_message_that_was_marked_and_not_renamed_is_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        fs::create_dir(layout.arriving.join("m-1")).unwrap();
        fs::write(layout.delivered.join("m-1"), "").unwrap();
        finish(&layout, "m-1").unwrap();
        assert!(layout.inbox.join("m-1").is_dir());
    }

    #[test]
    fn only_old_messages_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        finish(&layout, "m-1").unwrap();
        let made = fs::metadata(layout.delivered.join("m-1")).unwrap().modified().unwrap();
        let made_us = i64::try_from(made.duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let day_us = 86_400 * 1_000_000;
        forget(&layout, made_us + day_us - 1, 1).unwrap();
        assert!(was_placed(&layout, "m-1"));
        forget(&layout, made_us + 99 * day_us, 0).unwrap();
        assert!(was_placed(&layout, "m-1"));
        forget(&layout, made_us + day_us + 1_000_000, 1).unwrap();
        assert!(!was_placed(&layout, "m-1"));
    }

    #[test]
    fn a_message_that_still_lies_in_the_inbox_is_known_without_its_mark() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        for of in [&layout.inbox, &layout.arriving] {
            fs::create_dir(of.join("m-1")).unwrap();
            fs::write(of.join("m-1/message.json"), "{}").unwrap();
        }
        assert!(was_placed(&layout, "m-1"));
        finish(&layout, "m-1").unwrap();
        assert!(layout.inbox.join("m-1/message.json").exists());
        assert!(!layout.arriving.join("m-1").exists());
        assert!(layout.delivered.join("m-1").exists());
    }
}
