//! JSON into a tree: objects and lists as parts, numbers as they are written.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use proto::fault::code;
use proto::fault::v1::Fault;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;

use crate::limits::{DEPTH_MAX, PLACES_MAX};
use crate::tree::{Kind, Tree};

/// Reads JSON; the root stands for the outermost value.
pub(crate) fn scan(text: &str) -> Result<Tree<'_>, Fault> {
    let mut tree = Tree::new("");
    let mut from = Deserializer::from_str(text);
    let seed = Part { tree: &mut tree, place: 0, depth: 0 };
    let read = seed.deserialize(&mut from).and_then(|()| from.end());
    read.map_err(|error| {
        let at = format!("{}:{}", error.line(), error.column());
        Fault::new(&code::LT_MAP_002).param("at", &at).detail(error.to_string()).violation(
            at,
            "JSON không đúng cú pháp, bị cắt cụt, hoặc có khóa lặp",
            "the JSON is malformed, cut off, or repeats a key",
        )
    })?;
    Ok(tree)
}

/// Reads one value into a place.
struct Part<'t, 'a> {
    tree: &'t mut Tree<'a>,
    place: usize,
    depth: usize,
}

impl<'a> DeserializeSeed<'a> for Part<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        if self.depth > DEPTH_MAX || self.tree.nodes.len() > PLACES_MAX {
            return Err(D::Error::custom("too deep or too large"));
        }
        from.deserialize_any(self)
    }
}

impl<'a> Part<'_, 'a> {
    fn text(self, text: Cow<'a, str>) {
        self.tree.nodes[self.place].text = text;
    }
}

impl<'a> Visitor<'a> for Part<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.text(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.text(Cow::Owned(number.to_string()));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.text(Cow::Owned(number.to_string()));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.text(Cow::Owned(number.to_string()));
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.text(Cow::Borrowed(if flag { "true" } else { "false" }));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, mut from: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = from.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("the key {name} stands twice")));
            }
            let place = self.tree.add(self.place, name);
            from.next_value_seed(Part { tree: self.tree, place, depth: self.depth + 1 })?;
        }
        Ok(())
    }

    /// Each item stands in the list's place, under the list's name.
    fn visit_seq<A: SeqAccess<'a>>(self, mut from: A) -> Result<(), A::Error> {
        let (name, parent) =
            (self.tree.nodes[self.place].name.clone(), self.tree.nodes[self.place].parent);
        let mut place = self.place;
        let mut is_first = true;
        self.tree.nodes[place].kind = Kind::Item;
        loop {
            let seed = Part { tree: self.tree, place, depth: self.depth + 1 };
            if from.next_element_seed(seed)?.is_none() {
                break;
            }
            self.tree.nodes[place].kind = Kind::Item;
            is_first = false;
            place = self.tree.add(parent, name.clone());
        }
        // The place made for an item that did not come.
        self.tree.nodes[parent].children.retain(|it| *it != place || place == 0);
        let _ = is_first;
        Ok(())
    }
}
