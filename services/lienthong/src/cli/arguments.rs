//! The arguments of commands that have several.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use chassis::secret::Secret;
use clap::{Args, Subcommand, ValueEnum};

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
    /// Thư mục chứng thư do `certificates dev` tạo: mọi kết nối được mã hóa / Folder made by `certificates dev`: every link is encrypted
    #[arg(long, value_name = "DIR")]
    pub(crate) certificates: Option<PathBuf>,
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
    #[command(flatten)]
    pub(crate) link: GatewayLink,
}

/// How a command reaches the gateway as an application. What is not given comes from the settings.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct GatewayLink {
    /// Cửa vào; mặc định theo cấu hình client / Gateway; default from the client settings
    #[arg(long, value_name = "URL")]
    pub(crate) gateway: Option<String>,
    /// Tệp chứa khóa truy cập của ứng dụng / File with the application's token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) certificates: LinkCertificates,
}

/// How the link of a command is encrypted.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LinkCertificates {
    /// Tệp PEM của nơi cấp chứng thư máy chủ; mặc định nơi cấp công cộng / PEM file of the server's authorities
    #[arg(long, value_name = "FILE")]
    pub(crate) authorities_file: Option<PathBuf>,
    /// Tệp PEM chứng thư của người gọi / PEM file of the caller's own certificate
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub(crate) certificates_file: Option<PathBuf>,
    /// Tệp PEM khóa riêng của chứng thư ấy / PEM file of that certificate's key
    #[arg(long, value_name = "FILE", requires = "certificates_file")]
    pub(crate) key_file: Option<PathBuf>,
    /// Cho phép http:// tới máy khác / Allow http:// to other machines
    #[arg(long)]
    pub(crate) plaintext: bool,
}

/// How operators' commands reach a system. What is not given comes from the settings.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Link {
    /// Địa chỉ nội bộ; nhiều địa chỉ cách nhau bằng dấu phẩy / Internal addresses, separated by commas
    #[arg(long, value_name = "URL")]
    pub(crate) internal: Option<String>,
    /// Thư mục dữ liệu của `up`, nơi có khóa nội bộ / Data folder of `up`, which holds the internal token
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Tệp khóa nội bộ; mặc định `<data>/internal.token` / Internal token file
    #[arg(long, value_name = "FILE")]
    pub(crate) internal_token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) certificates: LinkCertificates,
}

/// Arguments of `sessions`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sessions {
    #[command(subcommand)]
    pub(crate) end: Option<SessionCommand>,
    #[command(flatten)]
    pub(crate) list: ListSessions,
}

/// Arguments of `sessions` without `end`.
#[derive(Args, Debug)]
pub(crate) struct ListSessions {
    /// Chỉ của ứng dụng này / Only of this application
    #[arg(long, value_name = "ID")]
    pub(crate) application: Option<String>,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Commands on sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// Kết thúc phiên; bộ nối có thể mở phiên khác / End sessions; the adapter may open another one
    End(EndSessions),
}

impl SessionCommand {
    /// The arguments of `sessions end`, the only command.
    pub(crate) fn arguments(&self) -> &EndSessions {
        let Self::End(arguments) = self;
        arguments
    }
}

/// Arguments of `sessions end`.
#[derive(Args, Debug)]
pub(crate) struct EndSessions {
    /// Mã phiên, hoặc phần đầu đủ để chỉ một phiên / Session ids, or their beginnings
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Vì sao; ghi vào nhật ký / Why; logged
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Ai làm; mặc định người dùng của máy / Who; default this machine's user
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Arguments of `pause` and `resume`.
#[derive(Args, Debug)]
pub(crate) struct PauseArguments {
    /// Ứng dụng, cơ quan, intake hoặc intake.N; thêm application: hay organisation: khi trùng tên / Application, organisation or channel
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,
    /// Vì sao; được lưu lại / Why; kept
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Ai làm; mặc định người dùng của máy / Who; default this machine's user
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Arguments of `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusArguments {
    /// Thử mọi kết nối của từng vai trò ngay bây giờ / Test every link of each role now
    #[arg(long)]
    pub(crate) test: bool,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Arguments of `find`.
#[derive(Args, Debug)]
pub(crate) struct Find {
    /// Số, mã hoặc từ trong trích yếu / Number, id or words of the subject
    pub(crate) text: Vec<String>,
    /// Cơ quan gửi hoặc nhận, theo khóa, mã hoặc tên / Sending or receiving organisation, by key, code or name
    #[arg(long, value_name = "KEY")]
    pub(crate) organisation: Option<String>,
    /// Ứng dụng gửi hoặc nhận / Sending or receiving application
    #[arg(long, value_name = "ID")]
    pub(crate) application: Option<String>,
    /// Khóa mà ứng dụng đã gửi cùng văn bản / The application's own key of the item
    #[arg(long, requires = "application")]
    pub(crate) key: Option<String>,
    /// Mã lỗi khiến văn bản dừng lại / Code of the fault for which it stopped
    #[arg(long, value_name = "LT-…")]
    pub(crate) code: Option<String>,
    /// Trạng thái; nhiều lần / State; may be repeated
    #[arg(long = "state", value_enum)]
    pub(crate) states: Vec<StateFilter>,
    /// Từ ngày, như 20/11/2026, 2026-11-20, "hôm nay"; có thể kèm giờ / From day, as 20/11/2026, 2026-11-20, today; a time may follow
    #[arg(long, value_name = "DAY")]
    pub(crate) since: Option<String>,
    /// Đến hết ngày / Until the end of day
    #[arg(long, value_name = "DAY")]
    pub(crate) until: Option<String>,
    /// Trong một ngày / On one day
    #[arg(long, value_name = "DAY", conflicts_with_all = ["since", "until"])]
    pub(crate) on: Option<String>,
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
    /// Làm ngay cả khi đổi nhiều thông điệp / Also when several messages are changed
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
    /// Chỉ xem sẽ đổi những gì / Only show what would be changed
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) link: Link,
}

/// Arguments of `resend`.
#[derive(Args, Debug)]
pub(crate) struct Resend {
    /// Mã thông điệp hoặc số văn bản / Message ids or document numbers
    #[arg(required = true)]
    pub(crate) what: Vec<String>,
    /// Chỉ tới cơ quan này (mã hoặc tên), cũng có thể là cơ quan khác / Only to this agency (code or
    /// name), which may be another one
    #[arg(long, value_name = "AGENCY")]
    pub(crate) to: Vec<String>,
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
