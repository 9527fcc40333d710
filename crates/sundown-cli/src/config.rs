//! The configuration: one definition, from which come the file's keys, the environment's variables,
//! the flags, their help and their documentation.

mod budgets;
mod check;
mod commands;
mod define;
mod load;
mod names;
mod origin;
mod pod;
mod reference;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod toml;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use self::budgets::Budgets;
pub(crate) use self::define::{Key, Section};
pub(crate) use self::load::{CONFIG_VARIABLE, Flag, Loaded, load, load_from};
pub(crate) use self::origin::Origin;
pub(crate) use self::pod::{MEND as POD_MEND, TooShort};
pub(crate) use self::reference::{effective, flags_help};
pub(crate) use self::store::Place;
pub(crate) use self::value::{Auto, Count, Format, Level, Names, Off, Secret, Size, Time, Value};

use self::define::configuration;
use crate::call::Target;

configuration! {
    /// How the service stops. A Kubernetes pod's grace period must hold its preStop hook, this
    /// timeout, and a margin.
    shutdown: Shutdown {
        /// The time the whole stop may take.
        timeout: Time = Time::seconds(600), env "GRACEFUL_SHUTDOWN_TIMEOUT";
        /// How long to say goodbye before draining, so that whoever balances the load looks away
        /// first. By itself nothing, and in Kubernetes 3 s, or less where the timeout is short; Ctrl-C
        /// never waits for it.
        announce: Auto<Time> = Auto(None);
        /// The time kept for putting in safety what must not be lost. By itself 5 s, and less where
        /// the timeout is short.
        flush: Auto<Time> = Auto(None);
        /// The time kept for giving back what was taken. By itself 5 s, and less where the timeout is
        /// short.
        release: Auto<Time> = Auto(None);
        /// Keeps the report of the stop here; the next start reads how the last one ended. Every
        /// process needs a file of its own. By itself `tasks.last-stop.json` beside a store that is
        /// `tasks.db`, and none where the store is a server.
        report_file: Auto<Off<PathBuf>> = Auto(None);
        /// How many reports of earlier stops are kept, in a directory beside the report file;
        /// `sundown stops` lists them.
        keep_reports: Count = Count(20);
        /// Exits with 143 instead of 0 when work was handed back, as a Kubernetes Job should.
        exit_143_when_interrupted: bool = false;
    }
    /// The pod it runs in, as far as it is told. Where it knows its grace period, it makes the sum of
    /// `sundown check` again when it starts.
    pod: Pod {
        /// The pod's `terminationGracePeriodSeconds`.
        grace: Off<Time> = Off(None);
        /// How long its preStop hook takes.
        prestop: Time = Time::seconds(0);
        /// What must be left of the grace period when everything has taken as long as it may.
        margin: Time = Time(sundown_check::MARGIN);
        /// What to do at the start when preStop, timeout and margin take longer than the grace period.
        when_too_short: TooShort = TooShort::Warn;
    }
    /// The public listener.
    web: Web {
        /// Where it listens. Off loopback it needs a token, or `open`.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080)), flag "listen";
        /// How many threads serve; by itself one for each core.
        workers: Auto<usize> = Auto(None);
        /// Who sends it as `Authorization: Bearer TOKEN` is served.
        token: Off<Secret> = Off(None);
        /// A file that holds the token.
        token_file: Off<PathBuf> = Off(None);
        /// Serves everybody who can reach the listener, without a token.
        open: bool = false;
        /// Names by which clients may call a listener on loopback, besides `localhost` and loopback
        /// addresses; requests for others are refused, as are writes that pages of other sites make. It
        /// holds for the admin listener, too.
        hosts: Names = Names(Vec::new());
        /// Speaks HTTP/2 without TLS (h2c) as well, to clients that begin with it. The admin listener never
        /// does.
        http2: bool = false;
        /// The most connections that may be open at once; others wait. It is less where the system allows
        /// the process too few open files: some are kept for the admin listener and the store.
        max_connections: Count = Count(4096);
        /// The most bytes a request's body may have.
        body_limit: Size = Size::mebibytes(1);
        /// How long a client may take to send the head of its request. It holds for the admin listener,
        /// too.
        head_timeout: Time = Time::seconds(5);
        /// How long a client may send nothing in the middle of a request, or take nothing of an answer;
        /// shorter while draining. It holds for the admin listener, too.
        stall_timeout: Time = Time::seconds(30);
        /// Serves what the documentation tries out: tasks of the kind `count`, and `/try` with slow
        /// answers, long ones, uploads, streams and sockets. By itself only where there are no
        /// commands and no `http.allow`, and where only this machine can reach the listener.
        demo: Auto<bool> = Auto(None), flag "demo";
    }
    /// The admin listener: probes, metrics, and the state of the stop. It closes last.
    admin: Admin {
        /// Where it listens. Probes and metrics need no token.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8090));
        /// Opens `POST /shutdown` to who sends it as `Authorization: Bearer TOKEN`.
        token: Off<Secret> = Off(None);
        /// A file that holds the token.
        token_file: Off<PathBuf> = Off(None);
        /// Stays ready while stopping, for a service that has one replica.
        hold_readiness: bool = false;
    }
    /// Durable tasks.
    tasks: Tasks {
        /// Where they are kept: a file of SQLite, or a PostgreSQL server that many replicas share. By
        /// itself a file where this user's services keep their state; `sundown plan` says which.
        store: Auto<Place> = Auto(None), flag "store";
        /// A connection to the PostgreSQL server past a pooler, over which it tells of news. By
        /// itself the same as the store's.
        store_listen: Auto<Place> = Auto(None);
        /// How many run here at once; by itself four for each core.
        concurrency: Auto<usize> = Auto(None);
        /// How many may wait. Beyond it they are refused.
        queue_limit: Count = Count(1_000_000);
        /// For how long a process that is killed or frozen keeps the others from its tasks.
        lease: Time = Time::seconds(10);
        /// How long a task that is over is kept.
        retention: Time = Time::seconds(7 * 86_400);
    }
    /// What tasks of the kind `http` may ask for.
    http: Http {
        /// Addresses, with everything below them, separated by commas or as a list.
        allow: Vec<Target> = Vec::new();
        /// How long an answer may take.
        timeout: Time = Time::seconds(30);
        /// How much of an answer is kept.
        answer_limit: Size = Size::kibibytes(64);
    }
    /// What is measured.
    metrics: Metrics {
        /// How often the process is looked at.
        interval: Time = Time::seconds(10);
        /// Leaves the last values in this file, for a collector of text files.
        last_values: Off<PathBuf> = Off(None);
    }
    /// Temporary files.
    temp: Temp {
        /// The directory all processes of the service share; by itself one of this user's, where the
        /// system keeps temporary files.
        directory: Auto<PathBuf> = Auto(None);
        /// The most bytes they may take.
        quota: Size = Size::mebibytes(1024);
        /// How long a file without an owner is left alone.
        age: Time = Time::seconds(3600);
    }
    /// What is told to the standard error.
    log: Log {
        /// How much: error, warn, info, debug or trace.
        level: Level = Level::INFO;
        /// Text, JSON, or by itself: text on a terminal, JSON elsewhere.
        format: Auto<Format> = Auto(None);
    }
}
