//! What every store must do. A store joins with a [`Bench`] and `conformance!(ItsBench);`.

pub(crate) mod bulk;
pub(crate) mod claiming;
pub(crate) mod closing;
pub(crate) mod concurrency;
pub(crate) mod endings;
pub(crate) mod events;
pub(crate) mod intake;
pub(crate) mod leases;
pub(crate) mod listing;
pub(crate) mod model;
pub(crate) mod purge;
pub(crate) mod random;
pub(crate) mod routes;
pub(crate) mod support;
pub(crate) mod table;
pub(crate) mod wishes;

use std::sync::Arc;

use sundown_tasks::Store;

/// Where one test runs: an empty store of its own, that is gone at the end.
pub(crate) trait Bench: Sized {
    /// A new one. The name of the test is in the names of what it leaves.
    async fn new(test: &str) -> Self;

    /// Another process on the store of this test, that keeps so many events of a task.
    async fn open_keeping(&self, events: u32) -> Arc<dyn Store>;

    /// Another process on the store of this test.
    async fn open(&self) -> Arc<dyn Store> {
        self.open_keeping(1000).await
    }
}

/// Every test of the suite, for one kind of bench.
macro_rules! conformance {
    ($bench:ty) => {
        conformance! { $bench:
            intake: what_is_taken_in_can_be_read, a_key_belongs_to_one_task,
                a_key_is_known_within_one_batch, racing_duplicates_are_one_task,
                the_queue_has_a_limit, a_key_is_free_again_after_its_task, long_inputs_survive,
                nothing_asked_is_nothing_done;
            claiming: the_urgent_first_then_the_old, kinds_have_counts_and_the_claim_a_limit,
                what_is_not_wanted_stays, nothing_runs_before_its_time,
                many_become_ready_at_once, a_claim_knows_what_was_before,
                what_cannot_be_read_ends_alone;
            leases: a_lease_can_be_prolonged, what_is_leased_is_not_rescued,
                what_is_overdue_is_rescued_and_its_zombie_refused, a_rescue_has_a_limit,
                each_attempt_is_rescued_once, interruptions_are_capped,
                an_unwanted_task_is_not_rescued_to_run, a_fence_is_of_one_process;
            endings: success_is_kept, a_failure_waits_for_its_retry,
                what_was_interrupted_may_run_at_once, an_attempt_ends_once,
                endings_in_one_batch_are_apart, superseded_writes_are_refused;
            table: the_whole_table;
            events: they_are_counted_from_one, checkpoints_come_with_progress,
                what_happened_is_told, old_ones_are_forgotten, they_come_in_pages,
                an_unknown_task_has_none, two_tellers_leave_no_gap, marks_are_where_logs_end,
                many_who_read_at_once_each_get_their_own;
            wishes: a_pending_task_is_cancelled, a_running_task_is_asked_to_end,
                what_is_over_cannot_be_cancelled, requeued_is_as_new, only_what_is_over_is_discarded,
                unknown_tasks_are_unknown;
            bulk: each_operation_changes_the_states_it_takes, many_are_changed_in_pages_and_none_twice,
                a_name_is_of_one_store_and_every_process_has_it;
            listing: the_newest_first, by_state_and_kind, pages_are_stable,
                a_page_ends_when_it_is_heavy;
            routes: a_task_is_claimed_by_those_who_want_its_route,
                a_count_is_of_the_kind_whatever_the_routes, what_is_declined_waits_and_counts_nothing,
                what_no_process_claims_is_told, what_a_process_claims_ends_with_it;
            purge: only_what_ended_long_ago, at_most_so_many;
            concurrency: no_task_is_claimed_twice, counts_are_exact_after_it_all,
                news_of_the_own_process_wakes, news_of_another_process_wakes,
                progress_wakes_those_alone_who_read;
            closing: closed_is_closed, what_was_asked_before_is_done;
            random: histories_agree_with_the_model;
        }
    };
    ($bench:ty: $($topic:ident: $($test:ident),*;)*) => {$(
        mod $topic {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let name = concat!(stringify!($topic), "-", stringify!($test));
                    let bench = <$bench as crate::conformance::Bench>::new(name).await;
                    crate::conformance::$topic::$test(&bench).await;
                }
            )*
        }
    )*};
}
