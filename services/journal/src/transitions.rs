//! The state machine of a message: which event is allowed in which state, and where it leads.

use proto::journal::v1::command_request::Action;
use proto::message::v1::State;

/// Something that happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Mapping derived a message for each receiver.
    Routed,
    /// Mapping, or a channel, could not take it now.
    Deferred,
    /// Mapping, or a channel, can never take it.
    Failed,
    /// A derived message that had no body was made again, with a body.
    Completed,
    /// Its organisation now has an application, and another derived message goes there.
    Replaced,
    /// A column of it cannot be read.
    Damaged,
    /// An earlier message of its conversation is not settled yet.
    Blocked,
    /// The message that blocked it is settled or routed.
    Unblocked,
    /// A session takes it.
    Begun,
    /// The application answers that it took it.
    Taken,
    /// The application answers that it will never take it.
    Refused,
    /// The application answers that it is away.
    Unavailable,
    /// The gateway answers that it never handed it over.
    Unsent,
    /// The session or the lease ended, and the receiver may be given it again.
    Interrupted,
    /// The session or the lease ended, and the receiver may have it.
    InterruptedInDoubt,
    /// The sweeper finds it due.
    Due,
    /// A copy that was changed on its channel was dropped.
    CopyAltered,
    /// An operator's command.
    Command(Action),
}

/// Where an event leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    /// To a state.
    To(State),
    /// To its channel: `Accepted` before routing, `Queued` after.
    Publish,
    /// To `Parked` until its next try, or to `Dead` after the last.
    Retry,
    /// To its channel after its first tries, then by the schedule as [`Transition::Retry`].
    PublishOrRetry,
}

/// Where an event leads from a state; none: the event changes nothing there.
pub(crate) fn transition(state: State, event: Event) -> Option<Transition> {
    use State::{
        Accepted, Dead, Held, InDoubt, InHand, Parked, Queued, Refused, Routed, Taken, Unspecified,
        Withdrawn,
    };
    use Transition::{Publish, PublishOrRetry, Retry, To};
    let is_ended = matches!(state, Taken | Refused | Withdrawn);
    let waits_for_delivery = matches!(state, Unspecified | Accepted | Routed | Queued | Held);
    let (is_allowed, target) = match event {
        Event::Routed => (matches!(state, Accepted | Parked | Dead), To(Routed)),
        Event::Deferred => (matches!(state, Accepted | Queued | Held), Retry),
        Event::Failed => (matches!(state, Accepted | Queued | Held | Parked), To(Dead)),
        Event::Completed => (!is_ended, To(Queued)),
        Event::Replaced => (!is_ended, To(Withdrawn)),
        // A routed message is carried on by its derived ones, so it stays routed.
        Event::Damaged => (!is_ended && state != Routed, To(Dead)),
        Event::Blocked => (waits_for_delivery, To(Held)),
        Event::Unblocked => (state == Held, Publish),
        Event::Begun => (waits_for_delivery, To(InHand)),
        Event::Taken => (state == InHand, To(Taken)),
        Event::Refused => (state == InHand, To(Refused)),
        Event::Unavailable => (state == InHand, Retry),
        Event::Unsent => (state == InHand, Publish),
        Event::Interrupted => (state == InHand, PublishOrRetry),
        Event::InterruptedInDoubt => (state == InHand, To(InDoubt)),
        Event::Due => (matches!(state, Accepted | Queued | Held | Parked), Publish),
        // In other states the journal has it, and no copy need be on a channel.
        Event::CopyAltered => (matches!(state, Accepted | Queued), Publish),
        Event::Command(Action::Release) => {
            (matches!(state, Held | Parked | Queued | Accepted), Publish)
        }
        Event::Command(Action::Redrive) => (matches!(state, Dead | InDoubt | Parked), Publish),
        Event::Command(Action::Withdraw) => {
            (matches!(state, Held | Parked | Dead | InDoubt | Queued | Accepted), To(Withdrawn))
        }
        Event::Command(Action::Confirm) => (state == InDoubt, To(Taken)),
        Event::Command(Action::Unspecified) => return None,
    };
    is_allowed.then_some(target)
}

#[cfg(test)]
mod tests {
    use State::*;
    use Transition::{Publish, PublishOrRetry, Retry, To};

    use super::*;

    const STATES: [State; 12] = [
        Unspecified,
        Accepted,
        Routed,
        Queued,
        Held,
        InHand,
        Parked,
        Taken,
        Refused,
        Dead,
        InDoubt,
        Withdrawn,
    ];

    /// Every event, the states that allow it, and where it leads. It is refused in all others.
    const TABLE: [(Event, &[State], Transition); 22] = [
        (Event::Routed, &[Accepted, Parked, Dead], To(Routed)),
        (Event::Deferred, &[Accepted, Queued, Held], Retry),
        (Event::Failed, &[Accepted, Queued, Held, Parked], To(Dead)),
        (
            Event::Completed,
            &[Unspecified, Accepted, Routed, Queued, Held, InHand, Parked, Dead, InDoubt],
            To(Queued),
        ),
        (
            Event::Replaced,
            &[Unspecified, Accepted, Routed, Queued, Held, InHand, Parked, Dead, InDoubt],
            To(Withdrawn),
        ),
        (
            Event::Damaged,
            &[Unspecified, Accepted, Queued, Held, InHand, Parked, Dead, InDoubt],
            To(Dead),
        ),
        (Event::Blocked, &[Unspecified, Accepted, Routed, Queued, Held], To(Held)),
        (Event::Unblocked, &[Held], Publish),
        (Event::Begun, &[Unspecified, Accepted, Routed, Queued, Held], To(InHand)),
        (Event::Taken, &[InHand], To(Taken)),
        (Event::Refused, &[InHand], To(Refused)),
        (Event::Unavailable, &[InHand], Retry),
        (Event::Unsent, &[InHand], Publish),
        (Event::Interrupted, &[InHand], PublishOrRetry),
        (Event::InterruptedInDoubt, &[InHand], To(InDoubt)),
        (Event::Due, &[Accepted, Queued, Held, Parked], Publish),
        (Event::CopyAltered, &[Accepted, Queued], Publish),
        (Event::Command(Action::Release), &[Accepted, Queued, Held, Parked], Publish),
        (Event::Command(Action::Redrive), &[Parked, Dead, InDoubt], Publish),
        (
            Event::Command(Action::Withdraw),
            &[Accepted, Queued, Held, Parked, Dead, InDoubt],
            To(Withdrawn),
        ),
        (Event::Command(Action::Confirm), &[InDoubt], To(Taken)),
        (Event::Command(Action::Unspecified), &[], Publish),
    ];

    #[test]
    fn every_state_and_event_has_its_transition() {
        assert!(State::try_from(12).is_err(), "a new state needs its rows in the table");
        for (event, allowed, target) in TABLE {
            for state in STATES {
                let expected = allowed.contains(&state).then_some(target);
                assert_eq!(transition(state, event), expected, "{event:?} in {state:?}");
            }
        }
    }

    #[test]
    fn nothing_leads_out_of_a_terminal_state() {
        for (event, ..) in TABLE {
            for state in [Taken, Refused, Withdrawn] {
                assert_eq!(transition(state, event), None, "{event:?} in {state:?}");
            }
        }
    }

    #[test]
    fn commands_are_for_messages_that_wait() {
        let allows = |action, state| transition(state, Event::Command(action)).is_some();
        for action in [Action::Redrive, Action::Release, Action::Withdraw, Action::Confirm] {
            for state in [Taken, Refused, Withdrawn, InHand] {
                assert!(!allows(action, state), "{action:?} {state:?}");
            }
        }
        assert!(allows(Action::Redrive, Dead) && allows(Action::Release, Held));
        assert!(!allows(Action::Confirm, Dead) && !allows(Action::Release, Dead));
    }
}
