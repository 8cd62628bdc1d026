//! No two files of a crate import each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::tree::{assert_none, is_for_tests, parsed, root, tracked};

/// Path of a module in its crate: `["rabbitmq", "wire"]`; empty for the crate's root.
type ModulePath = Vec<String>;

/// The modules of one target (library, program, test), each with the file that holds it.
#[derive(Default)]
struct Target {
    files: BTreeMap<ModulePath, String>,
    /// For each file of its own, the module it is.
    modules: BTreeMap<String, ModulePath>,
}

impl Target {
    /// Reads the module tree from a root file. Modules for tests only are left out: a module and
    /// its tests know each other.
    fn read(start: &str, trees: &BTreeMap<String, syn::File>) -> Self {
        let mut target = Self::default();
        target.add(start, &Vec::new(), Path::new(start).parent().unwrap(), trees);
        target
    }

    fn add(
        &mut self,
        file: &str,
        module: &ModulePath,
        folder: &Path,
        trees: &BTreeMap<String, syn::File>,
    ) {
        self.files.insert(module.clone(), file.to_owned());
        self.modules.insert(file.to_owned(), module.clone());
        let Some(tree) = trees.get(file) else { return };
        self.add_items(&tree.items, (file, module, folder), trees);
    }

    fn add_items(
        &mut self,
        items: &[syn::Item],
        (file, module, folder): (&str, &ModulePath, &Path),
        trees: &BTreeMap<String, syn::File>,
    ) {
        for item in items {
            let syn::Item::Mod(item) = item else { continue };
            if is_for_tests(&item.attrs) {
                continue;
            }
            let name = item.ident.to_string();
            let mut child = module.clone();
            child.push(name.clone());
            if let Some((_, items)) = &item.content {
                self.files.insert(child.clone(), file.to_owned());
                self.add_items(items, (file, &child, &folder.join(&name)), trees);
                continue;
            }
            let own = folder.join(format!("{name}.rs"));
            let own = own.to_str().unwrap().to_owned();
            if trees.contains_key(&own) {
                self.add(&own, &child, &folder.join(&name), trees);
            }
        }
    }

    /// The file that holds what a path names, seen from a module.
    fn resolve(&self, from: &ModulePath, path: &[String]) -> Option<&str> {
        let mut base = from.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {}
            // The name of a child module begins a path too.
            child => {
                base.push(child.to_owned());
                self.files.get(&base)?;
                rest = &path[1..];
            }
        }
        while rest.first().is_some_and(|it| it == "super") {
            base.pop();
            rest = &rest[1..];
        }
        for name in rest {
            base.push(name.clone());
            if !self.files.contains_key(&base) {
                base.pop();
                break;
            }
        }
        self.files.get(&base).map(String::as_str)
    }
}

/// Every path that a file names, with the module it is named in.
struct Paths {
    module: ModulePath,
    found: Vec<(ModulePath, Vec<String>)>,
}

impl Paths {
    fn flatten(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            syn::UseTree::Path(it) => self.flatten(&with(&it.ident), &it.tree),
            syn::UseTree::Group(it) => {
                for tree in &it.items {
                    self.flatten(before, tree);
                }
            }
            syn::UseTree::Name(it) => self.push(with(&it.ident)),
            syn::UseTree::Rename(it) => self.push(with(&it.ident)),
            syn::UseTree::Glob(_) => self.push(before.to_vec()),
        }
    }

    fn push(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.found.push((self.module.clone(), path));
        }
    }

    /// Paths in the arguments of a macro, which are tokens only: those that begin with `crate`.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            let (is_name, is_colon) = match &token {
                TokenTree::Ident(_) => (true, false),
                TokenTree::Punct(it) => (false, it.as_char() == ':'),
                TokenTree::Group(group) => {
                    self.scan(group.stream());
                    (false, false)
                }
                TokenTree::Literal(_) => (false, false),
            };
            if is_colon && !path.is_empty() {
                colons += 1;
                continue;
            }
            let name = token.to_string();
            if is_name && colons == 2 {
                path.push(name);
            } else {
                self.push(std::mem::take(&mut path));
                path.extend((is_name && name == "crate").then_some(name));
            }
            colons = 0;
        }
        self.push(path);
    }
}

impl<'a> Visit<'a> for Paths {
    #[expect(clippy::wildcard_enum_match_arm, reason = "syn may add items without attributes")]
    fn visit_item(&mut self, item: &'a syn::Item) {
        let attributes = match item {
            syn::Item::Mod(it) => &it.attrs,
            syn::Item::Use(it) => &it.attrs,
            syn::Item::Fn(it) => &it.attrs,
            syn::Item::Impl(it) => &it.attrs,
            syn::Item::Const(it) => &it.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.flatten(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.push(path.segments.iter().map(|it| it.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'a syn::Macro) {
        self.scan(item.tokens.clone());
    }
}

/// Which files each file of a target imports from.
fn imports(
    target: &Target,
    trees: &BTreeMap<String, syn::File>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports = BTreeMap::new();
    for (file, module) in &target.modules {
        let Some(tree) = trees.get(file) else { continue };
        let mut paths = Paths { module: module.clone(), found: Vec::new() };
        paths.visit_file(tree);
        let used = paths.found.iter().filter_map(|(from, path)| target.resolve(from, path));
        let used: BTreeSet<String> =
            used.filter(|it| *it != file.as_str()).map(ToOwned::to_owned).collect();
        imports.insert(file.clone(), used);
    }
    imports
}

/// Everything that can be reached from a file.
fn reach(imports: &BTreeMap<String, BTreeSet<String>>, start: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = vec![start];
    while let Some(file) = next.pop() {
        for used in imports.get(file).into_iter().flatten() {
            if reached.insert(used.clone()) {
                next.push(used);
            }
        }
    }
    reached
}

/// Sets of files each of which imports all others of its set, directly or not.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<String>> =
        imports.keys().map(|it| (it.as_str(), reach(imports, it))).collect();
    let mut circles = BTreeSet::new();
    for (file, own) in &reached {
        let circle: Vec<String> = own
            .iter()
            .filter(|it| reached.get(it.as_str()).is_some_and(|back| back.contains(*file)))
            .cloned()
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// The arrows within a circle, so that a reader sees which import to turn.
fn arrows(circle: &[String], imports: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut lines = String::new();
    for file in circle {
        let used = imports[file].iter().filter(|it| circle.contains(it));
        let used: Vec<&str> = used.map(String::as_str).collect();
        lines.push_str(&format!("  {file} imports {}\n", used.join(", ")));
    }
    lines
}

fn is_target(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap();
    let folder = Path::new(name).parent().and_then(Path::file_name);
    let folder = folder.and_then(|it| it.to_str()).unwrap_or_default();
    name.ends_with("/src/lib.rs")
        || last == "main.rs"
        || ["bin", "benches", "examples"].contains(&folder)
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let trees: BTreeMap<_, _> = parsed().into_iter().collect();
    let mut offenders = Vec::new();
    for start in tracked().iter().filter(|it| it.ends_with(".rs") && is_target(it)) {
        let imports = imports(&Target::read(start, &trees), &trees);
        for circle in circles(&imports) {
            offenders.push(format!("{} files:\n{}", circle.len(), arrows(&circle, &imports)));
        }
    }
    assert_none(&offenders, "a file that is imported knows nothing of who imports it");
    assert!(root().join("bus/src/lib.rs").exists(), "the rule looks at the real tree");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate of these files, given as `name: text`.
    fn check(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let parse = |it: &&(&str, &str)| (it.0.to_owned(), syn::parse_file(it.1).unwrap());
        let trees: BTreeMap<_, _> = files.iter().map(|it| parse(&it)).collect();
        circles(&imports(&Target::read("src/lib.rs", &trees), &trees))
    }

    #[test]
    fn a_circle_is_found_through_use_lines_bodies_and_macros() {
        let root = ("src/lib.rs", "mod a; mod b; pub use a::A;");
        for back in ["use crate::a::A;", "fn f() { crate::a::f() }", "fn f() { g!(crate::a::A) }"] {
            let found = check(&[root, ("src/a.rs", "use crate::b::B;"), ("src/b.rs", back)]);
            assert_eq!(found, [["src/a.rs", "src/b.rs"]], "{back}");
        }
    }

    #[test]
    fn a_parent_and_its_child_are_a_circle_too_and_tests_are_not() {
        let root = ("src/lib.rs", "mod a;");
        let parent = ("src/a.rs", "mod b; use b::B; #[cfg(test)] mod tests;");
        let tests = ("src/a/tests.rs", "use super::*;");
        let child = ("src/a/b.rs", "use super::A;");
        assert_eq!(check(&[root, parent, child, tests]), [["src/a.rs", "src/a/b.rs"]]);
        let child = ("src/a/b.rs", "use std::fmt; #[cfg(test)] mod tests { use super::super::A; }");
        assert!(check(&[root, parent, child, tests]).is_empty());
    }

    #[test]
    fn a_name_that_the_root_gives_on_leads_to_the_root() {
        let found = check(&[("src/lib.rs", "mod a; pub use a::A;"), ("src/a.rs", "use crate::A;")]);
        assert_eq!(found, [["src/a.rs", "src/lib.rs"]]);
    }
}
