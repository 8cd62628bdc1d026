//! Whoever reads a contract finds words at every part of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// Numbers of the lists in a descriptor, as the paths of the source's places name them.
const MESSAGES: i32 = 4;
const FIELDS: i32 = 2;
const NESTED: i32 = 3;
const NESTED_ENUMS: i32 = 4;
const ENUMS: i32 = 5;
const VALUES: i32 = 2;
const SERVICES: i32 = 6;
const METHODS: i32 = 2;

/// The contracts with their comments, compiled from the files.
fn contracts() -> FileDescriptorSet {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .filter_map(|it| std::fs::read_dir(it.unwrap().path().join("v1")).ok())
        .flatten()
        .map(|it| it.unwrap().path())
        .filter(|it| it.extension().is_some_and(|it| it == "proto"))
        .collect();
    files.sort();
    let mut compiler = protox::Compiler::new([root]).unwrap();
    compiler.include_source_info(true);
    compiler.open_files(&files).unwrap();
    compiler.file_descriptor_set()
}

/// One file, and the places in it that have a comment above.
struct Source<'a> {
    file: &'a FileDescriptorProto,
    commented: BTreeSet<Vec<i32>>,
    silent: Vec<String>,
}

impl<'a> Source<'a> {
    fn new(file: &'a FileDescriptorProto) -> Self {
        let places = file.source_code_info.iter().flat_map(|it| &it.location);
        let commented =
            places.filter(|it| !it.leading_comments().trim().is_empty()).map(|it| it.path.clone());
        Self { file, commented: commented.collect(), silent: Vec::new() }
    }

    fn read(mut self) -> Vec<String> {
        let package = self.file.package();
        for (at, message) in (0..).zip(&self.file.message_type) {
            self.message(package, message, &[MESSAGES, at]);
        }
        for (at, of) in (0..).zip(&self.file.enum_type) {
            self.values(package, of, &[ENUMS, at]);
        }
        for (at, service) in (0..).zip(&self.file.service) {
            // A service has the words at the head of its file.
            let name = format!("{package}.{}", service.name());
            for (method, it) in (0..).zip(&service.method) {
                self.look(&format!("{name}.{}", it.name()), &[SERVICES, at, METHODS, method]);
            }
        }
        self.silent
    }

    fn message(&mut self, within: &str, message: &DescriptorProto, path: &[i32]) {
        if message.options.as_ref().is_some_and(|it| it.map_entry()) {
            return;
        }
        let name = format!("{within}.{}", message.name());
        self.look(&name, path);
        for (at, it) in (0..).zip(&message.field) {
            self.look(&format!("{name}.{}", it.name()), &[path, &[FIELDS, at]].concat());
        }
        for (at, it) in (0..).zip(&message.nested_type) {
            self.message(&name, it, &[path, &[NESTED, at]].concat());
        }
        for (at, it) in (0..).zip(&message.enum_type) {
            self.values(&name, it, &[path, &[NESTED_ENUMS, at]].concat());
        }
    }

    fn values(&mut self, within: &str, of: &EnumDescriptorProto, path: &[i32]) {
        let name = format!("{within}.{}", of.name());
        self.look(&name, path);
        for (at, it) in (0..).zip(&of.value) {
            self.look(&format!("{name}.{}", it.name()), &[path, &[VALUES, at]].concat());
        }
    }

    fn look(&mut self, name: &str, path: &[i32]) {
        if !self.commented.contains(path) {
            self.silent.push(name.to_owned());
        }
    }
}

#[test]
fn every_part_of_the_contracts_says_what_it_means() {
    let contracts = contracts();
    let files: Vec<_> =
        contracts.file.iter().filter(|it| it.package().starts_with("lienthong.")).collect();
    let packages: BTreeSet<_> = files.iter().map(|it| it.package()).collect();
    let rooms = ["canonical", "exchange", "fault", "journal", "mapping", "message", "registry"];
    assert_eq!(
        packages,
        rooms.map(|it| format!("lienthong.{it}.v1")).iter().map(|it| &**it).collect()
    );
    let silent: Vec<_> = files.into_iter().flat_map(|it| Source::new(it).read()).collect();
    assert!(
        silent.is_empty(),
        "{} parts have no comment; say above each what it means, its unit and limits, and its \
         source where there is one\n{}",
        silent.len(),
        silent.join("\n")
    );
}
