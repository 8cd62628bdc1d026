//! Which links stay on this machine, where plain text is allowed.

use std::net::IpAddr;

/// True for a host that is this machine itself: an address of the loopback network, or a name that
/// RFC 6761 (section 6.3) reserves for it.
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = host.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// True for a URL whose link is neither encrypted nor on this machine. A URL without a host is
/// left to whoever connects.
pub fn is_exposed(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let is_encrypted = matches!(scheme.to_ascii_lowercase().as_str(), "https" | "amqps");
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit_once('@').map_or(authority, |(_user, address)| address);
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => host,
        _ => address,
    };
    !is_encrypted && !host.is_empty() && !is_loopback(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_text_that_leaves_the_machine_is_exposed() {
        for url in [
            "http://10.0.0.5:7400",
            "http://journal:7401",
            "HTTP://[fd00::5]:7400",
            "http://localhost.example.com",
            "http://127.0.0.1@evil.example:80",
            "amqp://user:pass%40word@broker:5672/%2f",
            "http://0.0.0.0:1",
        ] {
            assert!(is_exposed(url), "{url}");
        }
        for url in [
            "https://10.0.0.5:7400",
            "amqps://user@broker:5671/%2f",
            "http://127.0.0.2:7400",
            "http://localhost:7400/path",
            "http://bus.localhost.",
            "http://[::1]:7400",
            "http://[::ffff:127.0.0.1]:7400",
            "amqp://guest:guest@127.0.0.1:5672/%2f",
            "journal.sqlite",
            "",
        ] {
            assert!(!is_exposed(url), "{url}");
        }
    }
}
