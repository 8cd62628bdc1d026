//! Document numbers: as people read them, and the key by which a document is identified.

use name_folding::number_key;
use proto::canonical::v1::DocumentNumber;

/// The number as people read it: as printed, or composed of number and notation.
pub(crate) fn printed_number(number: Option<&DocumentNumber>) -> String {
    let Some(it) = number else { return String::new() };
    if !it.printed.is_empty() {
        return it.printed.clone();
    }
    let separator = if it.number.is_empty() || it.notation.is_empty() { "" } else { "/" };
    format!("{}{separator}{}", it.number, it.notation)
}

/// True when two numbers differ in nothing but their spelling.
pub(crate) fn is_same_number(left: &DocumentNumber, right: &DocumentNumber) -> bool {
    number_key(&printed_number(Some(left))) == number_key(&printed_number(Some(right)))
}

/// The key of the number, or else of the number inside a document id of QCVN 102:2016
/// (`organisation,day,number`); empty when there is neither.
pub(crate) fn key_of_number(id: &str, number: Option<&DocumentNumber>) -> String {
    let key = number_key(&printed_number(number));
    if key.is_empty() { id.splitn(3, ',').nth(2).map(number_key).unwrap_or_default() } else { key }
}

/// The key of the number, or else the document's id.
pub(crate) fn key_of_number_or_id(id: &str, number: Option<&DocumentNumber>) -> String {
    let key = key_of_number(id, number);
    if key.is_empty() { id.trim().to_owned() } else { key }
}
