//! Time to judge a text, relative to a plain decomposition (NFD) of the same text in the same run.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;
use std::time::Instant;

use secrecy_marks::find_in_text;
use unicode_normalization::UnicodeNormalization as _;

/// Nanoseconds of one run: the median of fifteen rounds.
fn measure(mut work: impl FnMut()) -> f64 {
    const RUNS: u32 = 2000;
    let mut rounds: Vec<f64> = (0..15)
        .map(|_| {
            let begun = Instant::now();
            (0..RUNS).for_each(|_| work());
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(RUNS)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

fn main() {
    let subject = "Về việc thí điểm gửi báo cáo tổng hợp tình hình thực hiện nhiệm vụ quý III năm 2026 \
        của các phường, xã và đặc khu trên địa bàn tỉnh";
    for (name, text) in [
        ("a subject", subject),
        ("a subject in capitals", &subject.to_uppercase()),
        (
            "bí mật nhà nước",
            "Kế hoạch triển khai Luật Bảo vệ bí mật nhà nước trên địa bàn tỉnh năm 2026",
        ),
        ("a code", "A99.1,2026/11/20,309/CV/THU"),
        ("a URL", "https://vanban.example.vn/tai-lieu?id=309&name=C%C3%B4ng%20v%C4%83n"),
    ] {
        let gate = measure(|| {
            black_box(find_in_text(black_box(text)));
        });
        let fold = measure(|| {
            black_box(black_box(text).nfd().collect::<String>());
        });
        println!("{name}: {gate:.0} ns, {:.2} of its decomposition", gate / fold);
    }
    for part in ["mật ong, ", "M ậ t ", "&amp;#109;", "<!--", "=?utf-8?b?", "m§t "] {
        let text = part.repeat(1_048_576 / part.len());
        let begun = Instant::now();
        black_box(find_in_text(black_box(&text)));
        println!("1 MiB of {part:?}: {:.0} ms", begun.elapsed().as_secs_f64() * 1e3);
    }
}
