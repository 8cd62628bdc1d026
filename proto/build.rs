//! Compiles the contracts with protox, and the error catalogue into constants.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fs};

use prost::Message as _;
use serde::Deserialize;

type Outcome<T> = Result<T, Box<dyn error::Error>>;

fn main() -> Outcome<()> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    contracts(&out)?;
    catalogue(&out)
}

fn contracts(out: &Path) -> Outcome<()> {
    let mut files = Vec::new();
    for room in ["canonical", "exchange", "fault", "journal", "mapping", "message", "registry"] {
        println!("cargo:rerun-if-changed={room}/v1");
        for entry in fs::read_dir(format!("{room}/v1"))? {
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    code: String,
    title: Words,
    cause: Words,
    remedy: Words,
    who: String,
    grpc: String,
    http: u16,
    retry: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    vi: String,
    en: String,
}

fn catalogue(out: &Path) -> Outcome<()> {
    println!("cargo:rerun-if-changed=fault/errors");
    let mut paths: Vec<PathBuf> =
        fs::read_dir("fault/errors")?.map(|it| it.map(|it| it.path())).collect::<Result<_, _>>()?;
    paths.sort();
    let mut constants = String::new();
    let mut all = String::new();
    for path in paths.iter().filter(|it| it.extension().is_some_and(|it| it == "toml")) {
        let page: Page = toml::from_str(&fs::read_to_string(path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let name = page.code.replace('-', "_");
        let stem = path.file_stem().and_then(|it| it.to_str());
        if stem != Some(page.code.as_str()) {
            return Err(format!("{}: holds the code {}", path.display(), page.code).into());
        }
        let (reason, grpc) = reason(&page.grpc).map_err(|it| format!("{}: {it}", page.code))?;
        let who = variant(&page.who, &["sender", "recipient", "operator", "vendor"])
            .map_err(|it| format!("{}: {it}", page.code))?;
        let retry = variant(&page.retry, &["never", "after-fix", "automatic"])
            .map_err(|it| format!("{}: {it}", page.code))?;
        writeln!(constants, "/// {}\npub static {name}: Page = Page {{", page.title.en)?;
        writeln!(constants, "    code: {:?},", page.code)?;
        for (field, words) in
            [("title", &page.title), ("cause", &page.cause), ("remedy", &page.remedy)]
        {
            let (vi, en) = (&words.vi, &words.en);
            writeln!(constants, "    {field}: Words {{ vi: {vi:?}, en: {en:?} }},")?;
        }
        writeln!(constants, "    who: Who::{who}, reason: Reason::{reason},")?;
        writeln!(constants, "    grpc: tonic::Code::{grpc}, http: {},", page.http)?;
        writeln!(constants, "    retry: Retry::{retry},\n}};")?;
        writeln!(all, "    &code::{name},")?;
    }
    fs::write(out.join("codes.rs"), constants)?;
    fs::write(out.join("catalogue.rs"), format!("[\n{all}]"))?;
    Ok(())
}

fn reason(grpc: &str) -> Result<(&'static str, &'static str), String> {
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

fn variant(word: &str, words: &[&str]) -> Result<String, String> {
    if !words.contains(&word) {
        return Err(format!("{word:?} is none of {words:?}"));
    }
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map_or_else(String::new, |it| it.to_ascii_uppercase().to_string())
            + letters.as_str()
    };
    Ok(word.split('-').map(capital).collect())
}
