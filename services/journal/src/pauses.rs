//! Pauses: what waits until an operator resumes it.
//!
//! A paused message keeps its state. Begin holds it, the sweeper passes it over, and the end of the
//! pause publishes it. So a pause holds from its commit on, whatever a gateway or a channel has.

use std::time::Duration;

use bus::partition;
use proto::fault::code;
use proto::fault::v1::Fault;
use proto::operate::v1::pause_target::Kind;
use proto::operate::v1::{Pause, PauseTarget};

use crate::database::Database;
use crate::database::error::{Corrupt, DatabaseError};
use crate::database::row::{Row, Unreadable};
use crate::delivery_row::DeliveryRow;

/// All partitions of the messages that are not routed yet.
const INTAKE: &str = "intake";

/// How long the sweeper passes over a paused message.
pub(crate) const PAUSED_WAIT: Duration = Duration::from_secs(60);

const SELECT: &str = "SELECT kind, name, reason, actor, since FROM pause ORDER BY since, name";

/// The pauses in force.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    pub(crate) all: Vec<Pause>,
    /// Number of partitions of intake.
    pub(crate) partitions: u16,
}

impl Pauses {
    /// Reads the table.
    pub(crate) async fn read(
        database: &mut Database,
        partitions: u16,
    ) -> Result<Self, DatabaseError> {
        let rows = database.query(SELECT, Vec::new()).await?;
        let all = rows.into_iter().map(|mut it| read_pause(&mut it)).collect::<Result<_, _>>()?;
        Ok(Self { all, partitions })
    }

    fn find(&self, kind: Kind, is_named: impl Fn(&str) -> bool) -> Option<&Pause> {
        self.all
            .iter()
            .find(|it| it.target.as_ref().is_some_and(|it| it.kind() == kind && is_named(&it.name)))
    }

    /// The pause of this target.
    pub(crate) fn of_target(&self, target: &PauseTarget) -> Option<&Pause> {
        self.find(target.kind(), |it| it == target.name)
    }

    /// The pause that holds a message for an application and organisation.
    pub(crate) fn of_delivery(&self, application: &str, organisation: &str) -> Option<&Pause> {
        self.find(Kind::Application, |it| it == application)
            .or_else(|| self.find(Kind::Organisation, |it| it == organisation))
    }

    /// The pause that holds a message that is not routed yet.
    pub(crate) fn of_intake(&self, conversation: &str) -> Option<&Pause> {
        self.of_partition(&format!("{INTAKE}.{}", partition(conversation, self.partitions)))
    }

    /// The pause that holds one partition of intake, `intake.<n>`.
    pub(crate) fn of_partition(&self, channel: &str) -> Option<&Pause> {
        self.find(Kind::Channel, |it| it == INTAKE || it == channel)
    }

    /// The pause that holds the message of a row.
    pub(crate) fn of_row(&self, row: &DeliveryRow) -> Option<&Pause> {
        if self.all.is_empty() {
            None
        } else if row.is_derived() {
            self.of_delivery(&row.application, &row.recipients)
        } else {
            self.of_intake(&row.conversation)
        }
    }

    /// The pauses of other targets.
    pub(crate) fn without(&self, target: &PauseTarget) -> Vec<Pause> {
        self.all.iter().filter(|it| it.target.as_ref() != Some(target)).cloned().collect()
    }
}

fn read_pause(row: &mut Row) -> Result<Pause, Corrupt> {
    let columns = |row: &mut Row| {
        let kind = i32::try_from(row.number("kind")?).unwrap_or_default();
        let target = PauseTarget { kind, name: row.text("name")? };
        let (reason, actor) = (row.text("reason")?, row.text("actor")?);
        Ok::<_, Unreadable>(Pause {
            target: Some(target),
            reason,
            actor,
            since_us: row.number("since")?,
        })
    };
    columns(row).map_err(|it| it.in_row("pause", ""))
}

/// The target as it is stored; a fault when it names nothing that can be paused.
pub(crate) fn checked_target(
    target: Option<PauseTarget>,
    partitions: u16,
) -> Result<PauseTarget, Fault> {
    let target = target.unwrap_or_default();
    let (kind, name) = (target.kind(), target.name.trim());
    let unknown = || Fault::new(&code::LT_OPS_002).param("target", name);
    let partition = |name: &str| name.strip_prefix("intake.")?.parse::<u16>().ok();
    let (kind, name) = match (kind, name.strip_prefix("delivery.")) {
        (Kind::Channel, Some(application)) => (Kind::Application, application),
        _ => (kind, name),
    };
    let is_known = match kind {
        Kind::Application | Kind::Organisation => !name.is_empty(),
        Kind::Channel => name == INTAKE || partition(name).is_some_and(|it| it < partitions),
        Kind::Unspecified => false,
    };
    if !is_known || name.len() > crate::new_message::NAME_BYTES_MAX {
        return Err(unknown());
    }
    Ok(PauseTarget { kind: kind.into(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(kind: Kind, name: &str) -> PauseTarget {
        PauseTarget { kind: kind.into(), name: name.to_owned() }
    }

    #[test]
    fn a_target_that_names_nothing_is_refused_and_a_delivery_channel_is_its_application() {
        let checked = |kind, name| checked_target(Some(target(kind, name)), 8);
        for (kind, name) in [(Kind::Channel, "intake"), (Kind::Channel, "intake.7")] {
            assert_eq!(checked(kind, name), Ok(target(kind, name)));
        }
        let application = Ok(target(Kind::Application, "b-app"));
        assert_eq!(checked(Kind::Channel, "delivery.b-app"), application);
        assert_eq!(checked(Kind::Application, " b-app "), application);
        for (kind, name) in [
            (Kind::Channel, "intake.8"),
            (Kind::Channel, "stranded"),
            (Kind::Channel, "delivery."),
            (Kind::Application, " "),
            (Kind::Unspecified, "b-app"),
        ] {
            assert_eq!(checked(kind, name).unwrap_err().code, "LT-OPS-002", "{name}");
        }
    }

    #[test]
    fn a_pause_holds_its_application_its_organisation_or_its_partition() {
        let pause = |it| Pause { target: Some(it), ..Pause::default() };
        let pauses = |it| Pauses { all: vec![pause(it)], partitions: 8 };
        let row = |parent: &str, application: &str| DeliveryRow {
            parent: parent.to_owned(),
            application: application.to_owned(),
            recipients: "b".to_owned(),
            conversation: "a".to_owned(),
            ..DeliveryRow::default()
        };
        let (derived, submitted) = (row("p", "b-app"), row("", ""));
        let own = format!("intake.{}", partition("a", 8));
        let other = format!("intake.{}", (partition("a", 8) + 1) % 8);
        for (target, holds) in [
            (target(Kind::Application, "b-app"), (true, false)),
            (target(Kind::Application, "b"), (false, false)),
            (target(Kind::Organisation, "b"), (true, false)),
            (target(Kind::Channel, "intake"), (false, true)),
            (target(Kind::Channel, &own), (false, true)),
            (target(Kind::Channel, &other), (false, false)),
        ] {
            let pauses = pauses(target.clone());
            let held = [&derived, &submitted].map(|it| pauses.of_row(it).is_some());
            assert_eq!((held[0], held[1]), holds, "{target:?}");
        }
    }
}
