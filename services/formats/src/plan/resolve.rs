//! Resolves a description to a plan: field names to schemas, converters, parts to their rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::canonical_path::{CanonicalPath, PathSegment, parse_path, target_schema};
use crate::convert::Converter;
use crate::diagnostic::{BilingualText, suggest};
use crate::grammar::{CodeList, Description, FieldRule, SpannedRule};
use crate::model::MessageSchema;
use crate::plan::check;
use crate::plan::rule::{GroupRule, LeafRule, ListRule, Rule, parse_native_path};
use crate::tree::{NodeName, join_names};

/// Levels of parts that use parts; deeper ones use each other in a cycle.
const PART_DEPTH_MAX: usize = 20;

/// Resolves the rules of a description.
///
/// # Errors
///
/// Every mistake in the description, with line and column, in Vietnamese and English.
pub(crate) fn resolve(
    description: &Description,
    message: &'static MessageSchema,
) -> Result<Vec<Rule>, Vec<String>> {
    let lists = description.lists.iter().map(|(name, it)| (name.clone(), Arc::new(it.clone())));
    let mut resolver = Resolver {
        parts: &description.parts,
        lists: lists.collect(),
        mistakes: Vec::new(),
        position: String::new(),
        depth: 0,
        is_flat: description.syntax.is_flat(),
    };
    check::check_lists(&description.lists, &mut resolver.mistakes);
    let scope = Scope { message, name: "", prefix: &[] };
    let rules = resolver.resolve_rules(&description.fields, scope);
    if resolver.mistakes.is_empty() { Ok(rules) } else { Err(resolver.mistakes) }
}

struct Resolver<'a> {
    parts: &'a BTreeMap<String, Vec<SpannedRule>>,
    lists: BTreeMap<String, Arc<CodeList>>,
    mistakes: Vec<String>,
    /// Line and column of the current rule.
    position: String,
    depth: usize,
    /// A native path is one name.
    is_flat: bool,
}

/// The message that the paths of a rule start at, and the path to it from the record's message or
/// list item.
#[derive(Clone, Copy)]
struct Scope<'s> {
    message: &'static MessageSchema,
    name: &'s str,
    prefix: &'s [PathSegment],
}

/// The resolved paths that every kind of rule has.
struct RulePaths {
    at: Vec<NodeName>,
    to: CanonicalPath,
    name: String,
}

impl Resolver<'_> {
    fn resolve_rules(&mut self, rules: &[SpannedRule], scope: Scope<'_>) -> Vec<Rule> {
        if self.depth >= PART_DEPTH_MAX {
            let text = BilingualText::new(
                "các phần dùng lẫn nhau không dứt",
                "parts use each other without end",
            );
            if !self.mistakes.iter().any(|it| it.contains(&text.en)) {
                self.report_mistake("", &text);
            }
            return Vec::new();
        }
        self.depth += 1;
        let resolved = rules
            .iter()
            .filter_map(|it| {
                let outer = std::mem::replace(&mut self.position, position_of(it));
                let rule = self.resolve_rule(&it.value, scope);
                self.position = outer;
                rule
            })
            .collect();
        self.depth -= 1;
        resolved
    }

    fn report_mistake(&mut self, at: &str, text: &BilingualText) {
        self.mistakes.push(format!("{}: {at}: {} / {}", self.position, text.vi, text.en));
    }

    fn resolve_path(
        &mut self,
        text: Option<&String>,
        from: &'static MessageSchema,
        at: &str,
    ) -> CanonicalPath {
        let Some(text) = text else { return CanonicalPath::new() };
        parse_path(text, from).unwrap_or_else(|error| {
            self.report_mistake(at, &error);
            CanonicalPath::new()
        })
    }

    /// Resolves a path relative to the scope to one from the record's message or list item.
    fn resolve_full_path(
        &mut self,
        text: Option<&String>,
        scope: Scope<'_>,
        at: &str,
    ) -> CanonicalPath {
        let relative = self.resolve_path(text, scope.message, at);
        scope.prefix.iter().cloned().chain(relative).collect()
    }

    fn resolve_rule(&mut self, rule: &FieldRule, scope: Scope<'_>) -> Option<Rule> {
        let at = rule.at.as_ref().or(rule.each.as_ref()).cloned().unwrap_or_default();
        if let Some(value) = &rule.constant {
            return Some(Rule::Constant(parse_native_path(&at, self.is_flat), value.clone()));
        }
        let to = self.resolve_path(rule.to.as_ref(), scope.message, &at);
        let inner = target_schema(&to, scope.message);
        let name = join_paths(scope.name, rule.to.as_deref().unwrap_or_default());
        let to = scope.prefix.iter().cloned().chain(to).collect();
        let nested = self.nested_rules(rule, &at);
        let paths = RulePaths { at: parse_native_path(&at, self.is_flat), to, name };
        let resolved = if rule.each.is_some() {
            self.resolve_list(rule, paths, &nested, inner)
        } else if nested.is_empty() {
            self.resolve_leaf(rule, paths, scope)
        } else {
            self.resolve_group(rule, paths, (&nested, inner), scope)
        };
        resolved.map(|it| if rule.read_only { Rule::ReadOnly(Box::new(it)) } else { it })
    }

    /// The rules inside a rule: its own, or those of the part it uses.
    fn nested_rules(&mut self, rule: &FieldRule, at: &str) -> Vec<SpannedRule> {
        let Some(part) = &rule.part else { return rule.fields.clone() };
        self.parts.get(part).cloned().unwrap_or_else(|| {
            let known: Vec<_> = self.parts.keys().map(String::as_str).collect();
            let suggestion = suggest(part, &known);
            let text = BilingualText::new(
                format!("không có phần `{part}`{}", suggestion.vi),
                format!("there is no part `{part}`{}", suggestion.en),
            );
            self.report_mistake(at, &text);
            Vec::new()
        })
    }

    fn resolve_group(
        &mut self,
        rule: &FieldRule,
        RulePaths { at, to, name }: RulePaths,
        (nested, inner): (&[SpannedRule], Option<&'static MessageSchema>),
        scope: Scope<'_>,
    ) -> Option<Rule> {
        let at_text = join_names(&at);
        let Some(inner) = inner else {
            let text = BilingualText::new(
                format!("`{name}` không có trường con"),
                format!("`{name}` has no fields inside"),
            );
            self.report_mistake(&at_text, &text);
            return None;
        };
        let mut when = Vec::new();
        for (field, values) in &rule.when {
            let path = self.resolve_full_path(Some(field), scope, &at_text);
            when.push(self.resolve_condition(path, &values.to_vec(), &at_text));
        }
        let inner_scope = Scope { message: inner, name: &name, prefix: &to };
        let rules = self.resolve_rules(nested, inner_scope);
        let (need, is_message) = (rule.need, rule.to.is_some());
        let has_gate = rules.iter().any(Rule::has_gate);
        Some(Rule::Group(GroupRule { at, name, is_message, need, when, has_gate, rules }))
    }

    fn resolve_condition(
        &mut self,
        path: CanonicalPath,
        values: &[String],
        at: &str,
    ) -> (CanonicalPath, Vec<i32>) {
        let Some(schema) = path.last().and_then(|it| it.field.enum_schema()) else {
            let text =
                BilingualText::new("điều kiện phải là một enum", "a condition needs an enum");
            self.report_mistake(at, &text);
            return (path, Vec::new());
        };
        let mut numbers = Vec::new();
        for value in values {
            match check::enum_number(schema, value) {
                Ok(it) => numbers.push(it),
                Err(text) => self.report_mistake(at, &text),
            }
        }
        (path, numbers)
    }

    fn resolve_list(
        &mut self,
        rule: &FieldRule,
        RulePaths { at, to, name }: RulePaths,
        nested: &[SpannedRule],
        inner: Option<&'static MessageSchema>,
    ) -> Option<Rule> {
        let at_text = join_names(&at);
        let Some(last) = to.last().filter(|it| it.field.is_list).cloned() else {
            let text = BilingualText::new(
                format!("`{name}` không phải danh sách"),
                format!("`{name}` is no list"),
            );
            self.report_mistake(&at_text, &text);
            return None;
        };
        let (mut text, mut key, mut rules) = (None, None, Vec::new());
        match inner {
            Some(inner) => {
                key = rule.key.as_ref().map(|it| self.resolve_path(Some(it), inner, &at_text));
                let scope = Scope { message: inner, name: &format!("{name}[]"), prefix: &[] };
                rules = self.resolve_rules(nested, scope);
            }
            None => {
                let converter = self.parse_converter(rule, &at)?;
                if let Err(text) = check::check_type(&converter, last.field, true) {
                    self.report_mistake(&at_text, &text);
                }
                if let Some(text) = check::check_length(&converter, Some(&last), rule) {
                    self.report_mistake(&at_text, &text);
                }
                text = Some((converter, rule.max));
            }
        }
        if rule.pair && key.is_none() {
            let text = BilingualText::new("`pair` cần `match`", "`pair` needs a `match`");
            self.report_mistake(&at_text, &text);
        }
        Some(Rule::List(ListRule {
            at,
            to,
            list: name.split('[').next().unwrap_or_default().to_owned(),
            name,
            need: rule.need,
            text,
            key,
            is_paired: rule.pair,
            holds_files: rules.iter().any(Rule::holds_file),
            is_appended: rule.append,
            is_unprefixed: rule.bare,
            has_gate: rules.iter().any(Rule::has_gate),
            rules,
        }))
    }

    fn parse_converter(&mut self, rule: &FieldRule, at: &[NodeName]) -> Option<Converter> {
        let spec = rule.converter.as_deref().unwrap_or("text");
        let parsed = Converter::parse(spec, |name| self.lists.get(name).cloned());
        parsed.map_err(|text| self.report_mistake(&join_names(at), &text)).ok()
    }

    fn resolve_leaf(
        &mut self,
        rule: &FieldRule,
        RulePaths { at, to, name }: RulePaths,
        scope: Scope<'_>,
    ) -> Option<Rule> {
        let at_text = join_names(&at);
        if to.len() <= scope.prefix.len() {
            if rule.to.is_none() {
                let text = BilingualText::new("không có đích `to`", "the target `to` is missing");
                self.report_mistake(&at_text, &text);
            }
            return None;
        }
        let converter = self.parse_converter(rule, &at)?;
        let resolve_optional = |it: &mut Self, text: &Option<String>| {
            text.as_ref().map(|text| it.resolve_full_path(Some(text), scope, &at_text))
        };
        let fallback = resolve_optional(self, &rule.otherwise);
        let unlisted = resolve_optional(self, &rule.unlisted);
        let leaf = LeafRule {
            at,
            to,
            name,
            converter,
            need: rule.need,
            max: rule.max,
            too_long: rule.too_long,
            empty: rule.empty.clone(),
            read_default: rule.read_default.clone(),
            write_default: rule.write_default.clone(),
            fallback,
            unlisted,
            declares_prefix: rule.own_prefix,
        };
        if let Some(text) = check::check_length(&leaf.converter, leaf.to.last(), rule) {
            self.report_mistake(&at_text, &text);
        }
        for text in check::check_leaf(&leaf) {
            self.report_mistake(&at_text, &text);
        }
        Some(Rule::Leaf(leaf))
    }
}

/// Line and column of a rule in the file.
fn position_of(rule: &SpannedRule) -> String {
    format!("{}:{}", rule.defined.line(), rule.defined.column())
}

fn join_paths(outer: &str, inner: &str) -> String {
    match (outer.is_empty(), inner.is_empty()) {
        (true, _) => inner.to_owned(),
        (_, true) => outer.to_owned(),
        _ => format!("{outer}.{inner}"),
    }
}
