//! Which role may make which internal call, when callers show certificates.

use chassis::guard::Principal::{Operator, Role};
use chassis::guard::{AccessTable, Principal};

const GATEWAY: &[Principal] = &[Role("gateway")];
const GATEWAY_AND_MAPPING: &[Principal] = &[Role("gateway"), Role("mapping")];
const GATEWAY_AND_OPERATORS: &[Principal] = &[Role("gateway"), Operator];
const JOURNAL_WRITERS: &[Principal] = &[Role("gateway"), Role("mapping"), Role("registry")];
const FORMAT_WRITERS: &[Principal] = &[Role("mapping"), Role("registry")];
const OPERATORS: &[Principal] = &[Operator];

/// The internal calls. What is missing here is denied to everybody.
pub(super) const ACCESS: AccessTable = &[
    ("/lienthong.journal.v1.Journal/Accept", GATEWAY),
    ("/lienthong.journal.v1.Journal/Record", JOURNAL_WRITERS),
    ("/lienthong.journal.v1.Journal/Open", GATEWAY),
    ("/lienthong.journal.v1.Journal/Close", GATEWAY),
    ("/lienthong.journal.v1.Journal/Renew", GATEWAY),
    ("/lienthong.journal.v1.Journal/Pauses", GATEWAY_AND_MAPPING),
    ("/lienthong.journal.v1.Journal/PublishAgain", GATEWAY_AND_MAPPING),
    ("/lienthong.journal.v1.Journal/Begin", GATEWAY),
    ("/lienthong.journal.v1.Journal/End", GATEWAY),
    ("/lienthong.journal.v1.Journal/Find", GATEWAY_AND_OPERATORS),
    ("/lienthong.journal.v1.Journal/FindRefusals", OPERATORS),
    ("/lienthong.journal.v1.Journal/Journey", GATEWAY_AND_OPERATORS),
    ("/lienthong.journal.v1.Journal/Get", GATEWAY_AND_OPERATORS),
    ("/lienthong.journal.v1.Journal/Command", OPERATORS),
    ("/lienthong.journal.v1.Journal/Resend", OPERATORS),
    ("/lienthong.journal.v1.FormatStore/StoreFormats", FORMAT_WRITERS),
    ("/lienthong.journal.v1.FormatStore/ListFormats", OPERATORS),
    ("/lienthong.journal.v1.FormatStore/GetFormat", OPERATORS),
    ("/lienthong.mapping.v1.Mapping/Normalize", GATEWAY),
    ("/lienthong.mapping.v1.Mapping/Formats", GATEWAY),
    ("/lienthong.operate.v1.Operate/Status", OPERATORS),
    ("/lienthong.operate.v1.Operate/Progress", OPERATORS),
    ("/lienthong.operate.v1.Operate/TestConnections", OPERATORS),
    ("/lienthong.operate.v1.Operate/Pause", OPERATORS),
    ("/lienthong.operate.v1.Operate/FindTargets", OPERATORS),
    ("/lienthong.operate.v1.Operate/Resume", OPERATORS),
    ("/lienthong.operate.v1.Operate/ListSessions", OPERATORS),
    ("/lienthong.operate.v1.Operate/EndSession", OPERATORS),
    ("/lienthong.registry.v1.Registry/Watch", GATEWAY_AND_MAPPING),
    ("/lienthong.registry.v1.RegistryAdministration/Inspect", OPERATORS),
    ("/lienthong.registry.v1.RegistryAdministration/Apply", OPERATORS),
    ("/lienthong.registry.v1.RegistryAdministration/Export", OPERATORS),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_has_every_call_of_the_internal_services_and_no_other() {
        let contracts = proto::descriptors();
        let mut calls = BTreeSet::new();
        for service in contracts.services() {
            if service.full_name() == "lienthong.exchange.v1.Exchange" {
                continue;
            }
            calls.extend(
                service.methods().map(|it| format!("/{}/{}", service.full_name(), it.name())),
            );
        }
        let table: BTreeSet<String> = ACCESS.iter().map(|(call, _)| (*call).to_owned()).collect();
        assert_eq!(table, calls);
    }
}
