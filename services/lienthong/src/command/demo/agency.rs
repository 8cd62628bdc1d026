//! The agencies of the demonstration, and the registry that knows them. All of it is invented.

/// Which software an agency uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Software {
    /// Speaks the national packet.
    Edxml,
    /// Speaks the iOffice portal's JSON.
    Ioffice,
}

impl Software {
    /// The format it gives and takes documents in.
    pub(super) fn documents(self) -> &'static str {
        match self {
            Self::Edxml => "edxml.document",
            Self::Ioffice => "ioffice.portal",
        }
    }

    /// The format it gives and takes statuses in.
    pub(super) fn statuses(self) -> &'static str {
        match self {
            Self::Edxml => "edxml.status",
            Self::Ioffice => "canonical.json",
        }
    }
}

/// An agency and its application.
#[derive(Debug)]
pub(super) struct Agency {
    /// Directory key.
    pub(super) key: &'static str,
    /// Name as it writes itself.
    pub(super) name: &'static str,
    /// Code of Decision 20/2020.
    pub(super) code: &'static str,
    /// Code of the 2016 form; an alias of the same agency.
    pub(super) old_code: &'static str,
    /// Id of its application.
    pub(super) application: &'static str,
    /// What it runs.
    pub(super) software: Software,
}

/// The agencies, in the order the screen shows them.
pub(super) const AGENCIES: [Agency; 4] = [
    Agency {
        key: "tinhuy",
        name: "Văn phòng Tỉnh ủy",
        code: "A99.1",
        old_code: "000.00.01.A99",
        application: "tinhuy-vanban",
        software: Software::Edxml,
    },
    Agency {
        key: "mttq",
        name: "Ủy ban MTTQ Việt Nam tỉnh",
        code: "A99.2",
        old_code: "000.00.02.A99",
        application: "mttq-ioffice",
        software: Software::Ioffice,
    },
    Agency {
        key: "ldld",
        name: "Liên đoàn Lao động tỉnh",
        code: "A99.3",
        old_code: "000.00.03.A99",
        application: "ldld-ioffice",
        software: Software::Ioffice,
    },
    Agency {
        key: "tinhdoan",
        name: "Tỉnh đoàn",
        code: "A99.4",
        old_code: "000.00.04.A99",
        application: "tinhdoan-vanban",
        software: Software::Edxml,
    },
];

/// The agency of a directory key, whatever a run adds to it.
pub(super) fn by_key(key: &str) -> Option<&'static Agency> {
    AGENCIES.iter().find(|it| key.split('-').next() == Some(it.key))
}
