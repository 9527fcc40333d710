//! The service over real stores: what is taken in is done, whatever happens to those who do it.

#![cfg(all(unix, feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod attempts;
mod desk;
mod drain;
mod faulty;
mod follow;
mod gate;
mod health;
mod intake;
mod leases;
mod outages;
mod proven;
mod routes;
#[cfg(feature = "postgres")]
mod shared;
mod sharing;
mod threads;

use desk::Place;

/// Every promise of the service, over one kind of store.
macro_rules! promises {
    ($place:path) => {
        promises! { $place:
            attempts: failures_are_tried_again_up_to_a_bound_and_for_good_is_for_good,
                the_dead_begin_again_or_are_forgotten, a_kind_runs_no_more_than_its_share_at_once,
                an_attempt_that_takes_too_long_fails,
                a_running_task_is_told_that_nobody_wants_it_wherever_it_runs,
                what_an_attempt_told_last_is_what_the_next_one_knows,
                a_panic_outside_the_code_is_a_failure,
                what_could_not_be_read_back_is_refused_in_the_telling;
            drain: what_runs_is_waited_for_and_the_report_names_it,
                what_does_not_end_in_time_goes_on_elsewhere_at_once_and_loses_no_attempt,
                claimed_but_unstarted_work_goes_back_at_once,
                a_place_is_filled_while_the_store_is_asked_for_more,
                what_is_claimed_when_it_is_too_late_goes_back_untouched,
                a_drain_of_many_leases_makes_nothing_run_twice,
                a_task_that_wraps_up_goes_on_where_it_stopped,
                tasks_know_until_when_they_have_time,
                what_could_not_be_told_while_stopping_is_no_failure_however_it_is_worded;
            follow: what_is_heard_over_a_restart_is_the_log_and_nothing_else,
                a_position_that_was_never_reached_is_answered_with_a_reset,
                a_position_that_is_forgotten_is_answered_with_a_reset;
            health: a_service_that_cannot_write_is_ill_until_it_can,
                a_store_that_is_closed_too_early_is_ill,
                a_dispatcher_that_panics_stops_the_service,
                a_keeper_that_panics_stops_the_service_and_loses_nothing;
            intake: a_task_is_answered_with_its_id_and_its_stream_and_is_done,
                what_cannot_be_done_is_refused_with_the_reason, the_same_key_is_the_same_task,
                a_full_queue_refuses_and_has_room_again, nothing_runs_before_its_time,
                the_urgent_are_first, two_kinds_of_one_name_are_a_mistake_of_the_program,
                what_is_over_is_forgotten_after_its_time;
            leases: a_long_lease_does_not_delay_a_cancellation,
                a_few_renewals_that_fail_cost_no_lease,
                nobody_takes_back_its_own_because_the_store_was_slow,
                whoever_has_just_come_leaves_the_living_time_to_renew,
                a_runtime_whose_threads_are_all_blocked_makes_nothing_run_twice;
            sharing: a_burst_of_long_tasks_uses_the_places_of_all_replicas,
                what_was_claimed_ahead_goes_back_when_no_place_becomes_free;
            outages: no_end_is_lost_and_what_is_unwritten_is_bounded_however_slow_the_store,
                an_end_that_cannot_be_written_keeps_no_other_waiting,
                ends_are_written_when_the_store_is_back;
            routes: each_replica_runs_what_it_can,
                what_no_replica_can_run_waits_and_says_so_and_runs_when_one_can,
                what_cannot_run_here_is_left_to_others_and_never_fails,
                what_no_process_could_run_fails_for_good,
                many_that_cannot_run_here_keep_no_other_waiting;
            threads: one_that_takes_too_long_keeps_its_place_until_it_returns,
                one_that_is_cancelled_keeps_its_place_until_it_returns,
                one_that_does_not_return_does_not_hold_the_shutdown;
        }
    };
    ($place:path: $($topic:ident: $($test:ident),*;)*) => {$(
        mod $topic {
            $(
                #[tokio::test]
                async fn $test() {
                    crate::$topic::$test($place()).await;
                }
            )*
        }
    )*};
}

mod in_a_file {
    promises!(crate::Place::file);
}

#[cfg(feature = "postgres")]
mod in_postgres {
    promises!(crate::Place::schema);
}
