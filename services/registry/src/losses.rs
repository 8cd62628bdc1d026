//! Compares a changed folder with what is in force: does it lose so much that an operator has to
//! confirm it?

use std::collections::BTreeSet;

use proto::registry::v1::{FileContent, Losses, Snapshot};

use crate::check::CheckedFolder;

/// What a change takes away, when that is so much that it looks like an accident: all or more than
/// half of the organisations or applications, all rights or code lists, or all that one file held.
/// None: the change comes into force by itself.
pub(crate) fn find_accident(current: &CheckedFolder, changed: &CheckedFolder) -> Option<Losses> {
    let (before, after) = (&current.snapshot, &changed.snapshot);
    let organisations = lost(&organisation_keys(before), &organisation_keys(after));
    let applications = lost(&application_ids(before), &application_ids(after));
    let is_large = is_more_than_half(organisations.len(), before.organisations.len())
        || is_more_than_half(applications.len(), before.applications.len());
    let emptied_files = emptied_files(current, changed, (&organisations, &applications));
    let rights = if after.rights.is_empty() { before.rights.len() } else { 0 };
    let code_lists = if after.code_lists.is_empty() { before.code_lists.len() } else { 0 };
    if !is_large && emptied_files.is_empty() && rights == 0 && code_lists == 0 {
        return None;
    }
    Some(Losses {
        organisations: organisations.into_iter().map(str::to_owned).collect(),
        applications: applications.into_iter().map(str::to_owned).collect(),
        emptied_files,
        rights: u32::try_from(rights).unwrap_or(u32::MAX),
        code_lists: u32::try_from(code_lists).unwrap_or(u32::MAX),
    })
}

/// All of one is more than half of it, too.
fn is_more_than_half(lost: usize, total: usize) -> bool {
    lost * 2 > total
}

fn organisation_keys(of: &Snapshot) -> BTreeSet<&str> {
    of.organisations.iter().map(|it| it.key.as_str()).collect()
}

fn application_ids(of: &Snapshot) -> BTreeSet<&str> {
    of.applications.iter().map(|it| it.id.as_str()).collect()
}

fn lost<'a>(before: &BTreeSet<&'a str>, after: &BTreeSet<&str>) -> BTreeSet<&'a str> {
    before.iter().copied().filter(|it| !after.contains(it)).collect()
}

/// Files that are still there, and lost everything, or all of several organisations or
/// applications, which no other file has now. A file that was deleted was meant to be.
fn emptied_files(
    current: &CheckedFolder,
    changed: &CheckedFolder,
    (organisations, applications): (&BTreeSet<&str>, &BTreeSet<&str>),
) -> Vec<String> {
    let entries = |of: &CheckedFolder| of.files.iter().map(entry_count).sum::<usize>();
    let has_fewer = entries(changed) < entries(current);
    let lost_all = |names: &[String], lost: &BTreeSet<&str>| {
        names.len() > 1 && names.iter().all(|it| lost.contains(it.as_str()))
    };
    let is_emptied = |before: &&FileContent| {
        let Some(after) = changed.files.iter().find(|it| it.file == before.file) else {
            return false;
        };
        let is_empty_now = entry_count(before) > 0 && entry_count(after) == 0;
        (is_empty_now && has_fewer)
            || lost_all(&before.organisations, organisations)
            || lost_all(&before.applications, applications)
    };
    current.files.iter().filter(is_emptied).map(|it| it.file.clone()).collect()
}

fn entry_count(of: &FileContent) -> usize {
    let others = usize::try_from(of.others).unwrap_or(usize::MAX);
    of.organisations.len() + of.applications.len() + others
}

#[cfg(test)]
mod tests {
    use proto::message::v1::Organisation;
    use proto::registry::v1::{Application, Right};

    use super::*;

    /// A folder of files, each with the keys of its organisations and of its applications.
    fn folder(files: &[(&str, &[&str], &[&str])]) -> CheckedFolder {
        let mut folder = CheckedFolder::default();
        for (file, organisations, applications) in files {
            let names = |of: &[&str]| of.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
            folder.files.push(FileContent {
                file: (*file).to_owned(),
                organisations: names(organisations),
                applications: names(applications),
                others: 0,
            });
            let organisation = |key| Organisation { key, ..Organisation::default() };
            folder
                .snapshot
                .organisations
                .extend(names(organisations).into_iter().map(organisation));
            let application = |id| Application { id, ..Application::default() };
            folder.snapshot.applications.extend(names(applications).into_iter().map(application));
        }
        folder
    }

    #[test]
    fn more_than_half_of_organisations_or_applications_is_an_accident() {
        let before = folder(&[("a.yaml", &["a", "b", "c", "d"], &["x", "y"])]);
        let find = |organisations: &[&str], applications: &[&str]| {
            find_accident(&before, &folder(&[("a.yaml", organisations, applications)])).is_some()
        };
        for (organisations, applications, expected) in [
            (["a", "b", "c", "d"].as_slice(), ["x", "y"].as_slice(), false),
            (&["a", "b", "c", "d", "e"], &["x", "y", "z"], false),
            (&["a", "b"], &["x"], false),
            (&["a"], &["x", "y"], true),
            (&["a", "n", "o", "p"], &["x", "y"], true),
            (&["a", "b", "c", "d"], &[], true),
            (&[], &[], true),
        ] {
            assert_eq!(find(organisations, applications), expected, "{organisations:?}");
        }
        let one = folder(&[("a.yaml", &["a"], &[])]);
        assert!(find_accident(&one, &folder(&[("a.yaml", &[], &[])])).is_some());
        assert!(find_accident(&folder(&[]), &before).is_none());
    }

    #[test]
    fn an_emptied_file_is_an_accident_and_a_deleted_or_moved_one_is_not() {
        let rest: (&str, &[&str], &[&str]) = ("rest.yaml", &["c", "d", "e", "f"], &["x", "y", "z"]);
        let before = folder(&[("a.yaml", &["a", "b"], &["v"]), rest]);
        let find = |files: &[(&str, &[&str], &[&str])]| find_accident(&before, &folder(files));
        let emptied = find(&[("a.yaml", &[], &[]), rest]).unwrap();
        assert_eq!(
            (emptied.emptied_files, emptied.organisations.len()),
            (vec!["a.yaml".to_owned()], 2)
        );
        assert!(find(&[("a.yaml", &[], &["v"]), rest]).is_some(), "it lost all its organisations");
        assert!(find(&[rest]).is_none(), "it was deleted");
        assert!(find(&[("a.yaml", &[], &[]), ("b.yaml", &["a", "b"], &["v"]), rest]).is_none());
        assert!(find(&[("a.yaml", &["a"], &["v"]), rest]).is_none());
    }

    #[test]
    fn losing_every_right_is_an_accident() {
        let mut before = folder(&[("a.yaml", &["a"], &["x"])]);
        let after = before.clone();
        before.snapshot.rights = vec![Right::default(); 3];
        assert_eq!(find_accident(&before, &after).unwrap().rights, 3);
        assert!(find_accident(&after, &before).is_none());
    }
}
