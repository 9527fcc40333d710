//! News of changes: to those who wait in this process at once, to other processes by NOTIFY.
//!
//! A transaction that notifies commits alone: the server lets one in at a time, through its write to
//! disk. So the transactions that matter do not; a small one follows them, for all that happened
//! meanwhile, and does not wait for the disk.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client};
use tracing::{debug, warn};

use super::address::{Address, Connection};
use super::fault::Fault;
use super::lane::Pause;
use super::office::Office;
use super::question::{Asked, Question};
use super::session::Desk;
use crate::Incarnation;
use crate::store::bells::{Bells, Ear, News};

/// Others are told so often at most.
const BREATH: Duration = Duration::from_millis(3);

/// What others say of a change that is news for those alone who read logs.
const LOG: &str = "log";

/// After a refusal that no waiting mends, it is tried again so seldom.
const SELDOM: Duration = Duration::from_secs(30);

/// Whoever waits for a change, and whether others know of it.
pub(super) struct Board {
    bells: Bells,
    untold: Mutex<News>,
    bell: Notify,
}

impl Board {
    pub(super) fn new() -> Self {
        Board { bells: Bells::new(), untold: Mutex::new(News::Nothing), bell: Notify::new() }
    }

    /// Something was changed by this process.
    pub(super) fn stir(&self, news: News) {
        if news > News::Nothing {
            self.is_untold(news);
            self.bells.ring(news);
            self.bell.notify_one();
        }
    }

    /// Others are still to know of this.
    fn is_untold(&self, news: News) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        *untold = news.max(*untold);
    }

    /// What others are still to know; whoever asks tells them.
    pub(super) fn take_untold(&self) -> News {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *untold, News::Nothing)
    }

    /// Hears of every change after this call that is at least this.
    pub(super) fn hear(&self, least: News) -> Ear {
        self.bells.hear(least)
    }
}

/// Who says it, and how much of it there is.
pub(super) fn payload(who: Incarnation, news: News) -> String {
    match news {
        News::Nothing | News::Work => who.to_string(),
        News::Log => format!("{who} {LOG}"),
    }
}

/// What another process says; nothing if it was us.
fn heard(payload: &str, us: &str) -> News {
    let (who, what) = payload.split_once(' ').unwrap_or((payload, ""));
    match what {
        _ if who == us => News::Nothing,
        LOG => News::Log,
        _ => News::Work,
    }
}

/// Tells other processes.
#[derive(Debug)]
pub(super) struct Tell {
    payload: String,
}

impl Question for Tell {
    type Answer = ();

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<()>, Fault> {
        for one in asked {
            tell(desk.client, desk.schema, &one.payload).await?;
        }
        Ok(vec![(); asked.len()])
    }
}

/// Notifies, and does not wait for the disk.
pub(super) async fn tell(client: &Client, schema: &str, payload: &str) -> Result<(), Fault> {
    let sql = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";
    let channel = channel(schema);
    client.query_typed(sql, &[(&channel, Type::TEXT), (&payload, Type::TEXT)]).await?;
    Ok(())
}

fn channel(schema: &str) -> String {
    format!("{schema}_tasks")
}

/// Tells other processes of changes, for as long as the store is open.
pub(super) async fn spread(office: Arc<Office>) {
    loop {
        office.news.bell.notified().await;
        let news = office.news.take_untold();
        if news == News::Nothing {
            continue;
        }
        let (reply, answer) = oneshot::channel();
        let question = Tell { payload: payload(office.incarnation, news) };
        let asked = Asked { question, reply, since: Instant::now(), _place: None };
        office.queue.push(asked.into());
        // A hint that is lost is no harm: who waits for it looks by himself from time to time.
        if !matches!(answer.await, Ok(Ok(()))) {
            office.news.is_untold(news);
        }
        time::sleep(BREATH).await;
    }
}

/// Hears of other processes' changes, for as long as the store is open.
pub(super) async fn hear(office: Arc<Office>) {
    let Ok(Some(address)) = office.settings.listen_address() else { return };
    let mut pause = Pause::new();
    let mut is_said = false;
    loop {
        match listen(&office, &address).await {
            Ok(()) => {
                debug!("the connection that listens has ended");
                (pause, is_said) = (Pause::new(), false);
            }
            Err(fault @ Fault::Broken(_)) => {
                if !is_said {
                    warn!(?fault, "cannot listen for changes in the task store; looks by itself");
                }
                is_said = true;
                time::sleep(SELDOM).await;
            }
            Err(fault) => debug!(?fault, "cannot listen for changes in the task store just now"),
        }
        pause.wait().await;
    }
}

/// Listens until the connection ends.
async fn listen(office: &Arc<Office>, address: &Address) -> Result<(), Fault> {
    let connecting = time::timeout(office.settings.patience, address.connect());
    let late = |_| Fault::Lost("it takes too long to connect".to_owned());
    let (client, connection, _) = connecting.await.map_err(late)??;
    let mut driver = JoinSet::new();
    driver.spawn(pass_on(Arc::clone(office), connection));
    client.batch_execute(&format!("listen {}", channel(&office.settings.schema))).await?;
    // What happened before is not told.
    office.news.bells.ring(News::Work);
    driver.join_next().await;
    Ok(())
}

async fn pass_on(office: Arc<Office>, mut connection: Connection) {
    let own = office.incarnation.to_string();
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(told) = message {
            office.news.bells.ring(heard(told.payload(), &own));
        }
    }
}
