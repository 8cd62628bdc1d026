//! The agencies of the demonstration and the software each one uses. All of it is invented.

/// The software of an agency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// Document management that exchanges the national packet (QCVN 102).
    Edxml,
    /// iOffice, which exchanges the JSON of its portal.
    Ioffice,
}

impl Software {
    /// The format in which it submits and takes documents.
    pub fn document_format(self) -> &'static str {
        match self {
            Self::Edxml => "edxml.document",
            Self::Ioffice => "ioffice.portal",
        }
    }

    /// The format in which it submits and takes status reports.
    pub fn status_format(self) -> &'static str {
        match self {
            Self::Edxml => "edxml.status",
            Self::Ioffice => "canonical.json",
        }
    }
}

/// An agency and its application, as the registry lists them.
#[derive(Debug)]
pub struct AgencyProfile {
    /// Key in the registry.
    pub key: &'static str,
    /// Name, as the agency writes it.
    pub name: &'static str,
    /// Identifier by Decision 20/2020.
    pub code: &'static str,
    /// Identifier in the form of 2016; an alias of the same agency.
    pub old_code: &'static str,
    /// Id of its application.
    pub application: &'static str,
    /// What the application is.
    pub software: Software,
}

/// Four agencies, two kinds of software, in the order in which they are shown.
pub static AGENCIES: [AgencyProfile; 4] = [
    AgencyProfile {
        key: "tinhuy",
        name: "Văn phòng Tỉnh ủy",
        code: "A99.1",
        old_code: "000.00.01.A99",
        application: "tinhuy-vanban",
        software: Software::Edxml,
    },
    AgencyProfile {
        key: "mttq",
        name: "Ủy ban MTTQ Việt Nam tỉnh",
        code: "A99.2",
        old_code: "000.00.02.A99",
        application: "mttq-ioffice",
        software: Software::Ioffice,
    },
    AgencyProfile {
        key: "ldld",
        name: "Liên đoàn Lao động tỉnh",
        code: "A99.3",
        old_code: "000.00.03.A99",
        application: "ldld-ioffice",
        software: Software::Ioffice,
    },
    AgencyProfile {
        key: "tinhdoan",
        name: "Tỉnh đoàn",
        code: "A99.4",
        old_code: "000.00.04.A99",
        application: "tinhdoan-vanban",
        software: Software::Edxml,
    },
];

/// The profile of a registry key, with or without the suffix of a run.
pub(crate) fn profile_by_key(key: &str) -> Option<&'static AgencyProfile> {
    AGENCIES.iter().find(|it| key.split('-').next() == Some(it.key))
}
