//! What the process takes of the machine, read from `/proc`; elsewhere nothing is known.

use std::fs;
use std::path::Path;

use metrics::{Gauge, Key, Level, Metadata, Recorder};
use rustix::param::{clock_ticks_per_second, page_size};

use crate::names;

/// One look at the process.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    cpu_seconds: f64,
    threads: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
    /// After the machine had booted.
    started: f64,
}

/// The units of `/proc`.
#[derive(Debug, Clone, Copy)]
struct Units {
    ticks_per_second: f64,
    page_bytes: f64,
}

impl Sample {
    /// Reads a line of `/proc/PID/stat`. The name of the program is in parentheses and may hold
    /// anything, parentheses included.
    fn parse(stat: &str, units: Units) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // The first field after the name is the third of proc(5).
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Sample {
            cpu_seconds: (field(14)? + field(15)?) / units.ticks_per_second,
            threads: field(20)?,
            started: field(22)? / units.ticks_per_second,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * units.page_bytes,
        })
    }
}

/// The gauges of the process.
pub(crate) struct ProcessGauges {
    units: Units,
    resident_bytes: Gauge,
    virtual_bytes: Gauge,
    open_fds: Gauge,
    max_fds: Gauge,
    threads: Gauge,
    start_time: Gauge,
    uptime: Gauge,
}

impl ProcessGauges {
    /// Registers them; nothing where there is no `/proc`.
    pub(crate) fn register(recorder: &dyn Recorder) -> Option<Self> {
        if !Path::new("/proc/self/stat").is_file() {
            return None;
        }
        let gauge = |name| gauge(recorder, &Key::from_static_name(name));
        #[expect(clippy::cast_precision_loss, reason = "both are small")]
        let units = Units {
            ticks_per_second: clock_ticks_per_second() as f64,
            page_bytes: page_size() as f64,
        };
        Some(ProcessGauges {
            units,
            resident_bytes: gauge(names::RESIDENT_BYTES),
            virtual_bytes: gauge(names::VIRTUAL_BYTES),
            open_fds: gauge(names::OPEN_FDS),
            max_fds: gauge(names::MAX_FDS),
            threads: gauge(names::THREADS),
            start_time: gauge(names::START_TIME),
            uptime: gauge(names::UPTIME),
        })
    }

    /// Looks at the process and sets them; answers its CPU seconds. What cannot be read keeps its
    /// last value.
    pub(crate) fn update(&self) -> Option<f64> {
        if let Some(open) = open_fds() {
            self.open_fds.set(open);
        }
        if let Some(max) = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(max_fds)
        {
            self.max_fds.set(max);
        }
        let sample = Sample::parse(&fs::read_to_string("/proc/self/stat").ok()?, self.units)?;
        self.threads.set(sample.threads);
        self.virtual_bytes.set(sample.virtual_bytes);
        self.resident_bytes.set(sample.resident_bytes);
        let uptime = fs::read_to_string("/proc/uptime").ok();
        if let Some(booted) = uptime.as_deref().and_then(first_number) {
            self.uptime.set((booted - sample.started).max(0.0));
        }
        let boot_time = fs::read_to_string("/proc/stat").ok();
        if let Some(boot_time) = boot_time.as_deref().and_then(boot_time_of) {
            self.start_time.set(boot_time + sample.started);
        }
        Some(sample.cpu_seconds)
    }
}

/// A gauge of this recorder.
pub(crate) fn gauge(recorder: &dyn Recorder, key: &Key) -> Gauge {
    recorder.register_gauge(key, &Metadata::new(module_path!(), Level::INFO, None))
}

/// How many descriptors are open. Linux tells it as the size of the directory since 6.2; before,
/// they have to be counted.
#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn open_fds() -> Option<f64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        // One of those counted is the directory being read.
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64),
        count => Some(count as f64),
    }
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(f64::INFINITY),
        soft => soft.parse().ok(),
    }
}

fn boot_time_of(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: Units = Units { ticks_per_second: 100.0, page_bytes: 4096.0 };

    #[test]
    fn a_stat_line_is_read_whatever_the_program_is_called() {
        let rest = "S 1 2 3 0 -1 4194560 300 0 2 0 150 50 0 0 20 0 7 0 12345 10485760 2000 99";
        let expected = Sample {
            cpu_seconds: 2.0,
            threads: 7.0,
            virtual_bytes: 10_485_760.0,
            resident_bytes: 8_192_000.0,
            started: 123.45,
        };
        for name in ["shop", "a b", "evil) S 9 9 (x", ""] {
            let stat = format!("42 ({name}) {rest}\n");
            assert_eq!(Sample::parse(&stat, UNITS), Some(expected), "{stat}");
        }
        assert_eq!(Sample::parse("42 (cut) S 1 2", UNITS), None);
        assert_eq!(Sample::parse("", UNITS), None);
    }

    #[test]
    fn limits_and_boot_time_are_found_among_the_rest() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\n\
                      Max processes  1  2  processes\n\
                      Max open files            1024                 4096                 files\n";
        assert_eq!(max_fds(limits), Some(1024.0));
        assert_eq!(max_fds("Max open files  unlimited  unlimited  files"), Some(f64::INFINITY));
        assert_eq!(max_fds(""), None);
        assert_eq!(boot_time_of("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1.7e9));
        assert_eq!(first_number("360.25 700.00\n"), Some(360.25));
    }

    #[test]
    fn this_very_process_has_memory_threads_and_descriptors() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let gauges = ProcessGauges::register(&recorder).unwrap();
        assert!(gauges.update().unwrap() >= 0.0);
        let text = recorder.handle().render();
        let value = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name} in {text}"))[name.len()..].trim().parse::<f64>()
        };
        assert!(value(names::RESIDENT_BYTES).unwrap() > 100_000.0);
        assert!(value(names::THREADS).unwrap() >= 1.0);
        assert!(value(names::OPEN_FDS).unwrap() >= 3.0);
        assert!(value(names::MAX_FDS).unwrap() >= value(names::OPEN_FDS).unwrap());
        assert!(value(names::UPTIME).unwrap() < 3600.0, "{text}");
        assert!(value(names::START_TIME).unwrap() > 1.6e9);
    }
}
