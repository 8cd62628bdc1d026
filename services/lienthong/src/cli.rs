//! The command line: commands, arguments, examples.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use chassis::secret::Secret;
use clap::{Args, Parser, Subcommand, ValueEnum};
use proto::fault::Lang;

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
        0 xong / done; 1 lỗi / failure; 2 sai cách gọi / usage; 3 nội dung bị từ chối / refused;\n  \
        4 không thấy / not found; 5 không được phép / not permitted; 6 không kết nối được hoặc quá giờ /\n  \
        unreachable or timed out; 7 xung đột / conflict; 8 xong một phần / partial; 130 bị ngắt / interrupted",
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
    /// Tệp cấu hình / Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
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
    /// Đọc, ghi, thử, kiểm tra định dạng / Read, write, try, check formats
    #[command(subcommand)]
    Format(Format),
    /// Kiểm tra và xem sổ đăng ký / Check and show the registry
    #[command(subcommand)]
    Registry(Registry),
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

/// Takes a URL that may contain a password.
fn parse_secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Chạy qua RabbitMQ thay cho bộ nhớ / Over RabbitMQ instead of memory
    #[arg(long, value_name = "AMQP_URL", value_parser = parse_secret)]
    pub(crate) broker: Option<Secret>,
    /// PostgreSQL thay cho SQLite / PostgreSQL instead of SQLite
    #[arg(long, value_name = "POSTGRES_URL", value_parser = parse_secret)]
    pub(crate) database: Option<Secret>,
    /// Số văn bản thường gửi thêm / How many more ordinary documents
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) documents: u32,
}

/// Arguments of `up`.
#[derive(Args, Debug)]
pub(crate) struct Up {
    /// Thư mục dữ liệu / Data folder
    #[arg(long, default_value = "lienthong-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Thư mục sổ đăng ký; mặc định `<data>/registry` / Registry folder
    #[arg(long, value_name = "DIR")]
    pub(crate) registry: Option<PathBuf>,
    /// Địa chỉ cho nhà cung cấp; mặc định 127.0.0.1:7400 / Address for vendors
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// Địa chỉ cho lệnh vận hành; mặc định 127.0.0.1:7401 / Address for operators' commands
    #[arg(long)]
    pub(crate) internal: Option<SocketAddr>,
    /// Địa chỉ /livez /readyz /metrics; mặc định 127.0.0.1:7402 / Address of the health pages
    #[arg(long)]
    pub(crate) ops: Option<SocketAddr>,
    /// RabbitMQ thay cho bộ nhớ / RabbitMQ instead of memory
    #[arg(long, value_name = "AMQP_URL", value_parser = parse_secret)]
    pub(crate) broker: Option<Secret>,
    /// PostgreSQL thay cho SQLite / PostgreSQL instead of SQLite
    #[arg(long, value_name = "POSTGRES_URL", value_parser = parse_secret)]
    pub(crate) database: Option<Secret>,
}

/// Arguments of `send`.
#[derive(Args, Debug)]
pub(crate) struct Send {
    /// Tệp ở định dạng của ứng dụng / File in the application's format
    pub(crate) file: PathBuf,
    /// Định dạng, hoặc auto / Format, or auto
    #[arg(long, default_value = "auto")]
    pub(crate) format: String,
    /// Khóa của ứng dụng, để gửi lại không thành hai; mặc định không có / The application's own key
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Tệp đính kèm; nhiều lần / Attachment; may be repeated
    #[arg(long = "attach", value_name = "FILE")]
    pub(crate) attachments: Vec<PathBuf>,
    /// Mã cơ quan nhận, thay cho mã trong văn bản; nhiều lần / Receiving organisation code
    #[arg(long = "to", value_name = "CODE")]
    pub(crate) recipients: Vec<String>,
    /// Cửa vào / Gateway
    #[arg(long, default_value = "http://127.0.0.1:7400", value_name = "URL")]
    pub(crate) gateway: String,
    /// Tệp chứa khóa truy cập của ứng dụng / File with the application's token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: PathBuf,
}

/// How operators' commands reach the journal.
#[derive(Args, Clone, Debug)]
pub(crate) struct Link {
    /// Địa chỉ nội bộ / Internal address
    #[arg(long, default_value = "http://127.0.0.1:7401", value_name = "URL")]
    pub(crate) internal: String,
    /// Thư mục dữ liệu của `up`, nơi có khóa nội bộ / Data folder of `up`, which holds the internal token
    #[arg(long, default_value = "lienthong-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Tệp khóa nội bộ; mặc định `<data>/internal.token` / Internal token file
    #[arg(long, value_name = "FILE")]
    pub(crate) internal_token_file: Option<PathBuf>,
}

/// Arguments of `find`.
#[derive(Args, Debug)]
pub(crate) struct Find {
    /// Số, mã hoặc từ trong trích yếu / Number, id or words of the subject
    pub(crate) text: Vec<String>,
    /// Cơ quan gửi hoặc nhận / Sending or receiving organisation
    #[arg(long, value_name = "KEY")]
    pub(crate) organisation: Option<String>,
    /// Trạng thái; nhiều lần / State; may be repeated
    #[arg(long = "state", value_enum)]
    pub(crate) states: Vec<StateFilter>,
    /// Từ ngày (yyyy-mm-dd, giờ Việt Nam) / From day
    #[arg(long, value_name = "DAY")]
    pub(crate) since: Option<String>,
    /// Đến hết ngày / Until the end of day
    #[arg(long, value_name = "DAY")]
    pub(crate) until: Option<String>,
    /// Nhiều nhất bao nhiêu / At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// Trang sau / Next page
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// Kể cả bản gửi từng nơi nhận / Also what was made for each recipient
    #[arg(long)]
    pub(crate) derived: bool,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Arguments of `redrive`, `release`, `withdraw` and `confirm`.
#[derive(Args, Debug)]
pub(crate) struct OperatorAction {
    /// Mã thông điệp hoặc số văn bản / Message ids or document numbers
    #[arg(required = true)]
    pub(crate) what: Vec<String>,
    /// Vì sao; được lưu lại / Why; kept
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Ai làm; mặc định người dùng của máy / Who; default this machine's user
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// The states that `find` filters by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StateFilter {
    /// đã nhận vào trục / accepted
    Accepted,
    /// đã định tuyến / routed
    Routed,
    /// đang chuyển / queued
    Queued,
    /// chờ văn bản trước / held
    Held,
    /// ứng dụng đang nhận / in hand
    InHand,
    /// chờ thử lại / parked
    Parked,
    /// đã nhận / taken
    Taken,
    /// bị từ chối / refused
    Refused,
    /// cách ly / dead
    Dead,
    /// chưa rõ / in doubt
    InDoubt,
    /// đã rút / withdrawn
    Withdrawn,
}

/// Commands on formats.
#[derive(Debug, Subcommand)]
pub(crate) enum Format {
    /// Định dạng của một tệp / Which format a file has
    Detect {
        /// Tệp / File
        file: PathBuf,
    },
    /// Đọc một tệp thành dạng chuẩn (JSON) / Read a file into canonical JSON
    #[command(after_help = "Ví dụ / Example:\n  lienthong format read auto cong-van.edxml")]
    Read {
        /// Định dạng, hoặc auto / Format, or auto
        format: String,
        /// Tệp / File
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
        /// Định dạng / Format
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
        /// Định dạng nguồn, hoặc auto / Source format, or auto
        format: String,
        /// Tệp / File
        file: PathBuf,
        /// Định dạng đích / Target format
        #[arg(long)]
        to: String,
        /// Thư mục để ghi tệp đính kèm lấy ra / Folder for the attachments found
        #[arg(long, value_name = "DIR")]
        attachments: Option<PathBuf>,
    },
    /// Các định dạng có sẵn / The formats there are
    List,
    /// Kiểm tra mô tả và các ca mẫu bên cạnh / Check a description and the cases beside it
    Check {
        /// Tệp mô tả (YAML) / Description file
        description: PathBuf,
    },
}

/// Commands on the registry.
#[derive(Debug, Subcommand)]
pub(crate) enum Registry {
    /// Báo mọi lỗi trong thư mục, cùng tệp và dòng / Report every mistake with file and line
    Check {
        /// Thư mục / Folder
        folder: PathBuf,
    },
    /// Xem nội dung / Show what it says
    Show {
        /// Thư mục / Folder
        folder: PathBuf,
    },
    /// Tạo khóa truy cập mới và dòng băm để dán vào sổ / Make a token and its hash line
    Token,
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
