//! Tokens: drawing them, hashing them for the registry, and storing them in files.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use chassis::secret::Secret;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Draws a token of 244 random bits.
pub(crate) fn draw_token() -> Secret {
    Secret::new(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
}

/// The hash of a token as the registry lists it (`token_sha256`).
pub(crate) fn hash_token(token: &Secret) -> String {
    hex::encode(Sha256::digest(token.reveal().as_bytes()))
}

/// Reads the token of a file; draws one and writes it when the file does not exist.
pub(crate) fn read_or_create_token(path: &Path) -> anyhow::Result<Secret> {
    if !path.exists() {
        write_token(path, &draw_token())?;
    }
    Ok(chassis::secret::read_token(path)?)
}

/// Writes a token to a new file that only its owner can read.
pub(crate) fn write_token(path: &Path, token: &Secret) -> anyhow::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    writeln!(file, "{}", token.reveal())?;
    Ok(())
}
