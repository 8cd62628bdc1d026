//! The operating system account that runs this process.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Name of the account; `uid:<number>` when `/etc/passwd` has no name for it.
pub fn account_name() -> String {
    let Ok(process) = fs::metadata("/proc/self") else { return "uid:?".to_owned() };
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    find_name(&accounts, process.uid()).unwrap_or_else(|| format!("uid:{}", process.uid()))
}

fn find_name(accounts: &str, uid: u32) -> Option<String> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nvanthu:x:1000:1000::/home/vanthu:/bin/sh\n";
        assert_eq!(find_name(accounts, 1000).as_deref(), Some("vanthu"));
        assert_eq!(find_name(accounts, 7), None);
        assert!(!account_name().is_empty());
    }
}
