//! The roles of a process with the conditions of each, in words.

use chassis::health::Health;
use proto::operate::v1::{Condition, RoleStatus, Text};

use crate::cli::Role;

/// The roles of `up`.
const ALL: [Role; 4] = [Role::Gateway, Role::Mapping, Role::Journal, Role::Registry];

/// What each role of the process reports.
pub(super) fn role_statuses(role: Option<Role>, health: &Health) -> Vec<RoleStatus> {
    let conditions = health.conditions();
    let roles = role.map_or_else(|| ALL.to_vec(), |it| vec![it]);
    let is_alone = roles.len() == 1;
    let of_role = |role: Role| {
        let mut status = RoleStatus { role: role.name().to_owned(), ..RoleStatus::default() };
        for (name, reason, is_failure) in &conditions {
            if !is_alone && !concerns(role, name) {
                continue;
            }
            let condition = Condition { name: name.clone(), reason: Some(words(name, reason)) };
            match is_failure {
                true => status.failures.push(condition),
                false => status.warnings.push(condition),
            }
        }
        status.ready = status.failures.is_empty();
        status
    };
    roles.into_iter().map(of_role).collect()
}

/// True when a condition of a process that runs every role is one of this role.
fn concerns(role: Role, condition: &str) -> bool {
    // A disk is named by what it holds, `disk.claims`.
    let condition = condition.strip_prefix("disk.").unwrap_or(condition);
    let first = condition.split(['.', ' ']).next().unwrap_or_default();
    match first {
        "gateway" | "mapping" | "journal" | "registry" => first == role.name(),
        "broker" => role != Role::Registry,
        "claims" => matches!(role, Role::Gateway | Role::Mapping),
        "temporary" => role == Role::Mapping,
        _ => true,
    }
}

/// The reason of a condition in both languages. What an error of another program says is quoted.
fn words(name: &str, reason: &str) -> Text {
    let known = match reason {
        "starting" => "đang khởi động",
        "draining" => "đang dừng",
        "ended" => "đã dừng",
        "closed" => "đã đóng",
        "not ready yet" => "chưa sẵn sàng",
        "not open yet" => "chưa mở",
        "not probed yet" => "chưa thử",
        "not connected yet" => "chưa kết nối",
        "not connected" => "mất kết nối",
        "its folder was not read yet" => "chưa đọc thư mục sổ đăng ký",
        "its database was not opened yet" => "chưa mở cơ sở dữ liệu",
        "the registry has not been read yet" => "chưa đọc được sổ đăng ký",
        "standby, another journal holds the database" => {
            "dự phòng, kho thông điệp khác đang giữ cơ sở dữ liệu"
        }
        _ => "",
    };
    let vi = if name.starts_with("disk.") {
        disk_words(reason)
    } else if known.is_empty() {
        format!("{}: {reason}", what_fails(name))
    } else {
        known.to_owned()
    };
    Text { vi, en: reason.to_owned() }
}

/// The space of a disk (`chassis::disk::DiskUsage`) in Vietnamese.
fn disk_words(reason: &str) -> String {
    [
        (" has ", " còn "),
        (" MiB of ", "/"),
        (" MiB free and ", " MiB trống và "),
        (" of ", "/"),
        (" inodes", " inode"),
        ("a write failed: ", "ghi không được: "),
    ]
    .iter()
    .fold(reason.to_owned(), |text, (en, vi)| text.replacen(en, vi, 1))
}

/// What is not well, for a reason that only its error knows.
fn what_fails(name: &str) -> &'static str {
    match name.split(['.', ' ']).next().unwrap_or_default() {
        "broker" => "RabbitMQ không trả lời",
        "start" => "khởi động không thành",
        "registry" => "sổ đăng ký có vấn đề",
        "journal" => "cơ sở dữ liệu có vấn đề",
        "mapping" | "gateway" => "vai trò này có vấn đề",
        "claims" => "đĩa của kho tệp có vấn đề",
        _ => "có vấn đề",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_reported_by_the_roles_that_it_concerns() {
        let health = Health::new();
        health.unwell("broker", "connection refused");
        health.unwell("gateway.registry", "the registry has not been read yet");
        health.warn("registry", "1 mistakes in its folder");
        let statuses = role_statuses(None, &health);
        let ready: Vec<_> = statuses.iter().map(|it| (it.role.as_str(), it.ready)).collect();
        let expected =
            [("gateway", false), ("mapping", false), ("journal", false), ("registry", true)];
        assert_eq!(ready, expected);
        let gateway: Vec<_> = statuses[0].failures.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(gateway, ["broker", "gateway.registry"]);
        assert_eq!(statuses[3].warnings.len(), 1);
        let reason = statuses[0].failures[1].reason.clone().unwrap();
        assert_eq!(reason.vi, "chưa đọc được sổ đăng ký");
        health.warn("disk.temporary", "/tmp has 780 MiB of 25819 MiB free and 7 of 9 inodes");
        let statuses = role_statuses(None, &health);
        let with_disk = statuses.iter().map(|it| {
            let found = it.warnings.iter().find(|it| it.name == "disk.temporary")?;
            Some(found.reason.clone()?.vi)
        });
        let words = "/tmp còn 780/25819 MiB trống và 7/9 inode".to_owned();
        assert_eq!(with_disk.collect::<Vec<_>>(), [None, Some(words), None, None]);
    }
}
