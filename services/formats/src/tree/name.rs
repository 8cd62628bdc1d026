//! Names of places, with a mark that tells most of them apart at one look.

/// A name that a description gives to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) mark: u64,
    /// `.`: the place itself.
    pub(crate) is_here: bool,
}

impl Name {
    /// A name with its mark.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), mark: mark(text), is_here: text == "." }
    }
}

/// A path as people read it.
pub(crate) fn joined(path: &[Name]) -> String {
    let names: Vec<&str> = path.iter().map(|it| it.text.as_str()).collect();
    names.join("/")
}

/// Equal names have equal marks. Made of length, beginning and end: names of a format mostly
/// differ in these.
pub(crate) fn mark(name: &str) -> u64 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let bytes = name.as_bytes();
    let ends = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).wrapping_mul(MIX) ^ u64::from_le_bytes(*last)
        }
        _ => bytes.iter().fold(0, |mark, it| mark << 8 | u64::from(*it)),
    };
    ends.wrapping_mul(MIX) ^ bytes.len() as u64
}

/// One bit of 64 for a mark.
pub(crate) fn bit(mark: u64) -> u64 {
    1 << (mark >> 58)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_tell_names_apart() {
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
        for (place, one) in names.iter().enumerate() {
            for other in names.get(place + 1..).unwrap() {
                assert_ne!(mark(one), mark(other), "{one} {other}");
            }
        }
    }
}
