//! Which links of a process would carry plain text to other machines.

use std::net::SocketAddr;

use chassis::secret::redact;
use proto::fault::code;
use proto::fault::v1::Fault;

use crate::cli::Role;
use crate::settings::Settings;

/// A link that would be plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExposedLink {
    /// The setting.
    pub(crate) key: &'static str,
    /// The address, without a password.
    pub(crate) address: String,
}

/// The links of a role, or of all roles, that are neither encrypted nor on this machine.
pub(crate) fn exposed_links(settings: &Settings, role: Option<Role>) -> Vec<ExposedLink> {
    let mut exposed = Vec::new();
    let mut add = |key, is_exposed: bool, address: String| {
        if is_exposed {
            exposed.push(ExposedLink { key, address });
        }
    };
    let (listen, tls) = (&settings.listen, &settings.tls);
    let has_own = !tls.certificates_file.as_os_str().is_empty();
    let has_vendors = has_own || !tls.vendors_certificates_file.as_os_str().is_empty();
    let is_role = |roles: &[Role]| role.is_none_or(|it| roles.contains(&it));
    let is_open = |address: SocketAddr| !address.ip().to_canonical().is_loopback();
    // An adapter listens there only when the address is set.
    let internal =
        [Role::Gateway, Role::Journal, Role::Mapping, Role::Registry, Role::AdapterFolder];
    for (key, roles, address, is_encrypted) in [
        ("listen.vendors", &[Role::Gateway][..], listen.vendors, has_vendors),
        ("listen.internal", &internal[..], listen.internal, has_own),
    ] {
        add(key, is_role(roles) && !is_encrypted && is_open(address), address.to_string());
    }
    add("listen.ops", !has_own && is_open(listen.ops), listen.ops.to_string());
    let upstream = &settings.upstream;
    for (key, url) in [
        ("upstream.journal", &upstream.journal),
        ("upstream.mapping", &upstream.mapping),
        ("upstream.registry", &upstream.registry),
        ("bus.url", &settings.bus.url),
        ("telemetry.otlp_endpoint", &settings.telemetry.otlp_endpoint),
    ] {
        for url in url.reveal().split(',').map(str::trim) {
            add(key, tls::is_exposed(url), redact(url));
        }
    }
    let claims = &settings.claims;
    let is_remote = !claims.bucket.is_empty();
    add(
        "claims.endpoint",
        is_remote && tls::is_exposed(&claims.endpoint),
        redact(&claims.endpoint),
    );
    let database = settings.journal.database.to_string();
    add("journal.database", settings.journal.is_exposed().unwrap_or(false), database);
    let gateway = &settings.adapter_folder.gateway;
    let is_adapter = role == Some(Role::AdapterFolder);
    add("adapter_folder.gateway", is_adapter && tls::is_exposed(gateway), redact(gateway));
    exposed
}

/// Refuses plain text to other machines, unless `listen.plaintext` allows it.
pub(crate) fn refuse_exposed_links(settings: &Settings, role: Option<Role>) -> Result<(), Fault> {
    if settings.listen.plaintext {
        return Ok(());
    }
    let exposed = exposed_links(settings, role);
    let Some(first) = exposed.first() else { return Ok(()) };
    let fault =
        Fault::new(&code::LT_CFG_007).param("key", first.key).param("address", &first.address);
    Err(exposed.iter().fold(fault, |fault, it| {
        fault.violation(
            it.key,
            format!("{} không được mã hóa", it.address),
            format!("{} is not encrypted", it.address),
        )
    }))
}

/// Logs the links that carry plain text by `listen.plaintext`.
pub(crate) fn log_exposed_links(settings: &Settings, role: Option<Role>) {
    for it in exposed_links(settings, role) {
        tracing::warn!(setting = it.key, address = it.address, "link is not encrypted");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chassis::config::Layers;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let variable =
            |(name, value): &(&str, &str)| (format!("LIENTHONG__{name}"), (*value).to_owned());
        let variables: BTreeMap<_, _> = variables.iter().map(variable).collect();
        Settings::read(&Layers::from_parts(None, variables).unwrap()).unwrap()
    }

    #[test]
    fn the_defaults_expose_nothing() {
        assert_eq!(exposed_links(&settings(&[]), None), []);
    }

    #[test]
    fn each_link_that_leaves_the_machine_in_plain_text_is_named() {
        for (variable, value, key) in [
            ("LISTEN__VENDORS", "0.0.0.0:7400", "listen.vendors"),
            ("LISTEN__INTERNAL", "[::]:7401", "listen.internal"),
            ("LISTEN__OPS", "10.0.0.5:7402", "listen.ops"),
            ("UPSTREAM__JOURNAL", "https://a:1,http://journal:7401", "upstream.journal"),
            ("UPSTREAM__MAPPING", "http://mapping:7401", "upstream.mapping"),
            ("UPSTREAM__REGISTRY", "http://registry:7401", "upstream.registry"),
            ("BUS__URL", "amqp://u:secret@broker/%2f", "bus.url"),
            ("TELEMETRY__OTLP_ENDPOINT", "http://collector:4317", "telemetry.otlp_endpoint"),
            ("JOURNAL__DATABASE", "postgres://u:secret@db/x?sslmode=disable", "journal.database"),
        ] {
            let settings = settings(&[(variable, value)]);
            let exposed = exposed_links(&settings, None);
            assert_eq!(exposed.iter().map(|it| it.key).collect::<Vec<_>>(), [key], "{value}");
            assert!(!exposed[0].address.contains("secret"), "{exposed:?}");
            let fault = refuse_exposed_links(&settings, None).unwrap_err();
            assert_eq!((fault.code.as_str(), fault.violations.len()), ("LT-CFG-007", 1));
        }
        let bucket = ("CLAIMS__BUCKET", "tinh");
        let s3 = settings(&[bucket, ("CLAIMS__ENDPOINT", "http://objects:7070")]);
        assert_eq!(exposed_links(&s3, None)[0].key, "claims.endpoint");
        let adapter = settings(&[("ADAPTER_FOLDER__GATEWAY", "http://bus.tinh.vn:7400")]);
        let exposed = exposed_links(&adapter, Some(Role::AdapterFolder));
        assert_eq!(exposed[0].key, "adapter_folder.gateway");
    }

    #[test]
    fn encrypted_links_are_not_named_and_a_setting_allows_the_others() {
        let encrypted = settings(&[
            ("TLS__CERTIFICATES_FILE", "role.crt"),
            ("LISTEN__VENDORS", "0.0.0.0:7400"),
            ("LISTEN__INTERNAL", "0.0.0.0:7401"),
            ("LISTEN__OPS", "0.0.0.0:7402"),
            ("UPSTREAM__JOURNAL", "https://journal:7401"),
            ("BUS__URL", "amqps://u@broker/%2f"),
            ("JOURNAL__DATABASE", "postgres://u@db/x"),
        ]);
        assert_eq!(exposed_links(&encrypted, None), []);
        let allowed =
            settings(&[("LISTEN__VENDORS", "0.0.0.0:7400"), ("LISTEN__PLAINTEXT", "true")]);
        assert_eq!(exposed_links(&allowed, None).len(), 1);
        refuse_exposed_links(&allowed, None).unwrap();
        // No role but the gateway listens on the vendors' address.
        let vendors = settings(&[("LISTEN__VENDORS", "0.0.0.0:7400")]);
        assert_eq!(exposed_links(&vendors, Some(Role::Journal)), []);
    }
}
