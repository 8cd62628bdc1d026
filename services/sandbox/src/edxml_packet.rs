//! A document as a packet of QCVN 102.

use crate::document::{DocumentFile, DocumentPurpose, OfficialDocument};
use crate::xml::{escape_text, organisation_element};

pub(crate) fn edxml_packet(of: &OfficialDocument) -> String {
    let receivers: String =
        of.recipients.iter().map(|it| organisation_element("To", it.code, it.name)).collect();
    let (kind, target) = match &of.purpose {
        DocumentPurpose::Issue => ("0", String::new()),
        DocumentPurpose::Recall(id) => {
            ("1", format!("<edXML:DocumentId>{}</edXML:DocumentId>", escape_text(id)))
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
        from = organisation_element("From", of.sender.code, of.sender.name),
        id = escape_text(&of.id()),
        number = escape_text(&of.number),
        notation = escape_text(&of.notation),
        subject = escape_text(&of.subject),
        code = of.sender.code,
        references = references(of),
        attachments = attachments(of),
    )
}

/// The manifest of the packet: one reference for each file.
fn references(of: &OfficialDocument) -> String {
    let element = |(index, file): (usize, &DocumentFile)| {
        format!(
            "<edXML:Reference><edXML:ContentId>cid:{}</edXML:ContentId><edXML:ContentType>application/pdf</edXML:ContentType><edXML:AttachmentName>{}</edXML:AttachmentName></edXML:Reference>",
            index + 1,
            escape_text(&file.name)
        )
    };
    of.files.iter().enumerate().map(element).collect()
}

/// The files themselves, in Base64 inside the packet.
fn attachments(of: &OfficialDocument) -> String {
    let element = |(index, file): (usize, &DocumentFile)| {
        format!(
            "<Attachment><ContentId>cid:{}</ContentId><AttachmentName>{}</AttachmentName><ContentType>application/pdf</ContentType><edXML:ContentTransferEncoded xmlns:edXML=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\">{}</edXML:ContentTransferEncoded></Attachment>",
            index + 1,
            escape_text(&file.name),
            base64_simd::STANDARD.encode_to_string(&file.bytes)
        )
    };
    of.files.iter().enumerate().map(element).collect()
}
