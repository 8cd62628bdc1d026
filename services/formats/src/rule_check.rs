//! Checks that need all rules of a description: what two places do to each other, and what is read
//! and cannot be written.

use proto::fault::{Code, code};

use crate::canonical_path::strip_selectors;
use crate::convert::{Converter, normalize_text};
use crate::diagnostic::{Defect, SourceMistake, SourcePosition};
use crate::flat_rules::{FlatKind, FlatRule, flatten};
use crate::grammar::{Description, Direction, Requirement};
use crate::plan::{ListRule, Rule};
use crate::yaml_tree::SourceMap;

/// Every mistake that two or more rules, or a rule and a list, make together.
pub(crate) fn check_rules(
    rules: &[Rule],
    description: &Description,
    source: &SourceMap,
) -> Vec<SourceMistake> {
    let flat = flatten(rules);
    let is_written = description.direction == Direction::Both;
    let mut checker = RuleChecker { source, is_written, mistakes: Vec::new() };
    for (index, rule) in flat.iter().enumerate() {
        let earlier = flat.get(..index).unwrap_or_default();
        checker.check_target(rule, earlier);
        checker.check_place(rule, earlier);
        checker.check_empty(rule, description);
        checker.check_gate(rule);
        checker.check_need(rule);
        if let FlatKind::List(list) = rule.kind {
            checker.check_key(rule, list, &flat);
        }
        checker.check_conditions(rule, &flat);
    }
    checker.check_rows(description);
    checker.mistakes
}

struct RuleChecker<'s> {
    source: &'s SourceMap,
    is_written: bool,
    mistakes: Vec<SourceMistake>,
}

/// True for a rule that reads a field of a condition, or a part of it. Inside a list the field may be
/// that of the item.
fn is_read_for(rule: &FlatRule<'_>, field: &str, is_in_list: bool) -> bool {
    let path = rule.path();
    let is_within = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|it| it.is_empty() || it.starts_with('.'))
    };
    let is_item_field = || is_in_list && path.ends_with(&format!(".{field}"));
    is_within(field, &path) || is_within(&path, field) || is_item_field()
}

impl RuleChecker<'_> {
    fn report(&mut self, rule: &FlatRule<'_>, key: &str, code: Code, (vi, en): (String, String)) {
        let position = self.source.value(rule.position(), key).unwrap_or(rule.position());
        self.report_at(position, &rule.native, Defect::new(code, vi, en));
    }

    fn report_at(&mut self, position: SourcePosition, subject: &str, defect: Defect) {
        let is_known =
            |it: &SourceMistake| it.position == position && it.code.code == defect.code.code;
        if !self.mistakes.iter().any(is_known) {
            self.mistakes.push(SourceMistake::new(position, subject, defect));
        }
    }

    /// Two places must not fill one canonical field of one item.
    fn check_target(&mut self, rule: &FlatRule<'_>, earlier: &[FlatRule<'_>]) {
        let Some(leaf) = rule.leaf().filter(|_| !rule.is_read_only) else { return };
        let is_written = self.is_written;
        let is_same = |it: &&FlatRule<'_>| {
            it.leaf().is_some()
                && !it.is_read_only
                && it.can_meet(rule)
                && !are_joined(it, rule)
                && (is_written || !are_separate(it, rule))
                && fills_same(
                    &it.canonical,
                    &rule.canonical,
                    matches!(leaf.converter, Converter::Content | Converter::Fetch),
                )
        };
        let Some(first) = earlier.iter().find(is_same) else { return };
        let (line, native, field) =
            (first.position().line, &first.native, strip_selectors(&rule.canonical));
        self.report(
            rule,
            "to",
            &code::LT_FMT_010,
            (
                format!("`{field}` đã được điền từ `{native}` ở dòng {line}"),
                format!("`{field}` is filled from `{native}` in line {line} already"),
            ),
        );
    }

    /// A native place must not be mapped twice, nor be a constant and be read.
    fn check_place(&mut self, rule: &FlatRule<'_>, earlier: &[FlatRule<'_>]) {
        let is_value = |it: &FlatRule<'_>| !matches!(it.kind, FlatKind::List(_));
        if rule.is_read_only || !is_value(rule) {
            return;
        }
        let is_same = |it: &&FlatRule<'_>| {
            let lists =
                |it: &FlatRule<'_>| it.lists.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
            is_value(it)
                && !it.is_read_only
                && it.native == rule.native
                && it.can_meet(rule)
                && lists(it) == lists(rule)
        };
        let Some(first) = earlier.iter().find(is_same) else { return };
        let field = |it: &FlatRule<'_>| match it.kind {
            FlatKind::Constant => "const".to_owned(),
            FlatKind::Leaf(_) | FlatKind::List(_) => it.path(),
        };
        let (one, two, native) = (field(first), field(rule), &rule.native);
        // A constant has no position of its own in the plan.
        let at = if rule.leaf().is_some() { rule } else { first };
        self.report(
            at,
            "at",
            &code::LT_FMT_011,
            (
                format!("`{native}` được khai cho `{one}` và cho `{two}`"),
                format!("`{native}` is mapped to `{one}` and to `{two}`"),
            ),
        );
    }

    /// A text that means "absent" must not be a code of the place or a word for true or false.
    fn check_empty(&mut self, rule: &FlatRule<'_>, description: &Description) {
        let own = rule.leaf().map(|it| it.empty.as_slice()).unwrap_or_default();
        let words: Vec<&String> = match rule.converter() {
            Some(Converter::Code(list)) => list.rows.keys().collect(),
            Some(Converter::YesNo(yes, no)) => vec![yes, no],
            _ => return,
        };
        let is_word = |it: &&String| words.contains(it);
        if let Some(text) = own.iter().find(is_word) {
            self.report(rule, "empty", &code::LT_FMT_013, same_as_code(text, &rule.native));
        } else if let Some(text) = description.empty.iter().find(is_word) {
            let (vi, en) = same_as_code(text, &rule.native);
            let defect = Defect::new(&code::LT_FMT_013, vi, en);
            self.report_at(self.source.path(&["empty"]), "empty", defect);
        }
    }

    /// A place for secrecy refuses every mark.
    fn check_gate(&mut self, rule: &FlatRule<'_>) {
        let is_gated = || {
            let list = rule.converter().and_then(Converter::code_list);
            list.is_some_and(|it| it.gate.is_some())
        };
        let path = rule.path();
        let is_secrecy = path == "secrecy" || path.starts_with("secrecy.");
        if is_secrecy && rule.leaf().is_some() && !is_gated() {
            self.report(
                rule,
                "as",
                &code::LT_FMT_014,
                (
                    "chỗ này ghi độ mật mà danh mục không có `gate`".to_owned(),
                    "this place holds secrecy, and its list has no `gate`".to_owned(),
                ),
            );
        }
    }

    /// What is needed when reading is written whenever the place around it is.
    fn check_need(&mut self, rule: &FlatRule<'_>) {
        let Some(leaf) = rule.leaf().filter(|_| self.is_written) else { return };
        let is_guaranteed = leaf.write_default.is_some() || leaf.fallback.is_some();
        if leaf.need == Some(Requirement::Read) && !rule.is_read_only && !is_guaranteed {
            let native = &rule.native;
            self.report(
                rule,
                "need",
                &code::LT_FMT_012,
                (
                    format!("`{native}` bắt buộc khi đọc, nhưng khi ghi có thể thiếu"),
                    format!("`{native}` is needed when reading, and may be missing when writing"),
                ),
            );
        }
    }

    /// The key of a list is filled by a rule inside.
    fn check_key(&mut self, rule: &FlatRule<'_>, list: &ListRule, flat: &[FlatRule<'_>]) {
        let Some(key) = &list.key else { return };
        let names: Vec<_> = key.iter().map(|it| it.field.name.as_str()).collect();
        let key = format!("{}.{}", rule.path(), names.join("."));
        let is_inside = |it: &&FlatRule<'_>| it.lists.iter().any(|it| std::ptr::eq(*it, list));
        let is_key = |it: &FlatRule<'_>| {
            key.strip_prefix(&it.path()).is_some_and(|it| it.is_empty() || it.starts_with('.'))
        };
        if !flat.iter().filter(is_inside).any(|it| it.leaf().is_some() && is_key(it)) {
            let names = names.join(".");
            self.report(
                rule,
                "match",
                &code::LT_FMT_018,
                (
                    format!("không dòng nào bên trong điền `{names}`, khóa của `match`"),
                    format!("no rule inside fills `{names}`, the key of `match`"),
                ),
            );
        }
    }

    /// The field of a `when` is read by the format, and each of its values has a code.
    fn check_conditions(&mut self, rule: &FlatRule<'_>, flat: &[FlatRule<'_>]) {
        for condition in &rule.conditions {
            let (field, text) = (condition.field(), condition.text());
            let is_source = |it: &&FlatRule<'_>| is_read_for(it, &field, !rule.lists.is_empty());
            let source = flat.iter().find(is_source);
            let Some(source) = source else {
                self.report_condition(rule, (
                    format!("`{text}`: định dạng không đọc `{field}`, nên điều kiện không bao giờ đúng"),
                    format!("`{text}`: the format does not read `{field}`, so the condition never holds"),
                ));
                continue;
            };
            let list = source.converter().and_then(Converter::code_list);
            let Some(list) = list else { continue };
            let names = condition.enum_values();
            let default = source.leaf().and_then(|it| it.read_default.as_deref());
            let is_dead = |it: &&str| {
                list.native(it).is_none()
                    && !list.also.values().any(|other| other == it)
                    && list.other.as_deref() != Some(*it)
                    && default != Some(*it)
            };
            if let Some(value) = names.into_iter().find(is_dead) {
                let native = &source.native;
                self.report_condition(
                    rule,
                    (
                        format!("`{text}`: không mã nào của `{native}` là `{value}`"),
                        format!("`{text}`: no code of `{native}` means `{value}`"),
                    ),
                );
            }
        }
    }

    fn report_condition(&mut self, rule: &FlatRule<'_>, (vi, en): (String, String)) {
        let position = self.source.enclosing_value(rule.position(), "when");
        let defect = Defect::new(&code::LT_FMT_015, vi, en);
        self.report_at(position.unwrap_or(rule.position()), &rule.native, defect);
    }

    /// A code is a text that reading can give: trimmed and composed.
    fn check_rows(&mut self, description: &Description) {
        let rows = description.lists.iter().flat_map(|(name, list)| {
            list.rows.keys().map(move |row| (name.as_str(), row.as_str()))
        });
        let is_unread = |row: &str| !normalize_text(row).is_ok_and(|it| it == row);
        for (name, row) in rows.filter(|(_, row)| is_unread(row)) {
            let position = self.source.path(&["lists", name, "rows", row]);
            let defect = Defect::new(
                &code::LT_FMT_008,
                format!(
                    "mã `{row}` không bao giờ đọc được: có khoảng trắng hai đầu, hoặc chữ chưa \
                     dựng sẵn (NFC)"
                ),
                format!(
                    "the code `{row}` is never read: it has white space around it, or is not \
                     composed (NFC)"
                ),
            );
            self.report_at(position, &format!("lists/{name}"), defect);
        }
    }
}

fn same_as_code(text: &str, native: &str) -> (String, String) {
    (
        format!("`{text}` nghĩa là không có, mà cũng là một mã của `{native}`"),
        format!("`{text}` means absent, and is a code of `{native}` too"),
    )
}

/// True for rules in two lists that are joined by a key.
fn are_joined(one: &FlatRule<'_>, two: &FlatRule<'_>) -> bool {
    let lists = one.lists.last().zip(two.lists.last());
    lists.is_some_and(|(one, two)| {
        one.list == two.list && one.key.is_some() && two.key.is_some() && !std::ptr::eq(*one, *two)
    })
}

/// True for rules in two lists: reading makes items of both.
fn are_separate(one: &FlatRule<'_>, two: &FlatRule<'_>) -> bool {
    let lists = one.lists.last().zip(two.lists.last());
    lists.is_some_and(|(one, two)| !std::ptr::eq(*one, *two))
}

/// True when one path is the other or is inside it. The parts of a file (its bytes and what is said
/// of them) are filled by different places.
fn fills_same(one: &str, two: &str, is_file: bool) -> bool {
    let (short, long) = if one.len() <= two.len() { (one, two) } else { (two, one) };
    match long.strip_prefix(short) {
        Some("") => true,
        Some(rest) => rest.starts_with('.') && !is_file && !short.ends_with("content"),
        None => false,
    }
}
