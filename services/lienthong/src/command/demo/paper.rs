//! The papers the agencies write, in the words of each one's software. All of it is invented.

use serde_json::{Value, json};

use super::agency::{Agency, Software};

/// A file that goes with a paper.
#[derive(Clone, Debug)]
pub(super) struct File {
    /// Its name.
    pub(super) name: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// What a packet is for (`BussinessDocType` of QCVN 102).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Business {
    /// A new document.
    New,
    /// Takes back the document of this identifier.
    Recall(String),
}

/// A paper to send.
#[derive(Clone, Debug)]
pub(super) struct Paper {
    /// Number without notation.
    pub(super) number: String,
    /// Notation.
    pub(super) notation: String,
    /// Trích yếu.
    pub(super) subject: String,
    /// Who sends it.
    pub(super) from: &'static Agency,
    /// Who gets it.
    pub(super) to: Vec<&'static Agency>,
    /// What goes with it.
    pub(super) files: Vec<File>,
    /// What it is for.
    pub(super) business: Business,
    /// What tells this run's papers from those of another one on the same database.
    pub(super) run: String,
}

impl Paper {
    /// The identifier its software gives it.
    pub(super) fn id(&self) -> String {
        match self.from.software {
            Software::Edxml => {
                // By the standard it ends in the number, so there is no place for the run in it.
                format!("{},2026/11/20,{}/{}", self.from.code, self.number, self.notation)
            }
            Software::Ioffice => {
                format!("{}-{}-{}{}", self.from.key, self.number, self.notation, self.run)
            }
        }
    }

    /// The bytes its software gives.
    pub(super) fn native(&self) -> String {
        match self.from.software {
            Software::Edxml => self.edxml(),
            Software::Ioffice => self.ioffice().to_string(),
        }
    }

    fn ioffice(&self) -> Value {
        let receivers: Vec<_> = self
            .to
            .iter()
            .map(|it| json!({ "MaDonVi": it.old_code, "TenDonVi": it.name }))
            .collect();
        let files: Vec<_> = self
            .files
            .iter()
            .enumerate()
            .map(|(index, file)| {
                json!({
                    "Id": (index + 1).to_string(),
                    "FileName": file.name,
                    "FileSize": file.bytes.len().to_string(),
                    "FileType": "application/pdf",
                    "FilePath": format!("/uploads/{}", file.name),
                })
            })
            .collect();
        let document = json!({
            "Guid": self.id(),
            "SoHieu": self.number,
            "KyHieu": self.notation,
            "LoaiVanBan": "Công văn",
            "TrichYeu": self.subject,
            "NgayBanHanh": "20/11/2026",
            "CoQuanBanHanh": self.from.name,
            "MaDinhDanh": self.from.code,
            "NguoiKy": "Trần Thị Mẫu",
            "ChucVuNguoiKy": "Phó Chủ tịch",
            "DoKhan": "0",
            "DoMat": "0",
            "DonViNhanVanBanNgoaDonVi": receivers,
            "Attachments": files,
        });
        json!({ "Code": 0, "Message": "", "Value": { "Total": 1, "Data": [document] } })
    }

    fn edxml(&self) -> String {
        let receivers: String =
            self.to.iter().map(|it| organisation("To", it.code, it.name)).collect();
        let (kind, target) = match &self.business {
            Business::New => ("0", String::new()),
            Business::Recall(id) => {
                ("1", format!("<edXML:DocumentId>{}</edXML:DocumentId>", text(id)))
            }
        };
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        {from}{receivers}
        <edXML:DocumentId>{id}</edXML:DocumentId>
        <edXML:Code><edXML:CodeNumber>{number}</edXML:CodeNumber><edXML:CodeNotation>{notation}</edXML:CodeNotation></edXML:Code>
        <edXML:PromulgationInfo><edXML:Place>Lào Cai</edXML:Place><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate></edXML:PromulgationInfo>
        <edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeDetail>18</edXML:TypeDetail><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
        <edXML:Subject>{subject}</edXML:Subject>
        <edXML:SignerInfo><edXML:Competence>TL.</edXML:Competence><edXML:Position>Chánh Văn phòng</edXML:Position><edXML:FullName>Nguyễn Văn Mẫu</edXML:FullName></edXML:SignerInfo>
        <edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo>
      </edXML:MessageHeader>
      <edXML:TraceHeaderList>
        <edXML:TraceHeader><edXML:OrganId>{code}</edXML:OrganId><edXML:Timestamp>2026/11/20 08:00:00</edXML:Timestamp></edXML:TraceHeader>
        <edXML:Bussiness><edXML:BussinessDocType>{kind}</edXML:BussinessDocType>{target}<edXML:Paper>0</edXML:Paper></edXML:Bussiness>
      </edXML:TraceHeaderList>
    </edXML:edXMLHeader>
    <edXML:edXMLBody><edXML:edXMLManifest version="1.0">{references}</edXML:edXMLManifest></edXML:edXMLBody>
  </edXML:edXMLEnvelope>
  <AttachmentEncoded>{attachments}</AttachmentEncoded>
</edXML>
"#,
            from = organisation("From", self.from.code, self.from.name),
            id = text(&self.id()),
            number = text(&self.number),
            notation = text(&self.notation),
            subject = text(&self.subject),
            code = self.from.code,
            references = self.references(),
            attachments = self.attachments(),
        )
    }

    fn references(&self) -> String {
        let one = |(index, file): (usize, &File)| {
            format!(
                "<edXML:Reference><edXML:ContentId>cid:{}</edXML:ContentId><edXML:ContentType>application/pdf</edXML:ContentType><edXML:AttachmentName>{}</edXML:AttachmentName></edXML:Reference>",
                index + 1,
                text(&file.name)
            )
        };
        self.files.iter().enumerate().map(one).collect()
    }

    fn attachments(&self) -> String {
        let one = |(index, file): (usize, &File)| {
            format!(
                "<Attachment><ContentId>cid:{}</ContentId><AttachmentName>{}</AttachmentName><ContentType>application/pdf</ContentType><edXML:ContentTransferEncoded xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\">{}</edXML:ContentTransferEncoded></Attachment>",
                index + 1,
                text(&file.name),
                base64_simd::STANDARD.encode_to_string(&file.bytes)
            )
        };
        self.files.iter().enumerate().map(one).collect()
    }
}

/// What a status packet says.
#[derive(Debug)]
pub(super) struct StatusPaper<'a> {
    /// Who reports.
    pub(super) from: &'static Agency,
    /// Who is told: the document's sender.
    pub(super) to: &'static Agency,
    /// The document's identifier.
    pub(super) document_id: &'a str,
    /// Number and notation as printed.
    pub(super) number: &'a str,
    /// Code of QCVN 102, two digits.
    pub(super) code: &'a str,
    /// The words that go with it.
    pub(super) words: String,
}

impl StatusPaper<'_> {
    /// The bytes the reporter's software gives.
    pub(super) fn native(&self) -> String {
        match self.from.software {
            Software::Edxml => self.edxml(),
            Software::Ioffice => self.canonical().to_string(),
        }
    }

    fn edxml(&self) -> String {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        {from}
        <edXML:ResponseFor><edXML:OrganId>{to}</edXML:OrganId><edXML:Code>{number}</edXML:Code><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate><edXML:DocumentId>{id}</edXML:DocumentId></edXML:ResponseFor>
        <edXML:StatusCode>{code}</edXML:StatusCode>
        <edXML:Description>{words}</edXML:Description>
        <edXML:Timestamp>2026/11/20 09:00:00</edXML:Timestamp>
      </edXML:MessageHeader>
    </edXML:edXMLHeader>
  </edXML:edXMLEnvelope>
</edXML>
"#,
            from = organisation("From", self.from.code, self.from.name),
            to = self.to.code,
            number = text(self.number),
            id = text(self.document_id),
            code = self.code,
            words = text(&self.words),
        )
    }

    fn canonical(&self) -> Value {
        let kind = match self.code {
            "01" => "ARRIVED",
            "02" => "REJECTED",
            "03" => "REGISTERED",
            "15" => "CHANGE_ACCEPTED",
            _ => "OTHER",
        };
        let organisation = |it: &Agency| json!({ "ids": [{ "scheme": "qd20", "value": it.code }], "name": it.name });
        json!({
            "status": {
                "about": {
                    "id": self.document_id,
                    "number": { "printed": self.number },
                },
                "reporter": organisation(self.from),
                "addressee": organisation(self.to),
                "kind": kind,
                "code": { "list": "edxml-status", "code": self.code },
                "at": { "at": "2026-11-20T02:00:00Z" },
                "text": self.words,
            }
        })
    }
}

fn organisation(element: &str, code: &str, name: &str) -> String {
    format!(
        "<edXML:{element}><edXML:OrganId>{code}</edXML:OrganId><edXML:OrganName>{}</edXML:OrganName></edXML:{element}>",
        text(name)
    )
}

fn text(raw: &str) -> String {
    raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
