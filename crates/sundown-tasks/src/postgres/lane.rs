//! One connection's work: takes what waits, asks the server, and comes back after every loss.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{self, Instant};
use tracing::{info, warn};

use super::fault::Fault;
use super::news;
use super::office::Office;
use super::question::{Asked, Question};
use super::schema;
use super::session::{self, Desk, Session};
use crate::StoreError;
use crate::store::age::Since;
use crate::store::bells::News;

/// However impatient callers are, a server may take so long.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A connection and the count of its writes.
pub(super) struct Lane {
    office: Arc<Office>,
    number: i32,
    batch: i64,
    session: Option<Session>,
    /// When it answered last.
    heard: Instant,
}

impl Lane {
    pub(super) fn new(office: Arc<Office>, number: i32) -> Self {
        Lane { office, number, batch: 0, session: None, heard: Instant::now() }
    }

    /// Works until the store is closed and nothing waits.
    pub(super) async fn work(mut self) {
        while let Some(taken) = self.office.queue.take().await {
            self.answer(taken.batch).await;
            self.office.queue.done(&taken.held);
        }
        self.tell().await;
    }

    /// The last word, so that others need not wait for what we handed back.
    async fn tell(&mut self) {
        let Some(session) = &self.session else { return };
        let untold = self.office.news.take_untold();
        if untold == News::Nothing {
            return;
        }
        let payload = news::payload(self.office.incarnation, untold);
        let told = news::tell(&session.client, &self.office.settings.schema, &payload);
        let _ = time::timeout(Duration::from_secs(1), told).await;
    }

    /// Answers these questions: together if that goes, one by one if one of them spoils it.
    pub(super) async fn serve<Q: Question>(&mut self, mut asked: Vec<Asked<Q>>) {
        self.batch += 1;
        let (mut lost, mut is_first) = (None, true);
        let mut pause = Pause::new();
        loop {
            let fault = match self.ask(&asked, lost, is_first).await {
                Ok(answers) => return self.deliver(asked, answers),
                Err(fault) => self.named(fault),
            };
            is_first = false;
            match fault {
                Fault::Done => {
                    lost = Some(self.batch);
                    self.batch += 1;
                    asked = refuse(asked, &Fault::Done, |one| one.question.may_be_redone());
                }
                Fault::Lost(_) => {
                    self.lose(&fault);
                    asked = self.still_patient(asked, &fault);
                    pause.wait().await;
                }
                Fault::RolledBack(_) => {
                    asked = self.still_patient(asked, &fault);
                    pause.wait().await;
                }
                Fault::Broken(_) if asked.len() > 1 => {
                    for one in asked {
                        Box::pin(self.serve(vec![one])).await;
                    }
                    return;
                }
                Fault::Refused(_) | Fault::Broken(_) => {
                    refuse(asked, &fault, |_| false);
                    return;
                }
            }
            if asked.is_empty() {
                return;
            }
        }
    }

    async fn ask<Q: Question>(
        &mut self,
        asked: &[Asked<Q>],
        lost: Option<i64>,
        is_first: bool,
    ) -> Result<Vec<Q::Answer>, Fault> {
        self.connect().await?;
        let session = self.session.as_ref().ok_or_else(|| Fault::Lost(String::new()))?;
        let desk = Desk {
            client: &session.client,
            schema: &self.office.settings.schema,
            owner: self.office.incarnation,
            lane: self.number,
            batch: self.batch,
            lost,
            is_first,
            events_kept: i64::from(self.office.settings.events_kept),
            since: self.office.since.get().copied(),
            steady: self.office.steady(),
        };
        let questions: Vec<&Q> = asked.iter().map(|one| &one.question).collect();
        let patience = self.office.settings.patience.max(LEAST_PATIENCE);
        let limit = questions.iter().map(|one| one.limit(patience)).min().unwrap_or(patience);
        let Ok(answers) = time::timeout(limit, Q::run(&questions, &desk)).await else {
            self.office.doubt();
            let why = format!("the server did not answer for {} s", limit.as_secs_f32());
            return Err(Fault::Lost(why));
        };
        self.heard = Instant::now();
        self.office.queue.is_heard();
        answers
    }

    fn deliver<Q: Question>(&self, asked: Vec<Asked<Q>>, answers: Vec<Q::Answer>) {
        assert_eq!(asked.len(), answers.len(), "every question has its answer");
        let news = answers.iter().map(Q::news).max().unwrap_or(News::Nothing);
        self.office.news.stir(news);
        for (one, answer) in asked.into_iter().zip(answers) {
            one.answer(Ok(answer));
        }
    }

    /// Connects, if it is not connected.
    pub(super) async fn connect(&mut self) -> Result<(), Fault> {
        let is_doubted = self.office.doubted_at().is_some_and(|at| self.heard < at);
        if is_doubted {
            self.lose(&Fault::Lost("another connection fell silent since it was used".to_owned()));
        }
        if self.session.as_ref().is_some_and(|session| !session.client.is_closed()) {
            return Ok(());
        }
        let patience = self.office.settings.patience;
        let session = Session::open(&self.office.address, patience).await?;
        if self.session.is_none() && self.batch > 0 {
            info!(lane = self.number, "connected to the task store");
        }
        self.session = Some(session);
        self.heard = Instant::now();
        Ok(())
    }

    /// Connects for the first time, and brings the tables up to date.
    pub(super) async fn open(&mut self) -> Result<(), StoreError> {
        let patience = self.office.settings.patience;
        let until = Instant::now() + patience;
        let mut pause = Pause::new();
        let mut last = Fault::Lost("the server does not answer".to_owned());
        loop {
            let prepared = time::timeout_at(until, self.prepare()).await;
            last = match prepared {
                Err(_) => return Err(last.into()),
                Ok(Err(fault @ (Fault::Lost(_) | Fault::RolledBack(_)))) => self.named(fault),
                Ok(prepared) => return Ok(prepared?),
            };
            self.lose(&last);
            pause.wait().await;
        }
    }

    async fn prepare(&mut self) -> Result<(), Fault> {
        self.connect().await?;
        let session = self.session.as_ref().ok_or_else(|| Fault::Lost(String::new()))?;
        schema::migrate(&session.client, &self.office.settings.schema).await?;
        let identity = schema::identity(&session.client, &self.office.settings.schema).await?;
        self.office.identity.get_or_init(|| identity);
        let wall = session::clock(&session.client).await?;
        self.office.since.get_or_init(|| Since::new(wall, self.office.steady()));
        let sql = "select current_setting('synchronous_commit') = 'off'";
        let rows = session.client.query_typed(sql, &[]).await?;
        if rows.first().map_or(Ok(false), |row| row.try_get(0))? {
            warn!(
                "the server acknowledges what is not on disk yet: if it crashes, tasks that were \
                 acknowledged are lost (set synchronous_commit = on)"
            );
        }
        Ok(())
    }

    fn named(&self, fault: Fault) -> Fault {
        match &self.session {
            Some(session) => session.named(fault),
            None => fault,
        }
    }

    fn lose(&mut self, fault: &Fault) {
        if self.session.take().is_some() {
            warn!(lane = self.number, ?fault, "lost the connection to the task store");
        }
    }

    /// Those who can wait for another try; the others are told. Those behind somebody who waits
    /// wait with him: what is left of a write that was done is its end.
    fn still_patient<Q: Question>(&self, mut asked: Vec<Asked<Q>>, fault: &Fault) -> Vec<Asked<Q>> {
        let patience = self.office.settings.patience;
        let is_patient = |one: &Asked<Q>| one.since.elapsed() < patience;
        let first = asked.iter().position(is_patient).unwrap_or(asked.len());
        let left = asked.split_off(first);
        refuse(asked, fault, |_| false);
        left
    }
}

/// Tells those who are not kept why.
fn refuse<Q: Question>(
    asked: Vec<Asked<Q>>,
    fault: &Fault,
    is_kept: impl Fn(&Asked<Q>) -> bool,
) -> Vec<Asked<Q>> {
    let (kept, refused): (Vec<_>, Vec<_>) = asked.into_iter().partition(is_kept);
    for one in refused {
        one.answer(Err(fault.clone().into()));
    }
    kept
}

/// Pauses between tries, each longer than the one before, and no two alike.
pub(super) struct Pause {
    next: Duration,
}

impl Pause {
    pub(super) fn new() -> Self {
        Pause { next: Duration::from_millis(5) }
    }

    pub(super) async fn wait(&mut self) {
        time::sleep(self.next.mul_f32(0.5 + fastrand::f32())).await;
        self.next = (self.next * 2).min(LONGEST_PAUSE);
    }
}
