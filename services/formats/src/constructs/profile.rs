//! Keys of a profile: the small differences of one partner from a format.

use super::construct::{Construct, ValueShape, words};
use super::rule::RULE_KEYS;
use super::syntax::SYNTAXES;

/// Options of the syntax that a profile may change.
const SYNTAX_OPTIONS: [&str; 8] =
    ["prefix", "declared-at", "around", "separator", "quote", "bom", "between", "line-break"];
/// Keys of a place that a profile may change.
const PLACE_OPTIONS: [&str; 6] = ["max", "too-long", "need", "const", "write-default", "empty"];

/// Keys at the top of a profile.
pub(crate) const PROFILE_KEYS: &[Construct] = &[
    Construct::required(
        "of",
        ValueShape::Text,
        words(
            "tên định dạng gốc; tệp là hồ sơ của một đối tác, chỉ nêu những chỗ khác",
            "name of the base; the file is a partner's profile, which names differences only",
        ),
        "of: ioffice.portal\n",
    ),
    Construct::required(
        "format",
        ValueShape::Text,
        words("tên của hồ sơ, chỉ dùng khi được nêu", "name of the profile, used only where named"),
        "format: ioffice.doi-tac\n",
    ),
    Construct::required(
        "version",
        ValueShape::Whole,
        words("số phiên bản của hồ sơ, từ 1", "version of the profile, from 1"),
        "version: 1\n",
    ),
    Construct::required(
        "title",
        ValueShape::Text,
        words("tên cho người đọc", "name for people"),
        "title: iOffice của đối tác\n",
    ),
    Construct::optional(
        "empty",
        ValueShape::Texts,
        words(
            "những chữ nghĩa là không có gì, thay cho của gốc",
            "texts that mean that a value is absent, in place of the base's",
        ),
        "empty: [\"\", \"-\"]\n",
    ),
    Construct::optional(
        "write-empty",
        ValueShape::Text,
        words(
            "chữ được ghi khi không có giá trị, thay cho của gốc",
            "text that is written for an absent value, in place of the base's",
        ),
        "write-empty: \"-\"\nempty: [\"\", \"-\"]\n",
    ),
    Construct::optional(
        "file-form",
        ValueShape::Word(&["raw", "zip"]),
        words(
            "tệp trong nội dung khi ghi: raw để nguyên, zip mỗi tệp trong một ZIP",
            "how a written file lies in the body: raw, as it is, or zip, each in a ZIP",
        ),
        "file-form: zip\n",
    ),
    Construct::optional(
        "syntax",
        ValueShape::PartnerSyntax,
        words("tùy chọn của cú pháp khác với gốc", "options of the syntax that differ"),
        "syntax: {around: '{\"Value\":{\"Total\":0,\"Data\":[]}}'}\n",
    ),
    Construct::optional(
        "lists",
        ValueShape::PartnerLists,
        words(
            "dòng của danh mục; mã của đối tác thay mã của gốc cho cùng giá trị",
            "rows of lists; a code of the partner takes the place of the base's for the same value",
        ),
        "lists:\n  urgency: {\"9\": NORMAL}\n",
    ),
    Construct::optional(
        "places",
        ValueShape::PartnerPlaces,
        words(
            "chỗ khác với gốc: `max`, `need` chặt hơn, chữ của `const`, mặc định khi ghi",
            "places that differ: `max`, a stricter `need`, the text of a `const`, what is written by default",
        ),
        "places:\n  TrichYeu: {max: 200}\n  SoHieu: {need: both}\n",
    ),
];

/// The options of all syntaxes that a profile may change.
pub(crate) fn profile_syntax_keys() -> Vec<Construct> {
    let all = SYNTAXES.iter().flat_map(|it| it.keys);
    let mut keys = changeable(all, &SYNTAX_OPTIONS);
    keys.sort_by_key(|it| it.key);
    keys.dedup_by_key(|it| it.key);
    keys
}

/// The keys of a place that a profile may change.
pub(crate) fn profile_place_keys() -> Vec<Construct> {
    changeable(RULE_KEYS.iter(), &PLACE_OPTIONS)
}

/// These keys, of which a profile needs none.
fn changeable(keys: impl Iterator<Item = &'static Construct>, names: &[&str]) -> Vec<Construct> {
    let named = keys.filter(|it| names.contains(&it.key));
    named.map(|it| Construct { is_required: false, ..*it }).collect()
}
