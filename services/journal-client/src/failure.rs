//! Why a message did not arrive, or not yet.

use proto::fault::code;
use proto::fault::v1::Fault;
use proto::journal::v1::Summary;
use proto::message::v1::State;

/// The fault of a message that was refused, is a dead letter, is in doubt or is parked; none in other
/// states, also when an earlier attempt failed.
pub fn failure(summary: &Summary) -> Option<Fault> {
    match summary.state() {
        State::Refused => Some(Fault::new(&code::LT_JNL_016).param("reason", &summary.detail)),
        State::Dead | State::InDoubt | State::Parked => summary.fault.clone(),
        State::Unspecified
        | State::Accepted
        | State::Routed
        | State::Queued
        | State::Held
        | State::InHand
        | State::Taken
        | State::Withdrawn => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_receivers_words_and_a_message_that_arrived_has_no_failure() {
        let fault = Some(Fault::new(&code::LT_JNL_003));
        let summary = |state: State| Summary {
            state: state.into(),
            detail: "thiếu phụ lục".to_owned(),
            fault: fault.clone(),
            ..Summary::default()
        };
        let refused = failure(&summary(State::Refused)).unwrap();
        assert!(refused.title(proto::fault::Lang::Vi).ends_with("thiếu phụ lục"));
        for state in [State::Dead, State::InDoubt, State::Parked] {
            assert_eq!(failure(&summary(state)), fault);
        }
        assert_eq!(failure(&summary(State::Taken)), None);
    }
}
