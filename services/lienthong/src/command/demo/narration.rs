//! What the demonstration prints while the scenario is played.

use sandbox::{ScenarioEvent, ScenarioStep};

use super::report::case_name;
use crate::screen::Screen;

/// Prints an event as a line, or on the progress line.
pub(super) fn print_event(screen: Screen, event: ScenarioEvent<'_>) {
    match event {
        ScenarioEvent::Step(step) => print_line(screen, step_text(screen, step)),
        ScenarioEvent::Refused { case, fault } => {
            let (name, title) = (case_name(screen.lang, case), fault.title(screen.lang));
            let refused = screen.say("bị từ chối", "refused");
            print_line(screen, &format!("{name}: {refused} {}: {title}", fault.code));
        }
        ScenarioEvent::Submitted { count, total } => screen.progress(&format!("{count}/{total}")),
        ScenarioEvent::Arrived { documents, statuses, expected } => {
            screen.progress(&format!("{documents}/{expected}  {statuses}/{expected}"));
        }
        ScenarioEvent::ArrivalsEnded => screen.progress_done(),
    }
}

fn print_line(screen: Screen, text: &str) {
    screen.note(&format!("→ {text}"));
}

fn step_text(screen: Screen, step: ScenarioStep) -> &'static str {
    match step {
        ScenarioStep::Circular => screen.say(
            "Tỉnh ủy gửi 45-CV/TU kèm 2 tệp cho MTTQ, LĐLĐ (iOffice) và Tỉnh đoàn (edXML)",
            "The Party office sends 45-CV/TU with 2 files to the Front, the unions (iOffice), the Youth Union (edXML)",
        ),
        ScenarioStep::Reply => screen.say(
            "MTTQ gửi 12/MTTQ-BTT từ iOffice, kèm 1 tệp, cho Tỉnh ủy (edXML)",
            "The Front sends 12/MTTQ-BTT from iOffice with 1 file to the Party office (edXML)",
        ),
        ScenarioStep::Repeats => screen.say(
            "Tỉnh ủy gửi lặp 45-CV/TU hai lần (cùng khóa; không khóa)",
            "The Party office sends 45-CV/TU twice again (same key; no key)",
        ),
        ScenarioStep::Recall => {
            screen.say("Tỉnh ủy thu hồi 45-CV/TU", "The Party office recalls 45-CV/TU")
        }
        ScenarioStep::OrdinaryDocuments => screen.say(
            "Các cơ quan gửi thêm văn bản thường",
            "The agencies send ordinary documents",
        ),
    }
}
