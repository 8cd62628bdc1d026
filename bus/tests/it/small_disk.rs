//! A disk of a few megabytes for a test, which it can fill and free.
//!
//! The test runs again in a child process of its own mount namespace, where the folder is a small
//! `tmpfs`. Where the machine permits no mount, the child gets a limit on the size of files instead,
//! so that the test runs everywhere: a write then fails with `EFBIG` and not with `ENOSPC`.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const FOLDER: &str = "LIENTHONG_TEST_SMALL_DISK";
const IS_LIMITED: &str = "LIENTHONG_TEST_SMALL_DISK_LIMITED";
const DISK_BYTES: u64 = 12 << 20;

/// A small disk, in the child process of a test.
pub(crate) struct SmallDisk {
    folder: PathBuf,
    /// The machine permits no mount: every file of the process is limited, also those elsewhere.
    pub(crate) is_limited: bool,
}

impl SmallDisk {
    /// The disk in the child process. In the parent, none after the child has passed the test of this
    /// full name.
    pub(crate) fn enter(test: &str) -> Option<Self> {
        if let Some(folder) = env::var_os(FOLDER) {
            let is_limited = env::var_os(IS_LIMITED).is_some();
            return Some(Self { folder: folder.into(), is_limited });
        }
        let folder = tempfile::tempdir().unwrap();
        let has_passed = child(test, folder.path()).status().unwrap().success();
        assert!(has_passed, "`{test}` failed on its small disk");
        None
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves `left` bytes free.
    pub(crate) fn fill(&self, left: u64) {
        if self.is_limited {
            return limit_files(Some(left));
        }
        let found = rustix::fs::statvfs(&self.folder).unwrap();
        let free = found.f_bavail * found.f_frsize;
        let mut filler = fs::OpenOptions::new();
        let mut filler = filler.create(true).append(true).open(self.filler()).unwrap();
        let chunk = vec![0; usize::try_from(free.saturating_sub(left)).unwrap()];
        filler.write_all(&chunk).unwrap();
    }

    /// Gives back what [`fill`](Self::fill) took.
    pub(crate) fn free(&self) {
        if self.is_limited {
            return limit_files(None);
        }
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.folder.join(".filler")
    }
}

/// Sets the soft limit on the size of files.
fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = bytes.or(maximum);
    setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
}

/// The command that runs a test again on a small disk.
fn child(test: &str, folder: &Path) -> Command {
    let size = format!("size={DISK_BYTES}");
    let mount = format!("mount -t tmpfs -o {size} none \"$0\" && exec \"$@\"");
    for flags in [["--mount"].as_slice(), &["--mount", "--map-root-user"]] {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(flags).args(["--", "sh", "-c", &mount]).arg(folder);
            command
        };
        if unshare().arg("true").status().is_ok_and(|it| it.success()) {
            return run_again(unshare(), test, folder);
        }
    }
    // An ignored signal stays ignored over `exec`; else it would end the child at the limit.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).env(IS_LIMITED, "1");
    run_again(command, test, folder)
}

fn run_again(mut command: Command, test: &str, folder: &Path) -> Command {
    command.arg(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(FOLDER, folder);
    command
}
