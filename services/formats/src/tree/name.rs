//! Node names with a precomputed fingerprint, so that most comparisons are one of integers.

/// A name in a native path of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeName {
    pub(crate) text: String,
    pub(crate) fingerprint: u64,
    /// `.`: the node itself.
    pub(crate) is_self: bool,
}

impl NodeName {
    /// A name with its fingerprint.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), fingerprint: fingerprint(text), is_self: text == "." }
    }
}

/// A native path as its description writes it.
pub(crate) fn join_names(path: &[NodeName]) -> String {
    let names: Vec<&str> = path.iter().map(|it| it.text.as_str()).collect();
    names.join("/")
}

/// Hash of the length, the first and the last eight bytes: names of one format mostly differ in
/// these. It runs for every node that is scanned, where hashing all bytes with SipHash would cost
/// more than the comparisons it saves. Names with equal fingerprints are compared as texts.
pub(crate) fn fingerprint(name: &str) -> u64 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let bytes = name.as_bytes();
    let ends = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).wrapping_mul(MIX) ^ u64::from_le_bytes(*last)
        }
        _ => bytes.iter().fold(0, |hash, it| hash << 8 | u64::from(*it)),
    };
    ends.wrapping_mul(MIX) ^ bytes.len() as u64
}

/// The bit of a 64-bit Bloom filter that a fingerprint sets.
pub(crate) fn filter_bit(fingerprint: u64) -> u64 {
    1 << (fingerprint >> 58)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_formats_have_distinct_fingerprints() {
        let names = [
            "",
            "a",
            "b",
            "ab",
            "ba",
            "OrganId",
            "OrganName",
            "OrganAdd",
            "DocumentId",
            "DocumentInfo",
            "AttachmentName",
            "AttachmentType",
            "AttachmentSize",
            "AttachmentData",
        ];
        for (index, one) in names.iter().enumerate() {
            for other in names.get(index + 1..).unwrap() {
                assert_ne!(fingerprint(one), fingerprint(other), "{one} {other}");
            }
        }
    }
}
