//! A case, and what it gives.

/// An example beside a description.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// Name of the case.
    pub name: String,
    /// `exact`, `same`, `report` or `refused`.
    pub class: String,
    /// The native bytes.
    pub native: Vec<u8>,
    /// Expected canonical JSON of each message, one behind the other; none for a refusal.
    pub canonical: Option<String>,
    /// Expected findings and losses, or the refusal.
    pub outcome: String,
    /// Files uploaded beside the body, by the reference that the body has.
    pub files: Vec<(String, Vec<u8>)>,
}

/// The actual result of a case.
#[derive(Clone, Debug, Default)]
pub struct CaseOutcome {
    /// Canonical JSON of each decoded message, one behind the other.
    pub canonical: Option<String>,
    /// Findings and losses, or the refusal.
    pub outcome: String,
    /// The bytes that each message encodes to, one behind the other.
    pub native: Vec<u8>,
    /// The strongest class that holds.
    pub class: &'static str,
}
