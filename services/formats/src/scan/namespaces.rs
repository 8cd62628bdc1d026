//! XML namespaces in scope (Namespaces in XML 1.0): which names are those of the packet.

use std::borrow::Cow;

use quick_xml::events::BytesStart;

/// Namespace of the attributes that say something of the XML itself, such as `xsi:nil`.
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// Namespace that the prefix `xml` is bound to.
pub(crate) const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

/// What a name belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NameScope<'n> {
    /// The packet's namespace, or none.
    Packet,
    /// The XML itself; it says nothing of the content.
    Markup,
    /// Another namespace.
    Foreign(&'n str),
}

/// The declarations in scope.
#[derive(Debug)]
pub(super) struct Namespaces<'n> {
    /// The packet's namespace; empty: any.
    packet: &'n str,
    declared: Vec<Declaration>,
    /// Open elements.
    depth: usize,
}

#[derive(Debug)]
struct Declaration {
    depth: usize,
    /// Empty for the default namespace.
    prefix: String,
    namespace: String,
}

impl<'n> Namespaces<'n> {
    pub(super) fn new(packet: &'n str) -> Self {
        Self { packet, declared: Vec::new(), depth: 0 }
    }

    /// The packet's namespace.
    pub(super) fn packet(&self) -> &'n str {
        self.packet
    }

    /// Adds the declarations of an element that begins.
    pub(super) fn enter(&mut self, start: &BytesStart<'_>) {
        self.depth += 1;
        if start.attributes_raw().trim_ascii().is_empty() {
            return;
        }
        for attribute in start.attributes().flatten() {
            let prefix = match attribute.key.as_ref() {
                "xmlns" => "",
                key => match key.strip_prefix("xmlns:") {
                    Some(prefix) => prefix,
                    None => continue,
                },
            };
            let value = quick_xml::escape::unescape(&attribute.value);
            let namespace = value.unwrap_or(Cow::Borrowed(&attribute.value)).trim().to_owned();
            let prefix = prefix.to_owned();
            self.declared.push(Declaration { depth: self.depth, prefix, namespace });
        }
    }

    /// Drops the declarations of the element that ends.
    pub(super) fn leave(&mut self) {
        let depth = self.depth;
        while self.declared.last().is_some_and(|it| it.depth == depth) {
            self.declared.pop();
        }
        self.depth = depth.saturating_sub(1);
    }

    /// The namespace that a prefix is bound to; empty for none.
    fn namespace_of(&self, prefix: &str) -> &str {
        let declared = self.declared.iter().rev().find(|it| it.prefix == prefix);
        match (declared, prefix) {
            (Some(it), _) => &it.namespace,
            (None, "xml") => XML_NAMESPACE,
            (None, "xsi") => SCHEMA_INSTANCE,
            (None, _) => "",
        }
    }

    /// What the name of an element belongs to.
    pub(super) fn of_element(&self, name: &str) -> NameScope<'_> {
        let prefix = name.split_once(':').map_or("", |(prefix, _)| prefix);
        self.scope_of(self.namespace_of(prefix))
    }

    /// What the name of an attribute belongs to: without a prefix, to its element.
    pub(super) fn of_attribute(&self, name: &str) -> NameScope<'_> {
        match name.split_once(':') {
            Some((prefix, _)) => self.scope_of(self.namespace_of(prefix)),
            None => NameScope::Packet,
        }
    }

    fn scope_of<'s>(&'s self, namespace: &'s str) -> NameScope<'s> {
        if namespace.is_empty() || namespace == self.packet || self.packet.is_empty() {
            NameScope::Packet
        } else if namespace == SCHEMA_INSTANCE {
            NameScope::Markup
        } else {
            NameScope::Foreign(namespace)
        }
    }
}
