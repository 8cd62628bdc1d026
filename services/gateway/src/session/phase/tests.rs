//! Every pair of the table of phases.

use super::*;

#[test]
fn every_phase_and_event_has_its_transition() {
    use PhaseEffect::{Nothing, Refused, ReturnUnsent};
    let reads = |reader| Reading::Reads { reader, asking: Asking::Stream };
    let (silent, lost, lost_now) = (Reading::Silent, Reading::Lost { at_us: 3 }, 9);
    let opened = SessionEvent::ReaderOpened { reader: 2, asking: Asking::Stream };
    let closed = |reader| SessionEvent::ReaderClosed { reader };
    let stream_lost = |reader| SessionEvent::StreamLost { reader, at_us: lost_now };
    let lost_then = Reading::Lost { at_us: lost_now };
    // The event, and what becomes of a session that is silent, lost its stream, and reads as 1.
    let table = [
        (opened, [(reads(2), Nothing), (reads(2), Nothing), (reads(1), Refused)]),
        (closed(1), [(silent, Nothing), (lost, Nothing), (silent, ReturnUnsent)]),
        (closed(2), [(silent, Nothing), (lost, Nothing), (reads(1), Nothing)]),
        (stream_lost(1), [(silent, Nothing), (lost, Nothing), (lost_then, ReturnUnsent)]),
        (stream_lost(2), [(silent, Nothing), (lost, Nothing), (reads(1), Nothing)]),
    ];
    for (event, outcomes) in table {
        for (before, (after, effect)) in [silent, lost, reads(1)].into_iter().zip(outcomes) {
            let open = Phase::Open(before).after(event);
            assert_eq!(open, (Phase::Open(after), effect), "{event:?} in {before:?}");
            let draining = Phase::Draining(before).after(event);
            assert_eq!(draining, (Phase::Draining(after), effect), "{event:?} in {before:?}");
        }
        assert_eq!(Phase::Closed.after(event), (Phase::Closed, Nothing), "{event:?}");
    }
    for reading in [silent, lost, reads(1)] {
        let (open, draining) = (Phase::Open(reading), Phase::Draining(reading));
        let drain = SessionEvent::DrainStarted;
        assert_eq!(open.after(drain), (draining, ReturnUnsent), "{reading:?}");
        assert_eq!(draining.after(drain), (draining, Nothing), "{reading:?}");
        for phase in [open, draining] {
            let closed = phase.after(SessionEvent::Closed);
            assert_eq!(closed, (Phase::Closed, ReturnUnsent), "{phase:?}");
        }
    }
    for event in [SessionEvent::DrainStarted, SessionEvent::Closed] {
        assert_eq!(Phase::Closed.after(event), (Phase::Closed, Nothing), "{event:?}");
    }
}
