//! The table of converters: the only names that the `as` of a rule may have. What the grammar says
//! of a converter is printed from here, and the examples are compiled by a test.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::fault::code;

use crate::convert::calendar::DateForms;
use crate::convert::converter::Converter;
use crate::diagnostic::{BilingualText, Defect, Wording, suggest, suggest_or_list};
use crate::grammar::CodeList;

/// The code lists of a description by name.
pub(crate) type CodeLists = BTreeMap<String, Arc<CodeList>>;

/// A converter as the grammar describes it, and how its arguments are parsed.
pub(crate) struct ConverterEntry {
    pub(crate) name: &'static str,
    /// The arguments behind the name; empty: there are none.
    pub(crate) arguments: &'static str,
    pub(crate) meaning: Wording,
    /// Sections of a description that use it. What a description needs besides is added by
    /// `grammar_page::complete_example`.
    pub(crate) example: &'static str,
    parse: fn(&str, &CodeLists) -> Result<Converter, Defect>,
}

/// Every converter.
pub(crate) const CONVERTERS: &[ConverterEntry] = &[
    ConverterEntry {
        name: "text",
        arguments: "",
        meaning: Wording {
            vi: "chữ: dựng sẵn (NFC), bỏ khoảng trắng hai đầu; mặc định khi không có `as`",
            en: "a text: composed (NFC) and trimmed; the default without `as`",
        },
        example: "fields:\n  - {at: TrichYeu, to: subject}\n",
        parse: |_, _| Ok(Converter::Text),
    },
    ConverterEntry {
        name: "whole",
        arguments: "",
        meaning: Wording {
            vi: "số nguyên không dấu, 1–18 chữ số",
            en: "a whole number of 1 to 18 digits",
        },
        example: "fields:\n  - {at: SoTrang, to: pages, as: whole}\n",
        parse: |_, _| Ok(Converter::Integer),
    },
    ConverterEntry {
        name: "yes-no",
        arguments: "YES NO",
        meaning: Wording {
            vi: "đúng hay sai: từ nghĩa là đúng, rồi từ nghĩa là sai; không phân biệt hoa thường",
            en: "true or false: the word for true, then the word for false; in any case",
        },
        example: "fields:\n  - {at: ChiDao, to: directive, as: yes-no true false}\n",
        parse: |rest, _| match rest.split_once(' ') {
            Some((yes, no)) if !no.trim().is_empty() => {
                Ok(Converter::YesNo(yes.to_owned(), no.trim().to_owned()))
            }
            _ => Err(argument_defect("`yes-no` cần hai từ", "`yes-no` needs two words")),
        },
    },
    ConverterEntry {
        name: "date",
        arguments: "[exactly] FORM | FORM …",
        meaning: Wording {
            vi: "ngày; y năm, M tháng, d ngày; dạng đầu được dùng khi ghi. Mọi dạng chỉ có một cách đọc cũng được nhận (2026-11-20, 20/11/2026, 20.11.2026, 20261120, có cả giờ và múi giờ, /Date(ms)/); `exactly` chỉ nhận các dạng được nêu",
            en: "a day; y year, M month, d day; the first form is written. Every form with one reading is taken too (2026-11-20, 20/11/2026, 20.11.2026, 20261120, with time and zone, /Date(ms)/); `exactly` takes the named ones only",
        },
        example: "fields:\n  - {at: NgayBanHanh, to: issued, as: date dd/MM/yyyy | yyyy-MM-dd}\n",
        parse: |rest, _| parse_forms(rest, "yMd").map(Converter::Date),
    },
    ConverterEntry {
        name: "time",
        arguments: "[exactly] FORM | FORM …",
        meaning: Wording {
            vi: "thời điểm; y M d như `date`, H giờ, m phút, s giây; không ghi múi giờ là giờ Việt Nam. Mọi dạng chỉ có một cách đọc cũng được nhận, trừ khi có `exactly`",
            en: "a point in time; y M d as in `date`, H hour, m minute, s second; without a zone it is Vietnam's. Every form with one reading is taken too, except with `exactly`",
        },
        example: "carries: Status\nfields:\n  - {at: ThoiGian, to: at, as: \"time yyyy/MM/dd HH:mm:ss\"}\n",
        parse: |rest, _| parse_forms(rest, "yMdHm").map(Converter::Time),
    },
    ConverterEntry {
        name: "code",
        arguments: "LIST",
        meaning: Wording {
            vi: "mã của một danh mục trong `lists`",
            en: "a code of a list in `lists`",
        },
        example: "lists:\n  do-khan: {rows: {\"0\": NORMAL, \"1\": URGENT}}\nfields:\n  - {at: DoKhan, to: urgency, as: code do-khan}\n",
        parse: |rest, lists| match lists.get(rest) {
            Some(it) => Ok(Converter::Code(Arc::clone(it))),
            None => Err(unknown_list(rest, lists)),
        },
    },
    ConverterEntry {
        name: "org-id",
        arguments: "",
        meaning: Wording {
            vi: "mã định danh cơ quan; loại mã được nhận ra từ chính mã",
            en: "the code of an organisation; its scheme is told from the code",
        },
        example: "fields:\n  - {at: MaCoQuan, to: \"issuer.ids[0]\", as: org-id}\n",
        parse: |_, _| Ok(Converter::OrgId),
    },
    ConverterEntry {
        name: "media-type",
        arguments: "",
        meaning: Wording {
            vi: "loại tệp như application/pdf, thành chữ thường",
            en: "a media type such as application/pdf, in lower case",
        },
        example: "fields:\n  - each: Tep\n    to: attachments\n    fields:\n      - {at: Loai, to: media_type, as: media-type}\n",
        parse: |_, _| Ok(Converter::MediaType),
    },
    ConverterEntry {
        name: "packed-type",
        arguments: "",
        meaning: Wording {
            vi: "loại của tệp như nó nằm trong nội dung: loại của ZIP khi tệp được bọc trong ZIP",
            en: "the media type of a file as it lies in the body: that of a ZIP where it is wrapped in one",
        },
        example: "fields:\n  - each: Tep\n    to: attachments\n    fields:\n      - {at: NoiDung, to: content, as: content}\n      - {at: Loai, to: media_type, as: packed-type}\n",
        parse: |_, _| Ok(Converter::PackedType),
    },
    ConverterEntry {
        name: "list",
        arguments: "SEPARATOR",
        meaning: Wording {
            vi: "nhiều chữ trong một ô, cách nhau bằng dấu này; phần trống bị bỏ",
            en: "several texts in one place with this separator; empty ones are dropped",
        },
        example: "fields:\n  - {at: NoiNhan, to: places, as: list ;}\n",
        parse: |rest, _| match rest {
            "" => Err(argument_defect("`list` cần dấu phân cách", "`list` needs a separator")),
            _ => Ok(Converter::List(rest.to_owned())),
        },
    },
    ConverterEntry {
        name: "affix",
        arguments: "PREFIX",
        meaning: Wording {
            vi: "chữ có thể đứng sau tiền tố này khi đọc, và luôn có nó khi ghi",
            en: "a text that is read with or without this prefix and written with it",
        },
        example: "fields:\n  - each: Tep\n    to: attachments\n    fields:\n      - {at: Ma, to: id, as: \"affix cid:\"}\n",
        parse: |rest, _| match rest {
            "" => Err(argument_defect("`affix` cần tiền tố", "`affix` needs a prefix")),
            _ => Ok(Converter::Affix(rest.to_owned())),
        },
    },
    ConverterEntry {
        name: "extra",
        arguments: "",
        meaning: Wording {
            vi: "giá trị riêng của hệ thống, dưới tên `extras[chủ.tên]`",
            en: "a value of the system's own, under the name `extras[owner.name]`",
        },
        example: "fields:\n  - {at: Id, to: \"extras[phanmem.Id]\", as: extra}\n",
        parse: |_, _| Ok(Converter::Extra),
    },
    ConverterEntry {
        name: "fetch",
        arguments: "",
        meaning: Wording {
            vi: "đường dẫn hay tên của tệp được nộp kèm bên cạnh nội dung",
            en: "the path or name of a file that is submitted beside the body",
        },
        example: "fields:\n  - each: Tep\n    to: attachments\n    fields:\n      - {at: Ten, to: file_name}\n      - {at: DuongDan, to: content.ref, as: fetch}\n",
        parse: |_, _| Ok(Converter::Fetch),
    },
    ConverterEntry {
        name: "content",
        arguments: "",
        meaning: Wording {
            vi: "chính nội dung tệp, mã hóa base64; tệp ZIP bọc một tệp được mở ra",
            en: "the bytes of a file in base64; a ZIP that wraps one file is opened",
        },
        example: "fields:\n  - each: Tep\n    to: attachments\n    fields:\n      - {at: Ten, to: file_name}\n      - {at: NoiDung, to: content, as: content}\n",
        parse: |_, _| Ok(Converter::Content),
    },
];

/// Parses the `as` of a rule.
pub(crate) fn parse_converter(spec: &str, lists: &CodeLists) -> Result<Converter, Defect> {
    let (name, rest) = spec.split_once(' ').unwrap_or((spec, ""));
    let entry = CONVERTERS.iter().find(|it| it.name == name);
    let entry = entry.ok_or_else(|| unknown_converter(name))?;
    if entry.arguments.is_empty() && !rest.trim().is_empty() {
        return Err(argument_defect(
            format!("`{name}` không có tham số, bỏ `{rest}`"),
            format!("`{name}` takes no argument; leave out `{rest}`"),
        ));
    }
    (entry.parse)(rest, lists)
}

fn parse_forms(forms: &str, required: &str) -> Result<DateForms, Defect> {
    if forms.is_empty() {
        return Err(argument_defect(
            "thiếu dạng, như dd/MM/yyyy hay yyyy/MM/dd HH:mm:ss",
            "a form is missing, such as dd/MM/yyyy or yyyy/MM/dd HH:mm:ss",
        ));
    }
    DateForms::parse(forms, required).map_err(|text| Defect { code: &code::LT_FMT_006, text })
}

fn argument_defect(vi: impl Into<String>, en: impl Into<String>) -> Defect {
    Defect::new(&code::LT_FMT_006, vi, en)
}

fn unknown_converter(name: &str) -> Defect {
    let names: Vec<_> = CONVERTERS.iter().map(|it| it.name).collect();
    let hint = suggest_or_list(name, &names, ("có", "there are"));
    argument_defect(
        format!("không có bộ đổi `{name}`{}", hint.vi),
        format!("there is no converter `{name}`{}", hint.en),
    )
}

fn unknown_list(name: &str, lists: &CodeLists) -> Defect {
    let names: Vec<_> = lists.keys().map(String::as_str).collect();
    let suggestion = suggest(name, &names);
    let text = BilingualText::new(
        format!("không có danh mục `{name}`{}", suggestion.vi),
        format!("there is no list `{name}`{}", suggestion.en),
    );
    Defect { code: &code::LT_FMT_009, text }
}
