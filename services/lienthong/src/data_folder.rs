//! The data folder of `up`: where everything lies that no setting places elsewhere.

use std::fs;
use std::path::Path;

use chassis::config::Layers;

use crate::token::{draw_token, hash_token, write_token};

/// The file of the internal token in a data folder.
pub(crate) const TOKEN_FILE: &str = "internal.token";

/// Settings that follow from the data folder; every other source of settings overrides them.
pub(crate) fn layer_data_folder(layers: Layers, data: &Path) -> Layers {
    let path = |name: &str| data.join(name).display().to_string();
    layers
        .base("registry.folder", path("registry"))
        .base("formats.folder", path("formats"))
        .base("claims.folder", path("claims"))
        .base("journal.database", path("journal.sqlite"))
        .base("listen.internal_token_file", path(TOKEN_FILE))
}

/// Writes a registry of two agencies, so that a first document can be sent without editing
/// anything.
pub(crate) fn write_example_registry(data: &Path, registry: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(registry)?;
    fs::create_dir_all(data.join("tokens"))?;
    let mut text = String::from(
        "# Sổ đăng ký mẫu: hai cơ quan, mỗi cơ quan một ứng dụng. Sửa tệp này rồi chạy\n\
         # `lienthong registry check`; thay đổi có hiệu lực ngay, không cần khởi động lại.\n\
         organisations:\n  \
         - {key: coquan-a, name: Cơ quan A, codes: [\"A99.1\", \"000.00.01.A99\"]}\n  \
         - {key: coquan-b, name: Cơ quan B, codes: [\"A99.2\", \"000.00.02.A99\"]}\n\
         rights:\n  - {from: \"*\", to: \"*\", types: [document, status]}\n\
         applications:\n",
    );
    for (key, format) in [("coquan-a", "edxml.document"), ("coquan-b", "ioffice.portal")] {
        let token = draw_token();
        write_token(&data.join(format!("tokens/{key}.token")), &token)?;
        text.push_str(&format!(
            "  - id: {key}-vanban\n    organisation: {key}\n    \
             gives: [edxml.document, edxml.status, ioffice.portal, canonical.json]\n    \
             takes: {{document: {format}, status: edxml.status, \
             delivery_report: delivery.report}}\n    \
             token_sha256: [\"{}\"]\n",
            hash_token(&token)
        ));
    }
    fs::write(registry.join("registry.yaml"), text)?;
    Ok(())
}
