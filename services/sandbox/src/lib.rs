//! Simulated agencies, and the scenario they play against a running gateway.
//!
//! ```text
//! AgencyProfile ─▶ SimulatedAgency ── sdk ──▶ gateway
//!                    ├ SimulatedApplication: inbox, delivery log, fault switch
//!                    └ clerk: answers each delivered document with a status report
//! Scenario ─▶ ScenarioRun ─▶ ScenarioReport: counts, violations, remarks
//! ```
//!
//! # Promises
//!
//! - An agency is a vendor: it reaches the bus only through the gateway's contract and the SDK.
//! - The same [`OfficialDocument`] is always exported as the same bytes, so a repeated submission is
//!   a repeat for the gateway as well.
//! - A report holds outcomes as data. Nothing here prints, and nothing here chooses a language.
//!
//! # Not here
//!
//! Starting the system, brokers and databases, printing: the caller has these, and gives an
//! address, a token for each application, and a [`MessageFinder`]. Adapters: a simulator that
//! shared their code would share their mistakes.

mod agency;
mod application;
mod arrival;
mod clerk;
mod document;
mod edxml_packet;
mod finder;
mod inbox_check;
mod native_export;
mod native_reader;
mod portal_json;
mod profile;
mod registry_file;
mod report;
mod scenario;
mod scenario_documents;
mod status_report;
mod xml;

pub use agency::SimulatedAgency;
pub use application::{DeliveredMessage, FaultSwitch, SimulatedApplication};
pub use arrival::Arrival;
pub use document::{DocumentFile, DocumentPurpose, OfficialDocument};
pub use finder::MessageFinder;
pub use native_reader::NativeReader;
pub use profile::{AGENCIES, AgencyProfile, Software};
pub use registry_file::registry_yaml;
pub use report::{RefusalCase, Remark, ScenarioReport, Violation};
pub use scenario::{Scenario, ScenarioEvent, ScenarioRun, ScenarioStep};
pub use status_report::{StatusCode, StatusReport};
