//! The inbox: each message appears once, complete, by one atomic rename.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use sdk::{Delivery, Download, FetchError};
use serde_json::json;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use crate::file_name::UniqueNames;
use crate::json_file::{pretty_json, rfc3339};
use crate::layout::{Layout, rename_durably, sync_directory, write_durably};

/// A message could not be placed in the inbox; a retry may succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error("the inbox cannot be written to: {0}")]
    Disk(#[from] io::Error),
    #[error("the body or an attachment could not be downloaded")]
    Fetch(#[from] FetchError),
    #[error("the message's id is not valid as the name of a folder")]
    Id,
    #[error("the task that writes the message panicked")]
    Broken(#[from] tokio::task::JoinError),
}

/// Places a message in the inbox; a message that was placed before changes nothing.
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
        remove_directory(&arriving)?;
        if let Err(error) = write_message(&arriving, delivery, now_us).await {
            // On a full disk the incomplete message would take the space that its retry needs.
            drop(remove_directory(&arriving));
            return Err(error);
        }
    }
    let (layout, id) = (layout.clone(), id.to_owned());
    tokio::task::spawn_blocking(move || publish(&layout, &id)).await??;
    Ok(())
}

/// True when the message is in the inbox or was there before.
pub(crate) fn was_placed(layout: &Layout, id: &str) -> bool {
    layout.delivered.join(id).exists() || layout.inbox.join(id).exists()
}

/// Moves a complete message from `arriving` to the inbox. Its id is stored first: after a crash in
/// between, the next delivery finds the id, does not download the message again, and renames it.
fn publish(layout: &Layout, id: &str) -> io::Result<()> {
    let (arriving, placed) = (layout.arriving.join(id), layout.inbox.join(id));
    let id_file = layout.delivered.join(id);
    if !id_file.exists() {
        sync_directory(&layout.arriving)?;
        write_durably(&id_file, b"")?;
        sync_directory(&layout.delivered)?;
    }
    if placed.exists() {
        return remove_directory(&arriving);
    }
    match rename_durably(&arriving, &placed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Removes a directory; one that does not exist is no error.
fn remove_directory(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes the body, the attachments, and `message.json` with the properties of the message.
async fn write_message(folder: &Path, delivery: &Delivery, now_us: i64) -> Result<(), PlaceError> {
    tokio::fs::create_dir_all(folder).await?;
    let message_type =
        delivery.message_type().as_str_name().rsplit('_').next().unwrap_or_default().to_lowercase();
    let body = format!("{message_type}.{}", extension(delivery.format()));
    save(delivery.body_download(), folder.join(&body)).await?;
    let files_folder = folder.join(format!("{body}.files"));
    let mut names = UniqueNames::default();
    let mut files = Vec::new();
    if !delivery.attachments().is_empty() {
        tokio::fs::create_dir_all(&files_folder).await?;
    }
    for it in delivery.attachments() {
        let name = names.assign(&it.file_name);
        save(delivery.attachment(&it.id)?, files_folder.join(&name)).await?;
        let claim = it.claim.clone().unwrap_or_default();
        files.push(json!({
            "id": it.id,
            "name": it.file_name,
            "file": format!("{body}.files/{name}"),
            "media_type": it.media_type,
            "bytes": claim.size,
            "sha256": hex::encode(&claim.sha256),
        }));
    }
    let index = delivery.index();
    let properties = json!({
        "message_id": delivery.message_id(),
        "type": message_type,
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
    let sync = move || {
        write_durably(&folder.join("message.json"), &pretty_json(&properties))?;
        if files_folder.exists() {
            sync_directory(&files_folder)?;
        }
        sync_directory(&folder)
    };
    Ok(tokio::task::spawn_blocking(sync).await??)
}

/// Writes a download to a file, chunk by chunk.
async fn save(mut download: Download, path: PathBuf) -> Result<(), PlaceError> {
    let mut file = File::create(path).await?;
    while let Some(chunk) = download.next().await? {
        file.write_all(&chunk).await?;
    }
    file.flush().await?;
    Ok(file.sync_all().await?)
}

/// File name extension for a format.
fn extension(format: &str) -> &'static str {
    if format.starts_with("edxml") {
        "edxml"
    } else if format.contains("xml") {
        "xml"
    } else {
        "json"
    }
}

/// Deletes the ids of messages that were delivered more than `days` ago; 0 deletes none.
pub(crate) fn expire_ids(layout: &Layout, now_us: i64, days: u32) -> io::Result<()> {
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
    fn a_message_that_was_moved_out_of_the_inbox_is_not_placed_again() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        fs::create_dir(layout.arriving.join("m-1")).unwrap();
        publish(&layout, "m-1").unwrap();
        assert!(layout.inbox.join("m-1").is_dir());
        fs::remove_dir(layout.inbox.join("m-1")).unwrap();
        assert!(was_placed(&layout, "m-1"));
        publish(&layout, "m-1").unwrap();
        assert!(!layout.inbox.join("m-1").exists());
    }

    #[test]
    fn a_message_whose_id_is_stored_and_that_was_not_renamed_is_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        fs::create_dir(layout.arriving.join("m-1")).unwrap();
        fs::write(layout.delivered.join("m-1"), "").unwrap();
        publish(&layout, "m-1").unwrap();
        assert!(layout.inbox.join("m-1").is_dir());
    }

    #[test]
    fn only_expired_ids_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        publish(&layout, "m-1").unwrap();
        let created = fs::metadata(layout.delivered.join("m-1")).unwrap().modified().unwrap();
        let created_us =
            i64::try_from(created.duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        let day_us = 86_400 * 1_000_000;
        expire_ids(&layout, created_us + day_us - 1, 1).unwrap();
        assert!(was_placed(&layout, "m-1"));
        expire_ids(&layout, created_us + 99 * day_us, 0).unwrap();
        assert!(was_placed(&layout, "m-1"));
        expire_ids(&layout, created_us + day_us + 1_000_000, 1).unwrap();
        assert!(!was_placed(&layout, "m-1"));
    }

    #[test]
    fn a_message_in_the_inbox_is_a_duplicate_even_without_its_stored_id() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open(folder.path()).unwrap();
        for of in [&layout.inbox, &layout.arriving] {
            fs::create_dir(of.join("m-1")).unwrap();
            fs::write(of.join("m-1/message.json"), "{}").unwrap();
        }
        assert!(was_placed(&layout, "m-1"));
        publish(&layout, "m-1").unwrap();
        assert!(layout.inbox.join("m-1/message.json").exists());
        assert!(!layout.arriving.join("m-1").exists());
        assert!(layout.delivered.join("m-1").exists());
    }
}
