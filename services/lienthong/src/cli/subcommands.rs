//! The commands below `format`, `registry` and `config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::arguments::Link;

/// Commands on formats.
#[derive(Debug, Subcommand)]
pub(crate) enum Format {
    /// Định dạng của một tệp / Which format a file has
    #[command(after_help = "Ví dụ / Examples:\n  lienthong format detect cong-van.edxml\n  \
        lienthong format detect vb.csv --with phanmem/description.yaml")]
    Detect {
        /// Tệp / File
        file: PathBuf,
        /// Tệp mô tả để nhận ra thêm; nhiều lần / Further description file; may be repeated
        #[arg(long = "with", value_name = "DESCRIPTION")]
        descriptions: Vec<String>,
    },
    /// Đọc một tệp thành dạng chuẩn (JSON) / Read a file into canonical JSON
    #[command(after_help = "Ví dụ / Examples:\n  lienthong format read auto cong-van.edxml\n  \
        lienthong format read phanmem/description.yaml vb.csv")]
    Read {
        /// Định dạng, tệp mô tả, hoặc auto / Format, description file, or auto
        format: String,
        /// Tệp; tệp đính kèm lấy từ thư mục TỆP.files, rồi ở cạnh nó / File; its attachments are taken from the folder FILE.files, then from beside it
        file: PathBuf,
        /// Thư mục để ghi tệp đính kèm lấy ra / Folder for the attachments found
        #[arg(long, value_name = "DIR")]
        attachments: Option<PathBuf>,
    },
    /// Ghi dạng chuẩn ra định dạng riêng / Write canonical JSON in a native format
    #[command(
        after_help = "Ví dụ / Example:\n  lienthong format write ioffice.portal vb.json > ioffice.json"
    )]
    Write {
        /// Định dạng, hoặc tệp mô tả / Format, or description file
        format: String,
        /// Tệp dạng chuẩn / Canonical JSON
        canonical: PathBuf,
        /// Thư mục có tệp đính kèm, tên là SHA-256 / Folder with the attachments, named by SHA-256
        #[arg(long, value_name = "DIR")]
        attachments: Option<PathBuf>,
    },
    /// Thử dịch và xem mất gì / Try a translation and see what is lost
    #[command(
        after_help = "Ví dụ / Example:\n  lienthong format try auto cong-van.edxml --to ioffice.portal"
    )]
    Try {
        /// Định dạng nguồn, tệp mô tả, hoặc auto / Source format, description file, or auto
        format: String,
        /// Tệp; tệp đính kèm lấy từ thư mục TỆP.files, rồi ở cạnh nó / File; its attachments are taken from the folder FILE.files, then from beside it
        file: PathBuf,
        /// Định dạng đích, hoặc tệp mô tả / Target format, or description file
        #[arg(long)]
        to: String,
        /// Thư mục để ghi tệp đính kèm lấy ra / Folder for the attachments found
        #[arg(long, value_name = "DIR")]
        attachments: Option<PathBuf>,
    },
    /// Các định dạng có sẵn / The formats there are
    #[command(
        after_help = "Ví dụ / Examples:\n  lienthong format list\n  lienthong format list --json"
    )]
    List,
    /// Trang của một định dạng: chỗ, trường, bộ đổi, mã, gì bị mất / The page of a format
    #[command(after_help = "Ví dụ / Examples:\n  lienthong format show ioffice.portal\n  \
        lienthong format show edxml.document --to ioffice.portal")]
    Show {
        /// Định dạng, hoặc tệp mô tả / Format, or description file
        format: String,
        /// Thay vào đó: mất gì khi sang định dạng này / Instead: what is lost to this format
        #[arg(long, value_name = "FORMAT")]
        to: Option<String>,
    },
    /// Trường chuẩn nào có trong định dạng nào / Which canonical field is in which format
    #[command(after_help = "Ví dụ / Examples:\n  lienthong format coverage\n  \
        lienthong format coverage --all --json\n  \
        lienthong format coverage --with phanmem/description.yaml")]
    Coverage {
        /// Cả các trường bên trong / The fields inside too
        #[arg(long)]
        all: bool,
        /// Tệp mô tả hay hồ sơ đối tác để thêm vào bảng; nhiều lần / Further description file or profile; may be repeated
        #[arg(long = "with", value_name = "DESCRIPTION")]
        descriptions: Vec<String>,
    },
    /// Ngữ pháp của mô tả, có ví dụ / The grammar of descriptions, with examples
    #[command(after_help = "Ví dụ / Examples:\n  lienthong format explain\n  \
        lienthong format explain date\n  lienthong format explain recipients\n  \
        lienthong format explain fields")]
    Explain {
        /// Một khóa, bộ đổi, cú pháp, trường chuẩn, hoặc fields: mọi trường / A key, converter, syntax or canonical field; fields: all
        topic: Option<String>,
    },
    /// JSON Schema của mô tả, cho trình soạn thảo / JSON Schema of descriptions, for editors
    #[command(after_help = "Ví dụ / Example:\n  lienthong format schema > mo-ta.schema.json")]
    Schema,
    /// Bản nháp mô tả từ một tệp mẫu / A first description from a sample
    #[command(
        after_help = "Ví dụ / Examples:\n  lienthong format new phanmem.congvan --from vb.json\n  \
        lienthong format new phanmem.congvan --from vb.csv --folder du-lieu/formats\n\n\
        XML, JSON, bảng chữ (CSV) và chữ có tên trường. Tên quen thuộc được gắn vào trường chuẩn; chỗ còn\n\
        lại là chú thích để bạn chọn. Tệp mẫu thành ca mẫu đầu tiên.\n\
        XML, JSON, delimited text and text with named fields. Well-known names are mapped; every other place\n\
        is a comment for you to decide. The sample becomes the first case."
    )]
    New {
        /// Tên của định dạng: chữ thường, số, dấu chấm, gạch nối / Name of the format: lower-case letters, digits, dots, dashes
        #[arg(value_parser = format_name)]
        name: String,
        /// Tệp mẫu / Sample file
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Thư mục để ghi vào; mặc định thư mục hiện tại / Folder to write into; default the current one
        #[arg(long, value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Kiểm tra mô tả và các ca mẫu bên cạnh / Check a description and the cases beside it
    #[command(
        after_help = "Ví dụ / Examples:\n  lienthong format check phanmem/description.yaml\n  \
        lienthong format check phanmem --bless"
    )]
    Check {
        /// Tệp mô tả (YAML), hoặc thư mục có description.yaml / Description file, or its folder
        description: PathBuf,
        /// Ghi tệp mong đợi của các ca mẫu theo kết quả / Write the expected files of the cases
        #[arg(long)]
        bless: bool,
    },
    /// Chạy mọi ca mẫu / Run all cases
    #[command(after_help = "Ví dụ / Examples:\n  lienthong format test\n  \
        lienthong format test ioffice.portal\n  lienthong format test phanmem/description.yaml")]
    Test {
        /// Một định dạng, hoặc tệp mô tả / One format, or a description file
        format: Option<String>,
    },
}

/// The name of a format, which is the name of a folder too.
fn format_name(text: &str) -> Result<String, String> {
    let is_letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    let is_name = text.bytes().all(|it| is_letter(it) || b".-_".contains(&it))
        && text.bytes().next().is_some_and(is_letter);
    if is_name {
        return Ok(text.to_owned());
    }
    Err("chỉ chữ thường, số, dấu chấm, gạch nối / lower-case letters, digits, dots and dashes only"
        .to_owned())
}

/// Commands on the registry.
#[derive(Debug, Subcommand)]
pub(crate) enum Registry {
    /// Báo mọi lỗi trong thư mục, cùng tệp và dòng / Report every mistake with file and line
    Check {
        /// Thư mục / Folder
        folder: PathBuf,
        /// Thư mục mô tả định dạng; nếu không nêu: thư mục formats bên cạnh / Folder of format descriptions; default: the folder formats beside it
        #[arg(long, value_name = "DIR")]
        formats: Option<PathBuf>,
    },
    /// Xem nội dung / Show what it says
    Show {
        /// Thư mục / Folder
        folder: PathBuf,
        /// Thư mục mô tả định dạng; nếu không nêu: thư mục formats bên cạnh / Folder of format descriptions; default: the folder formats beside it
        #[arg(long, value_name = "DIR")]
        formats: Option<PathBuf>,
    },
    /// Tìm cơ quan hay ứng dụng theo mã, khóa, tên; ai được gửi gì / Look up an organisation or application; who may send what
    #[command(after_help = "Ví dụ / Examples:\n  lienthong registry lookup 000.00.01.A99\n  \
        lienthong registry lookup noi vu")]
    Lookup {
        /// Mã, khóa, mã ứng dụng hoặc một phần tên / Code, key, application id or part of the name
        #[arg(required = true)]
        text: Vec<String>,
        #[command(flatten)]
        link: Link,
    },
    /// Bản đang có hiệu lực, lỗi, và thay đổi đang chờ / What is in force, mistakes, and what waits
    Status {
        #[command(flatten)]
        link: Link,
    },
    /// Định dạng đang có hiệu lực, và mọi bản từng có / The formats in force, and every version ever in force
    #[command(after_help = "Ví dụ / Examples:\n  lienthong registry formats --history\n  \
        lienthong registry formats --hash 5d41… > mo-ta.yaml")]
    Formats(RegistryFormats),
    /// Danh mục mã đang có hiệu lực, hay các mã của một danh mục / The code lists in force, or the codes of one
    #[command(after_help = "Ví dụ / Examples:\n  lienthong registry lists\n  \
        lienthong registry lists document-type --on 2026-07-01")]
    Lists(RegistryLists),
    /// Cho thay đổi đang chờ có hiệu lực / Put the change in force that waits
    #[command(
        after_help = "Ví dụ / Example:\n  lienthong registry apply --force --reason \"sáp nhập tỉnh\""
    )]
    Apply(ApplyRegistry),
    /// Tạo khóa truy cập mới và dòng băm để dán vào sổ / Make a token and its hash line
    Token,
}

/// Arguments of `registry formats`.
#[derive(Args, Debug)]
pub(crate) struct RegistryFormats {
    /// Mọi bản mà sổ hành trình giữ / Every version that the journal keeps
    #[arg(long, conflicts_with = "hash")]
    pub(crate) history: bool,
    /// In bản mô tả mang mã băm này / Print the description that has this hash
    #[arg(long, value_name = "ID")]
    pub(crate) hash: Option<String>,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Arguments of `registry lists`.
#[derive(Args, Debug)]
pub(crate) struct RegistryLists {
    /// Tên danh mục; nếu không nêu: tất cả / Name of a list; default: all
    pub(crate) name: Option<String>,
    /// Chỉ các mã có hiệu lực ngày này / Only the codes that are valid on this day
    #[arg(long, value_name = "DAY")]
    pub(crate) on: Option<String>,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Commands on certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum Certificates {
    /// Tạo nơi cấp và chứng thư để thử / Make an authority and certificates to try with
    #[command(after_help = "Ví dụ / Examples:\n  lienthong certificates dev chung-thu\n  \
            lienthong certificates dev chung-thu --host bus.tinh.vn --host 10.0.0.5 --application tinhuy-vanban")]
    Dev(DevCertificates),
    /// Chứng thư của ai, đến bao giờ / Whose a certificate is, and until when
    Show {
        /// Tệp PEM / PEM files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// Arguments of `certificates dev`.
#[derive(Args, Debug)]
pub(crate) struct DevCertificates {
    /// Thư mục; nơi cấp đã có trong đó được dùng lại / Folder; an authority in it is used again
    pub(crate) folder: PathBuf,
    /// Tên máy hoặc địa chỉ IP khác của máy chủ; nhiều lần / Another host name or IP address; may be repeated
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Người vận hành; mặc định người dùng của máy / Operator; default this machine's user
    #[arg(long, value_name = "NAME")]
    pub(crate) operator: Option<String>,
    /// Mã ứng dụng có chứng thư riêng; nhiều lần / Application with a certificate; may be repeated
    #[arg(long = "application", value_name = "ID")]
    pub(crate) applications: Vec<String>,
    /// Số ngày có hiệu lực / Days of validity
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=825))]
    pub(crate) days: u32,
}

/// Arguments of `registry apply`.
#[derive(Args, Debug)]
pub(crate) struct ApplyRegistry {
    /// Dù làm mất nhiều cơ quan hay ứng dụng / Although organisations or applications are lost
    #[arg(long)]
    pub(crate) force: bool,
    /// Vì sao; được lưu lại / Why; kept
    #[arg(long, value_name = "TEXT", required_if_eq("force", "true"))]
    pub(crate) reason: Option<String>,
    /// Ai làm; mặc định người dùng của máy / Who; default this machine's user
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Commands on the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Từng giá trị đang dùng / Every value in force
    Show {
        /// Kèm nơi giá trị đến từ / With where each comes from
        #[arg(long)]
        origin: bool,
    },
}
