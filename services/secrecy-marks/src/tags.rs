//! Removes HTML tags, which a reader does not see.

/// Tags inside a line, which separate nothing.
const INLINE: [&str; 22] = [
    "b", "i", "u", "s", "em", "strong", "span", "font", "sup", "sub", "small", "big", "mark",
    "del", "ins", "a", "strike", "wbr", "code", "tt", "q", "label",
];
/// Tags that begin or end a line.
const BLOCK: [&str; 20] = [
    "p", "br", "div", "td", "tr", "th", "table", "li", "ul", "ol", "h1", "h2", "h3", "h4",
    "center", "body", "html", "hr", "tbody", "pre",
];
/// Longest tag or comment that is removed.
const TAG_BYTES_MAX: usize = 2048;

/// The text without tags and comments; tags that begin a line are line ends.
pub(crate) fn strip_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        plain.push_str(before);
        let Some((replacement, length)) = parse_tag(after) else {
            plain.push('<');
            rest = after;
            continue;
        };
        plain.push_str(replacement);
        rest = after.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    plain
}

/// What replaces the tag behind a `<`, and the tag's length; none for other text.
fn parse_tag(after: &str) -> Option<(&'static str, usize)> {
    let limit =
        (0..=TAG_BYTES_MAX.min(after.len())).rev().find(|it| after.is_char_boundary(*it))?;
    let head = after.get(..limit)?;
    if let Some(comment) = head.strip_prefix("!--") {
        return comment.find("-->").map(|it| ("", "!--".len() + it + "-->".len()));
    }
    let end = head.find('>')?;
    let name = head.get(..end)?.trim_matches('/').split(char::is_whitespace).next()?;
    let name = name.to_ascii_lowercase();
    if INLINE.contains(&name.as_str()) {
        return Some(("", end + 1));
    }
    BLOCK.contains(&name.as_str()).then_some(("\n", end + 1))
}
