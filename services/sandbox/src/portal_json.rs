//! A document as the portal of iOffice exports it.

use serde_json::{Value, json};

use crate::document::OfficialDocument;

pub(crate) fn portal_json(of: &OfficialDocument) -> Value {
    let receivers: Vec<_> = of
        .recipients
        .iter()
        .map(|it| json!({ "MaDonVi": it.old_code, "TenDonVi": it.name }))
        .collect();
    let files: Vec<_> = of
        .files
        .iter()
        .enumerate()
        .map(|(index, file)| {
            json!({
                "Id": (index + 1).to_string(),
                "FileName": file.name,
                "FileSize": file.bytes.len().to_string(),
                "FileType": "application/pdf",
                "FilePath": format!("/uploads/{}", file.name),
            })
        })
        .collect();
    let document = json!({
        "Guid": of.id(),
        "SoHieu": of.number,
        "KyHieu": of.notation,
        "LoaiVanBan": "Công văn",
        "TrichYeu": of.subject,
        "NgayBanHanh": "20/11/2026",
        "CoQuanBanHanh": of.sender.name,
        "MaDinhDanh": of.sender.code,
        "NguoiKy": "Trần Thị Mẫu",
        "ChucVuNguoiKy": "Phó Chủ tịch",
        "DoKhan": "0",
        "DoMat": "0",
        "DonViNhanVanBanNgoaDonVi": receivers,
        "Attachments": files,
    });
    json!({ "Code": 0, "Message": "", "Value": { "Total": 1, "Data": [document] } })
}
