//! Synthetic packets: every branch of what partners write into edXML.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

/// A packet with every element of the standard.
const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader><edXML:MessageHeader>
      <edXML:From><edXML:OrganId>A99.1</edXML:OrganId><edXML:OrganizationInCharge>Tỉnh mẫu</edXML:OrganizationInCharge><edXML:OrganName>Sở Mẫu</edXML:OrganName><edXML:OrganAdd>Số 1 phố Thử</edXML:OrganAdd><edXML:Email>so@mau.vn</edXML:Email><edXML:Telephone>0214 1</edXML:Telephone><edXML:Fax>0214 2</edXML:Fax><edXML:Website>mau.vn</edXML:Website></edXML:From>
      <edXML:To><edXML:OrganId>000.00.02.A99</edXML:OrganId><edXML:OrganizationInCharge>Huyện thử</edXML:OrganizationInCharge><edXML:OrganName>Xã Thử</edXML:OrganName><edXML:OrganAdd>Thôn 2</edXML:OrganAdd><edXML:Email>xa@thu.vn</edXML:Email><edXML:Telephone>0214 3</edXML:Telephone><edXML:Fax>0214 4</edXML:Fax><edXML:Website>thu.vn</edXML:Website></edXML:To>
      <edXML:DocumentId>A99.1,2026/11/20,45/CV-SM</edXML:DocumentId>
      <edXML:Code><edXML:CodeNumber>45</edXML:CodeNumber><edXML:CodeNotation>CV-SM</edXML:CodeNotation></edXML:Code>
      <edXML:PromulgationInfo><edXML:Place>Nơi ban hành</edXML:Place><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate></edXML:PromulgationInfo>
      <edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeDetail>3</edXML:TypeDetail><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
      <edXML:Subject>Về việc thử</edXML:Subject>
      <edXML:Content>Tóm tắt việc thử</edXML:Content>
      <edXML:SignerInfo><edXML:Competence>TM. SỞ</edXML:Competence><edXML:Position>Giám đốc</edXML:Position><edXML:FullName>Người Ký</edXML:FullName></edXML:SignerInfo>
      <edXML:DueDate>2026/12/01</edXML:DueDate>
      <edXML:OtherInfo><edXML:Priority>1</edXML:Priority><edXML:SphereOfPromulgation>Nội bộ</edXML:SphereOfPromulgation><edXML:TyperNotation>NK</edXML:TyperNotation><edXML:PromulgationAmount>3</edXML:PromulgationAmount><edXML:PageAmount>12</edXML:PageAmount><edXML:Direction>true</edXML:Direction><edXML:Appendixes><edXML:Appendix>Phụ lục I</edXML:Appendix></edXML:Appendixes></edXML:OtherInfo>
      <edXML:ResponseFor><edXML:OrganId>A99.3</edXML:OrganId><edXML:Code>7/KH-UB</edXML:Code><edXML:PromulgationDate>2026/10/01</edXML:PromulgationDate><edXML:DocumentId>A99.3,2026/10/01,7/KH-UB</edXML:DocumentId></edXML:ResponseFor>
      <edXML:SteeringType>1</edXML:SteeringType>
      <edXML:ToPlaces><edXML:Place>Như trên</edXML:Place><edXML:Place>Lưu: VT</edXML:Place></edXML:ToPlaces>
    </edXML:MessageHeader>
    <edXML:TraceHeaderList>
      <edXML:TraceHeader><edXML:OrganId>A99.1</edXML:OrganId><edXML:Timestamp>2026/11/20 08:00:00</edXML:Timestamp></edXML:TraceHeader>
      <edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType><edXML:BussinessDocReason>Văn bản mới</edXML:BussinessDocReason><edXML:Paper>1</edXML:Paper><edXML:StaffInfo><edXML:Department>Văn thư</edXML:Department><edXML:Staff>Người Gửi</edXML:Staff><edXML:Mobile>0912</edXML:Mobile><edXML:Email>vt@mau.vn</edXML:Email></edXML:StaffInfo></edXML:Bussiness>
    </edXML:TraceHeaderList>
    </edXML:edXMLHeader>
    <edXML:edXMLBody><edXML:edXMLManifest version="1.0"><edXML:Reference><edXML:ContentId>cid:f1</edXML:ContentId><edXML:ContentType>application/pdf</edXML:ContentType><edXML:AttachmentName>a.pdf</edXML:AttachmentName><edXML:Description>Bản chính</edXML:Description></edXML:Reference></edXML:edXMLManifest></edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <edXML:AttachmentEncoded xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:Attachment><edXML:ContentId>cid:f1</edXML:ContentId><edXML:AttachmentName>a.pdf</edXML:AttachmentName><edXML:ContentType>application/pdf</edXML:ContentType><edXML:ContentTransferEncoded>JVBERi0xLjQK</edXML:ContentTransferEncoded></edXML:Attachment></edXML:AttachmentEncoded>
</edXML>"#;

/// Elements of [`DOCUMENT`] that may be absent, each with what stands around it when it is alone.
const OPTIONAL: [(&str, &str); 36] = [
    ("From", "OrganizationInCharge"),
    ("From", "OrganName"),
    ("From", "OrganAdd"),
    ("From", "Email"),
    ("From", "Telephone"),
    ("From", "Fax"),
    ("From", "Website"),
    ("To", "OrganizationInCharge"),
    ("To", "OrganName"),
    ("To", "OrganAdd"),
    ("To", "Website"),
    ("PromulgationInfo", "Place"),
    ("MessageHeader", "DocumentType"),
    ("DocumentType", "TypeDetail"),
    ("DocumentType", "TypeName"),
    ("MessageHeader", "Content"),
    ("MessageHeader", "SignerInfo"),
    ("SignerInfo", "Competence"),
    ("SignerInfo", "Position"),
    ("SignerInfo", "FullName"),
    ("MessageHeader", "DueDate"),
    ("MessageHeader", "OtherInfo"),
    ("OtherInfo", "Priority"),
    ("OtherInfo", "SphereOfPromulgation"),
    ("OtherInfo", "TyperNotation"),
    ("OtherInfo", "PromulgationAmount"),
    ("OtherInfo", "PageAmount"),
    ("OtherInfo", "Direction"),
    ("OtherInfo", "Appendixes"),
    ("MessageHeader", "ResponseFor"),
    ("ResponseFor", "OrganId"),
    ("ResponseFor", "PromulgationDate"),
    ("MessageHeader", "SteeringType"),
    ("MessageHeader", "ToPlaces"),
    ("edXMLHeader", "TraceHeaderList"),
    ("Bussiness", "StaffInfo"),
];

/// A status with every element of the standard.
const STATUS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader><edXML:MessageHeader>
      <edXML:From><edXML:OrganId>A99.2</edXML:OrganId><edXML:OrganizationInCharge>Huyện thử</edXML:OrganizationInCharge><edXML:OrganName>Xã Thử</edXML:OrganName><edXML:OrganAdd>Thôn 2</edXML:OrganAdd><edXML:Email>xa@thu.vn</edXML:Email><edXML:Telephone>0214 3</edXML:Telephone><edXML:Fax>0214 4</edXML:Fax><edXML:Website>thu.vn</edXML:Website></edXML:From>
      <edXML:ResponseFor><edXML:OrganId>A99.1</edXML:OrganId><edXML:Code>45/CV-SM</edXML:Code><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate><edXML:DocumentId>A99.1,2026/11/20,45/CV-SM</edXML:DocumentId></edXML:ResponseFor>
      <edXML:StaffInfo><edXML:Department>Văn thư</edXML:Department><edXML:Staff>Người Nhận</edXML:Staff><edXML:Mobile>0913</edXML:Mobile><edXML:Email>vt@thu.vn</edXML:Email></edXML:StaffInfo>
      <edXML:StatusCode>01</edXML:StatusCode>
      <edXML:Description>Đã đến</edXML:Description>
      <edXML:Timestamp>2026/11/20 09:30:00</edXML:Timestamp>
    </edXML:MessageHeader></edXML:edXMLHeader>
  </edXML:edXMLEnvelope>
</edXML>"#;

/// A change of a packet.
enum Edit {
    /// Puts a text in place of another, once.
    With(&'static str, &'static str),
    /// Puts a text in place of another, everywhere.
    All(&'static str, &'static str),
    /// Removes the first element of a name inside the first one of another.
    Without(&'static str, &'static str),
    /// Replaces the content of the first element of a name.
    Set(&'static str, &'static str),
    /// Replaces it by a text that is repeated.
    Repeat(&'static str, &'static str, usize),
    /// Adds elements at the end of the first element of a name.
    Add(&'static str, &'static str),
    /// Puts elements in front of the first element of a name.
    Before(&'static str, &'static str),
}

use Edit::{Add, All, Before, Repeat, Set, With, Without};

/// Name of a packet, and how it differs from the whole one.
type Row = (&'static str, &'static [Edit]);

/// A packet that is changed step by step.
#[derive(Clone)]
struct Packet(String);

impl Packet {
    fn of(native: &str, edits: &[Edit]) -> Self {
        edits.iter().fold(Self(native.to_owned()), Self::edit)
    }

    fn edit(mut self, edit: &Edit) -> Self {
        match *edit {
            With(old, new) => self.replace(old, new),
            All(old, new) => Self(self.0.replace(old, new)),
            Without(inside, name) => {
                let range = self.range(inside, name);
                self.0.replace_range(range, "");
                self
            }
            Set(name, content) => {
                let range = self.range("edXMLHeader", name);
                let element = format!("<edXML:{name}>{content}</edXML:{name}>");
                self.0.replace_range(range, &element);
                self
            }
            Repeat(name, unit, count) => {
                let range = self.range("edXMLHeader", name);
                let content = unit.repeat(count);
                let element = format!("<edXML:{name}>{}</edXML:{name}>", content.trim());
                self.0.replace_range(range, &element);
                self
            }
            Add(inside, content) => {
                let close = format!("</edXML:{inside}>");
                self.replace(&close, &format!("{content}{close}"))
            }
            Before(name, content) => {
                let open = format!("<edXML:{name}>");
                self.replace(&open, &format!("{content}{open}"))
            }
        }
    }

    fn replace(self, old: &str, new: &str) -> Self {
        assert!(self.0.contains(old), "{old}");
        Self(self.0.replacen(old, new, 1))
    }

    /// Where an element begins and ends, inside the first one of another name.
    fn range(&self, inside: &str, name: &str) -> std::ops::Range<usize> {
        let begin = self.0.find(&format!("<edXML:{inside}")).unwrap();
        let find = |from: usize, what: &str| from + self.0.get(from..).unwrap().find(what).unwrap();
        let begin = find(begin, &format!("<edXML:{name}>"));
        let close = format!("</edXML:{name}>");
        begin..find(begin, &close) + close.len()
    }

    /// The packet with other files; the attachments stand in the other order than the references.
    fn with_files(mut self, files: &[FileRow<'_>]) -> Self {
        let (mut references, mut attachments) = (String::new(), String::new());
        for it in files {
            let content_type = match it.content_type {
                "" => String::new(),
                of => format!("<edXML:ContentType>{of}</edXML:ContentType>"),
            };
            let head = format!(
                "<edXML:ContentId>{}</edXML:ContentId>{content_type}<edXML:AttachmentName>{}</edXML:AttachmentName>",
                it.id, it.name
            );
            references.push_str(&format!("<edXML:Reference>{head}</edXML:Reference>"));
            let content = base64_simd::STANDARD.encode_to_string(&it.bytes);
            attachments.insert_str(0, &format!("<edXML:Attachment>{head}<edXML:ContentTransferEncoded>{content}</edXML:ContentTransferEncoded></edXML:Attachment>"));
        }
        for (open, close, content) in [
            ("<edXML:Reference>", "</edXML:edXMLManifest>", references),
            ("<edXML:Attachment>", "</edXML:AttachmentEncoded>", attachments),
        ] {
            let range = self.0.find(open).unwrap()..self.0.find(close).unwrap();
            self.0.replace_range(range, &content);
        }
        self
    }
}

/// A file as it lies in a packet.
struct FileRow<'f> {
    id: &'f str,
    name: &'f str,
    content_type: &'f str,
    bytes: Vec<u8>,
}

fn file<'f>(id: &'f str, name: &'f str, content_type: &'f str, bytes: &[u8]) -> FileRow<'f> {
    FileRow { id, name, content_type, bytes: bytes.to_vec() }
}

/// A ZIP with these entries, each with some text in it.
fn zipped(entries: &[&str]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for it in entries {
        archive.start_file(*it, SimpleFileOptions::default()).unwrap();
        archive.write_all(b"%PDF-1.4\n").unwrap();
        archive.write_all(it.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Every packet of the corpus, with what it is about.
pub(super) fn corpus() -> Vec<(String, Vec<u8>)> {
    let mut packets = Vec::new();
    for (inside, name) in OPTIONAL {
        let packet = Packet::of(DOCUMENT, &[Without(inside, name)]);
        packets.push((format!("without {inside}/{name}"), packet));
    }
    packets.extend(optional_alone());
    for (rows, native) in [
        (CODES, DOCUMENT),
        (BUSINESS, DOCUMENT),
        (LISTS, DOCUMENT),
        (NAMES, DOCUMENT),
        (TEXTS, DOCUMENT),
        (FORMS_OF_FILES, DOCUMENT),
        (VALUES, DOCUMENT),
        (STATUSES, STATUS),
    ] {
        let rows = rows.iter().map(|(name, edits)| ((*name).to_owned(), Packet::of(native, edits)));
        packets.extend(rows);
    }
    let bytes = |(name, packet): (String, Packet)| (name, packet.0.into_bytes());
    packets.into_iter().chain(with_other_files()).map(bytes).chain(encodings()).collect()
}

/// The least packet, alone and with one optional element.
fn optional_alone() -> Vec<(String, Packet)> {
    let inside = ["MessageHeader", "edXMLHeader", "From", "To", "PromulgationInfo"];
    let least = OPTIONAL.iter().filter(|it| inside.contains(&it.0));
    let least: Vec<_> = least.map(|(inside, name)| Without(inside, name)).collect();
    let least = Packet::of(DOCUMENT, &least);
    let mut packets = vec![("least".to_owned(), least.clone())];
    let full = Packet(DOCUMENT.to_owned());
    for (inside, name) in OPTIONAL {
        let element = full.0.get(full.range(inside, name)).unwrap();
        let is_there = least.0.contains(&format!("</edXML:{inside}>"));
        let (close, element) = match inside {
            _ if is_there => (inside, element.to_owned()),
            "Bussiness" => (
                "edXMLHeader",
                format!(
                    "<edXML:TraceHeaderList><edXML:Bussiness>{element}</edXML:Bussiness></edXML:TraceHeaderList>"
                ),
            ),
            _ => ("MessageHeader", format!("<edXML:{inside}>{element}</edXML:{inside}>")),
        };
        let close = format!("</edXML:{close}>");
        let packet = least.clone().replace(&close, &format!("{element}{close}"));
        packets.push((format!("only {inside}/{name}"), packet));
    }
    packets
}

const CODES: &[Row] = &[
    ("the whole packet", &[]),
    ("priority 0", &[Set("Priority", "0")]),
    ("priority 2", &[Set("Priority", "2")]),
    ("priority 3", &[Set("Priority", "3")]),
    ("priority 4", &[Set("Priority", "4")]),
    ("priority of no row", &[Set("Priority", "9")]),
    ("no paper", &[Set("Paper", "0")]),
    ("paper of no row", &[Set("Paper", "5")]),
    ("steering 0", &[Set("SteeringType", "0")]),
    ("steering of no row", &[Set("SteeringType", "77")]),
    ("type 1", &[Set("Type", "1")]),
    ("type of no row", &[Set("TypeName", "Giấy đi đường")]),
    ("direction false", &[Set("Direction", "false")]),
    ("direction in another word", &[Set("Direction", "có")]),
    ("amounts 0", &[Set("PageAmount", "0"), Set("PromulgationAmount", "0")]),
    ("an amount with zeros", &[Set("PageAmount", "007")]),
    ("an amount in words", &[Set("PageAmount", "mười")]),
    ("an amount below 0", &[Set("PromulgationAmount", "-1")]),
    ("a long number", &[Set("CodeNumber", "20251020104803")]),
    ("a number with letters", &[Set("CodeNumber", "045a")]),
    ("a long notation", &[Repeat("CodeNotation", "TB-UBND-", 8)]),
];

const TARGET: &str = "<edXML:DocumentId>A99.1,2026/11/01,40/CV</edXML:DocumentId>";
const RECEIVERS: &str = "<edXML:BussinessDocumentInfo><edXML:ReceiverList><edXML:Receiver><edXML:OrganId>000.00.02.A99</edXML:OrganId><edXML:ReceiverType>1</edXML:ReceiverType></edXML:Receiver><edXML:Receiver><edXML:OrganId>A99.9</edXML:OrganId><edXML:ReceiverType>0</edXML:ReceiverType></edXML:Receiver></edXML:ReceiverList></edXML:BussinessDocumentInfo>";
const ALL_CHANGED: &str =
    "<edXML:DocumentInfo>1</edXML:DocumentInfo><edXML:DocumentReceiver>1</edXML:DocumentReceiver>";

const BUSINESS: &[Row] = &[
    ("a new document with a target", &[Add("Bussiness", TARGET)]),
    ("a recall", &[Set("BussinessDocType", "1"), Add("Bussiness", TARGET)]),
    ("a recall by its reference", &[Set("BussinessDocType", "1")]),
    (
        "a recall without any target",
        &[Set("BussinessDocType", "1"), Without("MessageHeader", "ResponseFor")],
    ),
    (
        "a recall in another spelling",
        &[
            Set("BussinessDocType", "1"),
            Add("Bussiness", TARGET),
            All("edXML:Bussiness>", "edXML:Business>"),
        ],
    ),
    (
        "a recall in lower case",
        &[
            Set("BussinessDocType", "1"),
            Add("Bussiness", TARGET),
            All("edXML:TraceHeaderList>", "edXML:traceheaderlist>"),
        ],
    ),
    (
        "an update of all",
        &[
            Set("BussinessDocType", "2"),
            Add("Bussiness", TARGET),
            Add("Bussiness", RECEIVERS),
            Before("ReceiverList", ALL_CHANGED),
        ],
    ),
    (
        "an update of nothing",
        &[
            Set("BussinessDocType", "2"),
            Add("Bussiness", TARGET),
            Add(
                "Bussiness",
                "<edXML:BussinessDocumentInfo><edXML:DocumentInfo>0</edXML:DocumentInfo><edXML:DocumentReceiver>0</edXML:DocumentReceiver></edXML:BussinessDocumentInfo>",
            ),
        ],
    ),
    (
        "an update of the content",
        &[
            Set("BussinessDocType", "2"),
            Add("Bussiness", TARGET),
            Add(
                "Bussiness",
                "<edXML:BussinessDocumentInfo><edXML:DocumentInfo>1</edXML:DocumentInfo><edXML:DocumentReceiver>0</edXML:DocumentReceiver></edXML:BussinessDocumentInfo>",
            ),
        ],
    ),
    (
        "an update of receivers alone",
        &[Set("BussinessDocType", "2"), Add("Bussiness", TARGET), Add("Bussiness", RECEIVERS)],
    ),
    ("an update without its block", &[Set("BussinessDocType", "2"), Add("Bussiness", TARGET)]),
    (
        "a replacement",
        &[
            Set("BussinessDocType", "3"),
            Add(
                "Bussiness",
                "<edXML:ReplacementInfoList><edXML:ReplacementInfo><edXML:DocumentId>g1</edXML:DocumentId></edXML:ReplacementInfo></edXML:ReplacementInfoList>",
            ),
        ],
    ),
    (
        "a replacement of several for some",
        &[
            Set("BussinessDocType", "3"),
            Add(
                "Bussiness",
                "<edXML:ReplacementInfoList><edXML:ReplacementInfo><edXML:DocumentId>g1</edXML:DocumentId><edXML:OrganIdList><edXML:OrganId>A99.2</edXML:OrganId><edXML:OrganId>A99.3</edXML:OrganId></edXML:OrganIdList></edXML:ReplacementInfo><edXML:ReplacementInfo><edXML:DocumentId>g2</edXML:DocumentId><edXML:OrganIdList><edXML:OrganId>A99.4</edXML:OrganId></edXML:OrganIdList></edXML:ReplacementInfo></edXML:ReplacementInfoList>",
            ),
        ],
    ),
    (
        "an update's block in a recall",
        &[
            Set("BussinessDocType", "1"),
            Add("Bussiness", TARGET),
            Add("Bussiness", RECEIVERS),
            Before("ReceiverList", ALL_CHANGED),
        ],
    ),
    (
        "two staff",
        &[Add("Bussiness", "<edXML:StaffInfo><edXML:Staff>Hai</edXML:Staff></edXML:StaffInfo>")],
    ),
    ("no business", &[Without("TraceHeaderList", "Bussiness")]),
];

const LISTS: &[Row] = &[
    (
        "three recipients",
        &[Before(
            "To",
            "<edXML:To><edXML:OrganId>A99.5</edXML:OrganId></edXML:To><edXML:To><edXML:OrganId>A99.6</edXML:OrganId><edXML:Email>a@b.vn</edXML:Email></edXML:To>",
        )],
    ),
    (
        "an empty recipient among others",
        &[Before("To", "<edXML:To><edXML:OrganId>A99.5</edXML:OrganId></edXML:To><edXML:To/>")],
    ),
    (
        "the same recipient twice",
        &[Before("To", "<edXML:To><edXML:OrganId>000.00.02.A99</edXML:OrganId></edXML:To>")],
    ),
    (
        "appendices",
        &[Set(
            "Appendixes",
            "<edXML:Appendix>I</edXML:Appendix><edXML:Appendix/><edXML:Appendix>II</edXML:Appendix><edXML:Appendix>I</edXML:Appendix>",
        )],
    ),
    (
        "places",
        &[Set(
            "ToPlaces",
            "<edXML:Place>A</edXML:Place><edXML:Place> </edXML:Place><edXML:Place stt=\"2\">B</edXML:Place><edXML:Place>A</edXML:Place>",
        )],
    ),
    (
        "hops",
        &[Before(
            "Bussiness",
            "<edXML:TraceHeader><edXML:OrganId>A99.7</edXML:OrganId><edXML:Timestamp>2026/11/20 09:00:00</edXML:Timestamp></edXML:TraceHeader><edXML:TraceHeader><edXML:OrganId>A99.8</edXML:OrganId></edXML:TraceHeader>",
        )],
    ),
    (
        "hops at no time",
        &[Before(
            "Bussiness",
            "<edXML:TraceHeader><edXML:OrganId>A99.7</edXML:OrganId><edXML:Timestamp>2026/02/30 09:00:00</edXML:Timestamp></edXML:TraceHeader><edXML:TraceHeader><edXML:Timestamp>hôm qua</edXML:Timestamp></edXML:TraceHeader>",
        )],
    ),
    (
        "a hop of null",
        &[Before(
            "Bussiness",
            "<edXML:TraceHeader><edXML:OrganId>null</edXML:OrganId><edXML:Timestamp>2026/11/20 09:00:00</edXML:Timestamp></edXML:TraceHeader>",
        )],
    ),
    ("an empty hop", &[Before("TraceHeader", "<edXML:TraceHeader/>")]),
    (
        "answers",
        &[Before(
            "ResponseFor",
            "<edXML:ResponseFor><edXML:Code>8/BC</edXML:Code></edXML:ResponseFor><edXML:ResponseFor><edXML:DocumentId>x</edXML:DocumentId></edXML:ResponseFor>",
        )],
    ),
    (
        "an empty answer before others",
        &[Before(
            "ResponseFor",
            "<edXML:ResponseFor/><edXML:ResponseFor><edXML:Code>A/B</edXML:Code><edXML:PromulgationDate>2014/02/30</edXML:PromulgationDate></edXML:ResponseFor><edXML:ResponseFor><edXML:Code>C/D</edXML:Code></edXML:ResponseFor>",
        )],
    ),
    ("an answer to a code without notation", &[With("7/KH-UB<", "7<")]),
    ("an answer to a code with many slashes", &[With("7/KH-UB<", "7/KH/UB/2<")]),
    (
        "a second sender",
        &[Before("To", "<edXML:From><edXML:OrganId>A99.4</edXML:OrganId></edXML:From>")],
    ),
    (
        "a second other info",
        &[Before(
            "SteeringType",
            "<edXML:OtherInfo><edXML:Priority>3</edXML:Priority></edXML:OtherInfo>",
        )],
    ),
    ("two subjects", &[Before("Content", "<edXML:Subject>Khác</edXML:Subject>")]),
];

const DECLARED: &str = " xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"";

const NAMES: &[Row] = &[
    ("no prefix", &[All(DECLARED, ""), All("edXML:", "")]),
    (
        "no namespace",
        &[
            All(DECLARED, ""),
            All("edXML:", ""),
            All(" xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"", ""),
        ],
    ),
    (
        "an empty declaration",
        &[
            All(DECLARED, ""),
            All("edXML:", ""),
            All("\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"", "\"\""),
        ],
    ),
    (
        "another prefix, declared at the root",
        &[
            All(DECLARED, ""),
            With("<edXML xmlns=", "<edXML:edXML xmlns:e="),
            With("</edXML>", "</edXML:edXML>"),
            All("edXML:", "e:"),
        ],
    ),
    ("an unbound prefix", &[All(DECLARED, "")]),
    (
        "another order",
        &[
            Without("MessageHeader", "Subject"),
            Before("From", "<edXML:Subject>Về việc thử</edXML:Subject>"),
            Without("MessageHeader", "DueDate"),
            Before("Code", "<edXML:DueDate>2026/12/01</edXML:DueDate>"),
        ],
    ),
    ("an unknown element", &[Add("MessageHeader", "<edXML:TaskCode>NV-7</edXML:TaskCode>")]),
    (
        "unknown elements, repeated and deep",
        &[Add(
            "MessageHeader",
            "<edXML:A><edXML:B>1</edXML:B><edXML:B>2</edXML:B></edXML:A><edXML:A><edXML:B so=\"3\">3</edXML:B></edXML:A>",
        )],
    ),
    (
        "unknown elements in every record",
        &[
            Add("From", "<edXML:Tax>1</edXML:Tax>"),
            Add("To", "<edXML:Tax>2</edXML:Tax>"),
            Add("Code", "<edXML:Book>3</edXML:Book>"),
            Add("SignerInfo", "<edXML:Rank>4</edXML:Rank>"),
            Add("TraceHeader", "<edXML:Ip>5</edXML:Ip>"),
            Add("Bussiness", "<edXML:More>6</edXML:More>"),
            Add("Reference", "<edXML:Size>7</edXML:Size>"),
            Add("Attachment", "<edXML:Format>8</edXML:Format>"),
            Add("ResponseFor", "<edXML:Way>9</edXML:Way>"),
        ],
    ),
    (
        "unknown elements outside the header",
        &[
            Add("edXMLHeader", "<edXML:Extra>1</edXML:Extra>"),
            Add("edXMLBody", "<edXML:Extra>2</edXML:Extra>"),
            With("</edXML>", "<Extra>3</Extra></edXML>"),
        ],
    ),
    (
        "foreign elements",
        &[Before(
            "From",
            "<v:Subject xmlns:v=\"urn:vendor\">NHÃN</v:Subject><v:Due xmlns:v=\"urn:vendor\" v:at=\"3\" so=\"4\"><v:Deep>x</v:Deep><Own>y</Own></v:Due>",
        )],
    ),
    (
        "attributes",
        &[
            With("<edXML:Subject>", "<edXML:Subject lang=\"vi\" edXML:mark=\"1\">"),
            With("<edXML:To>", "<edXML:To role=\"chính\">"),
            With("<edXML:Reference>", "<edXML:Reference xlink:href=\"x\">"),
        ],
    ),
    ("text between elements", &[Before("To", "rơi")]),
    (
        "a nil value",
        &[
            Without("MessageHeader", "DueDate"),
            Add(
                "MessageHeader",
                "<edXML:DueDate xmlns:p3=\"http://www.w3.org/2001/XMLSchema-instance\" p3:nil=\"true\"/>",
            ),
        ],
    ),
    (
        "a signature",
        &[Add(
            "edXMLHeader",
            "<Signature xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><SignedInfo Id=\"s\">x</SignedInfo><SignatureValue>AAAA</SignatureValue></Signature>",
        )],
    ),
    ("a comment and an instruction", &[Before("From", "<!-- ghi chú --><?print now?>")]),
];

const TEXTS: &[Row] = &[
    ("CDATA", &[Set("Subject", "<![CDATA[A & B <c>]]>")]),
    ("CDATA in pieces", &[Set("Content", "một <![CDATA[hai]]> ba")]),
    ("entities", &[Set("Subject", "A &amp; B &lt;c&gt; &quot;d&quot; &#x1EAD; &#273;")]),
    ("a comment in a text", &[Set("Subject", "Về <!-- x -->việc")]),
    ("white space around", &[Set("Subject", "\n   Về việc\t "), Set("OrganName", " Sở ")]),
    ("lines in a text", &[Set("Content", "dòng một\ndòng hai\n\n  dòng ba")]),
    ("decomposed letters", &[Set("Subject", "Ve\u{302}\u{300} vie\u{323}\u{302}c")]),
    ("a subject beyond the standard", &[Repeat("Subject", "dài ", 300)]),
    ("a place beyond the standard", &[Repeat("Place", "xa ", 40)]),
    ("a name beyond the standard", &[Repeat("OrganName", "Sở ", 100)]),
    (
        "words for nothing",
        &[Set("Content", "null"), Set("DueDate", "undefined"), Set("Fax", "N/A")],
    ),
    ("empty elements", &[Set("Content", ""), Set("DueDate", " "), Set("TypeDetail", "")]),
    ("a subject in TCVN3", &[Set("Subject", "C«ng v¨n vÒ viÖc triÓn khai")]),
    ("a subject encoded twice", &[Set("Subject", "CÃ´ng vÄƒn")]),
    ("signs", &[Set("Subject", "5 µm, 30 °C, § 2 – “x”")]),
    ("letters of other planes", &[Set("Subject", "Ký hiệu 𝒳 và 🏛")]),
    ("a long telephone number", &[Repeat("Telephone", "0214 ", 20)]),
    ("a long document id", &[Repeat("DocumentId", "A99.1,", 30)]),
];

const FORMS_OF_FILES: &[Row] = &[
    (
        "names that differ between the records",
        &[With("<edXML:AttachmentName>a.pdf", "<edXML:AttachmentName>b.pdf")],
    ),
    (
        "descriptions that differ",
        &[Add("Attachment", "<edXML:Description>Bản khác</edXML:Description>")],
    ),
    (
        "types that differ",
        &[With("<edXML:ContentType>application/pdf", "<edXML:ContentType>application/x-pdf")],
    ),
    (
        "a reference without a name",
        &[With("<edXML:AttachmentName>a.pdf</edXML:AttachmentName>", "")],
    ),
    ("base64 in lines", &[With("JVBERi0xLjQK", "JVBE\r\n  Ri0x\r\n LjQK\r\n")]),
    ("base64 of URLs", &[With("JVBERi0xLjQK", "JVBERi0xLjQKPz8_Pj4-")]),
    ("base64 without padding", &[With("JVBERi0xLjQK", "JVBERi0xLjQKPw")]),
    ("base64 of a browser", &[With("JVBERi0xLjQK", "data:application/pdf;base64,JVBERi0xLjQK")]),
    (
        "files as a gateway lays them",
        &[
            Without("AttachmentEncoded", "Attachment"),
            Without("edXMLManifest", "Reference"),
            With(
                "<edXML:edXMLManifest",
                "<edXML:edXMLAttachments><edXML:Attachment><edXML:AttachmentName>g.pdf</edXML:AttachmentName><edXML:AttachmentType>application/pdf</edXML:AttachmentType><edXML:AttachmentSize>9</edXML:AttachmentSize><edXML:AttachmentData>JVBERi0xLjQK</edXML:AttachmentData></edXML:Attachment></edXML:edXMLAttachments><edXML:edXMLManifest",
            ),
        ],
    ),
];

fn with_other_files() -> Vec<(String, Packet)> {
    const ZIP: &str = "application/zip";
    const PDF: &[u8] = b"%PDF-1.4\nx";
    let one = &zipped(&["3f2504e0-4f89-11d3-9a0c-0305e82c3301.pdf"]);
    let two = &zipped(&["a.pdf", "b.pdf"]);
    let map = &zipped(&["doc.kml"]);
    let map_type = "application/vnd.google-earth.kmz";
    let long = format!("{}.pdf", "ả".repeat(400));
    let alone = [
        ("a wrapped file", file("cid:1", "a.pdf", ZIP, one)),
        ("a wrapped file that does not say so", file("cid:1", "a.pdf", "", one)),
        ("a zip", file("cid:1", "hs.zip", ZIP, one)),
        ("a zip of two", file("cid:1", "hs.zip", ZIP, two)),
        ("a zip in capitals", file("cid:1", "HS.ZIP", ZIP, two)),
        ("a zip without a type", file("cid:1", "hs.zip", "", two)),
        ("a map", file("cid:1", "b.kmz", map_type, map)),
        ("a drawing", file("cid:1", "a.dwg", "image/vnd.dwg", b"AC1032 x")),
        ("a file of no type", file("cid:1", "a", "", b"x")),
        ("an id without prefix", file("1", "a.pdf", "", PDF)),
        ("an id with a prefix in capitals", file("CID:1", "a.pdf", "", PDF)),
        ("a name with slashes", file("cid:1", "12/2025/QĐ-UBND.pdf", "", PDF)),
        ("a name with a folder", file("cid:1", "C:\\vb\\a.pdf", "", PDF)),
        ("a long name", file("cid:1", &long, "", PDF)),
        ("a file that is no PDF", file("cid:1", "a.pdf", "application/pdf", &[0; 400])),
    ];
    let several = [
        ("no file", vec![]),
        (
            "three files, out of order",
            vec![
                file("cid:3", "c.pdf", "application/pdf", PDF),
                file("cid:1", "a.pdf", ZIP, one),
                file("cid:2", "b.txt", "text/plain", b"abc"),
            ],
        ),
        (
            "the same file twice",
            vec![file("cid:1", "a.pdf", "", PDF), file("cid:2", "b.pdf", "", PDF)],
        ),
        (
            "names alike",
            vec![file("cid:1", "a.pdf", "", PDF), file("cid:2", "A.PDF", "", b"%PDF-1.7\n")],
        ),
    ];
    let alone = alone.into_iter().map(|(name, file)| (name, vec![file]));
    let packet = |files: &[_]| Packet(DOCUMENT.to_owned()).with_files(files);
    let rows = alone.chain(several);
    rows.map(|(name, files)| (name.to_owned(), packet(&files))).collect()
}

const VALUES: &[Row] = &[
    ("a day first", &[Set("PromulgationDate", "20/11/2026")]),
    ("a day with dashes", &[Set("PromulgationDate", "2026-11-20")]),
    ("a day with dots", &[Set("PromulgationDate", "20.11.2026")]),
    ("a day of one digit", &[Set("PromulgationDate", "5/9/2026")]),
    ("a day with a time", &[Set("PromulgationDate", "2026-11-20T10:20:30")]),
    ("a due day with a time", &[Set("DueDate", "2026/12/01 17:00:00")]),
    ("a due day that is none", &[Set("DueDate", "0001-01-01T00:00:00")]),
    ("a due day that does not exist", &[Set("DueDate", "2026/02/30")]),
    ("a hop with a zone", &[Set("Timestamp", "2026-11-20T08:00:00+07:00")]),
    ("a hop without seconds", &[Set("Timestamp", "2026/11/20 08:00")]),
    ("a hop with parts of a second", &[Set("Timestamp", "2026-11-20 08:00:00.123")]),
];

const STATUSES: &[Row] = &[
    ("a status", &[]),
    ("status 02", &[Set("StatusCode", "02")]),
    ("status 03", &[Set("StatusCode", "03")]),
    ("status 04", &[Set("StatusCode", "04")]),
    ("status 05", &[Set("StatusCode", "05")]),
    ("status 06", &[Set("StatusCode", "06")]),
    ("status 13", &[Set("StatusCode", "13")]),
    ("status 15", &[Set("StatusCode", "15")]),
    ("status 16", &[Set("StatusCode", "16")]),
    ("a status of no row", &[Set("StatusCode", "07")]),
    ("a status without its zero", &[Set("StatusCode", "3")]),
    ("a status without staff", &[Without("MessageHeader", "StaffInfo")]),
    ("a status without words", &[Without("MessageHeader", "Description")]),
    ("a status without its time", &[Without("MessageHeader", "Timestamp")]),
    ("a status at another form of time", &[Set("Timestamp", "2026-11-20T09:30:00")]),
    ("a status at no time", &[Set("Timestamp", "hôm qua")]),
    ("a status about no day", &[Without("ResponseFor", "PromulgationDate")]),
    (
        "a status with more",
        &[
            Add("MessageHeader", "<edXML:Ip so=\"1\">10.0.0.1</edXML:Ip>"),
            Add("ResponseFor", "<edXML:Way>2</edXML:Way>"),
        ],
    ),
    (
        "a status with a second reference",
        &[Add(
            "MessageHeader",
            "<edXML:ResponseFor><edXML:DocumentId>khác</edXML:DocumentId></edXML:ResponseFor>",
        )],
    ),
];

/// The whole packet in other encodings.
fn encodings() -> Vec<(String, Vec<u8>)> {
    let utf16 = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
        DOCUMENT.replace("UTF-8", "UTF-16").encode_utf16().flat_map(unit).collect()
    };
    let (little, big) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
    let no_declaration = DOCUMENT.split_once("?>").unwrap().1.trim_start();
    let declared = DOCUMENT.replace("UTF-8", "windows-1258");
    let latin = DOCUMENT.replace("UTF-8", "ISO-8859-1");
    let rows = [
        ("a byte order mark", [b"\xef\xbb\xbf", DOCUMENT.as_bytes()].concat()),
        ("UTF-16, little end first", [b"\xff\xfe", little.as_slice()].concat()),
        ("UTF-16, big end first", [b"\xfe\xff", big.as_slice()].concat()),
        ("UTF-16 without a mark", little),
        ("UTF-16 declared over UTF-8", DOCUMENT.replace("UTF-8", "utf-16").into_bytes()),
        ("no declaration", no_declaration.as_bytes().to_vec()),
        ("windows-1258", legacy_text::Charset::Windows1258.encode(&declared).bytes),
        ("ISO-8859-1", latin.chars().filter(char::is_ascii).collect::<String>().into_bytes()),
    ];
    rows.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}
