//! The query of an HTTP call, read as strictly as a body: a parameter that stands twice, has
//! another name, or is no UTF-8 behind its percent-encoding is refused by its name.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::convert::Infallible;

use proto::fault::v1::Fault;

use crate::fault::invalid_field;
use crate::names::suggest;

/// The query as it came.
pub(crate) struct RawParams(String);

impl<S: Sync> FromRequestParts<S> for RawParams {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.uri.query().unwrap_or_default().to_owned()))
    }
}

impl RawParams {
    /// The parameters, of which `known` may be named.
    pub(crate) fn read(&self, known: &[&'static str]) -> Result<Params, Fault> {
        let mut params: Vec<(&'static str, String)> = Vec::new();
        for pair in self.0.split('&').filter(|it| !it.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let wrong = |_wrong| {
                invalid_field(
                    "query",
                    "tên tham số mã hóa % sai",
                    "the name of a parameter is percent-encoded wrongly",
                )
            };
            let name = decode(name).map_err(wrong)?;
            let Some(name) = known.iter().find(|it| **it == name) else {
                return Err(unknown_parameter(&name, known));
            };
            if params.iter().any(|(it, _)| it == name) {
                return Err(invalid_field(
                    name,
                    "có hai lần trong địa chỉ",
                    "stands twice in the query",
                ));
            }
            let value = decode(value).map_err(|at| wrong_encoding(name, at))?;
            params.push((name, value));
        }
        Ok(Params(params))
    }
}

/// The parameters of a call, each at most once.
#[derive(Debug)]
pub(crate) struct Params(Vec<(&'static str, String)>);

impl Params {
    /// The value of a parameter, if it is given.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| *it == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter; empty when it is not given.
    pub(crate) fn text(&self, name: &str) -> String {
        self.find(name).unwrap_or_default().to_owned()
    }

    /// The number of a parameter.
    pub(crate) fn number(&self, name: &str, default: u64) -> Result<u64, Fault> {
        let Some(value) = self.find(name) else { return Ok(default) };
        let is_number = value.bytes().all(|it| it.is_ascii_digit());
        let number = value.parse().ok().filter(|_| is_number);
        number.ok_or_else(|| invalid_field(name, "cần một số", "must be a number"))
    }
}

fn unknown_parameter(name: &str, known: &[&'static str]) -> Fault {
    let hint = suggest(name, known);
    let name: String = name_folding::spell_out_invisible(name).chars().take(60).collect();
    let known = known.join(", ");
    let vi = format!("không có tham số này ở địa chỉ này{}; có: {known}", hint.0);
    let en = format!("there is no such parameter at this address{}; there are: {known}", hint.1);
    invalid_field(&name, &vi, &en)
}

fn wrong_encoding(name: &str, at: usize) -> Fault {
    let vi = format!("mã hóa % sai ở byte {at}; cần UTF-8, mỗi byte là % và hai chữ số hex");
    let en = format!(
        "is percent-encoded wrongly at byte {at}; UTF-8 is needed, each byte as % and two hexadecimal digits"
    );
    invalid_field(name, &vi, &en)
}

/// Undoes percent-encoding and `+` (application/x-www-form-urlencoded); else the byte at which it
/// is wrong.
fn decode(text: &str) -> Result<String, usize> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes().enumerate();
    while let Some((at, byte)) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|(_, it)| char::from(it).to_digit(16));
                let (high, low) = (digit(), digit());
                let number = high.zip(low).map(|(high, low)| high * 16 + low);
                number.and_then(|it| u8::try_from(it).ok()).ok_or(at)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|error| error.utf8_error().valid_up_to())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["session", "wait_ms", "key"];

    fn read(query: &str) -> Result<Params, String> {
        let fault = |it: Fault| {
            let first = &it.violations[0];
            format!("{}: {}", first.field, first.description_en)
        };
        RawParams(query.to_owned()).read(&KNOWN).map_err(fault)
    }

    #[test]
    fn every_parameter_is_read_once_and_as_it_was_written() {
        let params = read("session=s1&&key=c%C3%B4ng+v%c4%83n%2B1&wait_ms=10&").unwrap();
        assert_eq!(params.text("session"), "s1");
        assert_eq!(params.text("key"), "công văn+1");
        assert_eq!(params.number("wait_ms", 0).unwrap(), 10);
        assert_eq!(read("").unwrap().number("wait_ms", 7).unwrap(), 7);
        for number in ["-1", "", "1.0", "+5", "0x1", "99999999999999999999"] {
            assert!(read(&format!("wait_ms={number}")).unwrap().number("wait_ms", 0).is_err());
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_its_name() {
        let refused = [
            ("key=a&key=a", "key: stands twice"),
            ("key=a&k%65y=b", "key: stands twice"),
            (
                "waitms=1",
                "waitms: there is no such parameter at this address; did you mean `wait_ms`?",
            ),
            ("key=%zz", "key: is percent-encoded wrongly at byte 0"),
            ("key=a%4", "key: is percent-encoded wrongly at byte 1"),
            ("key=c%F4ng", "key: is percent-encoded wrongly at byte 1"),
            ("%ff=1", "query: the name of a parameter"),
        ];
        for (query, expected) in refused {
            let error = read(query).unwrap_err();
            assert!(error.starts_with(expected), "{query}: {error}");
        }
    }
}
