//! Precedence and origin of settings, and the errors about them.

use std::collections::BTreeMap;
use std::io::Write as _;

use chassis::config::{ConfigError, Layers};
use serde::Deserialize;

const SECTIONS: &[(&str, &str)] = &[("gateway", DEFAULTS), ("journal", "database = \"\"\n")];
const DEFAULTS: &str = "# A port.\nport = 7400\nname = \"trục\"\n[limits]\nbytes_max = 10\n";

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Section {
    port: u16,
    name: String,
    limits: Limits,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Limits {
    bytes_max: u64,
}

fn layers(file: &str, environment: &[(&str, &str)]) -> Result<Layers, ConfigError> {
    let mut config_file = tempfile::NamedTempFile::new().unwrap();
    config_file.write_all(file.as_bytes()).unwrap();
    let environment: BTreeMap<_, _> =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Layers::from_parts(Some(config_file.path()), environment)
}

#[test]
fn flags_override_the_environment_which_overrides_the_file_which_overrides_the_defaults() {
    let file = "[gateway]\nport = 1\nname = \"tệp\"\nlimits.bytes_max = 20\n";
    let environment =
        [("LIENTHONG__GATEWAY__PORT", "2"), ("LIENTHONG__GATEWAY__LIMITS__BYTES_MAX", "30")];
    let layers = layers(file, &environment).unwrap().flag("gateway.port", "3");
    let layers = layers.base("gateway.name", "thư mục").base("gateway.port", "4");
    let section: Section = layers.section("gateway", DEFAULTS).unwrap();
    let limits = Limits { bytes_max: 30 };
    assert_eq!(section, Section { port: 3, name: "tệp".to_owned(), limits });
    let origins: BTreeMap<_, _> = layers
        .effective_settings("gateway", DEFAULTS)
        .unwrap()
        .into_iter()
        .map(|it| (it.key, (it.value, it.origin)))
        .collect();
    assert_eq!(origins["gateway.port"], ("3".to_owned(), "flag".to_owned()));
    let variable = "LIENTHONG__GATEWAY__LIMITS__BYTES_MAX".to_owned();
    assert_eq!(origins["gateway.limits.bytes_max"], ("30".to_owned(), variable));
    assert!(origins["gateway.name"].1.ends_with(|it: char| it.is_alphanumeric()), "the file");
    assert_ne!(origins["gateway.name"].1, "default");
}

#[test]
fn an_unknown_setting_is_an_error_that_names_the_nearest_one() {
    let error = layers("[gateway]\nprot = 1\n", &[])
        .unwrap()
        .section::<Section>("gateway", DEFAULTS)
        .unwrap_err();
    assert_eq!(error.code(), "LT-CFG-003");
    let words = error.to_string();
    assert!(words.contains("`gateway.prot`; did you mean `port`?"), "{words}");
    let error = layers("", &[("LIENTHONG__GATEWAY__LIMIT__BYTES_MAX", "1")])
        .unwrap()
        .section::<Section>("gateway", DEFAULTS)
        .unwrap_err();
    let words = error.to_string();
    assert!(words.contains("LIENTHONG__GATEWAY__LIMIT__BYTES_MAX"), "{words}");
    assert!(words.contains("did you mean `limits.bytes_max`?"), "{words}");
}

#[test]
fn an_unknown_section_is_an_error_in_the_file_and_in_the_environment() {
    let error = layers("[gatway]\n", &[]).unwrap().check(SECTIONS).unwrap_err();
    assert!(error.to_string().contains("did you mean `gateway`?"), "{error}");
    let variable = [("LIENTHONG__JOURNALS__DATABASE", "x")];
    let error = layers("", &variable).unwrap().check(SECTIONS).unwrap_err();
    assert!(error.to_string().contains("did you mean `journal`?"), "{error}");
    layers("[journal]\n", &[]).unwrap().check(SECTIONS).unwrap();
}

#[test]
fn the_error_names_the_line_of_a_malformed_file_and_the_key_of_a_wrong_value() {
    let error = layers("[gateway]\n\nport = \n", &[]).unwrap_err();
    assert_eq!(error.code(), "LT-CFG-002");
    assert!(error.to_string().contains(":3: "), "{error}");
    let wrong = layers("[gateway]\nport = \"đông\"\n", &[]).unwrap();
    let error = wrong.section::<Section>("gateway", DEFAULTS).unwrap_err();
    assert_eq!(error.code(), "LT-CFG-004");
    let words = error.to_string();
    assert!(words.contains("`gateway.port`") && words.contains("\"đông\""), "{words}");
    let missing = Layers::from_parts(Some("/no/such/file".as_ref()), BTreeMap::new());
    assert_eq!(missing.unwrap_err().code(), "LT-CFG-001");
}

#[test]
fn the_effective_settings_have_no_passwords() {
    let defaults = "url = \"\"\n";
    let layers = layers("[bus]\nurl = \"amqps://bus:bí-mật@host:5671/%2f\"\n", &[]).unwrap();
    let shown = layers.effective_settings("bus", defaults).unwrap();
    assert_eq!(shown[0].value, "amqps://bus:***@host:5671/%2f");
}

#[test]
fn the_file_overrides_values_of_the_data_folder() {
    let said = layers("[gateway]\nport = 1\n", &[]).unwrap();
    let layers = said.base("gateway.name", "dữ liệu").base("gateway.port", "4");
    let section: Section = layers.section("gateway", DEFAULTS).unwrap();
    assert_eq!((section.port, section.name.as_str()), (1, "dữ liệu"));
    let shown = layers.effective_settings("gateway", DEFAULTS).unwrap();
    let origin = |key: &str| shown.iter().find(|it| it.key == key).unwrap().origin.clone();
    assert_eq!(origin("gateway.name"), "data folder");
    assert_ne!(origin("gateway.port"), "data folder");
}

#[test]
fn the_error_about_a_variable_with_single_underscores_suggests_its_name() {
    for variable in ["LIENTHONG_GATEWAY_PORT", "LIENTHONG_GATEWAY__PORT"] {
        let error = layers("", &[(variable, "1")]).unwrap().check(SECTIONS).unwrap_err();
        assert_eq!(error.code(), "LT-CFG-003");
        let words = error.to_string();
        assert!(words.contains("did you mean `LIENTHONG__GATEWAY__PORT`?"), "{words}");
    }
    // Kubernetes makes these for a service called `lienthong`.
    let others = [("LIENTHONG_SERVICE_HOST", "10.0.0.1"), ("LIENTHONG_PORT_7400_TCP", "x")];
    layers("", &others).unwrap().check(SECTIONS).unwrap();
}

#[test]
fn a_section_that_is_not_a_table_and_a_number_below_its_minimum_are_errors() {
    let error = layers("gateway = 5\n", &[]).unwrap().check(SECTIONS).unwrap_err();
    assert_eq!(error.code(), "LT-CFG-004");
    assert!(error.to_string().contains("written [gateway]"), "{error}");
    let layers = layers("", &[("LIENTHONG__GATEWAY__PORT", "0")]).unwrap();
    let error = layers.at_least(("gateway", DEFAULTS), "port", (0, 1)).unwrap_err();
    assert_eq!(error.code(), "LT-CFG-005");
    assert!(error.to_string().contains("LIENTHONG__GATEWAY__PORT"), "{error}");
    layers.at_least(("gateway", DEFAULTS), "port", (1, 1)).unwrap();
}

#[test]
fn a_secret_is_read_from_the_file_of_its_setting_and_the_error_names_the_setting() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"m\xc3\xa3/@:\n").unwrap();
    let layers = layers("", &[]).unwrap();
    let at = ("bus", "password_file = \"\"\n");
    assert!(layers.secret(at, "password_file", "".as_ref()).unwrap().is_none());
    let secret = layers.secret(at, "password_file", file.path()).unwrap().unwrap();
    assert_eq!(secret.reveal(), "mã/@:");
    let error = layers.secret(at, "password_file", "/no/such".as_ref()).unwrap_err();
    assert_eq!(error.code(), "LT-CFG-006");
    assert!(error.to_string().contains("`bus.password_file`"), "{error}");
}

#[test]
fn an_error_quotes_a_url_in_the_wrong_setting_without_its_password() {
    let layers = layers("", &[("LIENTHONG__GATEWAY__PORT", "amqp://bus:bí-mật@host")]).unwrap();
    let error = layers.section::<Section>("gateway", DEFAULTS).unwrap_err();
    assert_eq!(error.code(), "LT-CFG-004");
    let text = format!("{error} {error:?} {layers:?}");
    assert!(text.contains("amqp://bus:***@host") && !text.contains("mật"), "{text}");
}
