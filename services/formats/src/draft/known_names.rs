//! Names by which document software calls canonical fields, in Vietnamese and English, and how the
//! text of a sample tells the converter. A guess is a proposal for the author of a description.

use name_folding::{fold_field_name, fold_words};

/// What a field lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Document,
    Organisation,
    Recipient,
    Attachment,
    Signer,
    /// An item that nobody knows.
    Nothing,
}

/// How the text of a field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Date,
    Whole,
    Number,
    OrgId,
    Urgency,
    Secrecy,
    DocumentType,
    Texts,
    MediaType,
    Fetch,
    Content,
}

/// A canonical field with the names that it has elsewhere.
pub(super) struct KnownName {
    pub(super) to: &'static str,
    pub(super) form: Form,
    within: Within,
    /// Folded: ASCII letters and digits in lower case.
    names: &'static [&'static str],
}

/// A node that holds others, with what they describe.
pub(super) struct KnownGroup {
    pub(super) to: &'static str,
    pub(super) inside: Within,
    is_list: bool,
    names: &'static [&'static str],
}

const fn known(
    within: Within,
    to: &'static str,
    form: Form,
    names: &'static [&'static str],
) -> KnownName {
    KnownName { to, form, within, names }
}

#[rustfmt::skip]
const NAMES: &[KnownName] = &[
    known(Within::Document, "secrecy", Form::Secrecy, &["domat", "mucdomat", "secret", "secretid", "secrecy", "securityname"]),
    known(Within::Document, "id", Form::Plain, &["guid", "uuid", "mavanban", "documentid", "docid", "objid", "transcode", "externaldocid", "idvanban"]),
    known(Within::Document, "number", Form::Number, &["sokyhieu", "sokihieu", "sohieuvanban", "numberorsign", "registernumber", "documentnumber", "docnumber", "sovanban", "sovb"]),
    known(Within::Document, "number.number", Form::Plain, &["so", "sohieu", "codenumber"]),
    known(Within::Document, "number.notation", Form::Plain, &["kyhieu", "kihieu", "codenotation"]),
    known(Within::Document, "type", Form::DocumentType, &["loaivanban", "loaivb", "tenloaivanban", "theloai", "typename", "doctypename", "documenttype", "doctype"]),
    known(Within::Document, "subject", Form::Plain, &["trichyeu", "tieude", "subject", "title", "abstract", "preview", "doctitle", "tenvanban"]),
    known(Within::Document, "summary", Form::Plain, &["noidung", "tomtat", "summary", "content"]),
    known(Within::Document, "issued", Form::Date, &["ngaybanhanh", "ngayvanban", "ngayvb", "ngayky", "ngay", "promulgationdate", "issuedate", "issueddate", "dateissued", "publishdate"]),
    known(Within::Document, "due", Form::Date, &["hanxuly", "hantraloi", "han", "thoihan", "thoihangq", "duedate", "deadline", "expireddate"]),
    known(Within::Document, "issuer.name", Form::Plain, &["coquanbanhanh", "noibanhanh", "donvibanhanh", "publishunit", "issuer", "promulgator"]),
    known(Within::Document, "issuer.ids[0]", Form::OrgId, &["macoquanbanhanh", "madinhdanh", "macoquan", "organid"]),
    known(Within::Document, "sender.name", Form::Plain, &["noigui", "donvigui", "coquangui", "unitsend", "sender", "sendername"]),
    known(Within::Document, "sender.ids[0]", Form::OrgId, &["manoigui", "madonvigui", "macoquangui", "senderid", "sendercode"]),
    known(Within::Document, "signers[role=SIGNER].full_name", Form::Plain, &["nguoiky", "hotennguoiky", "signer", "signername"]),
    known(Within::Document, "signers[role=SIGNER].position", Form::Plain, &["chucvu", "chucvunguoiky", "signerposition"]),
    known(Within::Document, "urgency", Form::Urgency, &["dokhan", "mucdokhan", "priority", "urgency", "urgentname", "urgentid"]),
    known(Within::Document, "field.name", Form::Plain, &["linhvuc", "docfieldname"]),
    known(Within::Document, "pages", Form::Whole, &["sotrang", "soto", "pageamount", "totalpage", "pages", "numberpaper"]),
    known(Within::Document, "copies", Form::Whole, &["soban", "soluongban", "promulgationamount", "copies", "numbercopies"]),
    known(Within::Document, "places", Form::Texts, &["noinhan", "places", "toplaces"]),
    known(Within::Document, "note", Form::Plain, &["ghichu", "note", "remark"]),
    known(Within::Document, "arrival.number", Form::Plain, &["soden"]),
    known(Within::Document, "arrival.date", Form::Date, &["ngayden", "receiveddate"]),
    known(Within::Document, "place", Form::Plain, &["diadanh", "place"]),
    known(Within::Organisation, "ids[0]", Form::OrgId, &["ma", "madonvi", "macoquan", "madinhdanh", "code", "organid", "id"]),
    known(Within::Organisation, "name", Form::Plain, &["ten", "tendonvi", "tencoquan", "name", "organname"]),
    known(Within::Organisation, "email", Form::Plain, &["email", "thudientu"]),
    known(Within::Organisation, "phone", Form::Plain, &["dienthoai", "sodienthoai", "telephone", "phone"]),
    known(Within::Organisation, "address", Form::Plain, &["diachi", "address", "organadd"]),
    known(Within::Recipient, "organisation.ids[0]", Form::OrgId, &["ma", "madonvi", "macoquan", "madinhdanh", "code", "organid", "id"]),
    known(Within::Recipient, "organisation.name", Form::Plain, &["ten", "tendonvi", "tencoquan", "name", "organname"]),
    known(Within::Recipient, "organisation.email", Form::Plain, &["email", "thudientu"]),
    known(Within::Signer, "full_name", Form::Plain, &["hoten", "ten", "fullname", "name", "nguoiky", "signer"]),
    known(Within::Signer, "position", Form::Plain, &["chucvu", "position", "function", "jobtitle"]),
    known(Within::Signer, "authority", Form::Plain, &["thamquyen", "competence"]),
    known(Within::Attachment, "id", Form::Plain, &["id", "ma", "contentid"]),
    known(Within::Attachment, "file_name", Form::Plain, &["tentep", "tenfile", "ten", "filename", "name", "displayname", "attachmentname"]),
    known(Within::Attachment, "media_type", Form::MediaType, &["loaitep", "loai", "filetype", "mimetype", "contenttype", "type", "attachmenttype"]),
    known(Within::Attachment, "content.size", Form::Whole, &["kichthuoc", "dungluong", "filesize", "size", "attachmentsize"]),
    known(Within::Attachment, "description", Form::Plain, &["mota", "description"]),
    known(Within::Attachment, "content.ref", Form::Fetch, &["duongdan", "filepath", "path", "link", "url", "urldownload"]),
    known(Within::Attachment, "content", Form::Content, &["noidung", "dulieu", "data", "filedata", "filecontent", "content", "base64", "attachbytes", "attachmentdata", "contenttransferencoded"]),
];

#[rustfmt::skip]
const GROUPS: &[KnownGroup] = &[
    KnownGroup { to: "attachments", inside: Within::Attachment, is_list: true,
        names: &["tep", "teptin", "tepdinhkem", "dinhkem", "filedinhkem", "files", "file", "attachments", "attachment", "atms", "lstfileattach"] },
    KnownGroup { to: "recipients[role=MAIN]", inside: Within::Recipient, is_list: true,
        names: &["noinhan", "donvinhan", "danhsachnoinhan", "recipients", "receivers", "recipient", "receiver", "to", "toes", "donvinhanvanbanngoadonvi"] },
    KnownGroup { to: "sender", inside: Within::Organisation, is_list: false,
        names: &["noigui", "donvigui", "coquangui", "sender", "from"] },
    KnownGroup { to: "issuer", inside: Within::Organisation, is_list: false,
        names: &["coquanbanhanh", "noibanhanh", "donvibanhanh", "issuer"] },
    KnownGroup { to: "signers[role=SIGNER]", inside: Within::Signer, is_list: false,
        names: &["nguoiky", "signer", "signerinfo", "author"] },
];

/// The canonical field that a name probably means.
pub(super) fn find_name(within: Within, name: &str) -> Option<&'static KnownName> {
    let folded = fold_field_name(name);
    NAMES.iter().find(|it| it.within == within && it.names.contains(&folded.as_str()))
}

/// The canonical item that a node with others inside probably means.
pub(super) fn find_group(name: &str, is_list: bool) -> Option<&'static KnownGroup> {
    let folded = fold_field_name(name);
    GROUPS.iter().find(|it| (is_list || !it.is_list) && it.names.contains(&folded.as_str()))
}

/// What stands behind the canonical field in a rule, by the text of the sample; none where the text
/// does not tell. Code lists get the row of the sample.
pub(super) fn converter_of(form: Form, text: &str) -> Option<String> {
    let fixed = match form {
        Form::Plain => "",
        Form::Whole => ", as: whole",
        Form::Number => ", pattern: \"{number}/{notation}\", whole: printed, split: no",
        Form::OrgId => ", as: org-id",
        Form::Texts => ", as: list ;",
        Form::MediaType => ", as: media-type",
        Form::Fetch => ", as: fetch",
        Form::Content => ", as: content",
        Form::DocumentType => ", as: code loai-van-ban",
        Form::Urgency => return urgency_of(text).map(|_| ", as: code do-khan".to_owned()),
        Form::Secrecy => return is_open(text).then(|| ", as: code do-mat".to_owned()),
        Form::Date => return date_form(text).map(|it| format!(", as: date {it}")),
    };
    Some(fixed.to_owned())
}

/// The code list that a rule needs, with the row of the sample.
#[derive(Clone, Debug)]
pub(super) struct SampleList {
    pub(super) name: &'static str,
    /// The keys of the list besides `rows`.
    pub(super) keys: &'static str,
    /// Code and canonical value.
    pub(super) row: Option<(String, &'static str)>,
}

/// The code list that a rule with this form needs.
pub(super) fn list_row(form: Form, text: &str) -> Option<SampleList> {
    let list = |name, keys, value: Option<&'static str>| {
        let row = value.map(|it| (text.to_owned(), it));
        Some(SampleList { name, keys, row })
    };
    match form {
        Form::DocumentType => list("loai-van-ban", "list: document-type, open: yes", None),
        Form::Urgency => list("do-khan", "", urgency_of(text)),
        Form::Secrecy => list("do-mat", "list: secrecy, gate: none", Some("none")),
        Form::Plain
        | Form::Date
        | Form::Whole
        | Form::Number
        | Form::OrgId
        | Form::Texts
        | Form::MediaType
        | Form::Fetch
        | Form::Content => None,
    }
}

fn urgency_of(text: &str) -> Option<&'static str> {
    Some(match fold_words(text).trim() {
        "0" | "thuong" | "binh thuong" | "normal" => "NORMAL",
        "1" | "khan" | "urgent" => "URGENT",
        "2" | "thuong khan" => "VERY_URGENT",
        "3" | "hoa toc" => "FLASH",
        "4" | "hoa toc hen gio" => "FLASH_TIMED",
        _ => return None,
    })
}

/// True for a text that surely is no secrecy mark: anything else is left to the author.
fn is_open(text: &str) -> bool {
    ["0", "thuong", "binh thuong", "khong", "khong mat"].contains(&fold_words(text).trim())
}

/// The form in which a day is written.
fn date_form(text: &str) -> Option<&'static str> {
    let shape: String =
        text.trim().chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
    Some(match shape.as_str() {
        "00/00/0000" => "dd/MM/yyyy",
        "0/00/0000" | "00/0/0000" | "0/0/0000" => "d/M/yyyy",
        "00-00-0000" => "dd-MM-yyyy",
        "00.00.0000" => "dd.MM.yyyy",
        "0000-00-00" => "yyyy-MM-dd",
        "0000/00/00" => "yyyy/MM/dd",
        "00000000" => "yyyyMMdd",
        "0000-00-00T00:00:00" => "yyyy-MM-ddTHH:mm:ss",
        "0000-00-00 00:00:00" => "yyyy-MM-dd HH:mm:ss",
        "00/00/0000 00:00:00" => "dd/MM/yyyy HH:mm:ss",
        _ => return None,
    })
}
