//! `sundown check`: whether the time that manifests give a pod is enough for it to stop.

mod ask;
mod service;

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sundown::{BoxError, Exit};
use sundown_check::{Check, Report};

pub(crate) use self::ask::{Ask, HELP};

/// What is read of a file. The checker says no to less than that.
const LIMIT: u64 = 64 << 20;

/// Checks what was asked for, and says what was found.
pub(crate) fn run(ask: &Ask) -> Result<Exit, BoxError> {
    let mut check = Check::new().knows(service::budget).strict(ask.strict);
    if let Some(margin) = ask.margin {
        check = check.margin(margin);
    }
    for (container, timeout) in &ask.stop_timeouts {
        check = check.stop_timeout(container.as_deref(), *timeout);
    }
    for input in &ask.inputs {
        for (name, bytes) in read(input)? {
            check = check.file(name, &bytes);
        }
    }
    let report = check.run();
    if let Some(folder) = &ask.svg {
        draw(&report, folder)?;
    }
    if ask.json {
        crate::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        crate::print(&format!("{report}\n"))?;
    }
    Ok(if report.fails() { Exit::Failed } else { Exit::Clean })
}

/// The files behind an argument, with their names: one, those of a folder, or the standard input.
fn read(input: &Path) -> Result<Vec<(String, Vec<u8>)>, BoxError> {
    if input == Path::new("-") {
        let bytes = bounded(io::stdin()).map_err(|error| cannot_read("standard input", &error))?;
        return Ok(vec![("standard input".to_owned(), bytes)]);
    }
    if !input.is_dir() {
        return Ok(vec![one(input)?]);
    }
    let entries = fs::read_dir(input).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| cannot_read(&input.display().to_string(), &error))?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| is_manifest(path) && path.is_file());
    paths.sort_unstable();
    if paths.is_empty() {
        let folder = input.display();
        let what =
            format!("{folder} has no manifest (*.yaml, *.yml, *.json) in it; name the files");
        return Err(what.into());
    }
    paths.iter().map(|path| one(path)).collect()
}

fn one(path: &Path) -> Result<(String, Vec<u8>), BoxError> {
    let name = path.display().to_string();
    let bytes = fs::File::open(path).and_then(bounded);
    let bytes = bytes.map_err(|error| cannot_read(&name, &error))?;
    Ok((name, bytes))
}

/// Everything, but never more than the checker would refuse anyway: a device has no end.
fn bounded(from: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn cannot_read(name: &str, error: &io::Error) -> BoxError {
    format!("cannot read {name}: {error}").into()
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| ["yaml", "yml", "json"].contains(&extension))
}

/// Leaves a picture of each pod's end.
fn draw(report: &Report, folder: &Path) -> Result<(), BoxError> {
    let cannot =
        |path: &Path, error: &io::Error| format!("cannot write {}: {error}", path.display());
    fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    for pod in report.pods() {
        let name = pod.object().to_lowercase().replace([' ', '/'], "-");
        let path = folder.join(format!("{name}.svg"));
        fs::write(&path, pod.timeline().to_svg()).map_err(|error| cannot(&path, &error))?;
    }
    Ok(())
}
