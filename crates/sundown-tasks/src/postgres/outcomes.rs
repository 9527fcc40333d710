//! The table of states, written out for the server: what every end of an attempt leads to.

use super::row::code;
use crate::{Ending, Event, Standing, State};

/// The ends of an attempt, in the order of the table.
const ENDS: [Event; 6] = [
    Event::Returned,
    Event::Succeeded,
    Event::Failed,
    Event::FailedForGood,
    Event::Interrupted,
    Event::Stopped,
];

/// Where it stands in the table.
pub(super) fn place(event: Event) -> i16 {
    let place = ENDS.iter().position(|&end| end == event).and_then(|place| place.try_into().ok());
    place.expect("it is asked for ends of attempts only")
}

/// What an ending is in the table of states.
pub(super) fn event(ending: &Ending) -> Event {
    match ending {
        Ending::Succeeded(_) => Event::Succeeded,
        Ending::Failed { .. } => Event::Failed,
        Ending::FailedForGood { .. } => Event::FailedForGood,
        Ending::Interrupted { .. } => Event::Interrupted,
        Ending::Returned | Ending::Declined { .. } => Event::Returned,
        Ending::Stopped => Event::Stopped,
    }
}

/// For every end, eight outcomes: by whether the task is unwanted (4), whether a failure would be its
/// last (2), and whether an interruption would be one too many (1). An outcome is four times the
/// state, plus two if a failure counts, plus one if an interruption does.
pub(super) fn table() -> Vec<i16> {
    let case = |event| (0..8).map(move |case| outcome(event, case));
    ENDS.into_iter().flat_map(case).collect()
}

fn outcome(event: Event, case: u32) -> i16 {
    let max_attempts = if case & 2 == 0 { 2 } else { 1 };
    let max_interruptions = if case & 1 == 0 { 1 } else { 0 };
    let from = Standing {
        state: State::Running,
        is_unwanted: case & 4 != 0,
        ..Standing::new(max_attempts, max_interruptions)
    };
    let to = from.next(event).expect("every end is possible while it runs");
    let failed = i16::from(to.failures > from.failures);
    let interrupted = i16::from(to.interruptions > from.interruptions);
    code(to.state) * 4 + failed * 2 + interrupted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How the server reads the table.
    fn read(table: &[i16], from: Standing, event: Event) -> Standing {
        let case = usize::from(from.is_unwanted) * 4
            + usize::from(from.failures + 1 >= from.max_attempts) * 2
            + usize::from(from.interruptions + 1 > from.max_interruptions);
        let outcome = table[usize::try_from(place(event)).unwrap() * 8 + case];
        let state = State::ALL.into_iter().find(|&state| code(state) == outcome / 4).unwrap();
        Standing {
            state,
            failures: from.failures + u32::from(outcome / 2 % 2 == 1),
            interruptions: from.interruptions + u32::from(outcome % 2 == 1),
            ..from
        }
    }

    #[test]
    fn the_table_says_what_the_states_say_for_every_running_task() {
        let table = table();
        for case in 0..2 * 4 * 4 * 4 * 4u32 {
            let from = Standing {
                state: State::Running,
                is_unwanted: case & 1 != 0,
                failures: case / 2 % 4,
                interruptions: case / 8 % 4,
                max_attempts: 1 + case / 32 % 4,
                max_interruptions: case / 128 % 4,
            };
            for event in ENDS {
                assert_eq!(read(&table, from, event), from.next(event).unwrap(), "{event:?}");
            }
        }
    }
}
