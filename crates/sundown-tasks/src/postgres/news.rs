//! News of changes: to those who wait in this process at once, to other processes by NOTIFY.
//!
//! A transaction that notifies commits alone: the server lets one in at a time, through its write to
//! disk. So the transactions that matter do not; a small one follows them, for all that happened
//! meanwhile, and does not wait for the disk.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Connection, Socket};
use tracing::{debug, warn};

use super::address::Address;
use super::fault::Fault;
use super::lane::Pause;
use super::office::Office;
use super::question::{Asked, Question};
use super::session::{Desk, refused};
use super::tls::Encrypted;

/// Others are told so often at most.
const BREATH: Duration = Duration::from_millis(3);

/// Whoever waits for a change, and whether others know of it.
pub(super) struct News {
    count: watch::Sender<u64>,
    untold: AtomicBool,
    bell: Notify,
}

impl News {
    pub(super) fn new() -> Self {
        let (count, _) = watch::channel(0);
        News { count, untold: AtomicBool::new(false), bell: Notify::new() }
    }

    /// Something was changed by this process.
    pub(super) fn stir(&self) {
        self.untold.store(true, Ordering::Release);
        self.wake();
        self.bell.notify_one();
    }

    /// Something may have changed.
    fn wake(&self) {
        self.count.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(super) fn is_untold(&self) -> bool {
        self.untold.load(Ordering::Acquire)
    }

    /// Sees every change after this call.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
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
        if !office.news.untold.swap(false, Ordering::AcqRel) {
            continue;
        }
        let (reply, answer) = oneshot::channel();
        let question = Tell { payload: office.incarnation.to_string() };
        let asked = Asked { question, reply, since: Instant::now(), _place: None };
        office.queue.push(asked.into());
        // A hint that is lost is no harm: who waits for it looks by himself from time to time.
        if !matches!(answer.await, Ok(Ok(()))) {
            office.news.untold.store(true, Ordering::Release);
        }
        time::sleep(BREATH).await;
    }
}

/// Hears of other processes' changes, for as long as the store is open.
pub(super) async fn hear(office: Arc<Office>) {
    let Ok(Some(address)) = office.settings.listen_address() else { return };
    let mut pause = Pause::new();
    loop {
        match listen(&office, &address).await {
            Ok(()) => {
                debug!("the connection that listens has ended");
                pause = Pause::new();
            }
            Err(fault @ Fault::Broken(_)) => {
                warn!(?fault, "cannot listen for changes in the task store; looks by itself");
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
    let (client, connection) = connecting.await.map_err(late)?.map_err(refused)?;
    let mut driver = JoinSet::new();
    driver.spawn(pass_on(Arc::clone(office), connection));
    client.batch_execute(&format!("listen {}", channel(&office.settings.schema))).await?;
    // What happened before is not told.
    office.news.wake();
    driver.join_next().await;
    Ok(())
}

async fn pass_on(office: Arc<Office>, mut connection: Connection<Socket, Encrypted<Socket>>) {
    let own = office.incarnation.to_string();
    while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            AsyncMessage::Notification(told) if told.payload() != own => office.news.wake(),
            _ => {}
        }
    }
}
