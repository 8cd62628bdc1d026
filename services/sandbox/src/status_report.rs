//! A status report: what an agency did with a document it received.

use serde_json::{Value, json};

use crate::profile::{AgencyProfile, Software};
use crate::xml::{escape_text, organisation_element};

/// A status code of QCVN 102 that a simulated clerk reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusCode {
    /// The document was entered in the register of incoming documents.
    Registered,
    /// The recall was agreed to.
    RecallAgreed,
}

impl StatusCode {
    /// The two digits of the standard.
    pub fn digits(self) -> &'static str {
        match self {
            Self::Registered => "03",
            Self::RecallAgreed => "15",
        }
    }

    /// The value of the canonical model.
    fn canonical_kind(self) -> &'static str {
        match self {
            Self::Registered => "REGISTERED",
            Self::RecallAgreed => "CHANGE_ACCEPTED",
        }
    }
}

/// A status report to submit.
#[derive(Debug)]
pub struct StatusReport<'a> {
    /// The agency that reports.
    pub reporter: &'static AgencyProfile,
    /// The agency that sent the document.
    pub addressee: &'static AgencyProfile,
    /// The document's identifier.
    pub document_id: &'a str,
    /// Number and notation, as printed.
    pub number: &'a str,
    /// What was done.
    pub code: StatusCode,
    /// The clerk's text.
    pub text: String,
}

impl StatusReport<'_> {
    /// The bytes that the reporter's software exports.
    pub fn native(&self) -> String {
        match self.reporter.software {
            Software::Edxml => self.packet(),
            Software::Ioffice => self.canonical_json().to_string(),
        }
    }

    fn packet(&self) -> String {
        format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        {from}
        <edXML:ResponseFor><edXML:OrganId>{to}</edXML:OrganId><edXML:Code>{number}</edXML:Code><edXML:PromulgationDate>2026/11/20</edXML:PromulgationDate><edXML:DocumentId>{id}</edXML:DocumentId></edXML:ResponseFor>
        <edXML:StatusCode>{code}</edXML:StatusCode>
        <edXML:Description>{text}</edXML:Description>
        <edXML:Timestamp>2026/11/20 09:00:00</edXML:Timestamp>
      </edXML:MessageHeader>
    </edXML:edXMLHeader>
  </edXML:edXMLEnvelope>
</edXML>
"#,
            from = organisation_element("From", self.reporter.code, self.reporter.name),
            to = self.addressee.code,
            number = escape_text(self.number),
            id = escape_text(self.document_id),
            code = self.code.digits(),
            text = escape_text(&self.text),
        )
    }

    fn canonical_json(&self) -> Value {
        let organisation = |it: &AgencyProfile| json!({ "ids": [{ "scheme": "qd20", "value": it.code }], "name": it.name });
        json!({
            "status": {
                "about": {
                    "id": self.document_id,
                    "number": { "printed": self.number },
                },
                "reporter": organisation(self.reporter),
                "addressee": organisation(self.addressee),
                "kind": self.code.canonical_kind(),
                "code": { "list": "edxml-status", "code": self.code.digits() },
                "at": { "at": "2026-11-20T02:00:00Z" },
                "text": self.text,
            }
        })
    }
}
