//! Who a certificate names.

use std::fmt;

/// The owner of a certificate, from a URI of its alternative names in the form of a SPIFFE id,
/// `spiffe://<installation>/<kind>/<name>`. The installation is not compared: the authority that
/// signed the certificate is the installation's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A process with this role, `spiffe://…/role/mapping`.
    Role(String),
    /// A person who operates the system, `spiffe://…/operator/an.nguyen`.
    Operator(String),
    /// A vendor's adapter for the application with this id, `spiffe://…/application/iov-hai`.
    Application(String),
}

impl Identity {
    /// Reads a URI; none when it has another form.
    pub fn parse(uri: &str) -> Option<Self> {
        let (_installation, path) = uri.strip_prefix("spiffe://")?.split_once('/')?;
        let (kind, name) = path.split_once('/')?;
        if name.is_empty() || name.contains('/') {
            return None;
        }
        match kind {
            "role" => Some(Self::Role(name.to_owned())),
            "operator" => Some(Self::Operator(name.to_owned())),
            "application" => Some(Self::Application(name.to_owned())),
            _ => None,
        }
    }

    /// The URI of this owner in an installation.
    pub fn to_uri(&self, installation: &str) -> String {
        format!("spiffe://{installation}/{self}")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Role(name) => ("role", name),
            Self::Operator(name) => ("operator", name),
            Self::Application(name) => ("application", name),
        };
        write!(formatter, "{kind}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_role_an_operator_or_an_application() {
        for identity in [
            Identity::Role("mapping".to_owned()),
            Identity::Operator("an.nguyen".to_owned()),
            Identity::Application("iov-hai".to_owned()),
        ] {
            assert_eq!(Identity::parse(&identity.to_uri("tinh")), Some(identity));
        }
        for other in [
            "",
            "https://tinh/role/mapping",
            "spiffe://tinh",
            "spiffe://tinh/role",
            "spiffe://tinh/role/",
            "spiffe://tinh/role/mapping/2",
            "spiffe://tinh/admin/an",
        ] {
            assert_eq!(Identity::parse(other), None, "{other}");
        }
    }
}
