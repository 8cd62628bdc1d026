//! Losses of a translation that need the receiver's consent.

/// The fields of a document whose loss holds a copy back, unless the receiving application's
/// `accepts_losses` in the registry names the field.
///
/// Secrecy is not among them, because a document with a secrecy mark is refused before translation.
pub const CONSENT_FIELDS: [&str; 6] =
    ["attachments", "change", "number", "subject", "issued", "due"];
