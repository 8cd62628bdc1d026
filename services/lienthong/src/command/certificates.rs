//! `certificates`: makes certificates to try encryption with, and shows what a certificate says.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::fault::v1::Fault;
use serde_json::{Value, json};
use tls::authority::{Authority, AuthorityError, CertificateRequest};
use tls::{Certificate, Identity, read_certificates};

use crate::cli::{Certificates, DevCertificates};
use crate::exit_status::ExitStatus;
use crate::fault::unwritable_path;
use crate::output::Output;
use crate::table::Row;
use crate::text_format::{local_time, microseconds, rfc3339};

/// The roles that show a certificate; `up` has all roles in one process.
const ROLES: [&str; 5] = ["gateway", "journal", "mapping", "registry", "up"];
/// What runs beside the system and serves its connections: RabbitMQ, PostgreSQL, the object store and
/// the collector of traces.
const SERVERS: [&str; 4] = ["broker", "database", "objects", "collector"];

/// Runs a command on certificates.
pub(crate) fn run(output: Output, command: Certificates) -> anyhow::Result<ExitStatus> {
    match command {
        Certificates::Dev(arguments) => make_all(output, &arguments),
        Certificates::Show { files } => show(output, &files),
    }
}

/// Makes an authority and the certificates of a whole installation.
fn make_all(output: Output, arguments: &DevCertificates) -> anyhow::Result<ExitStatus> {
    let authority = Authority::open_or_create(&arguments.folder, "lienthong");
    let authority = authority.map_err(authority_error)?;
    let mut files = vec![authority.certificate_file()];
    for request in requests(arguments) {
        files.push(authority.issue(&request).map_err(authority_error)?.certificates);
    }
    print(output, &files)?;
    output.print_note(output.localize(
        "Chỉ để thử: khóa của nơi cấp nằm trong thư mục này. Khóa riêng (.key) chỉ chủ thư mục đọc được.",
        "For trying only: the authority's key lies in this folder. Only its owner can read the keys (.key).",
    ));
    Ok(ExitStatus::Done)
}

/// The certificates of an installation on this machine and on the named hosts.
fn requests(arguments: &DevCertificates) -> Vec<CertificateRequest> {
    let request = |file: &str, identity| {
        let local = [Ipv4Addr::LOCALHOST.to_string(), Ipv6Addr::LOCALHOST.to_string()];
        let names = ["localhost".to_owned(), file.to_owned()].into_iter().chain(local);
        let hosts = names.chain(arguments.hosts.iter().cloned()).collect();
        CertificateRequest { file: file.to_owned(), identity, hosts, days: arguments.days }
    };
    let mut all: Vec<_> = ROLES
        .iter()
        .map(|role| request(role, Some(Identity::Role((*role).to_owned()))))
        .chain(SERVERS.iter().map(|server| request(server, None)))
        .collect();
    let operator = arguments.operator.clone().unwrap_or_else(chassis::account_name);
    let without_hosts = |file: String, identity| CertificateRequest {
        file,
        identity: Some(identity),
        hosts: Vec::new(),
        days: arguments.days,
    };
    all.push(without_hosts(format!("operator-{operator}"), Identity::Operator(operator)));
    all.extend(
        arguments.applications.iter().map(|id| {
            without_hosts(format!("application-{id}"), Identity::Application(id.clone()))
        }),
    );
    all
}

fn authority_error(error: AuthorityError) -> anyhow::Error {
    match error {
        AuthorityError::File { path, source } => unwritable_path(&path, &source).into(),
        other @ AuthorityError::Certificate(_) => other.into(),
    }
}

/// Prints what certificates say.
fn show(output: Output, files: &[PathBuf]) -> anyhow::Result<ExitStatus> {
    print(output, files)?;
    Ok(ExitStatus::Done)
}

fn print(output: Output, files: &[PathBuf]) -> anyhow::Result<()> {
    let read = files.iter().map(|it| Ok((it, read_first(it)?)));
    let certificates: Vec<_> = read.collect::<anyhow::Result<_>>()?;
    if output.json {
        let json: Vec<Value> =
            certificates.iter().map(|(file, it)| certificate_json(file, it)).collect();
        output.print_json(&json!({ "certificates": json }));
        return Ok(());
    }
    let rows: Vec<Row> = certificates
        .iter()
        .map(|(file, it)| {
            let owner = it.identity().map_or_else(|| it.subject.clone(), |it| it.to_string());
            Row::from(vec![file.display().to_string(), owner, until(it.not_after)])
        })
        .collect();
    let headings = [
        output.localize("Tệp", "File"),
        output.localize("Của ai", "Owner"),
        output.localize("Hết hạn", "Valid until"),
    ];
    output.print_table(&headings, &rows);
    Ok(())
}

/// The first certificate of a file, which is the one that is shown.
fn read_first(file: &Path) -> anyhow::Result<Certificate> {
    let all = read_certificates(file)?;
    let damaged = || {
        let (vi, en) = ("chứng thư không đọc được", "the certificate cannot be read");
        Fault::new(&proto::fault::code::LT_CFG_008).violation(file.display().to_string(), vi, en)
    };
    Ok(all.first().and_then(|it| Certificate::parse(it)).ok_or_else(damaged)?)
}

fn until(end: SystemTime) -> String {
    local_time(microseconds(end))
}

fn certificate_json(file: &Path, certificate: &Certificate) -> Value {
    json!({
        "file": file,
        "subject": certificate.subject,
        "uris": certificate.uris,
        "not_after": rfc3339(microseconds(certificate.not_after)),
    })
}
