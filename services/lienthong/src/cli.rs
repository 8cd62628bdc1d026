//! The command line: commands, arguments, examples.

mod arguments;
mod localized;
mod subcommands;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use proto::fault::Lang;

pub(crate) use self::arguments::{
    Demo, EndSessions, Find, GatewayLink, Link, LinkCertificates, ListSessions, OperatorAction,
    PauseArguments, Resend, Send, Sessions, StateFilter, StatusArguments, Up,
};
pub(crate) use self::localized::{localize, usage_text};
pub(crate) use self::subcommands::{
    ApplyRegistry, Certificates, Config, DevCertificates, Format, Registry, RegistryFormats,
    RegistryLists,
};

/// Trục liên thông văn bản của tỉnh / The integration bus of a province.
#[derive(Debug, Parser)]
#[command(
    name = "lienthong",
    version,
    about = "Trục liên thông văn bản của tỉnh / The integration bus of a province",
    after_help = "Ví dụ / Examples:\n  \
        lienthong demo                      xem việc chính trong vài giây / the main job in seconds\n  \
        lienthong up --data du-lieu         chạy tất cả trong một tiến trình / everything in one process\n  \
        lienthong find 7816/VPCP-TTDT       tìm văn bản theo số, cách viết nào cũng được / find by number\n  \
        lienthong explain LT-MAP-001        giải thích một mã lỗi / explain an error code\n\n\
        Mã thoát / Exit codes:\n  \
        0    xong / done\n  \
        1    lỗi ở phía hệ thống / a failure on our side\n  \
        2    sai cách gọi lệnh / called wrongly\n  \
        3    nội dung, cấu hình hay sổ đăng ký bị từ chối / content, configuration or registry refused\n  \
        4    không thấy / not found\n  \
        5    không được phép / not permitted\n  \
        6    không kết nối được, hoặc quá giờ / unreachable or timed out\n  \
        7    trái với hiện trạng / it contradicts what is there\n  \
        8    xong một phần; nhiều văn bản có số này / some was done; several documents have the number\n  \
        130  bị ngắt / interrupted",
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: OutputOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options for printing.
#[derive(Args, Clone, Debug)]
pub(crate) struct OutputOptions {
    /// In JSON ra stdout / Print JSON on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Ngôn ngữ; mặc định theo máy / Language; default from the locale
    #[arg(long, global = true, value_enum)]
    pub(crate) lang: Option<Language>,
    /// Không in lời nhắc và tiến độ / Print no hints and no progress
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
    /// Không dùng mã điều khiển của terminal, như NO_COLOR / No terminal escapes, as NO_COLOR
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Tệp cấu hình / Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Hệ thống nào, theo [contexts.TÊN] / Which system, by [contexts.NAME]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
}

/// The language of the output.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Language {
    /// Tiếng Việt
    Vi,
    /// English
    En,
}

impl From<Language> for Lang {
    fn from(language: Language) -> Self {
        match language {
            Language::Vi => Self::Vi,
            Language::En => Self::En,
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Trình diễn: các cơ quan trao đổi văn bản, không cần cài gì / Agencies exchange documents, nothing to install
    #[command(after_help = "Ví dụ / Examples:\n  lienthong demo\n  lienthong demo --json\n  \
        lienthong demo --broker amqp://guest:guest@127.0.0.1:5672/%2f")]
    Demo(Demo),
    /// Chạy tất cả vai trò trong một tiến trình / Run every role in one process
    #[command(after_help = "Ví dụ / Examples:\n  lienthong up\n  \
        lienthong up --data /var/lib/lienthong --registry /etc/lienthong/registry")]
    Up(Up),
    /// Chạy một vai trò / Run one role
    #[command(
        after_help = "Ví dụ / Examples:\n  lienthong serve journal --config lienthong.toml\n  \
        LIENTHONG__BUS__URL=amqp://… lienthong serve mapping"
    )]
    Serve {
        /// Vai trò / Role
        #[arg(value_enum)]
        role: Role,
    },
    /// Gửi một tệp / Send a file
    #[command(after_help = "Ví dụ / Examples:\n  \
        lienthong send cong-van.edxml --token-file vanthu.token\n  \
        lienthong send vb.json --format ioffice.portal --attach quyet-dinh.pdf --to A99.2")]
    Send(Send),
    /// Tìm văn bản theo số, trích yếu, mã / Find by number, subject, id
    #[command(after_help = "Ví dụ / Examples:\n  lienthong find 45-CV/TU\n  \
        lienthong find phong chong lut bao --organisation tinhuy --state parked")]
    Find(Find),
    /// Hành trình của một văn bản / The journey of one document
    #[command(after_help = "Ví dụ / Examples:\n  lienthong trace 45-CV/TU\n  \
        lienthong trace 0198c0de-0000-5000-8000-000000000000 --json")]
    Trace {
        /// Mã thông điệp hoặc số văn bản / Message id or document number
        what: String,
        #[command(flatten)]
        link: Link,
    },
    /// Đưa văn bản cách ly đi lại / Drive dead letters again
    #[command(after_help = "Ví dụ / Examples:\n  lienthong find --state dead\n  \
        lienthong redrive 45-CV/TU --reason \"đã sửa sổ đăng ký\"")]
    Redrive(OperatorAction),
    /// Cho văn bản đang chờ đi ngay / Let a waiting document go now
    Release(OperatorAction),
    /// Rút văn bản chưa kết thúc / Withdraw a document that has not ended
    Withdraw(OperatorAction),
    /// Xác nhận văn bản chưa rõ là đã đến / State that a doubtful document did arrive
    Confirm(OperatorAction),
    /// Gửi lại văn bản thành bản mới / Send a document again as a copy
    #[command(after_help = "Ví dụ / Examples:\n  \
        lienthong resend 45-CV/TU --reason \"cơ quan nhận làm mất\"\n  \
        lienthong resend 45-CV/TU --to A99.3 --reason \"gửi nhầm cơ quan\"")]
    Resend(Resend),
    /// Các vai trò, gì đang tạm dừng, gì đang chờ / The roles, what is paused, what waits
    #[command(after_help = "Ví dụ / Examples:\n  lienthong status\n  lienthong status --test")]
    Status(StatusArguments),
    /// Phiên của các bộ nối đang mở / Sessions of connected adapters
    #[command(after_help = "Ví dụ / Examples:\n  lienthong sessions\n  \
        lienthong sessions end 0198c0de-70a5 --reason \"bộ nối treo\"")]
    Sessions(Sessions),
    /// Tạm dừng một ứng dụng, cơ quan hoặc kênh; văn bản chờ / Let the messages of a target wait
    #[command(
        after_help = "Ví dụ / Examples:\n  lienthong pause tinhuy-vanban --reason \"nâng cấp\"\n  \
        lienthong pause organisation:tinhuy --reason \"sáp nhập\"\n  \
        lienthong pause intake --reason \"sửa định dạng\""
    )]
    Pause(PauseArguments),
    /// Cho chạy lại / Let the messages of a target go on
    Resume(PauseArguments),
    /// Đọc, ghi, thử, kiểm tra định dạng / Read, write, try, check formats
    #[command(subcommand)]
    Format(Format),
    /// Kiểm tra và xem sổ đăng ký / Check and show the registry
    #[command(subcommand)]
    Registry(Registry),
    /// Chứng thư của các kết nối / Certificates of the links
    #[command(subcommand)]
    Certificates(Certificates),
    /// Xem cấu hình / Show the configuration
    #[command(subcommand)]
    Config(Config),
    /// Kiểm tra máy này và các kết nối / Check this machine and its links
    #[command(after_help = "Ví dụ / Examples:\n  lienthong doctor\n  lienthong doctor --json")]
    Doctor(Link),
    /// Giải thích một mã lỗi / Explain an error code
    #[command(
        after_help = "Ví dụ / Examples:\n  lienthong explain LT-MAP-001\n  lienthong explain --all"
    )]
    Explain {
        /// Mã lỗi, ví dụ LT-MAP-001 / Error code
        #[arg(required_unless_present = "all")]
        code: Option<String>,
        /// Liệt kê mọi mã / List every code
        #[arg(long)]
        all: bool,
    },
    /// Lệnh hoàn thành cho shell / Completion script for a shell
    #[command(
        after_help = "Ví dụ / Example:\n  lienthong completion bash > /etc/bash_completion.d/lienthong"
    )]
    Completion {
        /// Shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// A role that can run in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Cửa vào của nhà cung cấp / Messaging gateway
    Gateway,
    /// Chuẩn hóa, định tuyến, dịch / Normaliser, router, translator
    Mapping,
    /// Kho thông điệp / Message store
    Journal,
    /// Sổ đăng ký / Registry
    Registry,
    /// Bộ nối thư mục / Folder adapter
    AdapterFolder,
}

impl Role {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Mapping => "mapping",
            Self::Journal => "journal",
            Self::Registry => "registry",
            Self::AdapterFolder => "adapter-folder",
        }
    }
}
