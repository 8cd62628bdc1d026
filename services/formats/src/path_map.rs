//! Map from canonical paths to native paths, with what is known of the mapping when a value is
//! lost, changed or added.

use crate::canonical_path::{Selector, strip_selectors};
use crate::convert::Converter;
use crate::model::{FieldSchema, MessageSchema};
use crate::plan::{GroupRule, Rule};
use crate::tree::{NodeName, join_names};

/// A canonical path and the native path it maps to.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathMapping {
    /// Without selectors.
    pub(crate) canonical: String,
    pub(crate) native: String,
    pub(crate) traits: MappingTraits,
}

/// Properties of a mapping that explain a loss.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MappingTraits {
    /// The value is a code of a list.
    pub(crate) is_code: bool,
    /// The value is a date or a point in time.
    pub(crate) is_time: bool,
    /// Only one item of a list is mapped.
    pub(crate) is_single: bool,
    /// Only items that a selector selects are mapped.
    pub(crate) is_selected: bool,
    /// The mapping depends on another value (`when`).
    pub(crate) is_conditional: bool,
    /// Another field is written when this one is absent.
    pub(crate) is_derived: bool,
    /// The writer may append an item (the trace).
    pub(crate) is_appended: bool,
}

/// The mappings of a description, and a tree to find them while walking a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathMap {
    mappings: Vec<PathMapping>,
    root: PathNode,
}

/// A canonical field that is mapped, or contains mapped fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathNode {
    /// Index of the mapping of this field.
    mapping: Option<usize>,
    /// A field inside is mapped for one item of a list only.
    has_single: bool,
    /// Mapped fields inside, by their index in the message.
    fields: Vec<(u16, PathNode)>,
}

/// Position in the tree while walking a message: the field's node, and the mapping of the nearest
/// enclosing field that has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathMapCursor<'p> {
    node: Option<&'p PathNode>,
    mapping: Option<usize>,
}

impl PathMapCursor<'_> {
    /// The position of a field inside.
    pub(crate) fn enter(self, field: &FieldSchema) -> Self {
        let is_field = |(index, _): &&(u16, PathNode)| *index == field.index;
        let node = self.node.and_then(|it| it.fields.iter().find(is_field)).map(|(_, it)| it);
        Self { node, mapping: node.and_then(|it| it.mapping).or(self.mapping) }
    }

    /// True for a list of which only one item is mapped.
    pub(crate) fn has_only_single_item_mapped(self) -> bool {
        self.node.is_some_and(|it| it.mapping.is_none() && it.has_single)
    }
}

/// What the rules of a description map.
#[derive(Clone, Debug, Default)]
pub(crate) struct MappedPaths {
    pub(crate) mappings: Vec<PathMapping>,
    /// Native paths of repeated nodes.
    pub(crate) lists: Vec<String>,
    /// Those among them whose records complete the items of another list rule.
    pub(crate) second_records: Vec<String>,
    /// Canonical paths of the lists that are joined by a key.
    joined: Vec<String>,
}

/// The mappings of rules, and the native paths of the repeated nodes among them.
pub(crate) fn map_rules(rules: &[Rule]) -> MappedPaths {
    let mut collected = MappedPaths::default();
    collect_mappings(rules, "", MappingTraits::default(), &mut collected);
    collected
}

/// The native paths of the lists in a group of rules.
pub(crate) fn lists_in(group: &GroupRule, within: &str) -> Vec<String> {
    let mut collected = MappedPaths::default();
    let within = native_path(within, &group.at);
    collect_mappings(&group.rules, &within, MappingTraits::default(), &mut collected);
    collected.lists
}

/// The native path of a rule inside another one.
pub(crate) fn native_path(within: &str, at: &[NodeName]) -> String {
    let at = join_names(at);
    let names = [within, &at].into_iter().filter(|it| !it.is_empty() && *it != ".");
    names.collect::<Vec<_>>().join("/")
}

impl PathMap {
    /// A map for messages of this type.
    pub(crate) fn new(mappings: Vec<PathMapping>, schema: &'static MessageSchema) -> Self {
        let mut root = PathNode::default();
        for (index, it) in mappings.iter().enumerate() {
            root.insert(&it.canonical, Some(schema), (index, it.traits.is_single));
        }
        Self { mappings, root }
    }

    /// The mapping of a canonical path, or of the nearest enclosing path that has one.
    pub(crate) fn find(&self, canonical: &str) -> Option<&PathMapping> {
        let path = strip_selectors(canonical);
        let encloses = |it: &&PathMapping| {
            path.strip_prefix(&it.canonical).is_some_and(|it| it.is_empty() || it.starts_with('.'))
        };
        // Of two equally near ones the first: descriptions put rules that are written before rules
        // that are read only.
        self.mappings.iter().filter(encloses).rev().max_by_key(|it| it.canonical.len())
    }

    /// The position of the message itself.
    pub(crate) fn root(&self) -> PathMapCursor<'_> {
        PathMapCursor { node: Some(&self.root), mapping: None }
    }

    /// The mapping at a position; the same as [`PathMap::find`] gives for its path.
    pub(crate) fn mapping_at(&self, cursor: PathMapCursor<'_>) -> Option<&PathMapping> {
        self.mappings.get(cursor.mapping?)
    }
}

impl PathNode {
    fn insert(
        &mut self,
        path: &str,
        within: Option<&MessageSchema>,
        (mapping, is_single): (usize, bool),
    ) {
        if path.is_empty() {
            self.mapping.get_or_insert(mapping);
            return;
        }
        self.has_single |= is_single;
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        let Some(field) = within.and_then(|it| it.field(name)) else { return };
        let position = self.fields.iter().position(|(it, _)| *it == field.index);
        let position = position.unwrap_or_else(|| {
            self.fields.push((field.index, Self::default()));
            self.fields.len() - 1
        });
        if let Some((_, node)) = self.fields.get_mut(position) {
            node.insert(rest, field.message_schema(), (mapping, is_single));
        }
    }
}

fn collect_mappings(rules: &[Rule], within: &str, traits: MappingTraits, into: &mut MappedPaths) {
    for rule in rules {
        match rule {
            Rule::Leaf(it) => {
                let traits = MappingTraits {
                    is_code: matches!(it.converter, Converter::Code(_)),
                    is_time: matches!(it.converter, Converter::Date(_) | Converter::Time(_)),
                    is_single: traits.is_single
                        || it.to.iter().any(|it| selects_one(it.selector.as_ref())),
                    is_derived: it.fallback.is_some()
                        || matches!(it.converter, Converter::Pattern(_)),
                    ..traits
                };
                into.mappings.push(PathMapping {
                    canonical: strip_selectors(&it.name),
                    native: native_path(within, &it.at),
                    traits,
                });
            }
            Rule::Group(it) => {
                let traits = MappingTraits {
                    is_conditional: traits.is_conditional || !it.when.is_empty(),
                    ..traits
                };
                collect_mappings(&it.rules, &native_path(within, &it.at), traits, into);
            }
            Rule::List(it) => {
                let native = native_path(within, &it.at);
                let is_selected = it.to.last().is_some_and(|it| it.selector.is_some());
                let traits = MappingTraits {
                    is_selected,
                    is_appended: it.is_appended,
                    is_single: false,
                    ..traits
                };
                into.mappings.push(PathMapping {
                    canonical: strip_selectors(&it.name),
                    native: native.clone(),
                    traits,
                });
                into.lists.push(native.clone());
                let completes = it.key.is_some() && into.joined.contains(&it.list);
                into.second_records.extend(completes.then(|| native.clone()));
                into.joined.extend(it.key.as_ref().map(|_| it.list.clone()));
                collect_mappings(&it.rules, &native, traits, into);
            }
            Rule::ReadOnly(rule) => {
                collect_mappings(std::slice::from_ref(rule), within, traits, into);
            }
            Rule::Constant(..) => {}
        }
    }
}

/// True for a selector of one item.
pub(crate) fn selects_one(selector: Option<&Selector>) -> bool {
    matches!(selector, Some(Selector::First | Selector::Equals(..) | Selector::Has(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FormatRegistry;

    /// Compares both look-ups for every field below a position; returns how many are mapped.
    fn compare_lookups(
        map: &PathMap,
        schema: &MessageSchema,
        (within, cursor): (&str, PathMapCursor<'_>),
        depth: usize,
    ) -> usize {
        let mut mapped = 0;
        for field in &schema.fields {
            let path = format!("{within}.{}", field.name);
            let path = path.trim_start_matches('.');
            let cursor = cursor.enter(field);
            let native = |it: Option<&PathMapping>| it.map(|it| it.native.clone());
            assert_eq!(native(map.mapping_at(cursor)), native(map.find(path)), "{path}");
            mapped += usize::from(map.mapping_at(cursor).is_some());
            if let Some(inner) = field.message_schema().filter(|_| depth > 0) {
                mapped += compare_lookups(map, inner, (path, cursor), depth - 1);
            }
        }
        mapped
    }

    #[test]
    fn a_cursor_finds_the_same_mapping_as_its_path() {
        for format in FormatRegistry::shipped().unwrap().all() {
            let (map, schema) = (&format.path_map, format.schema);
            let mapped = compare_lookups(map, schema, ("", map.root()), 4);
            assert!(mapped > 5 || map.mappings.is_empty(), "{}: {mapped}", format.name());
        }
    }
}
