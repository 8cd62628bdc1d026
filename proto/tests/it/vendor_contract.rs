//! A vendor compiles `exchange`, `message` and `fault`, and needs nothing else.

use std::path::Path;

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// The packages that a vendor gets. `tests/vendor/client.py` compiles the same three.
const PACKAGES: [&str; 3] = ["exchange", "message", "fault"];

/// Copies the three packages into `folder` and changes the text of `exchange.proto` on the way.
fn copy_packages(folder: &Path, change: impl Fn(String) -> String) {
    for package in PACKAGES {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(package).join("v1");
        let into = folder.join(package).join("v1");
        std::fs::create_dir_all(&into).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let text = if name == "exchange.proto" { change(text) } else { text };
            std::fs::write(into.join(name), text).unwrap();
        }
    }
}

/// Compiles every file in `folder`, with `folder` as the only place where imports are found.
fn compile(folder: &Path) -> Result<FileDescriptorSet, protox::Error> {
    let mut files = Vec::new();
    for package in PACKAGES {
        let entries = std::fs::read_dir(folder.join(package).join("v1")).unwrap();
        files.extend(entries.map(|it| it.unwrap().path()));
    }
    files.sort();
    let mut compiler = protox::Compiler::new([folder])?;
    compiler.include_imports(true).open_files(files)?;
    Ok(compiler.file_descriptor_set())
}

#[test]
fn the_vendor_contract_compiles_on_its_own() {
    let folder = tempfile::tempdir().unwrap();
    copy_packages(folder.path(), |text| text);
    let set = compile(folder.path()).unwrap();
    let others: Vec<_> = set
        .file
        .iter()
        .map(|it| it.name())
        .filter(|it| !PACKAGES.iter().any(|package| it.starts_with(&format!("{package}/v1/"))))
        .collect();
    assert_eq!(others, Vec::<&str>::new(), "a vendor would have to get these files too");
    assert!(set.file.iter().any(|it| it.package() == "lienthong.exchange.v1"));
}

#[test]
fn an_import_of_another_package_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let own = "import \"message/v1/message.proto\";";
    for package in ["journal", "mapping", "registry", "canonical"] {
        let other = format!("import \"{package}/v1/{package}.proto\";");
        copy_packages(folder.path(), |text| {
            assert!(text.contains(own));
            text.replace(own, &format!("{own}\n{other}"))
        });
        let error = compile(folder.path()).unwrap_err().to_string();
        assert!(error.contains(package), "{error}");
    }
}

#[test]
fn no_call_of_the_vendor_contract_streams_from_the_client() {
    let set = FileDescriptorSet::decode(proto::CONTRACTS).unwrap();
    let exchange = set
        .file
        .iter()
        .filter(|it| it.package() == "lienthong.exchange.v1")
        .flat_map(|it| &it.service)
        .find(|it| it.name() == "Exchange")
        .unwrap();
    assert!(exchange.method.len() >= 8, "{exchange:?}");
    let streaming: Vec<_> = exchange
        .method
        .iter()
        .filter(|it| it.client_streaming())
        .map(|it| it.name().to_owned())
        .collect();
    assert_eq!(streaming, Vec::<String>::new());
}
