//! What the demonstration prints while the scenario is played.

use sandbox::{ScenarioEvent, ScenarioStep};

use crate::command::demo::report::case_name;
use crate::output::Output;

/// Prints an event as a line, or on the progress line.
pub(super) fn print_event(output: Output, event: ScenarioEvent<'_>) {
    match event {
        ScenarioEvent::Step(step) => print_line(output, step_text(output, step)),
        ScenarioEvent::Refused { case, fault } => {
            let (name, title) = (case_name(output.lang, case), fault.title(output.lang));
            let refused = output.localize("bị từ chối", "refused");
            print_line(output, &format!("{name}: {refused} {}: {title}", fault.code));
        }
        ScenarioEvent::Submitted { count, total } => {
            output.show_progress(&format!("{count}/{total}"))
        }
        ScenarioEvent::Arrived { documents, statuses, expected } => {
            output.show_progress(&format!("{documents}/{expected}  {statuses}/{expected}"));
        }
        ScenarioEvent::ArrivalsEnded => output.clear_progress(),
    }
}

fn print_line(output: Output, text: &str) {
    output.print_note(&format!("→ {text}"));
}

fn step_text(output: Output, step: ScenarioStep) -> &'static str {
    match step {
        ScenarioStep::Circular => output.localize(
            "Tỉnh ủy gửi 45-CV/TU kèm 2 tệp cho MTTQ, LĐLĐ (iOffice) và Tỉnh đoàn (edXML)",
            "The Party office sends 45-CV/TU with 2 files to the Front, the unions (iOffice), the Youth Union (edXML)",
        ),
        ScenarioStep::Reply => output.localize(
            "MTTQ gửi 12/MTTQ-BTT từ iOffice, kèm 1 tệp, cho Tỉnh ủy (edXML)",
            "The Front sends 12/MTTQ-BTT from iOffice with 1 file to the Party office (edXML)",
        ),
        ScenarioStep::Repeats => output.localize(
            "Tỉnh ủy gửi lặp 45-CV/TU hai lần (cùng khóa; không khóa)",
            "The Party office sends 45-CV/TU twice again (same key; no key)",
        ),
        ScenarioStep::Recall => {
            output.localize("Tỉnh ủy thu hồi 45-CV/TU", "The Party office recalls 45-CV/TU")
        }
        ScenarioStep::OrdinaryDocuments => output.localize(
            "Các cơ quan gửi thêm văn bản thường",
            "The agencies send ordinary documents",
        ),
    }
}
