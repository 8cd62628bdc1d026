//! Names in archives: without the flag for UTF-8, programs take their bytes for code page 437.

use std::borrow::Cow;

/// The characters of code page 437 from 0x80 on.
const CODE_PAGE_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
    αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The name in UTF-8, when its characters are the bytes of such a name.
pub(crate) fn restore_archive_name(name: &str) -> Cow<'_, str> {
    // Vietnamese letters in UTF-8 have bytes that are lines and blocks in the code page.
    if !name.contains(|it| ('\u{2310}'..='\u{25a0}').contains(&it)) {
        return name.into();
    }
    let byte = |it: char| {
        let at = || CODE_PAGE_437.chars().position(|other| other == it);
        if it.is_ascii() { u8::try_from(it).ok() } else { u8::try_from(0x80 + at()?).ok() }
    };
    let bytes: Option<Vec<u8>> = name.chars().map(byte).collect();
    let restored = bytes.and_then(|it| String::from_utf8(it).ok());
    restored.map_or(name.into(), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_taken_for_another_code_page_are_restored() {
        assert_eq!(CODE_PAGE_437.chars().count(), 128);
        for (name, restored) in [
            ("TUYß╗åT Mß║¼T.pdf", "TUYỆT MẬT.pdf"),
            ("Mật ong.pdf", "Mật ong.pdf"),
            ("a ─ b.pdf", "a ─ b.pdf"),
        ] {
            assert_eq!(restore_archive_name(name), restored);
        }
    }
}
