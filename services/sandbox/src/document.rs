//! An official document as an agency writes it, before its software exports it.

use crate::profile::{AgencyProfile, Software};

/// A file of a document.
#[derive(Clone, Debug)]
pub struct DocumentFile {
    /// File name.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// What a packet is for (`BussinessDocType` of QCVN 102).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentPurpose {
    /// Issues a new document.
    Issue,
    /// Recalls the document with this identifier.
    Recall(String),
}

/// A document to submit.
#[derive(Clone, Debug)]
pub struct OfficialDocument {
    /// Number without notation.
    pub number: String,
    /// Notation.
    pub notation: String,
    /// Subject (trích yếu).
    pub subject: String,
    /// The agency that issues it.
    pub sender: &'static AgencyProfile,
    /// The agencies it is addressed to.
    pub recipients: Vec<&'static AgencyProfile>,
    /// Its files.
    pub files: Vec<DocumentFile>,
    /// What it is for.
    pub purpose: DocumentPurpose,
    /// Distinguishes the documents of two runs on one database; empty when there is one run.
    pub id_suffix: String,
}

impl OfficialDocument {
    /// The identifier that the sender's software gives it.
    pub fn id(&self) -> String {
        match self.sender.software {
            Software::Edxml => {
                // By the standard the identifier ends in the number, so a suffix cannot follow it.
                format!("{},2026/11/20,{}/{}", self.sender.code, self.number, self.notation)
            }
            Software::Ioffice => {
                format!("{}-{}-{}{}", self.sender.key, self.number, self.notation, self.id_suffix)
            }
        }
    }

    /// The recall of this document, under this subject.
    #[must_use]
    pub fn recall(&self, subject: &str) -> Self {
        Self {
            purpose: DocumentPurpose::Recall(self.id()),
            files: Vec::new(),
            subject: subject.to_owned(),
            ..self.clone()
        }
    }
}
