//! A kind of task as the service runs it: its code behind one signature, its limits, its retries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::iter::once;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use tokio::task::spawn_blocking;

use crate::task::Flaw;
use crate::{Route, Task, TaskContext, TaskError, depth};

type Running = Pin<Box<dyn Future<Output = Result<Box<RawValue>, TaskError>> + Send>>;
type Code = Arc<dyn Fn(Box<RawValue>, TaskContext) -> Running + Send + Sync>;
type Check = Arc<dyn Fn(&RawValue) -> Result<(), String> + Send + Sync>;
type RouteOf = Arc<dyn Fn(&RawValue) -> Result<String, String> + Send + Sync>;

/// Nothing is left alone for longer than a year.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// A kind of task, with how many of it may run here at once and how it is tried again.
#[derive(Clone)]
#[must_use = "a kind does nothing until a service has it"]
pub struct Kind {
    pub(crate) name: String,
    pub(crate) code: Code,
    pub(crate) form: Form,
    check: Check,
    /// What this process cannot run, although another one may.
    here: Vec<Check>,
    route_of: Option<RouteOf>,
    pub(crate) routes: Arc<[String]>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) max_attempts: u32,
    pub(crate) max_interruptions: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) backoff: Backoff,
}

/// What the code of an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A future: dropped, it is over.
    Future,
    /// A blocked thread: it is over when it returns.
    Thread,
}

/// How long a failed task is left alone: doubled with every failure, and spread, so that those who
/// failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Kind {
    /// A kind whose attempts are futures.
    pub fn new<T: Task>(task: T) -> Self {
        let task = Arc::new(task);
        let code = move |input: Box<RawValue>, context: TaskContext| -> Running {
            let task = task.clone();
            Box::pin(async move {
                let output = task.run(read(&input)?, context).await?;
                write(&output)
            })
        };
        let check = Arc::new(check::<T::Input>);
        Kind::of(T::KIND.to_owned(), Arc::new(code), Form::Future, check)
    }

    /// A kind whose attempts block a thread. They cannot be cut short, only told: let them look at
    /// [`TaskContext::is_wrapping_up`] and [`TaskContext::is_cancelled`]. One that is cancelled, or has
    /// taken too long, keeps its place and its lease until it returns, so that no other attempt runs
    /// beside it; what the shutdown waits for it is bounded all the same.
    pub fn blocking<I, O>(
        name: impl Into<String>,
        body: impl Fn(I, TaskContext) -> Result<O, TaskError> + Send + Sync + 'static,
    ) -> Self
    where
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        let body = Arc::new(body);
        let code = move |input: Box<RawValue>, context: TaskContext| -> Running {
            let body = body.clone();
            Box::pin(async move {
                let input = read(&input)?;
                let ran = spawn_blocking(move || body(input, context)).await;
                match ran {
                    Ok(output) => write(&output?),
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => std::panic::resume_unwind(panic),
                        Err(stopped) => Err(TaskError::from(stopped)),
                    },
                }
            })
        };
        Kind::of(name.into(), Arc::new(code), Form::Thread, Arc::new(check::<I>))
    }

    fn of(name: String, code: Code, form: Form, check: Check) -> Self {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(3600) };
        Kind {
            name,
            code,
            form,
            check,
            here: Vec::new(),
            route_of: None,
            routes: Arc::default(),
            concurrency: None,
            max_attempts: 5,
            max_interruptions: 100,
            timeout: None,
            backoff,
        }
    }

    /// How many of it may run in this process at once; by default as many as the service runs. With 0
    /// it is only taken in here, and runs in other processes.
    pub fn concurrency(mut self, count: usize) -> Self {
        self.concurrency = Some(count);
        self
    }

    /// How many attempts may fail before the task is dead; by default 5.
    pub fn attempts(mut self, count: u32) -> Self {
        self.max_attempts = count.max(1);
        self
    }

    /// How many attempts may be interrupted by the end of their process before an interruption
    /// counts as a failure; by default 100.
    pub fn interruptions(mut self, count: u32) -> Self {
        self.max_interruptions = count;
        self
    }

    /// How long an attempt may take; by default there is no bound. One that takes longer fails: a
    /// future is dropped, and a [thread](Kind::blocking) is told and waited for.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long a task is left alone after its first failure, and at the longest; by default 1 s and
    /// an hour. Between those it doubles, and is spread by half.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff { first, longest };
        self
    }

    /// What else an input must be, in every process. One that is not is refused when it is handed in; and
    /// as the rules of a later version may be others, a task with such an input fails for good when it is
    /// to run. What depends on the configuration of a process belongs into
    /// [`running_here`](Kind::running_here).
    pub fn checking<I: DeserializeOwned + 'static>(
        mut self,
        rule: impl Fn(&I) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let (before, code) = (self.check, self.code);
        let check: Check = Arc::new(move |input| {
            before(input)?;
            rule(&parse(input)?)
        });
        self.check = check.clone();
        self.code = Arc::new(move |input, context| match check(&input) {
            Ok(()) => code(input, context),
            Err(why) => {
                Box::pin(async move { Err(TaskError::permanent(format!("its input: {why}"))) })
            }
        });
        self
    }

    /// What this process can run, where others may be configured differently. Anything else is refused
    /// when it is handed in here; a task that was taken in elsewhere, and claimed here, is declined: it
    /// goes back for others to run, and neither a failure nor an interruption is counted.
    pub fn running_here<I: DeserializeOwned + 'static>(
        mut self,
        rule: impl Fn(&I) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.here.push(Arc::new(move |input| rule(&parse(input)?)));
        self
    }

    /// Divides the kind by what a process needs to run a task: a route is computed from the input, and
    /// this process claims tasks of these routes only. The others wait for a process that has theirs.
    ///
    /// Tasks that were taken in before the kind had routes are claimed by every process, and declined where
    /// their route is missing. A kind that no longer has routes claims only tasks without one.
    pub fn routed<I: DeserializeOwned + 'static>(
        mut self,
        routes: impl IntoIterator<Item = String>,
        route_of: impl Fn(&I) -> String + Send + Sync + 'static,
    ) -> Self {
        let routes: BTreeSet<String> = routes.into_iter().collect();
        self.routes = routes.iter().cloned().collect();
        let route_of: RouteOf = Arc::new(move |input| Ok(route_of(&parse(input)?)));
        self.route_of = Some(route_of.clone());
        let name = self.name.clone();
        self.here.push(Arc::new(move |input| {
            let route = route_of(input)?;
            if routes.contains(&route) {
                return Ok(());
            }
            let known: Vec<&str> = routes.iter().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(format!("there is no {name} `{route}` here (there are: {known})"))
        }));
        self
    }

    /// Whether it can begin with this input, here.
    pub(crate) fn accepts(&self, input: &RawValue) -> Result<(), String> {
        (self.check)(input)?;
        self.here.iter().try_for_each(|check| check(input))
    }

    /// Why this process cannot run it, if another one may. What nobody can run fails by itself.
    pub(crate) fn declines(&self, input: &RawValue) -> Option<String> {
        if self.here.is_empty() || (self.check)(input).is_err() {
            return None;
        }
        self.here.iter().find_map(|check| check(input).err())
    }

    /// The route of a task with this input; empty if the kind has none.
    pub(crate) fn route_of(&self, input: &RawValue) -> Result<String, String> {
        self.route_of.as_ref().map_or(Ok(String::new()), |route_of| route_of(input))
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Backoff {
    /// The pause after so many failures. `spread` is from 0 to 1.
    pub(crate) fn after(self, failures: u32, spread: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        doubled.min(self.longest).min(LONGEST).mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0)
    }
}

/// The kinds of a service, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kinds(BTreeMap<String, Kind>);

impl Kinds {
    /// The name that two of them have is answered back.
    pub(crate) fn new(kinds: impl IntoIterator<Item = Kind>) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        for kind in kinds {
            if let Some(second) = all.insert(kind.name.clone(), kind) {
                return Err(second.name);
            }
        }
        Ok(Kinds(all))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Kind> {
        self.0.get(name)
    }

    /// What this process claims: the tasks of each kind without a route, and those of its routes.
    pub(crate) fn routes(&self) -> Vec<Route> {
        let of = |kind: &Kind| {
            let names = once(String::new()).chain(kind.routes.iter().cloned());
            let route = |name| Route { kind: kind.name.clone(), name };
            names.map(route).collect::<Vec<_>>()
        };
        self.iter().filter(|kind| kind.concurrency != Some(0)).flat_map(of).collect()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.0.values()
    }

    /// Their names, as an error lists them.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

fn check<I: DeserializeOwned>(input: &RawValue) -> Result<(), String> {
    parse::<I>(input).map(drop)
}

fn parse<I: DeserializeOwned>(input: &RawValue) -> Result<I, String> {
    serde_json::from_str(input.get()).map_err(|error| error.to_string())
}

/// An input that was accepted by an older version of the code may not be readable any more.
fn read<I: DeserializeOwned>(input: &RawValue) -> Result<I, TaskError> {
    let read = serde_json::from_str(input.get());
    read.map_err(|error| TaskError(Flaw::ForGood(format!("its input: {error}").into())))
}

fn write<O: Serialize>(output: &O) -> Result<Box<RawValue>, TaskError> {
    let flaw = |why: String| TaskError(Flaw::ForGood(format!("its output: {why}").into()));
    let written = to_raw_value(output).map_err(|error| flaw(error.to_string()))?;
    match depth::levels(written.get()) {
        0..=depth::MOST => Ok(written),
        levels => Err(flaw(format!("it is {levels} levels deep, and {} can be read", depth::MOST))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_longest_and_is_spread_by_half() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
        let seconds = |failures, spread| backoff.after(failures, spread).as_secs_f64();
        assert_eq!([1, 2, 3, 7, 40].map(|n| seconds(n, 1.0)), [1.0, 2.0, 4.0, 60.0, 60.0]);
        assert_eq!([1, 2, 7].map(|n| seconds(n, 0.0)), [0.5, 1.0, 30.0]);
        let endless = Backoff { first: Duration::MAX, longest: Duration::MAX };
        assert_eq!([1, u32::MAX].map(|n| endless.after(n, 1.0)), [LONGEST; 2]);
    }

    #[test]
    fn what_is_not_for_this_process_is_declined_and_what_is_for_none_is_not() {
        let kind = Kind::blocking("x", |number: u32, _| Ok(number))
            .checking(|number: &u32| if *number < 100 { Ok(()) } else { Err("too much".into()) })
            .running_here(|number: &u32| if *number < 50 { Ok(()) } else { Err("busy".into()) })
            .routed(["0".to_owned(), "1".to_owned()], |number: &u32| (number % 10).to_string());
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        for (input, refused, declined) in [
            ("40", None, None),
            ("41", None, None),
            ("\"4\"", Some("expected u32"), None),
            ("100", Some("too much"), None),
            ("42", Some("there is no x `2` here (there are: 0, 1)"), Some("no x `2`")),
            ("51", Some("busy"), Some("busy")),
        ] {
            let has = |said: Option<String>, part: Option<&str>| match (said, part) {
                (Some(said), Some(part)) => said.contains(part),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(has(kind.accepts(&raw(input)).err(), refused), "{input}");
            assert!(has(kind.declines(&raw(input)), declined), "{input}");
        }
        assert_eq!(kind.route_of(&raw("42")).unwrap(), "2");
        let route = |name: &str| Route { kind: "x".to_owned(), name: name.to_owned() };
        let kinds = |kind| Kinds::new([kind]).unwrap().routes();
        assert_eq!(kinds(kind.clone()), [route(""), route("0"), route("1")]);
        assert_eq!(kinds(kind.concurrency(0)), [], "it is only taken in here");
    }

    #[test]
    fn an_input_is_what_its_type_and_every_rule_say() {
        let rule = |is: fn(u32) -> bool, why: &'static str| {
            move |number: &u32| if is(*number) { Ok(()) } else { Err(why.to_owned()) }
        };
        let kind = Kind::blocking("x", |number: u32, _| Ok(number))
            .checking(rule(|number| number < 10, "too much"))
            .checking(rule(|number| number % 2 == 0, "odd"));
        let accepts = |text: &str| kind.accepts(&RawValue::from_string(text.to_owned()).unwrap());
        assert_eq!(accepts("4"), Ok(()));
        assert_eq!(accepts("12"), Err("too much".to_owned()));
        assert_eq!(accepts("3"), Err("odd".to_owned()));
        assert!(accepts("\"4\"").is_err_and(|why| why.contains("expected u32")));
    }
}
