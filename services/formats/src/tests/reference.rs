//! A plain, slow interpreter of descriptions. It shares the grammar with the engine, and nothing that
//! reads: it parses content by other libraries, walks the description itself with every look-up by
//! name, and puts values into messages of the published descriptors.
//!
//! What it does not write a second time, because other tests prove it alone: charsets, calendars, base64
//! and archives, media types and names of files, the search for secrecy marks and for legacy text, and
//! the words for nothing.

mod files;
mod leftovers;
mod native;
mod paths;
mod reader;
mod texts;

use prost_reflect::DynamicMessage;
use proto::mapping::v1::DeclaredAttachment;
use secrecy_marks::means_no_secrecy;

use self::leftovers::Leftover;
use self::native::Native;
use self::reader::Reader;
use crate::absent::{Absence, absence_of};
use crate::content::UnpackBudget;
use crate::format::Format;
use crate::grammar::{Description, FieldRule, FileForm, SpannedRule, Syntax, UnmappedPolicy};
use crate::limits::{NODES_MAX, RECORDS_MAX};
use crate::scan::csv::is_formula;
use crate::scan::{decode_text, refuse_html};

/// The code of a refusal of content.
type Refused = &'static str;

/// One record as it was read.
pub(super) struct Reading {
    pub(super) message: DynamicMessage,
    /// In no order.
    pub(super) leftovers: Vec<Leftover>,
    /// Codes, in no order.
    pub(super) findings: Vec<String>,
}

/// Why content is not compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoReading {
    /// It is refused with this code.
    Refused(String),
    /// The library that parses it refuses what the engine's scanner may read.
    Unparsed,
}

/// A description as the interpreter reads it.
pub(super) struct Interpreter {
    description: Description,
}

impl Interpreter {
    pub(super) fn new(text: &str) -> Self {
        Self { description: serde_saphyr::from_str(text).unwrap() }
    }

    /// Reads native content. `format` says what type its messages have.
    pub(super) fn read(
        &self,
        (bytes, declared): (&[u8], &[DeclaredAttachment]),
        format: &Format,
    ) -> Result<Vec<Result<Reading, String>>, NoReading> {
        let refused = |code: &str| NoReading::Refused(code.to_owned());
        let syntax = &self.description.syntax;
        let text = decode_text(bytes, syntax.charset()).map_err(|it| refused(&it.code))?;
        if !syntax.is_flat() {
            refuse_html(&text.text).map_err(|it| refused(&it.code))?;
        }
        let names = self.top_names(&self.description.fields);
        let native = Native::parse(&text.text, syntax, &names).map_err(|code| match code {
            "LT-MAP-001" | "LT-MAP-002" => NoReading::Unparsed,
            code => refused(code),
        })?;
        // Bounds of what is scanned are tried elsewhere.
        if native.0.len() >= NODES_MAX {
            return Err(NoReading::Unparsed);
        }
        let records = self.records(&native);
        if records.len() > RECORDS_MAX {
            return Err(refused("LT-MAP-005"));
        }
        if records.is_empty() {
            return Err(refused("LT-MAP-009"));
        }
        let (broken, readable): (Vec<usize>, Vec<usize>) =
            records.iter().partition(|it| native.0[**it].is_broken);
        // Which cell of a broken row is the mark cannot be told.
        if !broken.is_empty() && self.has_gate(&self.description.fields) {
            return Err(refused("LT-MAP-065"));
        }
        let is_secret = |it: &usize| self.is_secret(&native, &self.description.fields, &[*it]);
        if readable.iter().any(is_secret) || leftovers::is_marked_outside(&native, &readable) {
            return Err(refused("LT-MAP-007"));
        }
        let (mut readings, mut uploads) = (Vec::new(), Vec::new());
        let mut budget = UnpackBudget::per_item();
        for record in &records {
            if broken.contains(record) {
                readings.push(Err("LT-MAP-065".to_owned()));
                continue;
            }
            let mut reader = Reader::new(&self.description, (&native, *record), declared);
            let reading = self.read_record(&mut reader, (format, &mut budget));
            uploads.extend(reader.uploads.into_iter().map(|(_, it)| it));
            match reading {
                // The bytes of a mark would be stored with every record that is accepted.
                Err(code) if code == "LT-MAP-007" => return Err(NoReading::Refused(code)),
                reading => readings.push(reading),
            }
        }
        let is_whole = readings.iter().all(Result::is_ok);
        if is_whole && declared.iter().any(|it| !uploads.contains(&it.reference)) {
            return Err(refused("LT-MAP-013"));
        }
        let mut page = Some("LT-MAP-033".to_owned());
        page = page.filter(|_| self.says_other_count(&native, records.len()));
        for it in readings.iter_mut().flatten() {
            it.findings.extend(page.take());
            it.findings.extend(text.finding.iter().map(|it| it.code.clone()));
        }
        Ok(readings)
    }

    fn read_record(
        &self,
        reader: &mut Reader<'_>,
        (format, budget): (&Format, &mut UnpackBudget),
    ) -> Result<Reading, String> {
        let mut message = DynamicMessage::new(super::descriptor_of(format));
        reader.read_record(&mut message).map_err(str::to_owned)?;
        let keeps = self.description.others == UnmappedPolicy::Keep;
        let leftovers = if keeps { leftovers::collect(reader) } else { Vec::new() };
        let mut findings: Vec<String> = reader.findings.iter().map(|it| it.0.clone()).collect();
        if matches!(self.description.syntax, Syntax::Csv(_)) {
            let cells = &reader.native.0[reader.record].children;
            let formulas = cells.iter().filter(|it| is_formula(&reader.native.0[**it].text));
            findings.extend(formulas.map(|_| "LT-MAP-066".to_owned()));
        }
        findings.extend(self.description.dialect.iter().map(|_| "LT-MAP-080".to_owned()));
        files::complete(&mut message, &mut findings);
        if !reader.violations.is_empty() {
            return Err("LT-MAP-014".to_owned());
        }
        if let Some(code) = &reader.fault {
            return Err(code.clone());
        }
        files::decode(reader, (self.may_wrap_files(), budget), &mut message, &mut findings)?;
        Ok(Reading { message, leftovers, findings })
    }

    fn records(&self, native: &Native) -> Vec<usize> {
        if self.description.syntax.is_flat() {
            return native.0[0].children.clone();
        }
        let path = self.description.syntax.records();
        let path: Vec<String> =
            path.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect();
        let mut records = native.all_at(0, &path);
        records.retain(|it| *it == 0 || native.says_something(*it));
        records
    }

    /// The first names of all native paths.
    fn top_names(&self, rules: &[SpannedRule]) -> Vec<String> {
        let mut names = Vec::new();
        for it in rules.iter().map(|it| &it.value) {
            match it.at.as_ref().or(it.each.as_ref()) {
                Some(name) => names.push(name.clone()),
                None => names.extend(self.top_names(self.inner(it))),
            }
        }
        names
    }

    fn inner<'d>(&'d self, rule: &'d FieldRule) -> &'d [SpannedRule] {
        rule.part.as_ref().map_or(&rule.fields, |it| &self.description.parts[it])
    }

    /// True where a rule reads a secrecy mark.
    fn has_gate(&self, rules: &[SpannedRule]) -> bool {
        rules.iter().map(|it| &it.value).any(|it| {
            let list = it.converter.as_deref().and_then(|it| it.strip_prefix("code "));
            let list = list.map(|it| &self.description.lists[it.trim()]);
            list.is_some_and(|it| it.gate.is_some()) || self.has_gate(self.inner(it))
        })
    }

    /// True where a rule with a gate finds a mark: anything but the one permitted value, or a second
    /// place beside it.
    fn is_secret(&self, native: &Native, rules: &[SpannedRule], places: &[usize]) -> bool {
        let of_names = Reader::new(&self.description, (native, 0), &[]);
        rules.iter().map(|it| &it.value).any(|rule| {
            let path =
                of_names.names(rule.at.as_deref().or(rule.each.as_deref()).unwrap_or_default());
            let found = |from: &usize| native.all_at(*from, &path);
            let inner = self.inner(rule);
            if !inner.is_empty() {
                let inside: Vec<usize> = places.iter().flat_map(found).collect();
                return self.is_secret(native, inner, &inside);
            }
            let list = rule.converter.as_deref().and_then(|it| it.strip_prefix("code "));
            let list = list.map(|it| &self.description.lists[it.trim()]);
            let Some((list, gate)) = list.and_then(|it| Some((it, it.gate.as_ref()?))) else {
                return false;
            };
            let is_permitted = |place: &usize| {
                let place = &native.0[*place];
                let text = place.text.trim();
                let row = list.rows.get(text).or_else(|| list.also.get(text));
                let is_absent = absence_of(text, rule.empty.iter().chain(&self.description.empty))
                    != Absence::Value;
                place.children.is_empty()
                    && (is_absent || row.map_or_else(|| means_no_secrecy(text), |row| row == gate))
            };
            places.iter().map(found).any(|it| it.len() > 1 || !it.iter().all(is_permitted))
        })
    }

    /// True where a file may lie in a ZIP: the format writes it so, or says so beside it.
    fn may_wrap_files(&self) -> bool {
        let is_told = |rule: &FieldRule| rule.converter.as_deref() == Some("packed-type");
        self.description.file_form == FileForm::Zip
            || self.has_written_rule(&self.description.fields, &is_told)
    }

    fn has_written_rule(&self, rules: &[SpannedRule], is_it: &dyn Fn(&FieldRule) -> bool) -> bool {
        let mut written = rules.iter().map(|it| &it.value).filter(|it| !it.read_only);
        written.any(|it| is_it(it) || self.has_written_rule(self.inner(it), is_it))
    }

    fn says_other_count(&self, native: &Native, count: usize) -> bool {
        let Syntax::Json { count: path, .. } = &self.description.syntax else { return false };
        let mut place = 0;
        for name in path.split('/').filter(|it| !it.is_empty()) {
            let Some(found) = native.named(place, name).first().copied() else { return false };
            place = found;
        }
        place != 0 && native.0[place].text.trim().parse().is_ok_and(|it: usize| it != count)
    }
}
