//! What a run is asked to do.

use clap::Parser;

use crate::fault::{FAULTS, fault};

/// Phá hệ thống từ bên ngoài trong lúc văn bản đi / Breaks the system while documents flow.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "faults",
    after_help = "Examples:\n  \
        cargo run -p lienthong-tests --bin faults -- --minutes 3\n  \
        cargo run --release -p lienthong-tests --bin faults -- --minutes 60 --rate 45 --json\n  \
        cargo run -p lienthong-tests --bin faults -- --faults flap-database,kill-mapping --seed 7\n  \
        cargo run -p lienthong-tests --bin faults -- --faults old-backlog --rounds 1 --backlog-seconds 660"
)]
pub(crate) struct Arguments {
    /// Loại sự cố, cách nhau bằng dấu phẩy; mặc định tất cả / Kinds of faults; default all
    #[arg(long, value_delimiter = ',', value_parser = parse_fault)]
    pub(crate) faults: Vec<&'static str>,
    /// Bao lâu / How long faults go on, minutes
    #[arg(long, default_value_t = 5.0)]
    pub(crate) minutes: f64,
    /// Mỗi loại mấy lần rồi dừng / Ends after each kind came so many times
    #[arg(long)]
    pub(crate) rounds: Option<usize>,
    /// Sự cố kéo dài nhiều nhất / How long a kill or stop lasts at most, seconds
    #[arg(long, default_value_t = 14)]
    pub(crate) longest_seconds: u64,
    /// Máy chủ hàng đợi vắng bao lâu trong broker-away / How long broker-away lasts, seconds
    #[arg(long, default_value_t = 60)]
    pub(crate) away_seconds: u64,
    /// Văn bản chờ bao lâu trong old-backlog / How old the backlog of old-backlog gets, seconds
    #[arg(long, default_value_t = 60)]
    pub(crate) backlog_seconds: u64,
    /// Hạt giống; một lần chạy lặp lại được với hạt giống của nó / Seed
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Số văn bản mỗi giây / Documents a second
    #[arg(long, default_value_t = 30.0)]
    pub(crate) rate: f64,
    /// In JSON / Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_fault(name: &str) -> Result<&'static str, String> {
    let names: Vec<_> = FAULTS.iter().map(|it| it.name).collect();
    fault(name).map(|it| it.name).ok_or_else(|| format!("there are: {}", names.join(", ")))
}
