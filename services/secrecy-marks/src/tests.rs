//! Marked and harmless phrases, plain and in every disguise.

use std::path::PathBuf;

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

use super::*;

const MARKED: &str = include_str!("tests/marked.txt");
const HARMLESS: &str = include_str!("tests/harmless.txt");

fn lines(text: &'static str) -> impl Iterator<Item = String> {
    text.lines().filter(|it| !it.is_empty()).map(|it| it.replace("\\n", "\n"))
}

/// The shared subjects with their verdicts; none when the folder is absent.
fn shared_subjects() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    let text = std::fs::read_to_string(folder.join("S02-secrecy-in-titles/subjects.tsv"));
    let Ok(text) = text else {
        println!("no cases beside the project, so none were read");
        return Vec::new();
    };
    let parts = text.lines().filter_map(|it| it.split_once('\t'));
    parts.map(|(verdict, subject)| (verdict.to_owned(), subject.to_owned())).collect()
}

#[test]
fn marked_phrases_are_found_and_harmless_ones_pass() {
    let mut wrong = Vec::new();
    for it in lines(MARKED) {
        if find_in_text(&it).is_none() {
            wrong.push(format!("passes: {it}"));
        }
    }
    for it in lines(HARMLESS) {
        if let Some(mark) = find_in_text(&it) {
            wrong.push(format!("{mark:?}: {it}"));
        }
    }
    for (verdict, subject) in shared_subjects() {
        if find_in_text(&subject).is_some() != (verdict == "refuse") {
            wrong.push(format!("not {verdict}: {subject}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A way to write a text so that a reader still reads it.
type Disguise = (&'static str, fn(&str) -> String);

/// Disguises of any text.
const DISGUISES: &[Disguise] = &[
    ("decomposed", |it| it.nfd().collect()),
    ("zero-width spaces", |it| it.chars().flat_map(|it| [it, '\u{200b}']).collect()),
    ("soft hyphens", |it| it.chars().flat_map(|it| ['\u{ad}', it]).collect()),
    ("direction marks", |it| format!("\u{202a}{}\u{202c}\u{200f}", it.replace('T', "\u{200e}T"))),
    ("joiners", |it| it.chars().flat_map(|it| [it, '\u{200d}', '\u{34f}']).collect()),
    ("variation selectors", |it| it.chars().flat_map(|it| [it, '\u{fe0f}']).collect()),
    ("tag characters", |it| it.chars().flat_map(|it| [it, '\u{e0041}']).collect()),
    ("struck through", |it| it.nfc().flat_map(|it| [it, '\u{336}']).collect()),
    ("underlined", |it| it.nfc().flat_map(|it| [it, '\u{332}']).collect()),
    ("byte order mark", |it| {
        format!("\u{feff}{}", it.replace('a', "\u{feff}a").replace('A', "\u{feff}A"))
    }),
    ("numeric references", |it| it.chars().map(|it| format!("&#{};", u32::from(it))).collect()),
    ("hexadecimal references", |it| {
        it.chars().map(|it| format!("&#x{:X};", u32::from(it))).collect()
    }),
    ("references twice", |it| it.chars().map(|it| format!("&amp;#{};", u32::from(it))).collect()),
    ("percent-encoded", |it| it.bytes().map(|it| format!("%{it:02X}")).collect()),
    ("escaped", |it| it.nfc().map(|it| format!("\\u{:04x}", u32::from(it))).collect()),
    ("twice encoded, Latin-1", |it| it.bytes().map(char::from).collect()),
    ("thrice encoded", |it| {
        let twice: String = it.bytes().map(char::from).collect();
        twice.bytes().map(char::from).collect()
    }),
    ("twice encoded, windows-1252", as_windows_1252),
    ("full width", |it| it.nfd().map(full_width).collect()),
    ("mathematical", |it| it.nfd().map(|it| shifted(it, 0x1d400, 0x1d41a)).collect()),
    ("circled", |it| it.nfd().map(|it| shifted(it, 0x24b6, 0x24d0)).collect()),
    ("look-alikes", |it| it.nfd().map(look_alike).collect()),
    ("tags", |it| it.replace('a', "<b>a</b>").replace('A', "<i>A</i>")),
];

fn as_windows_1252(text: &str) -> String {
    const WINDOWS: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";
    let letter = |it: u8| match it {
        0x80..=0x9f => WINDOWS.chars().nth(usize::from(it - 0x80)).unwrap(),
        _ => char::from(it),
    };
    text.bytes().map(letter).collect()
}

fn full_width(it: char) -> char {
    match it {
        '!'..='~' => char::from_u32(u32::from(it) - 0x21 + 0xff01).unwrap(),
        _ => it,
    }
}

fn shifted(it: char, upper: u32, lower: u32) -> char {
    let of = |first: u32, base: char| char::from_u32(first + u32::from(it) - u32::from(base));
    match it {
        'A'..='Z' => of(upper, 'A').unwrap(),
        'a'..='z' => of(lower, 'a').unwrap(),
        _ => it,
    }
}

fn look_alike(it: char) -> char {
    match it {
        'M' => 'М',
        'A' => 'Α',
        'T' => 'Т',
        'a' => 'а',
        'o' => 'о',
        'e' => 'е',
        'O' => 'Օ',
        'i' => 'і',
        'I' => 'Ι',
        'y' => 'у',
        'Y' => 'Υ',
        'E' => 'Ꭼ',
        'U' => 'ꓴ',
        'c' => 'ϲ',
        'D' => 'Ꭰ',
        'u' => 'ս',
        'n' => 'ո',
        it => it,
    }
}

#[test]
fn a_disguise_hides_no_mark_and_makes_none() {
    let mut wrong = Vec::new();
    for (name, disguise) in DISGUISES {
        for it in lines(MARKED) {
            let disguised = disguise(&it);
            if find_in_text(&disguised).is_none() {
                wrong.push(format!("{name} passes: {it}: {disguised}"));
            }
        }
        for it in lines(HARMLESS) {
            if let Some(mark) = find_in_text(&disguise(&it)) {
                wrong.push(format!("{name} {mark:?}: {it}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// Letters one by one, words two gaps apart.
fn spaced(text: &str, gap: &str) -> String {
    let letters = |word: &str| word.nfc().map(String::from).collect::<Vec<_>>().join(gap);
    text.split(' ').map(letters).collect::<Vec<_>>().join("   ")
}

#[test]
fn letters_that_stand_apart_are_read_together() {
    for gap in [" ", "\u{a0}", "\u{2009}", ".", "-", "_", "·", "*", "/", "\u{3000}", ". ", "|", ","]
    {
        for mark in ["MẬT", "TỐI MẬT", "TUYỆT MẬT", "Tối mật"] {
            for text in [spaced(mark, gap), format!("Báo cáo ({})", spaced(mark, gap))] {
                assert!(find_in_text(&text).is_some(), "{text}");
            }
            let text = format!("{}: Kế hoạch", spaced(mark, gap));
            assert!(find_in_text(&text).is_some(), "{text}");
        }
        for plain in ["MẬT ONG", "BẢO MẬT", "MẶT TRẬN", "MẬT KHẨU", "BÍ MẬT NHÀ NƯỚC"]
        {
            let text = spaced(plain, gap);
            assert_eq!(find_in_text(&text), None, "{text}");
        }
    }
}

const SPELLINGS: &[(&str, &str)] = &[
    (
        "TCVN3",
        "tuyÖt mËt|TUYÖT MËT|Tèi mËt: kÕ ho¹ch|MËt: b¸o c¸o|M.Ë.T|M\u{200b}ËT|M%CBT|M&Euml;T|§é mËt: Tèi mËt|KÕ ho¹ch (MËt)",
    ),
    ("VNI", "TUYEÄT MAÄT|Tuyeät maät|TOÁI MAÄT - Keá hoaïch|Ñoä maät: toái maät|Baùo caùo (Maät)"),
    ("VIQR", "TUYE^.T MA^.T|To^'i ma^.t: ke^' hoa.ch|Ba'o ca'o (Ma^.t)|MA^.T: ba'o ca'o"),
    ("VISCII", "tuy®t m§t|t¯i m§t|M§t: báo cáo"),
    ("windows-1258", "TUYÊòT MÂòT|Tôìi mâòt|MÂòT: Báo cáo"),
    ("Telex", "TUYEETJ MAATJ|toois maatj|Maatj: baso caso"),
    ("VNI keys", "tuye65t ma65t|to61i ma65t|Ma65t: ba1o ca1o"),
    ("lost letters", "TUY?T M?T|Tuy\u{fffd}t m\u{fffd}t"),
    ("digits", "M4T: bao cao|M@T|TUY3T MAT|T0I MAT: ke hoach|TỐ1 MẬT|TUYET M4T"),
    ("reversed", "\u{202e}TẬM\u{202c}: Báo cáo"),
];

#[test]
fn spellings_from_before_unicode_are_marks_too() {
    for (scheme, texts) in SPELLINGS {
        for it in texts.split('|') {
            assert!(find_in_text(it).is_some(), "{scheme}: {it}");
        }
    }
    for plain in [
        "LuËt B¶o vÖ bÝ mËt nhµ n\u{ad}íc",
        "§æi mËt khÈu",
        "mËt ong",
        "Luaät Baûo veä bí maät nhaø nöôùc",
        "Maät ñoä daân soá",
        "ddo^?i ma^.t kha^?u",
        "bis maatj",
        "b¶o mËt hÖ thèng",
        "5 µm, 30 °C, 4 mã",
    ] {
        assert_eq!(find_in_text(plain), None, "{plain}");
    }
}

#[test]
fn a_files_name_bears_a_mark_before_its_extension() {
    for marked in [
        "Mật.pdf",
        "Báo cáo - mật.docx",
        "MẬT_baocao.pdf",
        "TUYET MAT.pdf",
        "MAT.pdf",
        "KÕ ho¹ch (MËt).pdf",
        "BaoCaoTuyetMat.pdf",
        "TUYET-MAT.docx",
        "ke hoach (mat).doc",
        "mật/ke-hoach.pdf",
        "M%E1%BA%ACT.pdf",
        "toi_mat_ke_hoach.pdf",
        "Mat\u{323}\u{302}.pdf",
    ] {
        assert!(find_in_file_name(marked).is_some(), "{marked}");
    }
    for plain in [
        "mat_bang.pdf",
        "mat-tran.docx",
        "Mật độ.xlsx",
        "bao mat.pdf",
        "format.pdf",
        "data.mat",
        "mat-khau.txt",
        "Mật ong rừng.png",
        "MatTranToQuoc.pdf",
        "giai_phong_mat_bang.pdf",
    ] {
        assert_eq!(find_in_file_name(plain), None, "{plain}");
    }
}

#[test]
fn a_number_bears_a_mark_as_a_part_of_its_own() {
    for marked in [
        "12-BC/TU (M)",
        "12(tm)",
        "05/BC-MẬT",
        "05/BC-MAT",
        "7/TUYETMAT-BC",
        "12 （Ｍ）",
        "5/BC-MËT",
        "05/BC-M\u{200b}ẬT",
        "05/BC-MAÄT",
    ] {
        assert!(find_in_number(marked).is_some(), "{marked}");
    }
    for plain in ["45-CV/MTTQ", "12/TM-UBND", "7/M", "12-HD/BTCTU", "3/MT"] {
        assert_eq!(find_in_number(plain), None, "{plain}");
    }
}

#[test]
fn a_person_named_mat_is_no_mark() {
    for marked in ["TUYỆT MẬT", "Ban chỉ đạo (MẬT)", "Cơ quan A - tối mật"] {
        assert!(find_in_name(marked).is_some(), "{marked}");
    }
    for plain in
        ["Mật", "Nguyễn Văn Mật", "NGUYỄN VĂN MẬT", "Ban Bảo vệ bí mật", "Mặt trận Tổ quốc"]
    {
        assert_eq!(find_in_name(plain), None, "{plain}");
    }
}

#[test]
fn a_field_bears_a_mark_by_its_name_or_its_text() {
    let find = |name: &str, value: &str| find_in_field(name.split('/'), value, false);
    for (name, value) in [
        ("MucMat", "2"),
        ("MucMat", "B"),
        ("DoKhan", "2"),
        ("DoKhan", "B"),
        ("Classification", "2"),
        ("SecretLevel", "B"),
        ("Data[0]/DoMat/Id", "2"),
        ("GhiChu", "MẬT: x"),
        ("TUYỆT MẬT", "x"),
        ("SecurityLevel", "High"),
        ("doMat", "xyz"),
    ] {
        assert!(find(name, value).is_some(), "{name} {value}");
    }
    for (name, value) in [
        ("MucMat", "0"),
        ("DoKhan", "Khẩn"),
        ("DoKhan", "Hỏa tốc"),
        ("DoKhan", "0"),
        ("Classification", "none"),
        ("SecretLevel", ""),
        ("DoMat", "Thường"),
        ("SecretKey", "abc"),
        ("MatTran", "1"),
        ("GhiChu", "Mật độ"),
    ] {
        assert_eq!(find(name, value), None, "{name} {value}");
    }
    assert_eq!(find_in_field(["DoKhan"], "9", true), None, "a known field");
}

proptest! {
    #[test]
    fn a_mark_is_found_wherever_invisible_characters_stand(
        at in 0_usize..9,
        hidden in prop::sample::select(vec![
            '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{ad}', '\u{feff}', '\u{202b}',
            '\u{2066}', '\u{fe00}', '\u{e0061}', '\u{34f}', '\u{180e}', '\u{115f}', '\u{332}',
            '\u{20d2}', '\u{1b}', '\u{85}',
        ]),
    ) {
        let mut letters: Vec<char> = "TUYỆT MẬT".chars().collect();
        letters.insert(at, hidden);
        let text: String = letters.into_iter().collect();
        prop_assert!(find_in_text(&text).is_some(), "{text:?}");
    }

    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,40}", at in 0_usize..40) {
        let mut text = text;
        let at = (0..=at.min(text.len())).rev().find(|it| text.is_char_boundary(*it)).unwrap_or(0);
        text.insert_str(at, "m&#x1EAD;t Ma^.t \\u1e %E1 =?a?b?");
        find_in_text(&text);
        find_in_number(&text);
        field_meaning(&text);
    }
}

#[test]
fn a_long_text_takes_time_in_proportion_to_its_length() {
    let measure = |text: String| {
        let begun = std::time::Instant::now();
        find_in_text(&text);
        begun.elapsed().as_secs_f64()
    };
    for part in [
        "mật ong ",
        "m a t ",
        "&amp;",
        "<a",
        "=?utf-8?q?",
        "M.Ậ",
        "bí mật, ",
        "\u{202e}tậm ",
        "MẬT A ",
        "m. ",
    ] {
        let (short, long) = (measure(part.repeat(1_000)), measure(part.repeat(16_000)));
        // Sixteen times the length; the bound leaves room for a busy machine.
        assert!(long < short.max(0.001) * 100.0, "{part}: {short} s, {long} s");
    }
}
