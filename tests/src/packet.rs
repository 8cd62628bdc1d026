//! A document as the programs that measure submit it.

use crate::up::Agency;

/// A national packet (QCVN 102) without attachments.
pub fn packet(number: usize, from: &Agency, to: &Agency) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader><edXML:MessageHeader><edXML:From><edXML:OrganId>{from}</edXML:OrganId><edXML:OrganName>Cơ quan gửi</edXML:OrganName></edXML:From><edXML:To><edXML:OrganId>{to}</edXML:OrganId><edXML:OrganName>Cơ quan nhận</edXML:OrganName></edXML:To><edXML:DocumentId>{from},2026/11/20,{number}/CV-TU</edXML:DocumentId><edXML:Code><edXML:CodeNumber>{number}</edXML:CodeNumber><edXML:CodeNotation>CV-TU</edXML:CodeNotation></edXML:Code><edXML:PromulgationInfo><edXML:Place>Lào Cai</edXML:Place><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate></edXML:PromulgationInfo><edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeDetail>18</edXML:TypeDetail><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType><edXML:Subject>Về việc phối hợp chuẩn bị hội nghị lần thứ {number}</edXML:Subject><edXML:SignerInfo><edXML:Competence>TL.</edXML:Competence><edXML:Position>Chánh Văn phòng</edXML:Position><edXML:FullName>Nguyễn Văn Mẫu</edXML:FullName></edXML:SignerInfo><edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo></edXML:MessageHeader><edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>{from}</edXML:OrganId><edXML:Timestamp>2026/11/20 08:00:00</edXML:Timestamp></edXML:TraceHeader><edXML:Bussiness><edXML:BussinessDocType>0</edXML:BussinessDocType><edXML:Paper>0</edXML:Paper></edXML:Bussiness></edXML:TraceHeaderList></edXML:edXMLHeader></edXML:edXMLEnvelope></edXML>
"#,
        from = from.code,
        to = to.code,
    )
}
