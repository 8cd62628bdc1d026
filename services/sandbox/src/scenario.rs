//! The scenario: documents cross between agencies, repeats are recognised, a recall follows, and
//! what must be refused is refused.

use std::time::Duration;

use proto::fault::v1::Fault;
use proto::journal::v1::{FindRequest, Summary};
use proto::message::v1::{MessageType, Receipt, State};
use sdk::SubmitError;
use tokio::time::Instant;

use crate::agency::SimulatedAgency;
use crate::document::OfficialDocument;
use crate::finder::MessageFinder;
use crate::inbox_check::{
    AcceptedDocument, check_inboxes, count_arrivals, expected_arrivals, find_agency,
};
use crate::native_reader::NativeReader;
use crate::profile::Software;
use crate::report::{RefusalCase, Remark, ScenarioReport, Violation};
use crate::scenario_documents::{circular, reply, weekly_report};

/// How long the arrivals of all accepted documents are waited for.
const ARRIVALS_LIMIT: Duration = Duration::from_secs(90);
/// How long messages may take to reach a terminal state after all documents have arrived.
const TERMINAL_LIMIT: Duration = Duration::from_secs(20);

/// The states that are not terminal.
const UNFINISHED: [State; 7] = [
    State::Accepted,
    State::Queued,
    State::Held,
    State::InHand,
    State::Parked,
    State::Dead,
    State::InDoubt,
];

/// A part of the scenario, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenarioStep {
    /// The Party office submits a circular with two files for three recipients.
    Circular,
    /// The Fatherland Front replies from iOffice with one file.
    Reply,
    /// The circular is submitted twice more: under the same key, and without a key.
    Repeats,
    /// The circular is recalled.
    Recall,
    /// The agencies submit documents without files.
    OrdinaryDocuments,
}

/// The progress of a scenario.
#[derive(Clone, Copy, Debug)]
pub enum ScenarioEvent<'a> {
    /// A step begins.
    Step(ScenarioStep),
    /// A submission was refused, as it must be.
    Refused {
        /// Which one.
        case: RefusalCase,
        /// The gateway's answer.
        fault: &'a Fault,
    },
    /// So many of the ordinary documents are submitted.
    Submitted {
        /// Documents submitted.
        count: u32,
        /// Documents to submit.
        total: u32,
    },
    /// So many messages have arrived.
    Arrived {
        /// Documents at their recipients.
        documents: usize,
        /// Statuses at the senders.
        statuses: usize,
        /// How many of either are expected.
        expected: usize,
    },
    /// Arrivals are no longer waited for.
    ArrivalsEnded,
}

/// Receives the progress of a scenario.
pub(crate) type Observer<'a> = &'a dyn Fn(ScenarioEvent<'_>);

/// What is played, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Scenario<'a> {
    /// One simulated agency for each of [`crate::AGENCIES`].
    pub agencies: &'a [SimulatedAgency],
    /// Distinguishes the documents of this run from those of another one on the same database.
    pub id_suffix: &'a str,
    /// How many ordinary documents are submitted besides.
    pub ordinary_documents: u32,
}

/// A scenario that was played, before its checks.
#[derive(Debug)]
pub struct ScenarioRun<'a> {
    agencies: &'a [SimulatedAgency],
    accepted: Vec<AcceptedDocument>,
    highlights: Vec<String>,
    report: ScenarioReport,
}

impl<'a> Scenario<'a> {
    /// Plays the scenario, and waits until everything has arrived or the time for it is over.
    ///
    /// # Errors
    ///
    /// A submission that must be accepted is refused, or the gateway cannot be reached.
    pub async fn play(
        &self,
        observe: &dyn Fn(ScenarioEvent<'_>),
    ) -> anyhow::Result<ScenarioRun<'a>> {
        let begun = Instant::now();
        let mut run = ScenarioRun {
            agencies: self.agencies,
            accepted: Vec::new(),
            highlights: Vec::new(),
            report: ScenarioReport::default(),
        };
        let first = circular(self.id_suffix)?;
        observe(ScenarioEvent::Step(ScenarioStep::Circular));
        let receipt = run.submit(&first, "cv-45").await?;
        observe(ScenarioEvent::Step(ScenarioStep::Reply));
        run.submit(&reply(self.id_suffix)?, "vb-12").await?;
        observe(ScenarioEvent::Step(ScenarioStep::Repeats));
        run.submit_repeats(&first, &receipt).await?;
        observe(ScenarioEvent::Step(ScenarioStep::Recall));
        run.submit(&first.recall("Thu hồi Công văn 45-CV/TU"), "th-45").await?;
        run.highlights = run.accepted.iter().map(|it| it.receipt.message_id.clone()).collect();
        run.submit_refused(&first, observe).await?;
        observe(ScenarioEvent::Step(ScenarioStep::OrdinaryDocuments));
        for number in 0..self.ordinary_documents {
            let document = weekly_report(number, self.id_suffix)?;
            run.submit(&document, &format!("th-{number}")).await?;
            let total = self.ordinary_documents;
            observe(ScenarioEvent::Submitted { count: number + 1, total });
        }
        run.await_arrivals(observe).await;
        if !NativeReader::new()?.can_express_recall(Software::Ioffice) {
            run.report.remarks.push(Remark::RecallNotExpressible(Software::Ioffice));
        }
        let statuses = count_arrivals(self.agencies, MessageType::Status);
        run.report.submitted = run.accepted.len() + statuses;
        run.report.elapsed = begun.elapsed();
        Ok(run)
    }
}

impl ScenarioRun<'_> {
    /// Ids of the circular, the reply and the recall: their journeys are worth printing.
    pub fn highlights(&self) -> &[String] {
        &self.highlights
    }

    /// Waits until the journal has no message of these agencies in a state that is not terminal;
    /// those that remain are violations.
    ///
    /// # Errors
    ///
    /// The journal cannot be searched.
    pub async fn await_terminal_states(
        &mut self,
        finder: &impl MessageFinder,
    ) -> anyhow::Result<()> {
        let limit = Instant::now() + TERMINAL_LIMIT;
        let mut turns = tokio::time::interval(Duration::from_millis(50));
        let unfinished = loop {
            turns.tick().await;
            let unfinished = find_unfinished(finder, self.agencies).await?;
            if unfinished.is_empty() || Instant::now() > limit {
                break unfinished;
            }
        };
        self.report.violations.extend(unfinished.into_iter().map(|it| Violation::NotTerminal {
            state: it.state(),
            message_id: it.envelope.unwrap_or_default().id,
        }));
        Ok(())
    }

    /// Compares the inboxes with what was accepted. Called last, it also sees a copy that comes
    /// late.
    ///
    /// # Errors
    ///
    /// A delivered document cannot be read.
    pub fn check(mut self) -> anyhow::Result<ScenarioReport> {
        check_inboxes(self.agencies, &self.accepted, &mut self.report)?;
        Ok(self.report)
    }

    async fn submit(&mut self, document: &OfficialDocument, key: &str) -> anyhow::Result<Receipt> {
        let receipt = submit_accepted(self.agencies, document, key).await?;
        let document = document.clone();
        self.accepted.push(AcceptedDocument { document, receipt: receipt.clone() });
        Ok(receipt)
    }

    async fn submit_repeats(
        &mut self,
        document: &OfficialDocument,
        first: &Receipt,
    ) -> anyhow::Result<()> {
        for key in ["cv-45", ""] {
            let receipt = submit_accepted(self.agencies, document, key).await?;
            if receipt.repeat && receipt.message_id == first.message_id {
                self.report.repeats_answered += 1;
            } else {
                let key = key.to_owned();
                self.report.violations.push(Violation::RepeatNotRecognised { key });
            }
        }
        Ok(())
    }

    async fn submit_refused(
        &mut self,
        document: &OfficialDocument,
        observe: Observer<'_>,
    ) -> anyhow::Result<()> {
        for (case, key, native) in refused_submissions(document) {
            let agency = find_agency(self.agencies, document.sender)?;
            let fault = match agency.submit_native(document, key, native).await {
                Err(SubmitError::Refused(fault)) => fault,
                Err(error) => return Err(error.into()),
                Ok(_receipt) => {
                    self.report.violations.push(Violation::NotRefused { case });
                    continue;
                }
            };
            observe(ScenarioEvent::Refused { case, fault: &fault });
            if fault.code != case.expected_code() {
                let code = fault.code.clone();
                self.report.violations.push(Violation::WrongRefusalCode { case, code });
            }
            self.report.refused.push(fault.code);
        }
        Ok(())
    }

    async fn await_arrivals(&self, observe: Observer<'_>) {
        let expected = expected_arrivals(&self.accepted);
        let limit = Instant::now() + ARRIVALS_LIMIT;
        let mut turns = tokio::time::interval(Duration::from_millis(20));
        while Instant::now() < limit {
            turns.tick().await;
            let documents = count_arrivals(self.agencies, MessageType::Document);
            let statuses = count_arrivals(self.agencies, MessageType::Status);
            observe(ScenarioEvent::Arrived { documents, statuses, expected });
            if documents >= expected && statuses >= expected {
                break;
            }
        }
        observe(ScenarioEvent::ArrivalsEnded);
    }
}

/// The submissions that must be refused: the case, the key and the bytes.
fn refused_submissions(of: &OfficialDocument) -> [(RefusalCase, &'static str, String); 4] {
    let truncated = of.native().chars().take(1_200).collect();
    let secret = OfficialDocument {
        number: "46".to_owned(),
        subject: "TỐI MẬT: phương án bảo vệ".to_owned(),
        files: Vec::new(),
        ..of.clone()
    };
    let changed =
        OfficialDocument { subject: "Nội dung khác dưới khóa cũ".to_owned(), ..of.clone() };
    let misaddressed = of.native().replace("A99.2", "A99.77");
    [
        (RefusalCase::TruncatedPacket, "hong", truncated),
        (RefusalCase::SecrecyMark, "mat", secret.native()),
        (RefusalCase::ReusedKey, "cv-45", changed.native()),
        (RefusalCase::UnknownRecipient, "lac", misaddressed),
    ]
}

async fn submit_accepted(
    agencies: &[SimulatedAgency],
    document: &OfficialDocument,
    key: &str,
) -> anyhow::Result<Receipt> {
    let submitted = find_agency(agencies, document.sender)?.submit(document, key).await;
    submitted.map_err(|error| match error {
        SubmitError::Refused(fault) | SubmitError::NotAdmitted(fault) => anyhow::Error::new(fault),
        error @ (SubmitError::Unavailable(_) | SubmitError::Unreadable(_)) => error.into(),
    })
}

/// Messages of the agencies in a state that is not terminal, each once.
async fn find_unfinished(
    finder: &impl MessageFinder,
    agencies: &[SimulatedAgency],
) -> anyhow::Result<Vec<Summary>> {
    let mut unfinished = Vec::new();
    for agency in agencies {
        let request = FindRequest {
            organisation: agency.key().to_owned(),
            states: UNFINISHED.map(Into::into).to_vec(),
            derived: true,
            ..FindRequest::default()
        };
        unfinished.extend(finder.find(request).await?);
    }
    unfinished.sort_by_key(|it| it.envelope.as_ref().map(|it| it.id.clone()));
    unfinished.dedup();
    Ok(unfinished)
}
