//! Bounds of what is read; a format may not raise them.

/// Parts inside parts.
pub(crate) const DEPTH_MAX: usize = 64;
/// Names in one native item.
pub(crate) const PLACES_MAX: usize = 20_000;
/// Bytes of one text that is no file.
pub(crate) const TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Records of one native item.
pub(crate) const RECORDS_MAX: usize = 10_000;
/// Leftovers that are kept.
pub(crate) const LEFTOVERS_MAX: usize = 256;
/// Bytes of one leftover.
pub(crate) const LEFTOVER_BYTES_MAX: usize = 16 * 1024;
/// Findings that are told.
pub(crate) const FINDINGS_MAX: usize = 50;
/// Files of one message.
pub(crate) const FILES_MAX: usize = 200;
/// Bytes of one file when it comes out of an archive.
pub(crate) const UNZIPPED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// How many times larger than the archive its content may be.
pub(crate) const UNZIP_RATIO_MAX: u64 = 100;
