//! What a store is asked, and which questions are answered together.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::bulk::{ChangeAll, CountAll};
use super::claims::{Claiming, Renew};
use super::endings::{Finishing, Rescue};
use super::fault::Fault;
use super::intake::Enqueue;
use super::listing::{Count, Get, List};
use super::news::Tell;
use super::serving::{Advertise, Missing};
use super::session::Desk;
use super::told::{Follow, Marks, Tidings};
use super::unwanted::Unwanted;
use super::wishes::{Purge, Wish};
use crate::store::bells::News;
use crate::{StoreError, TaskId};

/// Something that is asked of the server: each kind knows its statement.
pub(super) trait Question: Sized + Send + Sync + 'static {
    /// What comes back.
    type Answer: Send + 'static;

    /// Answers several in one transaction.
    fn run(
        asked: &[&Self],
        desk: &Desk<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Answer>, Fault>> + Send;

    /// How many rows it is about.
    fn rows(&self) -> usize {
        1
    }

    /// How large it is, about.
    fn bytes(&self) -> usize {
        0
    }

    /// The tasks whose questions are answered in the order in which they were asked.
    fn tasks(&self) -> Vec<TaskId> {
        Vec::new()
    }

    /// Whether it may be answered together with another.
    fn joins(&self, _other: &Self) -> bool {
        false
    }

    /// Whether questions about one task may be answered together.
    fn joins_itself() -> bool {
        true
    }

    /// How long one try may take. A connection that is silent for longer counts as lost.
    fn limit(&self, patience: Duration) -> Duration {
        patience
    }

    /// Whether it can be asked again although it was done before.
    fn may_be_redone(&self) -> bool {
        false
    }

    /// For whom the answer is news.
    fn news(_answer: &Self::Answer) -> News {
        News::Nothing
    }
}

/// A question with whoever waits for the answer.
#[derive(Debug)]
pub(super) struct Asked<Q: Question> {
    pub(super) question: Q,
    pub(super) reply: oneshot::Sender<Result<Q::Answer, StoreError>>,
    pub(super) since: Instant,
    /// Its place among those that may wait.
    pub(super) _place: Option<OwnedSemaphorePermit>,
}

impl<Q: Question> Asked<Q> {
    /// Tells whoever waits, if somebody still does.
    pub(super) fn answer(self, answer: Result<Q::Answer, StoreError>) {
        let _ = self.reply.send(answer);
    }
}

/// Writes out what there is for every kind of question.
macro_rules! questions {
    ($($kind:ident($question:ty),)*) => {
        /// A kind of question.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind { $(#[doc = "As its name says."] $kind,)* }

        /// One question.
        pub(super) enum Call { $(#[doc = "As its name says."] $kind(Asked<$question>),)* }

        /// Questions of one kind, to be answered together.
        pub(super) enum Batch { $(#[doc = "As its name says."] $kind(Vec<Asked<$question>>),)* }

        $(impl From<Asked<$question>> for Call {
            fn from(asked: Asked<$question>) -> Self { Call::$kind(asked) }
        })*

        impl Call {
            pub(super) fn kind(&self) -> Kind {
                match self { $(Call::$kind(_) => Kind::$kind,)* }
            }
            pub(super) fn rows(&self) -> usize {
                match self { $(Call::$kind(asked) => asked.question.rows(),)* }
            }
            pub(super) fn bytes(&self) -> usize {
                match self { $(Call::$kind(asked) => asked.question.bytes(),)* }
            }
            pub(super) fn tasks(&self) -> Vec<TaskId> {
                match self { $(Call::$kind(asked) => asked.question.tasks(),)* }
            }
            pub(super) fn since(&self) -> Instant {
                match self { $(Call::$kind(asked) => asked.since,)* }
            }
            pub(super) fn joins(&self, batch: &Batch) -> bool {
                match (self, batch) {
                    $((Call::$kind(asked), Batch::$kind(batch)) => batch
                        .first()
                        .is_some_and(|first| asked.question.joins(&first.question)),)*
                    (_, _) => false,
                }
            }
            pub(super) fn joins_itself(&self) -> bool {
                match self { $(Call::$kind(_) => <$question>::joins_itself(),)* }
            }
            pub(super) fn refuse(self, error: StoreError) {
                match self { $(Call::$kind(asked) => asked.answer(Err(error)),)* }
            }
        }

        impl Batch {
            pub(super) fn of(call: Call) -> Self {
                match call { $(Call::$kind(asked) => Batch::$kind(vec![asked]),)* }
            }
            /// Adds one of the same kind.
            pub(super) fn push(&mut self, call: Call) {
                match (self, call) {
                    $((Batch::$kind(batch), Call::$kind(asked)) => batch.push(asked),)*
                    (_, call) => unreachable!("{:?} joins another kind", call.kind()),
                }
            }
            pub(super) fn kind(&self) -> Kind {
                match self { $(Batch::$kind(_) => Kind::$kind,)* }
            }
        }

        impl super::lane::Lane {
            /// Answers whatever it is.
            pub(super) async fn answer(&mut self, batch: Batch) {
                match batch { $(Batch::$kind(asked) => self.serve(asked).await,)* }
            }
        }
    };
}

questions! {
    Enqueue(Enqueue),
    Claim(Claiming),
    Renew(Renew),
    Finish(Finishing),
    Progress(Tidings),
    Rescue(Rescue),
    Wish(Wish),
    ChangeAll(ChangeAll),
    CountAll(CountAll),
    Purge(Purge),
    Get(Get),
    List(List),
    Follow(Follow),
    Marks(Marks),
    Count(Count),
    Unwanted(Unwanted),
    Advertise(Advertise),
    Missing(Missing),
    Tell(Tell),
}
