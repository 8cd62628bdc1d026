//! Templates that split one text into fields of a message and join them: `{number}/{notation}`.
//!
//! A part without a class in `where` may hold anything but the first character of the text that
//! follows it. So each alternative splits a text in one way at most, and a description in which two
//! alternatives accept one text is refused.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::convert::error::{ConvertError, new_message};
use crate::diagnostic::{BilingualText, suggest};
use crate::model::{DynMessage, FieldSchema, FieldType, MessageSchema, Value};

/// Alternatives of a template, and the field that keeps the text as it stood.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    alternatives: Vec<Vec<Element>>,
    /// Names of all parts.
    parts: BTreeSet<String>,
    whole: Option<String>,
    /// The text is split when it is read; else only its whole is kept.
    is_split: bool,
}

/// The keys of a rule that make a pattern.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PatternSpec<'s> {
    pub(crate) template: &'s str,
    pub(crate) classes: &'s BTreeMap<String, String>,
    pub(crate) whole: Option<&'s str>,
    pub(crate) is_split: bool,
}

#[derive(Clone, Debug)]
enum Element {
    Literal(String),
    Part(String, CharClass),
}

/// The characters that a part may hold.
#[derive(Clone, Debug)]
struct CharClass {
    /// None: any.
    ranges: Option<Vec<(char, char)>>,
    /// The first character of the text that ends the part.
    end: Option<char>,
}

impl CharClass {
    fn contains(&self, letter: char) -> bool {
        let is_in = |it: &Vec<(char, char)>| it.iter().any(|(a, b)| (*a..=*b).contains(&letter));
        self.end != Some(letter) && self.ranges.as_ref().is_none_or(is_in)
    }

    /// Parses ranges and characters between blanks: `0-9 a-z _`.
    fn parse(text: &str) -> Result<Vec<(char, char)>, BilingualText> {
        let range = |it: &str| match it.chars().collect::<Vec<_>>().as_slice() {
            [one] => Some((*one, *one)),
            [first, '-', last] if first <= last => Some((*first, *last)),
            _ => None,
        };
        text.split_whitespace().map(range).collect::<Option<Vec<_>>>().ok_or_else(|| {
            BilingualText::new(
                format!("`where: {text}` phải là các khoảng như `0-9 a-z`"),
                format!("`where: {text}` must be ranges such as `0-9 a-z`"),
            )
        })
    }
}

impl Pattern {
    /// Parses a template for the fields of a message.
    pub(crate) fn parse(
        spec: PatternSpec<'_>,
        schema: &'static MessageSchema,
    ) -> Result<Self, BilingualText> {
        let mut alternatives = Vec::new();
        for text in spec.template.split(" | ") {
            alternatives.push(parse_alternative(text.trim(), spec.classes)?);
        }
        let names = alternatives.iter().flatten().filter_map(|it| match it {
            Element::Part(name, _) => Some(name.clone()),
            Element::Literal(_) => None,
        });
        let parts: BTreeSet<String> = names.collect();
        for name in parts.iter().map(String::as_str).chain(spec.whole) {
            check_field(name, schema)?;
        }
        if let Some(name) = spec.classes.keys().find(|it| !parts.contains(*it)) {
            return Err(BilingualText::new(
                format!("`where` nêu `{name}`, mẫu không có phần này"),
                format!("`where` names `{name}`, which is no part of the pattern"),
            ));
        }
        let whole = spec.whole.map(str::to_owned);
        if !spec.is_split && whole.is_none() {
            return Err(BilingualText::new(
                "`split: no` cần `whole`",
                "`split: no` needs a `whole`",
            ));
        }
        let pattern = Self { alternatives, parts, whole, is_split: spec.is_split };
        pattern.check_ambiguity()?;
        Ok(pattern)
    }

    /// The message with the parts of a text. Without a fitting alternative only the whole is kept.
    pub(super) fn read<'t>(
        &self,
        text: Cow<'t, str>,
        field: &FieldSchema,
    ) -> Result<Value<'t>, ConvertError> {
        let mut message = new_message(field)?;
        match self.split(&text).filter(|_| self.is_split) {
            Some(parts) => {
                for (name, part) in parts {
                    message.set_by_name(name, Value::Text(Cow::Owned(part.to_owned())));
                }
            }
            None if self.whole.is_none() => {
                return Err(ConvertError::new("không đúng mẫu", "does not fit the pattern"));
            }
            None => {}
        }
        if let Some(whole) = &self.whole {
            message.set_by_name(whole, Value::Text(text));
        }
        Ok(Value::Message(message))
    }

    /// The whole text, if the parts still agree with it; else the parts joined, if they can be split
    /// again.
    pub(super) fn write<'m>(&self, message: &'m DynMessage<'_>) -> Option<Cow<'m, str>> {
        let is_present = |it: &&String| !message.text(it).is_empty();
        let whole = self.whole.as_deref().map(|it| message.text(it)).filter(|it| !it.is_empty());
        if let Some(whole) = whole {
            let agrees = !self.is_split
                || !self.parts.iter().any(|it| is_present(&it))
                || self.split(whole).is_some_and(|it| self.are_parts_of(message, &it));
            if agrees {
                return Some(Cow::Borrowed(whole));
            }
        }
        let joined = self.alternatives.iter().filter_map(|it| join(it, message));
        let mut fitting = joined.filter(|text| {
            self.split(text).is_some_and(|parts| self.are_parts_of(message, &parts))
        });
        fitting.next().map(Cow::Owned)
    }

    /// True when the message has exactly these parts.
    fn are_parts_of(&self, message: &DynMessage<'_>, parts: &[(&str, &str)]) -> bool {
        self.parts.iter().all(|name| {
            let part = parts.iter().find(|(it, _)| it == name).map_or("", |(_, it)| it);
            message.text(name) == part
        })
    }

    /// The parts of a text by the alternative that accepts it.
    fn split<'p, 't>(&'p self, text: &'t str) -> Option<Vec<(&'p str, &'t str)>> {
        self.alternatives.iter().find_map(|it| split(it, text))
    }

    /// Checks that no text fits two alternatives.
    fn check_ambiguity(&self) -> Result<(), BilingualText> {
        let alphabet = self.alphabet();
        let all = || self.alternatives.iter().enumerate();
        let mut pairs = all()
            .flat_map(|one| all().map(move |other| (one, other)))
            .filter(|((first, _), (second, _))| first < second)
            .map(|((_, one), (_, other))| (one, other));
        let Some((one, other)) = pairs.find(|it| accept_one_text(it.0, it.1, &alphabet)) else {
            return Ok(());
        };
        let [one, other] = [one, other].map(|it| display(it));
        Err(BilingualText::new(
            format!("mẫu `{one}` và `{other}` có thể cùng nhận một chữ; thêm `where` cho một phần"),
            format!(
                "the patterns `{one}` and `{other}` may accept one text; add a `where` for a part"
            ),
        ))
    }

    /// Characters of which every other one behaves like one: those of the literals, those at and
    /// beside the ends of ranges, and one that no description names.
    fn alphabet(&self) -> BTreeSet<char> {
        let mut letters = BTreeSet::from(['\u{e000}']);
        let neighbours = |it: char| {
            let code = u32::from(it);
            [code.saturating_sub(1), code, code + 1].into_iter().filter_map(char::from_u32)
        };
        for element in self.alternatives.iter().flatten() {
            match element {
                Element::Literal(text) => letters.extend(text.chars()),
                Element::Part(_, class) => {
                    let ranges = class.ranges.iter().flatten();
                    letters.extend(ranges.flat_map(|(a, b)| neighbours(*a).chain(neighbours(*b))));
                }
            }
        }
        letters
    }
}

fn check_field(name: &str, schema: &MessageSchema) -> Result<(), BilingualText> {
    let of = &schema.name;
    let Some(field) = schema.field(name) else {
        let names: Vec<_> = schema.fields.iter().map(|it| it.name.as_str()).collect();
        let suggestion = suggest(name, &names);
        return Err(BilingualText::new(
            format!("{of} không có trường `{name}`{}", suggestion.vi),
            format!("{of} has no field `{name}`{}", suggestion.en),
        ));
    };
    if field.field_type == FieldType::Text && !field.is_list {
        return Ok(());
    }
    Err(BilingualText::new(
        format!("`{name}` của {of} không phải một chữ, không thể là phần của mẫu"),
        format!("`{name}` of {of} is no single text and can be no part of a pattern"),
    ))
}

fn parse_alternative(
    text: &str,
    classes: &BTreeMap<String, String>,
) -> Result<Vec<Element>, BilingualText> {
    let malformed = |vi: &str, en: &str| {
        BilingualText::new(format!("mẫu `{text}`: {vi}"), format!("the pattern `{text}`: {en}"))
    };
    let mut elements = Vec::new();
    let mut names = BTreeSet::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(inner) = rest.strip_prefix('{') else {
            let end = rest.find('{').unwrap_or(rest.len());
            elements.push(Element::Literal(rest.get(..end).unwrap_or_default().to_owned()));
            rest = rest.get(end..).unwrap_or_default();
            continue;
        };
        let (name, after) = inner
            .split_once('}')
            .ok_or_else(|| malformed("`{` không có `}`", "a `{` has no `}`"))?;
        if !names.insert(name) {
            return Err(malformed("một phần có hai lần", "a part stands twice"));
        }
        let end = after.chars().next();
        if end == Some('{') {
            return Err(malformed(
                "giữa hai phần phải có chữ ngăn cách",
                "two parts need a text between them",
            ));
        }
        let ranges = classes.get(name).map(|it| CharClass::parse(it)).transpose()?;
        elements.push(Element::Part(name.to_owned(), CharClass { ranges, end }));
        rest = after;
    }
    if names.is_empty() {
        return Err(malformed("không có phần nào", "it has no part"));
    }
    Ok(elements)
}

fn split<'p, 't>(elements: &'p [Element], text: &'t str) -> Option<Vec<(&'p str, &'t str)>> {
    let (mut rest, mut parts) = (text, Vec::new());
    for element in elements {
        match element {
            Element::Literal(it) => rest = rest.strip_prefix(it.as_str())?,
            Element::Part(name, class) => {
                let end = rest.find(|it| !class.contains(it)).unwrap_or(rest.len());
                let (part, after) = rest.split_at_checked(end)?;
                // The model keeps no white space around a text.
                if part.is_empty() || part.trim() != part {
                    return None;
                }
                parts.push((name.as_str(), part));
                rest = after;
            }
        }
    }
    rest.is_empty().then_some(parts)
}

fn join(elements: &[Element], message: &DynMessage<'_>) -> Option<String> {
    let mut text = String::new();
    for element in elements {
        match element {
            Element::Literal(it) => text.push_str(it),
            Element::Part(name, _) => {
                text.push_str(Some(message.text(name)).filter(|it| !it.is_empty())?);
            }
        }
    }
    Some(text)
}

fn display(elements: &[Element]) -> String {
    let text = |it: &Element| match it {
        Element::Literal(it) => it.clone(),
        Element::Part(name, _) => format!("{{{name}}}"),
    };
    elements.iter().map(text).collect()
}

/// A position in an alternative: an element, and how many characters of it were taken (of a part: 0
/// or more than 0).
type Position = (usize, usize);

/// The positions after a character.
fn advance(elements: &[Element], (index, taken): Position, letter: char) -> Vec<Position> {
    match elements.get(index) {
        None => Vec::new(),
        Some(Element::Literal(text)) => {
            let mut letters = text.chars().skip(taken);
            if letters.next() != Some(letter) {
                return Vec::new();
            }
            let is_end = letters.next().is_none();
            vec![if is_end { (index + 1, 0) } else { (index, taken + 1) }]
        }
        Some(Element::Part(_, class)) => {
            if class.contains(letter) {
                return vec![(index, 1)];
            }
            if taken == 0 { Vec::new() } else { advance(elements, (index + 1, 0), letter) }
        }
    }
}

fn is_end(elements: &[Element], (index, taken): Position) -> bool {
    index == elements.len()
        || (taken > 0 && index + 1 == elements.len() && is_part(elements, index))
}

fn is_part(elements: &[Element], index: usize) -> bool {
    matches!(elements.get(index), Some(Element::Part(..)))
}

/// True when both alternatives accept a text: a walk over the pairs of their positions. Within an
/// alternative each character leads to one position at most, because a part never holds the
/// character that ends it.
fn accept_one_text(one: &[Element], other: &[Element], alphabet: &BTreeSet<char>) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![((0, 0), (0, 0))]);
    while let Some(pair) = waiting.pop() {
        if !seen.insert(pair) {
            continue;
        }
        let (left, right) = pair;
        if is_end(one, left) && is_end(other, right) {
            return true;
        }
        for letter in alphabet {
            for left in advance(one, left, *letter) {
                let next = advance(other, right, *letter);
                waiting.extend(next.into_iter().map(|right| (left, right)));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests;
