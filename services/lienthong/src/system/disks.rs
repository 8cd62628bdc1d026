//! Watches the free space of the folders that a process writes to.

use std::path::{Path, PathBuf};

use chassis::disk::DiskSpace;

use crate::cli::Role;
use crate::system::context::Context;
use crate::system::shutdown_order::TaskGroup;

/// A folder that a process writes to.
struct WatchedFolder {
    /// Its name in health and metrics.
    name: &'static str,
    path: PathBuf,
    space: DiskSpace,
}

/// Watches every folder of the roles of this process until the group stops.
pub(super) fn watch_disks(context: Context<'_>, group: &mut TaskGroup) {
    let dependencies = context.dependencies;
    for WatchedFolder { name, path, space } in watched_folders(context) {
        let (config, health) = (dependencies.settings.disk, dependencies.health.clone());
        let shutdown = group.token();
        group.spawn(async move {
            // What watches a folder must not be what finds it missing at the first start.
            drop(tokio::fs::create_dir_all(&path).await);
            space.watch((name, path), config, health, shutdown).await;
            Ok(())
        });
    }
}

fn watched_folders(context: Context<'_>) -> Vec<WatchedFolder> {
    let settings = &context.dependencies.settings;
    let mut folders = Vec::new();
    let mut add = |name, path: &Path, space: &DiskSpace| {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        folders.push(WatchedFolder { name, path: path.to_owned(), space: space.clone() });
    };
    if context.has_role(Role::Gateway) || context.has_role(Role::Mapping) {
        add("claims", &settings.claims.folder, &context.long_lived.claims_disk);
    }
    let database = settings.journal.database.reveal();
    if context.has_role(Role::Journal)
        && !database.contains("://")
        && let Some(folder) = Path::new(database).parent()
    {
        add("journal", folder, context.long_lived.journal.disk());
    }
    if context.has_role(Role::Registry)
        && let Some(folder) = settings.registry.state_file.parent()
    {
        add("registry", folder, &DiskSpace::new());
    }
    if context.role == Some(Role::AdapterFolder) {
        add("adapter", &settings.adapter_folder.folder, &DiskSpace::new());
    }
    // Files inside packets are extracted there.
    if context.has_role(Role::Mapping) {
        add("temporary", &std::env::temp_dir(), &DiskSpace::new());
    }
    folders
}
