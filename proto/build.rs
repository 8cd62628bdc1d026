//! Compiles the contracts with protox, and generates one constant for each error code.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fs};

use prost::Message as _;
use serde::Deserialize;

type BuildResult<T> = Result<T, Box<dyn error::Error>>;

fn main() -> BuildResult<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    compile_contracts(&out)?;
    generate_catalog(&out)
}

fn compile_contracts(out: &Path) -> BuildResult<()> {
    let mut files = Vec::new();
    let packages =
        ["canonical", "exchange", "fault", "journal", "mapping", "message", "operate", "registry"];
    for package in packages {
        println!("cargo:rerun-if-changed={package}/v1");
        for entry in fs::read_dir(format!("{package}/v1"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(&files)?;
    let mut set = compiler.file_descriptor_set();
    tonic_prost_build::configure().bytes(".").compile_fds(set.clone())?;
    for file in &mut set.file {
        file.source_code_info = None;
    }
    fs::write(out.join("contracts.binpb"), set.encode_to_vec())?;
    Ok(())
}

/// One file of `fault/errors`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeEntry {
    code: String,
    title: LocalizedText,
    cause: LocalizedText,
    remedy: LocalizedText,
    who: String,
    grpc: String,
    http: u16,
    retry: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LocalizedText {
    vi: String,
    en: String,
}

fn generate_catalog(out: &Path) -> BuildResult<()> {
    println!("cargo:rerun-if-changed=fault/errors");
    let mut paths: Vec<PathBuf> =
        fs::read_dir("fault/errors")?.map(|it| it.map(|it| it.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let (mut constants, mut references) = (String::new(), String::new());
    for path in paths.iter().filter(|it| it.extension().is_some_and(|it| it == "toml")) {
        let entry: CodeEntry = toml::from_str(&fs::read_to_string(path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        if path.file_stem().and_then(|it| it.to_str()) != Some(entry.code.as_str()) {
            return Err(format!("{}: holds the code {}", path.display(), entry.code).into());
        }
        write_constant(&mut constants, &entry).map_err(|it| format!("{}: {it}", entry.code))?;
        writeln!(references, "    &code::{},", constant_name(&entry))?;
    }
    fs::write(out.join("codes.rs"), constants)?;
    fs::write(out.join("catalog.rs"), format!("[\n{references}]"))?;
    Ok(())
}

/// `LT-GW-004` as an identifier: `LT_GW_004`.
fn constant_name(entry: &CodeEntry) -> String {
    entry.code.replace('-', "_")
}

fn write_constant(constants: &mut String, entry: &CodeEntry) -> BuildResult<()> {
    let (reason, grpc) = reason_and_code(&entry.grpc)?;
    let responsible = variant_name(&entry.who, &["sender", "recipient", "operator", "vendor"])?;
    let retry = variant_name(&entry.retry, &["never", "after-fix", "automatic"])?;
    let name = constant_name(entry);
    writeln!(constants, "/// {}\npub static {name}: CodeEntry = CodeEntry {{", entry.title.en)?;
    writeln!(constants, "    code: {:?},", entry.code)?;
    for (field, text) in
        [("title", &entry.title), ("cause", &entry.cause), ("remedy", &entry.remedy)]
    {
        let (vi, en) = (&text.vi, &text.en);
        writeln!(constants, "    {field}: LocalizedText {{ vi: {vi:?}, en: {en:?} }},")?;
    }
    writeln!(constants, "    responsible: ResponsibleParty::{responsible},")?;
    writeln!(constants, "    reason: Reason::{reason}, retry: Retry::{retry},")?;
    writeln!(constants, "    grpc: tonic::Code::{grpc}, http: {},\n}};", entry.http)?;
    Ok(())
}

/// Our reason and tonic's variant for the name of a gRPC status code.
fn reason_and_code(grpc: &str) -> Result<(&'static str, &'static str), String> {
    Ok(match grpc {
        "INVALID_ARGUMENT" => ("Invalid", "InvalidArgument"),
        "OUT_OF_RANGE" => ("Invalid", "OutOfRange"),
        "UNAUTHENTICATED" => ("Unauthenticated", "Unauthenticated"),
        "PERMISSION_DENIED" => ("Forbidden", "PermissionDenied"),
        "NOT_FOUND" => ("NotFound", "NotFound"),
        "ALREADY_EXISTS" => ("Conflict", "AlreadyExists"),
        "ABORTED" => ("Conflict", "Aborted"),
        "FAILED_PRECONDITION" => ("Conflict", "FailedPrecondition"),
        "RESOURCE_EXHAUSTED" => ("Exhausted", "ResourceExhausted"),
        "UNAVAILABLE" => ("Unavailable", "Unavailable"),
        "DEADLINE_EXCEEDED" => ("Unavailable", "DeadlineExceeded"),
        "UNIMPLEMENTED" => ("Invalid", "Unimplemented"),
        "DATA_LOSS" => ("Internal", "DataLoss"),
        "INTERNAL" => ("Internal", "Internal"),
        other => return Err(format!("grpc = {other:?} is no gRPC status name")),
    })
}

/// The enum variant for one of the allowed values: `after-fix` is `AfterFix`.
fn variant_name(value: &str, allowed: &[&str]) -> Result<String, String> {
    if !allowed.contains(&value) {
        return Err(format!("{value:?} is none of {allowed:?}"));
    }
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map_or_else(String::new, |it| it.to_ascii_uppercase().to_string())
            + letters.as_str()
    };
    Ok(value.split('-').map(capital).collect())
}
