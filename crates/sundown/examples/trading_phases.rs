//! A trading desk that stops in five phases of its own, added around the standard four.
//!
//! | phase | here |
//! |---|---|
//! | `announce` | standard |
//! | `stop_new_orders` | late orders are refused by name of the phase until the client gives up |
//! | `drain` | standard: owned work ends |
//! | `cancel_pending`, `close_positions` | one order, one position at a time |
//! | `flush` | standard: a second signal jumps here |
//! | `save_state` | behind the jump, so that an impatient operator loses no state |
//! | `disconnect`, `release` | nothing needs the exchange any more |
//!
//! Run `cargo run --example trading_phases [STATE_FILE]` and press Ctrl-C: the desk ends flat,
//! with a closing report and exit code 0. Press it twice: what is still open is saved, the exit
//! code is 3, and the next start takes it over.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{env, fmt};

use serde::{Deserialize, Serialize};
use sundown::{
    BoxError, Coordinator, Exit, Phase, PhaseWatch, PlanError, ShutdownCoordinator, Waiter,
};
use tokio::sync::Mutex;
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Exit {
    Exit::of(trade().await)
}

async fn trade() -> Result<Exit, BoxError> {
    let names =
        ["stop_new_orders", "cancel_pending", "close_positions", "save_state", "disconnect"];
    let phases = names.map(Phase::named);
    let [stop, cancel, close, save, disconnect] = phases.clone();
    let coordinator = Coordinator::builder()
        .phase_before(Phase::DRAIN, stop, Duration::from_secs(2))
        .phase_after(Phase::DRAIN, cancel.clone(), Duration::from_secs(5))
        .phase_after(cancel, close, Duration::from_secs(10))
        .phase_after(Phase::FLUSH, save, Duration::from_secs(5))
        .phase_before(Phase::RELEASE, disconnect, Duration::from_secs(2))
        .build()?;
    coordinator.listen_for_signals()?;

    let file = env::args_os().nth(1).map(PathBuf::from);
    let file = file.unwrap_or_else(|| env::temp_dir().join("sundown-trading-phases.json"));
    let book = Mutex::new(Book::open(&file)?);
    let desk = Arc::new(Desk { book, coordinator: coordinator.clone() });
    desk.join_shutdown(phases, file)?;
    coordinator.check()?;
    println!("ready: trading (Ctrl-C closes the desk; twice leaves the rest to the next start)");

    let (report, ()) = tokio::join!(coordinator.run(), monitor(coordinator.phases()));
    desk.book.lock().await.print_closing_report();
    report.print();
    Ok(report.exit())
}

async fn monitor(mut phases: PhaseWatch) {
    while let Some(phase) = phases.next().await {
        println!("monitor: phase {phase}");
    }
}

/// Sends quotes, also when it is late; gives up after the third refusal.
async fn client(desk: Arc<Desk>) {
    let mut refusals = 0;
    for number in 1.. {
        let symbol = ["BTCUSDT", "ETHUSDT", "SOLUSDT"][number % 3];
        match desk.place(symbol, format!("ORD-{number}")).await {
            Ok(()) => {
                println!("client: ORD-{number} quoted on {symbol}");
                sleep(Duration::from_millis(200)).await;
            }
            Err(refused) => {
                println!("client: ORD-{number} refused: {refused}");
                refusals += 1;
                if refusals == 3 {
                    return;
                }
                sleep(Duration::from_millis(30)).await;
            }
        }
    }
}

/// Why an order was not accepted.
struct Refused {
    phase: Option<Phase>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.phase {
            Some(phase) => write!(f, "no new orders in phase {phase}"),
            None => f.write_str("no new orders, the desk is stopping"),
        }
    }
}

struct Desk {
    book: Mutex<Book>,
    coordinator: Arc<dyn ShutdownCoordinator>,
}

impl Desk {
    /// Every phase gets its waiter.
    fn join_shutdown(self: &Arc<Self>, phases: [Phase; 5], file: PathBuf) -> Result<(), PlanError> {
        let [stop, cancel, close, save, disconnect] = phases;
        let client = self.coordinator.spawn("client", client(self.clone()));
        let join = |waiter: Waiter, phase| {
            let registered = self.coordinator.register_waiter(waiter.in_phase(phase));
            registered.map(drop)
        };
        let desk = self.clone();
        join(Waiter::new("refuse late orders", |_| client), stop)?;
        join(Waiter::new("cancel orders", |_| async move { desk.cancel_pending().await }), cancel)?;
        let desk = self.clone();
        join(Waiter::new("flatten", |_| async move { desk.close_positions().await }), close)?;
        let desk = self.clone();
        let saves = Waiter::blocking("state file", move |_| desk.book.blocking_lock().save(&file));
        join(saves, save)?;
        join(Waiter::new("exchange", |_| async { println!("exchange: logged out") }), disconnect)
    }

    async fn place(&self, symbol: &'static str, order: String) -> Result<(), Refused> {
        // Asked under the lock: an order is accepted before the cancelling, or not at all.
        let mut book = self.book.lock().await;
        if self.coordinator.is_shutting_down() {
            return Err(Refused { phase: self.coordinator.phase() });
        }
        book.pending.insert(symbol.to_owned(), order);
        Ok(())
    }

    async fn cancel_pending(&self) {
        let mut book = self.book.lock().await;
        while !book.pending.is_empty() {
            sleep(Duration::from_millis(20)).await;
            // Taken out once the exchange has confirmed: cut off before, it is saved as pending.
            if let Some((symbol, order)) = book.pending.pop_first() {
                println!("cancelled {order} on {symbol}");
            }
        }
    }

    async fn close_positions(&self) {
        let mut book = self.book.lock().await;
        while let Some(position) = book.positions.last().cloned() {
            println!("closing {}", position.symbol);
            sleep(Duration::from_millis(300)).await;
            // Likewise: what is cut off here is saved as open, for the next start to look into.
            book.positions.pop();
            book.closed.push((position.symbol.clone(), position.profit_cents()));
        }
    }
}

/// A position in thousandths of a coin, at prices in cents: money is never a float.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Position {
    symbol: String,
    milli: i64,
    entry_cents: i64,
    market_cents: i64,
}

impl Position {
    fn profit_cents(&self) -> i64 {
        (self.market_cents - self.entry_cents) * self.milli / 1000
    }
}

/// What must not be lost.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Book {
    /// The quote standing in each market.
    pending: BTreeMap<String, String>,
    positions: Vec<Position>,
    /// Symbols and profits in cents.
    closed: Vec<(String, i64)>,
}

impl Book {
    /// Takes over what the last stop left open; a flat desk opens the positions of the day.
    fn open(file: &Path) -> Result<Book, BoxError> {
        let saved = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Book::default(),
            Err(error) => return Err(format!("cannot read {}: {error}", file.display()).into()),
        };
        if !saved.positions.is_empty() || !saved.pending.is_empty() {
            let (orders, positions) = (saved.pending.len(), saved.positions.len());
            println!("left by the last stop: {orders} pending orders, {positions} open positions");
            return Ok(Book { closed: Vec::new(), ..saved });
        }
        let position = |symbol: &str, milli, entry_cents, market_cents| Position {
            symbol: symbol.to_owned(),
            milli,
            entry_cents,
            market_cents,
        };
        let positions = vec![
            position("SOLUSDT", 40_000, 15_025, 15_125),
            position("ETHUSDT", -2_500, 310_000, 312_050),
            position("BTCUSDT", 400, 6_400_000, 6_452_000),
        ];
        Ok(Book { positions, ..Book::default() })
    }

    /// Replaces the file in one step, so that it is whole at any time, and reads it back.
    fn save(&self, path: &Path) -> Result<(), BoxError> {
        let temporary = path.with_extension("tmp");
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        let read_back: Book = serde_json::from_slice(&fs::read(path)?)?;
        if read_back != *self {
            return Err(format!("{} does not hold what was written", path.display()).into());
        }
        println!("state saved to {} and verified", path.display());
        Ok(())
    }

    fn print_closing_report(&self) {
        println!("closing report:");
        for (symbol, cents) in &self.closed {
            println!("  {symbol:10} {:>12}", dollars(*cents));
        }
        println!("  {:10} {:>12}", "total", dollars(self.closed.iter().map(|(_, c)| c).sum()));
        for position in &self.positions {
            println!("  {} is still open", position.symbol);
        }
        println!("  {} orders still pending", self.pending.len());
    }
}

fn dollars(cents: i64) -> String {
    let sign = if cents < 0 { '-' } else { '+' };
    format!("{sign}${}.{:02}", cents.abs() / 100, cents.abs() % 100)
}
