//! Who runs this process, by the operating system's account.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// The account's name; `uid:<number>` when the machine has no name for it.
pub fn user() -> String {
    let Ok(me) = fs::metadata("/proc/self") else { return "uid:?".to_owned() };
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    name(&accounts, me.uid()).unwrap_or_else(|| format!("uid:{}", me.uid()))
}

fn name(accounts: &str, uid: u32) -> Option<String> {
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
    fn an_account_is_named_by_its_number() {
        let accounts = "root:x:0:0:root:/root:/bin/sh\nvanthu:x:1000:1000::/home/vanthu:/bin/sh\n";
        assert_eq!(name(accounts, 1000).as_deref(), Some("vanthu"));
        assert_eq!(name(accounts, 7), None);
        assert!(!user().is_empty());
    }
}
