//! How codes and ids are written: exactly as registered, and without anything people cannot see.
//!
//! The directory finds a code in any case, because people search that way. A message is not a
//! search: a code that is corrected for its sender stays wrong in the sender's system, and the next
//! system on the way may correct it to somebody else's (catalogue B-024).

use name_folding::{is_invisible, name_characters, spell_out, spell_out_invisible, visible_code};
use proto::canonical::v1::{Canonical, DocumentNumber, canonical::Body};
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::message::v1::Organisation;
use registry_client::{CodeOwner, Directory};

/// Refuses a code that is not spelled like a code or the key of its owner.
pub(super) fn check_spelling(code: &str, owner: &Organisation) -> Result<(), Fault> {
    if owner.key == code || owner.codes.iter().any(|it| it.value == code) {
        return Ok(());
    }
    let same = owner.codes.iter().find(|it| it.value.eq_ignore_ascii_case(code.trim()));
    let registered = same.map_or(owner.key.as_str(), |it| it.value.as_str());
    Err(misspelled(code, Some(registered)))
}

/// The refusal of a code that nobody has because of the characters in it; `None` when its
/// characters are ordinary ones.
pub(super) fn explain_unknown(code: &str, directory: &Directory, day: &str) -> Option<Fault> {
    let has_blank = code.trim_matches(' ') != code;
    if !has_blank && name_characters(code).is_none() {
        return None;
    }
    let visible = visible_code(code);
    let meant = match directory.resolve_code(&visible, day) {
        CodeOwner::InForce(owner) => {
            let same = owner.codes.iter().find(|it| it.value.eq_ignore_ascii_case(&visible));
            Some(same.map_or_else(|| owner.key.clone(), |it| it.value.clone()))
        }
        CodeOwner::Unknown
        | CodeOwner::Ambiguous(_)
        | CodeOwner::CodeExpired(_)
        | CodeOwner::NotInForce(_) => None,
    };
    Some(misspelled(code, meant.as_deref()))
}

fn misspelled(code: &str, registered: Option<&str>) -> Fault {
    let shown = spell_out(code);
    let mut vi = format!("Mã `{shown}`");
    let mut en = format!("The code `{shown}`");
    if let Some((names_vi, names_en)) = name_characters(code) {
        vi.push_str(&format!(" có {names_vi}"));
        en.push_str(&format!(" holds {names_en}"));
    } else if code.trim_matches(' ') != code {
        vi.push_str(" có dấu cách ở đầu hoặc cuối");
        en.push_str(" has a blank in front or behind");
    } else {
        vi.push_str(" viết khác chữ hoa, chữ thường");
        en.push_str(" differs in upper and lower case");
    }
    if let Some(registered) = registered {
        vi.push_str(&format!("; sổ đăng ký ghi `{registered}`"));
        en.push_str(&format!("; the registry has `{registered}`"));
    }
    let fault = Fault::new(&code::LT_MAP_225).param("code", shown);
    fault.violation("", format!("{vi}."), format!("{en}."))
}

/// Refuses invisible characters in what identifies a document: two that look alike would be two
/// documents, and a status about one would never find the other.
pub(super) fn check_ids(
    canonical: &Canonical,
    native_path: &dyn Fn(&str) -> String,
) -> Result<(), Fault> {
    let (path, id, number) = match &canonical.body {
        Some(Body::Document(it)) => ("", it.id.as_str(), it.number.as_ref()),
        Some(Body::Status(status)) => {
            let Some(about) = &status.about else { return Ok(()) };
            ("about.", about.id.as_str(), about.number.as_ref())
        }
        Some(Body::Receipt(_) | Body::DeliveryReport(_)) | None => return Ok(()),
    };
    let parts =
        number.map_or([""; 3], |it: &DocumentNumber| [&it.number, &it.notation, &it.printed]);
    let names = ["id", "number.number", "number.notation", "number.printed"];
    let mut fault = Fault::new(&code::LT_MAP_014);
    for (name, text) in names.into_iter().zip([id].into_iter().chain(parts)) {
        let hidden: String = text.chars().filter(|it| is_hidden_in_id(*it)).collect();
        if let Some((vi, en)) = name_characters(&hidden) {
            let shown: String = spell_out_invisible(text).chars().take(QUOTED_CHARS_MAX).collect();
            fault = fault.violation(
                native_path(&format!("{path}{name}")),
                format!("Có ký tự không nhìn thấy {vi}: `{shown}`; bỏ ký tự này."),
                format!("It holds characters that cannot be seen, {en}: `{shown}`; remove them."),
            );
        }
    }
    if fault.violations.is_empty() { Ok(()) } else { Err(fault) }
}

/// A no-break space inside a number (`45 - CV/TU`) is how office software sets it, and is compared
/// as the space that it looks like.
fn is_hidden_in_id(letter: char) -> bool {
    is_invisible(letter) && !letter.is_whitespace()
}

/// Letters of an id that an error quotes.
const QUOTED_CHARS_MAX: usize = 100;
