//! Rules over the code inside files: lengths, logs, names of public types, secrets, pure modules.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenTree;
use syn::visit::{self, Visit};

use super::tree::{assert_none, is_for_tests, is_test, parsed, sources};

/// Most lines in the body of one function: what fits on a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Counts the lines of every function body, comments and blank lines too. Clippy's lint leaves out
/// what a procedural macro expands.
#[derive(Default)]
struct Functions {
    long: Vec<(String, usize)>,
}

impl Functions {
    fn count(&mut self, name: &syn::Ident, body: &syn::Block) {
        let braces = body.brace_token.span;
        let (open, close) = (braces.open().start().line, braces.close().start().line);
        let count = close.saturating_sub(open + 1);
        if count > FUNCTION_LINES_MAX {
            self.long.push((name.to_string(), count));
        }
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.count(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.count(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.count(&item.sig.ident, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn long_functions(text: &str) -> Vec<(String, usize)> {
    let mut functions = Functions::default();
    functions.visit_file(&syn::parse_file(text).unwrap());
    functions.long
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let offenders: Vec<_> = sources()
        .into_iter()
        .flat_map(|(name, text)| {
            let say = move |(function, lines)| format!("{name}: {function} has {lines} lines");
            long_functions(&text).into_iter().map(say)
        })
        .collect();
    assert_none(&offenders, "the body of a function has at most 70 lines, in tests too");
}

#[test]
fn a_long_function_is_found_inside_a_trait_and_an_attribute() {
    let body = "a();\n".repeat(71);
    let traits =
        format!("trait T {{ fn long() {{\n{body}}} fn short() {{\n{} }} }}", "a();\n".repeat(70));
    assert_eq!(long_functions(&traits), [("long".to_owned(), 71)]);
    let expanded = format!("#[tonic::async_trait]\nimpl T for S {{ async fn f() {{\n{body}}} }}");
    assert_eq!(long_functions(&expanded), [("f".to_owned(), 71)]);
}

/// Finds log calls and what is wrong with their messages.
#[derive(Default)]
struct Logs {
    wrong: Vec<(usize, String)>,
}

impl<'a> Visit<'a> for Logs {
    fn visit_macro(&mut self, item: &'a syn::Macro) {
        let levels = ["error", "warn", "info", "debug", "trace"];
        let names: Vec<String> = item.path.segments.iter().map(|it| it.ident.to_string()).collect();
        let is_log = names.len() == 2 && names[0] == "tracing" && levels.contains(&&*names[1]);
        if !is_log {
            return;
        }
        let line = item.path.segments[0].ident.span().start().line;
        let arguments = arguments(item.tokens.clone());
        let message = arguments.iter().position(|it| is_text(it));
        let Some(at) = message else {
            self.wrong.push((line, "no constant message".to_owned()));
            return;
        };
        let text = arguments[at][0].to_string();
        let text = text.trim_matches('"');
        let is_wrong = text.chars().next().is_none_or(char::is_uppercase)
            || text.ends_with('.')
            || text.contains('{')
            || at + 1 != arguments.len();
        if is_wrong {
            self.wrong.push((line, text.to_owned()));
        }
    }
}

fn arguments(tokens: proc_macro2::TokenStream) -> Vec<Vec<TokenTree>> {
    let mut arguments = vec![Vec::new()];
    for token in tokens {
        if matches!(&token, TokenTree::Punct(it) if it.as_char() == ',') {
            arguments.push(Vec::new());
        } else {
            arguments.last_mut().unwrap().push(token);
        }
    }
    arguments.retain(|it: &Vec<TokenTree>| !it.is_empty());
    arguments
}

/// True for an argument that is one string literal: the message.
fn is_text(argument: &[TokenTree]) -> bool {
    matches!(argument, [TokenTree::Literal(it)] if it.to_string().starts_with('"'))
}

fn wrong_logs(file: &syn::File) -> Vec<(usize, String)> {
    let mut logs = Logs::default();
    logs.visit_file(file);
    logs.wrong
}

#[test]
fn log_messages_are_constant_lower_case_and_without_a_full_stop() {
    let offenders: Vec<_> = parsed()
        .into_iter()
        .flat_map(|(name, file)| {
            let say = move |(line, text)| format!("{name}:{line}: {text}");
            wrong_logs(&file).into_iter().map(say)
        })
        .collect();
    assert_none(&offenders, "a log message is constant, lower-case, and what varies is a field");
}

#[test]
fn a_wrong_log_message_is_found_over_several_lines() {
    let wrong = |call: &str| !wrong_logs(&syn::parse_file(call).unwrap()).is_empty();
    assert!(!wrong("fn f() { tracing::info!(id, error = \"A.\", \"message taken\"); }"));
    for bad in [
        "tracing::warn!(\n    %id,\n    \"Message lost\"\n)",
        "tracing::warn!(\n    %id,\n    \"message lost.\",\n)",
        "tracing::warn!(\"message {id} lost\")",
        "tracing::warn!(\"message {} lost\", id)",
        "tracing::warn!(%id)",
    ] {
        assert!(wrong(&format!("fn f() {{ {bad}; }}")), "{bad}");
    }
}

/// Names that several crates give to a public type, because it means the same in each of them.
const SHARED_NAMES: &[(&str, &str)] = &[
    ("Config", "the settings of the crate's role, a section of the configuration file"),
    ("Service", "the role's gRPC server, handed to the chassis"),
];

/// Collects the public types of a file, those of test modules apart.
#[derive(Default)]
struct PublicTypes(Vec<String>);

impl PublicTypes {
    fn add(&mut self, visibility: &syn::Visibility, name: &syn::Ident) {
        if matches!(visibility, syn::Visibility::Public(_)) {
            self.0.push(name.to_string());
        }
    }
}

impl<'a> Visit<'a> for PublicTypes {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.add(&item.vis, &item.ident);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.add(&item.vis, &item.ident);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.add(&item.vis, &item.ident);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.add(&item.vis, &item.ident);
    }
}

#[test]
fn no_public_type_is_named_twice() {
    let mut owners: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, file) in parsed() {
        if is_test(&name) || name.contains("/benches/") || name.contains("/examples/") {
            continue;
        }
        let mut types = PublicTypes::default();
        types.visit_file(&file);
        for of in types.0 {
            owners.entry(of).or_default().insert(name.clone());
        }
    }
    let is_shared = |name: &str| SHARED_NAMES.iter().any(|(it, _)| *it == name);
    let offenders: Vec<_> = owners
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !is_shared(name))
        .map(|(name, files)| format!("{name}: {}", Vec::from_iter(files).join(", ")))
        .collect();
    assert_none(&offenders, "one word, one thing: a public type's name means one thing everywhere");
}

/// Words in the name of a field that holds a secret or a URL in which a password may stand.
const SECRET_FIELDS: &[&str] = &["password", "secret", "token", "credential", "private_key"];

/// Finds types that print a secret when they are formatted.
#[derive(Default)]
struct Leaks(Vec<String>);

impl<'a> Visit<'a> for Leaks {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        let derives_debug = item.attrs.iter().any(|it| {
            it.path().is_ident("derive")
                && it.meta.require_list().is_ok_and(|list| {
                    list.tokens.clone().into_iter().any(|it| it.to_string() == "Debug")
                })
        });
        if !derives_debug || is_for_tests(&item.attrs) {
            return;
        }
        for field in &item.fields {
            let Some(name) = &field.ident else { continue };
            let name = name.to_string();
            let is_secret = SECRET_FIELDS.iter().any(|it| name.contains(it))
                || name == "database"
                || name.ends_with("url");
            // The path of a file that holds a secret may be printed.
            if is_secret && !name.ends_with("_file") && holds_text(&field.ty) {
                self.0.push(format!("{}.{name}", item.ident));
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

/// True for a type that prints its content: text or bytes, alone or in a container.
fn holds_text(of: &syn::Type) -> bool {
    struct Names(bool);
    impl<'a> Visit<'a> for Names {
        fn visit_ident(&mut self, name: &'a syn::Ident) {
            self.0 |= ["String", "str", "Bytes", "u8"].iter().any(|it| name == it);
        }
    }
    let mut names = Names(false);
    names.visit_type(of);
    names.0
}

fn leaks(file: &syn::File) -> Vec<String> {
    let mut leaks = Leaks::default();
    leaks.visit_file(file);
    leaks.0
}

#[test]
fn no_secret_is_printed_by_debug() {
    let offenders: Vec<_> = parsed()
        .into_iter()
        .filter(|(name, _)| !is_test(name))
        .flat_map(|(name, file)| leaks(&file).into_iter().map(move |it| format!("{name}: {it}")))
        .collect();
    assert_none(&offenders, "a secret is a `Secret`, or its type writes `Debug` by hand");
}

#[test]
fn a_secret_in_a_derived_debug_is_found() {
    let check = |text: &str| leaks(&syn::parse_file(text).unwrap());
    assert_eq!(
        check("#[derive(Debug)] struct S { session_token: Option<String> }"),
        ["S.session_token"]
    );
    assert_eq!(check("#[derive(Clone, Debug)] struct S { url: String }"), ["S.url"]);
    assert!(check("#[derive(Debug)] struct S { token: Secret }").is_empty());
    assert!(check("struct S { token: String }").is_empty());
    assert!(check("#[derive(Debug)] struct S { token_file: String }").is_empty());
}

/// Crates and files that decide without waiting: no runtime, no network, no file, no clock.
const PURE: &[&str] = &[
    "bus/src/channel.rs",
    "bus/src/message.rs",
    "bus/src/verdict.rs",
    "services/formats/src/",
    "services/journal-client/src/conversion.rs",
    "services/journal/src/lease.rs",
    "services/journal/src/retry_schedule.rs",
    "services/journal/src/transitions.rs",
    "services/mapping/src/attachments.rs",
    "services/mapping/src/document_number.rs",
    "services/mapping/src/identity.rs",
    "services/mapping/src/loss_policy.rs",
    "services/mapping/src/normalize",
    "services/mapping/src/parties.rs",
    "services/mapping/src/route.rs",
    "services/mapping/src/secrecy",
    "services/name-folding/src/",
    "services/registry-client/src/directory.rs",
    "services/registry/src/check.rs",
    "services/registry/src/consistency.rs",
    "services/registry/src/parse.rs",
];

#[test]
fn pure_modules_use_no_runtime_and_no_network() {
    let mut offenders = Vec::new();
    let mut seen = BTreeSet::new();
    for (name, text) in sources() {
        let Some(pure) = PURE.iter().find(|it| name.starts_with(*it)) else { continue };
        seen.insert(pure);
        // The tests of a pure module read their cases from files.
        if is_test(&name) {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let banned = [
            "tokio",
            "lapin",
            "tonic",
            "async ",
            ".await",
            "std::fs",
            "std::net",
            "SystemTime::now",
        ];
        for line in code.lines().filter(|it| !it.trim_start().starts_with("//")) {
            if let Some(word) = banned.iter().find(|it| line.contains(*it)) {
                offenders.push(format!("{name}: {word}"));
            }
        }
    }
    assert_eq!(seen.len(), PURE.len(), "every name in the list is a file or a folder");
    assert_none(&offenders, "a pure module can be read, tested and measured without a runtime");
}

/// Words of an earlier, private language, and what stands in their place.
const PRIVATE_WORDS: &[(&str, &str)] = &[
    ("desk", "UnitOfWork"),
    ("hollow", "unrouted"),
    ("bury", "dead_letter"),
    ("buries", "dead letter"),
    ("buried", "dead letter"),
    ("fate", "disposition"),
    ("fates", "disposition"),
    ("keeper", "FailureStore, Writer"),
    ("young", "current"),
    ("dice", "random messages"),
    ("shelf", "FormatRegistry"),
    ("surroundings", "SystemDependencies"),
    ("outlet", "DeliveryStream, SubmitHandle"),
];

/// The lower-case words of a text: names in `CamelCase` and `snake_case` taken apart.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|it: char| !it.is_alphanumeric()).flat_map(|run| {
        let mut words = vec![String::new()];
        let mut before = false;
        for letter in run.chars() {
            if letter.is_uppercase() && before {
                words.push(String::new());
            }
            before = letter.is_lowercase();
            words.last_mut().unwrap().extend(letter.to_lowercase());
        }
        words
    })
}

#[test]
fn nothing_is_said_in_private_words() {
    let mut offenders = Vec::new();
    for name in super::tree::tracked() {
        let is_read = [".rs", ".proto", ".sql", ".yml", ".md", "run", ".py"];
        if !is_read.iter().any(|it| name.ends_with(it)) || name.ends_with("house/code.rs") {
            continue;
        }
        let text = std::fs::read_to_string(super::tree::root().join(&name)).unwrap();
        let all = text
            .lines()
            .zip(1..)
            .flat_map(|(line, number)| words(line).map(move |it| (it, number)));
        offenders.extend(all.filter_map(|(word, number)| {
            let (_, instead) = PRIVATE_WORDS.iter().find(|(it, _)| *it == word)?;
            Some(format!("{name}:{number}: {word}, say {instead}"))
        }));
    }
    assert_none(&offenders, "a name is the field's word; README has the dictionary");
}
