//! Resolves a description to a plan: field names to schemas, converters, parts to their rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::fault::code;

use crate::canonical_path::{
    CanonicalPath, PathSegment, parse_path, strip_selectors, target_schema,
};
use crate::convert::{CodeLists, Converter, parse_converter};
use crate::diagnostic::{Defect, SourceMistake, SourcePosition, suggest};
use crate::grammar::{Description, FieldRule, SpannedRule};
use crate::model::MessageSchema;
use crate::plan::check::{self, ListKey};
use crate::plan::condition::Condition;
use crate::plan::pattern;
use crate::plan::rule::{ConstantRule, GroupRule, LeafRule, ListRule, Rule, parse_native_path};
use crate::tree::{NodeName, join_names};
use crate::yaml_tree::{SourceMap, position_of};

/// Levels of parts that use parts; deeper ones use each other in a cycle.
const PART_DEPTH_MAX: usize = 20;

/// Resolves the rules of a description. What cannot be resolved is left out and reported.
pub(crate) fn resolve(
    description: &Description,
    message: &'static MessageSchema,
    source: &SourceMap,
) -> (Vec<Rule>, Vec<SourceMistake>) {
    let lists = description.lists.iter().map(|(name, it)| (name.clone(), Arc::new(it.clone())));
    let mut resolver = Resolver {
        parts: &description.parts,
        lists: lists.collect(),
        source,
        mistakes: Vec::new(),
        position: SourcePosition::default(),
        depth: 0,
        is_flat: description.syntax.is_flat(),
    };
    resolver.check_lists();
    let scope = Scope { message, name: "", prefix: &[] };
    let rules = resolver.resolve_rules(&description.fields, scope);
    (rules, resolver.mistakes)
}

struct Resolver<'a> {
    parts: &'a BTreeMap<String, Vec<SpannedRule>>,
    lists: CodeLists,
    source: &'a SourceMap,
    mistakes: Vec<SourceMistake>,
    /// Where the current rule begins.
    position: SourcePosition,
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
            let defect = Defect::new(
                &code::LT_FMT_018,
                "các phần dùng lẫn nhau không dứt",
                "parts use each other without end",
            );
            if !self.mistakes.iter().any(|it| it.text_en == defect.text.en) {
                self.report("use", "", defect);
            }
            return Vec::new();
        }
        self.depth += 1;
        let resolved = rules
            .iter()
            .filter_map(|it| {
                let outer = std::mem::replace(&mut self.position, position_of(it.defined));
                let rule = self.resolve_rule(&it.value, scope);
                self.position = outer;
                rule
            })
            .collect();
        self.depth -= 1;
        resolved
    }

    /// Reports a mistake at the value of a key of the current rule.
    fn report(&mut self, key: &str, at: &str, defect: Defect) {
        let position = self.source.value(self.position, key).unwrap_or(self.position);
        self.report_at(position, at, defect);
    }

    fn report_at(&mut self, position: SourcePosition, at: &str, defect: Defect) {
        let mistake = SourceMistake::new(position, at, defect);
        // Rules of a part are resolved for each use; what is wrong with them is reported once.
        let is_known = |it: &SourceMistake| {
            it.position == position
                && it.code.code == mistake.code.code
                && it.text_en == mistake.text_en
        };
        if !self.mistakes.iter().any(is_known) {
            self.mistakes.push(mistake);
        }
    }

    fn check_lists(&mut self) {
        for (name, list) in &self.lists.clone() {
            for (key, defect) in check::check_list(list) {
                let position = match key {
                    ListKey::Key(key) => self.source.path(&["lists", name, key]),
                    ListKey::Row(native) => self.source.path(&["lists", name, "rows", native]),
                };
                self.report_at(position, &format!("lists/{name}"), defect);
            }
        }
    }

    fn resolve_path(
        &mut self,
        text: Option<&String>,
        from: &'static MessageSchema,
        (key, at): (&str, &str),
    ) -> CanonicalPath {
        let Some(text) = text else { return CanonicalPath::new() };
        parse_path(text, from).unwrap_or_else(|defect| {
            self.report(key, at, defect);
            CanonicalPath::new()
        })
    }

    /// Resolves a path relative to the scope to one from the record's message or list item.
    fn resolve_full_path(
        &mut self,
        text: Option<&String>,
        scope: Scope<'_>,
        key: (&str, &str),
    ) -> CanonicalPath {
        let relative = self.resolve_path(text, scope.message, key);
        scope.prefix.iter().cloned().chain(relative).collect()
    }

    fn resolve_rule(&mut self, rule: &FieldRule, scope: Scope<'_>) -> Option<Rule> {
        let at = rule.at.as_ref().or(rule.each.as_ref()).cloned().unwrap_or_default();
        let conditions = self.resolve_conditions(rule, scope, &at);
        if let Some(value) = &rule.constant {
            let rule = Rule::Constant(ConstantRule {
                at: parse_native_path(&at, self.is_flat),
                text: value.clone(),
                is_checked: !rule.unchecked,
            });
            return Some(rule.with_conditions(conditions));
        }
        let to = self.resolve_path(rule.to.as_ref(), scope.message, ("to", &at));
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
            self.resolve_group(rule, paths, (&nested, inner))
        };
        let resolved = resolved.map(|it| it.with_conditions(conditions));
        resolved.map(|it| if rule.read_only { Rule::ReadOnly(Box::new(it)) } else { it })
    }

    /// The rules inside a rule: its own, or those of the part it uses.
    fn nested_rules(&mut self, rule: &FieldRule, at: &str) -> Vec<SpannedRule> {
        let Some(part) = &rule.part else { return rule.fields.clone() };
        self.parts.get(part).cloned().unwrap_or_else(|| {
            let known: Vec<_> = self.parts.keys().map(String::as_str).collect();
            let suggestion = suggest(part, &known);
            let defect = Defect::new(
                &code::LT_FMT_009,
                format!("không có phần `{part}`{}", suggestion.vi),
                format!("there is no part `{part}`{}", suggestion.en),
            );
            self.report("use", at, defect);
            Vec::new()
        })
    }

    fn resolve_group(
        &mut self,
        rule: &FieldRule,
        RulePaths { at, to, name }: RulePaths,
        (nested, inner): (&[SpannedRule], Option<&'static MessageSchema>),
    ) -> Option<Rule> {
        let at_text = join_names(&at);
        let Some(inner) = inner else {
            let defect = Defect::new(
                &code::LT_FMT_005,
                format!("`{name}` không có trường con"),
                format!("`{name}` has no fields inside"),
            );
            self.report("to", &at_text, defect);
            return None;
        };
        let inner_scope = Scope { message: inner, name: &name, prefix: &to };
        let rules = self.resolve_rules(nested, inner_scope);
        let (need, is_message) = (rule.need, rule.to.is_some());
        let has_gate = rules.iter().any(Rule::has_gate);
        let (when, decides) = (Vec::new(), rule.decides);
        Some(Rule::Group(GroupRule { at, name, is_message, need, decides, when, has_gate, rules }))
    }

    /// The conditions of a rule; `has` and `lacks` name paths, every other key is a path itself.
    fn resolve_conditions(
        &mut self,
        rule: &FieldRule,
        scope: Scope<'_>,
        at: &str,
    ) -> Vec<Condition> {
        let mut conditions = Vec::new();
        for (key, values) in &rule.when {
            let values = values.to_vec();
            if key == "has" || key == "lacks" {
                let path = |it: &String| self.resolve_full_path(Some(it), scope, ("when", at));
                let paths: Vec<_> = values.iter().map(path).collect();
                let conditions_of = |it| Condition::presence(it, key == "has");
                conditions.extend(paths.into_iter().map(conditions_of));
                continue;
            }
            let path = self.resolve_full_path(Some(key), scope, ("when", at));
            let condition = (!path.is_empty()).then(|| Condition::listed(path, values));
            match condition.transpose() {
                Ok(it) => conditions.extend(it),
                Err(defect) => self.report("when", at, defect),
            }
        }
        conditions
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
            let defect = Defect::new(
                &code::LT_FMT_005,
                format!("`{name}` không phải danh sách"),
                format!("`{name}` is no list"),
            );
            self.report("to", &at_text, defect);
            return None;
        };
        let (mut text, mut key, mut rules) = (None, None, Vec::new());
        match inner {
            Some(inner) => {
                let at = ("match", at_text.as_str());
                key = rule.key.as_ref().map(|it| self.resolve_path(Some(it), inner, at));
                let scope = Scope { message: inner, name: &format!("{name}[]"), prefix: &[] };
                rules = self.resolve_rules(nested, scope);
            }
            None => {
                let converter = self.parse_converter(rule, (&at, to.last()))?;
                if let Err(defect) = check::check_type(&converter, last.field, true) {
                    self.report("as", &at_text, defect);
                }
                if let Some((key, defect)) = check::check_length(&converter, Some(&last), rule) {
                    self.report(key, &at_text, defect);
                }
                text = Some((converter, rule.max));
            }
        }
        if rule.pair && key.is_none() {
            let defect =
                Defect::new(&code::LT_FMT_018, "`pair` cần `match`", "`pair` needs a `match`");
            self.report("pair", &at_text, defect);
        }
        Some(Rule::List(ListRule {
            position: self.position,
            spec: spec_of(rule),
            at,
            to,
            list: strip_selectors(&name),
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

    fn parse_converter(
        &mut self,
        rule: &FieldRule,
        (at, target): (&[NodeName], Option<&PathSegment>),
    ) -> Option<Converter> {
        if let Some(template) = &rule.pattern {
            let parsed = pattern::parse(template, rule, target);
            return parsed.map_err(|it| self.report("pattern", &join_names(at), it)).ok();
        }
        let parsed = parse_converter(&spec_of(rule), &self.lists);
        parsed.map_err(|defect| self.report("as", &join_names(at), defect)).ok()
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
                let defect = Defect::new(
                    &code::LT_FMT_003,
                    "không có đích `to`",
                    "the target `to` is missing",
                );
                self.report("to", &at_text, defect);
            }
            return None;
        }
        let converter = self.parse_converter(rule, (&at, to.last()))?;
        let resolve_optional = |it: &mut Self, key: &str, text: &Option<String>| {
            text.as_ref().map(|text| it.resolve_full_path(Some(text), scope, (key, &at_text)))
        };
        let fallback = resolve_optional(self, "else", &rule.otherwise);
        let unlisted = resolve_optional(self, "unlisted", &rule.unlisted);
        let substitute = resolve_optional(self, "read-else", &rule.read_else);
        let leaf = LeafRule {
            position: self.position,
            spec: spec_of(rule),
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
            is_literal: rule.literal,
            decides: rule.decides,
            substitute,
            is_expected: rule.expect,
            declares_prefix: rule.own_prefix,
        };
        if let Some((key, defect)) = check::check_length(&leaf.converter, leaf.to.last(), rule) {
            self.report(key, &at_text, defect);
        }
        for (key, defect) in check::check_leaf(&leaf) {
            self.report(key, &at_text, defect);
        }
        Some(Rule::Leaf(leaf))
    }
}

/// The converter of a rule as the description writes it.
fn spec_of(rule: &FieldRule) -> String {
    match (&rule.pattern, &rule.converter) {
        (Some(template), None) => format!("pattern {template}"),
        (_, Some(converter)) => converter.clone(),
        (None, None) => "text".to_owned(),
    }
}

fn join_paths(outer: &str, inner: &str) -> String {
    match (outer.is_empty(), inner.is_empty()) {
        (true, _) => inner.to_owned(),
        (_, true) => outer.to_owned(),
        _ => format!("{outer}.{inner}"),
    }
}
