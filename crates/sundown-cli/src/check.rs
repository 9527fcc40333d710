//! `sundown check`: whether the time that manifests give a pod is enough for it to stop.

mod ask;
mod service;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::DirEntry;
use std::io::Read as _;
use std::path::Path;
use std::{fs, io};

use sundown::timeline::terminal_columns;
use sundown::{BoxError, Exit};
use sundown_check::{Check, PodLife, Report};

pub(crate) use self::ask::{Ask, HELP};
#[cfg(feature = "fuzzing")]
pub(crate) use self::service::budget as stop_budget;

/// What is read of a file: one byte more than the checker takes, so that it sees that it is too much.
const LIMIT: u64 = (64 << 20) + 1;

/// Files that are to be rendered, not applied.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Checks what was asked for, and says what was found.
pub(crate) fn run(ask: &Ask) -> Result<Exit, BoxError> {
    let mut check = Check::new().knows(service::budget).strict(ask.strict);
    if let Some(margin) = ask.margin {
        check = check.margin(margin);
    }
    for (container, timeout) in &ask.stop_timeouts {
        check = check.stop_timeout(container.as_deref(), *timeout);
    }
    if let Some(namespace) = &ask.namespace {
        check = check.namespace(namespace);
    }
    let mut inputs = Vec::new();
    for input in &ask.inputs {
        let mut names = Vec::new();
        for (name, bytes) in read(input)? {
            check = check.file(name.clone(), &bytes);
            names.push(name);
        }
        inputs.push((input, names));
    }
    let report = check.run();
    for (input, names) in inputs {
        if names.iter().all(|name| report.empty_files().contains(name)) {
            return Err(empty(input).into());
        }
    }
    if ask.json {
        crate::print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        let text = match terminal_columns(&io::stdout()) {
            Some(columns) => format!("{report:columns$}\n"),
            None => format!("{report}\n"),
        };
        crate::print(&text)?;
    }
    named(ask, &report)?;
    if let Some(folder) = &ask.svg {
        draw(&report, folder)?;
    }
    Ok(if report.fails() { Exit::Failed } else { Exit::Clean })
}

/// That there is nothing in an input, which would pass unseen.
fn empty(input: &Path) -> String {
    let name =
        if input == Path::new("-") { "standard input".into() } else { input.to_string_lossy() };
    format!("{name} has no object in it (did what should have rendered it fail?)")
}

/// That each container is there whose time was told: a name with a letter too many tells nothing.
fn named(ask: &Ask, report: &Report) -> Result<(), BoxError> {
    let there: BTreeSet<&str> = report.pods().iter().flat_map(PodLife::containers).collect();
    let mut told = ask.stop_timeouts.iter().filter_map(|(container, _)| container.as_deref());
    match told.find(|container| !there.contains(container)) {
        None => Ok(()),
        Some(container) => {
            let there = if there.is_empty() { "none".to_owned() } else { list(&there) };
            Err(format!("--stop-timeout: there is no container `{container}` (there are: {there})")
                .into())
        }
    }
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().copied().collect::<Vec<_>>().join(", ")
}

/// The files behind an argument, with their names: one, those of a folder, or the standard input.
fn read(input: &Path) -> Result<Vec<(String, Vec<u8>)>, BoxError> {
    if input == Path::new("-") {
        let bytes = bounded(io::stdin()).map_err(|error| cannot_read("standard input", &error))?;
        return Ok(vec![("standard input".to_owned(), bytes)]);
    }
    let is_kustomization = |path: &Path| {
        path.file_name().is_some_and(|name| KUSTOMIZATIONS.iter().any(|known| name == *known))
    };
    if !input.is_dir() {
        let folder = input.parent().filter(|folder| !folder.as_os_str().is_empty());
        return match is_kustomization(input) {
            true => Err(unrendered(folder.unwrap_or(Path::new(".")))),
            false => Ok(vec![one(input)?]),
        };
    }
    let (mut paths, mut folders) = (Vec::new(), vec![input.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries =
            entries.map_err(|error| cannot_read(&folder.display().to_string(), &error))?;
        if entries.iter().any(|entry| is_kustomization(&entry.path())) {
            return Err(unrendered(&folder));
        }
        for path in entries.iter().map(DirEntry::path) {
            if path.is_dir() && !path.is_symlink() && !is_hidden(&path) {
                folders.push(path);
            } else if is_manifest(&path) && path.is_file() {
                paths.push(path);
            }
        }
    }
    paths.sort_unstable();
    if paths.is_empty() {
        let folder = input.display();
        let what =
            format!("{folder} has no manifest (*.yaml, *.yml, *.json) in it; name the files");
        return Err(what.into());
    }
    paths.iter().map(|path| one(path)).collect()
}

fn unrendered(folder: &Path) -> BoxError {
    let folder = folder.display();
    format!(
        "{folder} holds a kustomization, which is not what is applied; render it first \
         (kubectl kustomize {folder} | sundown check -)"
    )
    .into()
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

/// Folders like `.git` are not part of what is applied.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
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
    let mut names = BTreeSet::new();
    for pod in report.pods() {
        let name = free(&pod.object().to_lowercase().replace([' ', '/'], "-"), &mut names);
        let path = folder.join(format!("{name}.svg"));
        fs::write(&path, pod.timeline().to_svg()).map_err(|error| cannot(&path, &error))?;
    }
    Ok(())
}

/// A name that no other picture has: `pod a/b-c` and `pod a-b/c` would be called the same.
fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    let name = names.find(|name| !taken.contains(name)).expect("there is always a next number");
    taken.insert(name.clone());
    name
}
