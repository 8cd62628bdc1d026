//! Bounds of what is read. They are constants, because a description must not be able to raise
//! them.

/// Levels of nested nodes in one native item.
pub(crate) const DEPTH_MAX: usize = 64;
/// Recipients of one message: a circular to every commune of the country has 3,321. The gateway takes
/// as many beside a body.
pub(crate) const RECIPIENTS_MAX: usize = 5_000;
/// Nodes of one native item, so that its tree stays below some 30 MiB. It is above what twenty thousand
/// recipients with every field need, so that too many recipients are counted as such.
pub(crate) const NODES_MAX: usize = 200_000;
/// Nodes that a native item of any size may have.
const NODES_MIN: usize = 20_000;
/// Bytes of text for each node beyond these: a tree stays within a small multiple of its text.
const NODE_BYTES_MIN: usize = 24;

/// Nodes that the first bytes of a native item may have.
pub(crate) fn nodes_max(bytes: usize) -> usize {
    NODES_MAX.min(NODES_MIN + bytes / NODE_BYTES_MIN)
}

/// Cells of one table, or fields of one text.
pub(crate) const CELLS_MAX: usize = 200_000;
/// Characters of one text that is no file: some twenty printed pages.
pub(crate) const TEXT_CHARS_MAX: usize = 65_536;
/// A text whose length the standard limits may be this many times longer. Beyond the standard it is
/// taken with a finding, because people do write longer subjects; beyond this it is no such text.
pub(crate) const LENGTH_FACTOR_MAX: usize = 10;
/// The bound of a limited text is never below this many characters.
pub(crate) const LIMITED_TEXT_CHARS_MIN: usize = 1_000;
/// Records of one native item.
pub(crate) const RECORDS_MAX: usize = 10_000;
/// Leftovers of one record, apart from nodes that may be secrecy marks.
pub(crate) const LEFTOVERS_MAX: usize = 256;
/// Bytes of one leftover.
pub(crate) const LEFTOVER_BYTES_MAX: usize = 16 * 1024;
/// Findings and violations of one record that are reported.
pub(crate) const FINDINGS_MAX: usize = 50;
/// Files of one message.
pub(crate) const FILES_MAX: usize = 200;
/// Bytes that the ZIPs of one item may expand to.
pub(crate) const UNZIPPED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Ratio of a file's size to that of the ZIP it was unwrapped from.
pub(crate) const UNZIP_RATIO_MAX: u64 = 100;
/// Below this many bytes a file may have any ratio: a blank scanned page has a high one, and nothing
/// this small is a bomb.
pub(crate) const UNZIP_RATIO_FLOOR_BYTES: u64 = 1024 * 1024;
