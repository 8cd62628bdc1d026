//! Elements that the documents and the status reports of the national packet share.

/// Escapes the characters that are markup in the content of an element.
pub(crate) fn escape_text(raw: &str) -> String {
    raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An organisation: its identifier and its name.
pub(crate) fn organisation_element(element: &str, code: &str, name: &str) -> String {
    format!(
        "<edXML:{element}><edXML:OrganId>{code}</edXML:OrganId><edXML:OrganName>{}</edXML:OrganName></edXML:{element}>",
        escape_text(name)
    )
}
