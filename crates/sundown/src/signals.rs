//! Where signals come from: a pipe that the handlers write to and one thread waits on. Outside
//! Unix, Ctrl-C only.

pub(crate) use self::platform::{Source, Wake, number};

#[cfg(unix)]
mod platform {
    use std::io::{self, Write as _};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::backend::SignalDelivery;
    use signal_hook::iterator::exfiltrator::SignalOnly;

    use crate::Signal;

    pub(crate) fn number(signal: Signal) -> i32 {
        match signal {
            Signal::Term => SIGTERM,
            Signal::Int => SIGINT,
            Signal::Quit => SIGQUIT,
            Signal::Hup => SIGHUP,
        }
    }

    /// The signals that have arrived, and something to wait on.
    pub(crate) struct Source {
        delivery: SignalDelivery<UnixStream, SignalOnly>,
    }

    /// Ends a wait early.
    pub(crate) struct Wake(UnixStream);

    impl Source {
        pub(crate) fn register(signals: &[Signal]) -> io::Result<(Source, Wake)> {
            let (read, write) = UnixStream::pair()?;
            write.set_nonblocking(true)?;
            let wake = Wake(write.try_clone()?);
            let ignores_hup = is_ignored(SIGHUP);
            let wanted = signals.iter().filter(|s| **s != Signal::Hup || !ignores_hup);
            let numbers: Vec<i32> = wanted.map(|signal| number(*signal)).collect();
            let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, numbers)?;
            Ok((Source { delivery }, wake))
        }

        /// Waits for a signal, a wake-up or the timeout. Signals of one kind that arrive together
        /// count as one.
        pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Vec<Signal> {
            let timeout = timeout.map(|timeout| {
                // Rounded up: waking a moment early would spin until the moment has passed.
                let timeout = timeout + Duration::from_micros(1);
                Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 })
            });
            let mut pipe = [PollFd::new(self.delivery.get_read(), PollFlags::IN)];
            let _ = poll(&mut pipe, timeout.as_ref());
            let known = |signal: i32| Signal::ALL.into_iter().find(|s| number(*s) == signal);
            self.delivery.pending().filter_map(known).collect()
        }
    }

    impl Wake {
        pub(crate) fn wake(&self) {
            // A full pipe wakes just as well.
            let _ = (&self.0).write(&[0]);
        }
    }

    /// Whether the process was started with this signal ignored, as `nohup` does with SIGHUP.
    fn is_ignored(signal: i32) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }
}

#[cfg(not(unix))]
mod platform {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::{self, Thread};
    use std::time::Duration;

    use signal_hook::consts::SIGINT;

    use crate::Signal;

    /// How long a Ctrl-C may go unseen.
    const GLANCE: Duration = Duration::from_millis(20);

    pub(crate) fn number(_signal: Signal) -> i32 {
        SIGINT
    }

    /// The flag that the handler sets.
    pub(crate) struct Source {
        is_pressed: Arc<AtomicBool>,
    }

    /// Nothing to end early: no wait is longer than a glance.
    pub(crate) struct Wake;

    impl Source {
        pub(crate) fn register(_signals: &[Signal]) -> io::Result<(Source, Wake)> {
            let is_pressed = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(SIGINT, is_pressed.clone())?;
            Ok((Source { is_pressed }, Wake))
        }

        pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Vec<Signal> {
            thread::park_timeout(timeout.map_or(GLANCE, |timeout| timeout.min(GLANCE)));
            if self.is_pressed.swap(false, Ordering::Relaxed) { vec![Signal::Int] } else { vec![] }
        }
    }

    impl Wake {
        pub(crate) fn wake(&self) {}
    }
}
