//! Every message, field, enum value and method of the contracts has a comment.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// Field numbers in `descriptor.proto`; `SourceCodeInfo.Location.path` is made of them.
const MESSAGES: i32 = 4;
const FIELDS: i32 = 2;
const NESTED: i32 = 3;
const NESTED_ENUMS: i32 = 4;
const ONEOFS: i32 = 8;
const ENUMS: i32 = 5;
const VALUES: i32 = 2;
const SERVICES: i32 = 6;
const METHODS: i32 = 2;

/// The contracts with their comments, compiled from the files; the embedded set has none.
fn compile_with_comments() -> FileDescriptorSet {
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

/// Collects the elements of one file that have no leading comment.
struct CommentCheck<'a> {
    file: &'a FileDescriptorProto,
    commented: BTreeSet<Vec<i32>>,
    uncommented: Vec<String>,
}

impl<'a> CommentCheck<'a> {
    fn new(file: &'a FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|it| &it.location);
        let commented = locations
            .filter(|it| !it.leading_comments().trim().is_empty())
            .map(|it| it.path.clone());
        Self { file, commented: commented.collect(), uncommented: Vec::new() }
    }

    fn run(mut self) -> Vec<String> {
        let package = self.file.package();
        for (at, message) in (0..).zip(&self.file.message_type) {
            self.check_message(package, message, &[MESSAGES, at]);
        }
        for (at, of) in (0..).zip(&self.file.enum_type) {
            self.check_enum(package, of, &[ENUMS, at]);
        }
        for (at, service) in (0..).zip(&self.file.service) {
            // The file's first comment describes its service.
            let name = format!("{package}.{}", service.name());
            for (method, it) in (0..).zip(&service.method) {
                self.check(&format!("{name}.{}", it.name()), &[SERVICES, at, METHODS, method]);
            }
        }
        self.uncommented
    }

    fn check_message(&mut self, within: &str, message: &DescriptorProto, path: &[i32]) {
        if message.options.as_ref().is_some_and(|it| it.map_entry()) {
            return;
        }
        let name = format!("{within}.{}", message.name());
        self.check(&name, path);
        for (at, it) in (0..).zip(&message.field) {
            self.check(&format!("{name}.{}", it.name()), &[path, &[FIELDS, at]].concat());
        }
        // The compiler adds a oneof for each `optional` field; those have no comment of their own.
        let is_synthetic = |at: i32| {
            message.field.iter().any(|it| it.proto3_optional() && it.oneof_index == Some(at))
        };
        for (at, it) in (0..).zip(&message.oneof_decl).filter(|(at, _)| !is_synthetic(*at)) {
            self.check(&format!("{name}.{}", it.name()), &[path, &[ONEOFS, at]].concat());
        }
        for (at, it) in (0..).zip(&message.nested_type) {
            self.check_message(&name, it, &[path, &[NESTED, at]].concat());
        }
        for (at, it) in (0..).zip(&message.enum_type) {
            self.check_enum(&name, it, &[path, &[NESTED_ENUMS, at]].concat());
        }
    }

    fn check_enum(&mut self, within: &str, of: &EnumDescriptorProto, path: &[i32]) {
        let name = format!("{within}.{}", of.name());
        self.check(&name, path);
        for (at, it) in (0..).zip(&of.value) {
            self.check(&format!("{name}.{}", it.name()), &[path, &[VALUES, at]].concat());
        }
    }

    fn check(&mut self, name: &str, path: &[i32]) {
        if !self.commented.contains(path) {
            self.uncommented.push(name.to_owned());
        }
    }
}

#[test]
fn every_element_of_the_contracts_has_a_comment() {
    let contracts = compile_with_comments();
    let files: Vec<_> =
        contracts.file.iter().filter(|it| it.package().starts_with("lienthong.")).collect();
    let packages: BTreeSet<_> = files.iter().map(|it| it.package()).collect();
    let expected =
        ["canonical", "exchange", "fault", "journal", "mapping", "message", "operate", "registry"];
    assert_eq!(
        packages,
        expected.map(|it| format!("lienthong.{it}.v1")).iter().map(|it| &**it).collect()
    );
    let uncommented: Vec<_> =
        files.into_iter().flat_map(|it| CommentCheck::new(it).run()).collect();
    assert!(
        uncommented.is_empty(),
        "{} elements have no comment; say above each what it means, its unit and limits, and its \
         source where there is one\n{}",
        uncommented.len(),
        uncommented.join("\n")
    );
}
