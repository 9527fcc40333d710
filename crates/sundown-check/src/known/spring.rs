//! Spring Boot, told by arguments, system properties, variables, or a configuration file.

use std::time::Duration;

use super::{Told, at_once, variable, words};
use crate::container::Container;
use crate::node::{Node, Value};
use crate::workload::duration;
use crate::yaml;

/// The property as Spring compares names: without case and without dashes.
const TIMEOUT: &str = "spring.lifecycle.timeoutpershutdownphase";
const SHUTDOWN: &str = "server.shutdown";
const ACTIVE: &str = "spring.profiles.active";
const INCLUDE: &str = "spring.profiles.include";
/// For which profiles a document of a file is meant.
const CONDITION: &str = "spring.config.activate.onprofile";
/// What is looked at, with the variables that set it.
const VARIABLES: [(&str, &str); 6] = [
    ("SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE", TIMEOUT),
    ("SPRING_LIFECYCLE_TIMEOUTPERSHUTDOWNPHASE", TIMEOUT),
    ("SERVER_SHUTDOWN", SHUTDOWN),
    ("SPRING_PROFILES_ACTIVE", ACTIVE),
    ("SPRING_PROFILES_INCLUDE", INCLUDE),
    ("SPRING_CONFIG_ACTIVATE_ON_PROFILE", CONDITION),
];
/// The timeout of a service that was only told to stop gracefully.
const USUAL: Duration = Duration::from_secs(30);

/// What the container is told, by the source that wins. A graceful stop begins with taking no more
/// requests: the listener closes, or answers 503.
pub(super) fn told(container: &Container) -> Told {
    let above = above_files(container);
    let files = in_files(container, &above);
    let find = |name: &str| above.iter().chain(&files).find(|property| property.name == name);
    if let Some(property) = find(TIMEOUT) {
        // Spring takes a number without a unit for milliseconds here.
        let time = duration::parse_with(property.value.as_deref()?, Duration::from_millis(1))?;
        return at_once(time, property.source.clone());
    }
    let shutdown = find(SHUTDOWN)?;
    let is_graceful = shutdown.value.as_deref()?.trim().eq_ignore_ascii_case("graceful");
    let source = format!("{} (Spring Boot's default)", shutdown.source);
    if is_graceful { at_once(USUAL, source) } else { None }
}

#[derive(Debug, Clone)]
struct Property {
    name: String,
    /// `None` if it may be anything.
    value: Option<String>,
    source: String,
}

impl Property {
    fn unknown(name: &str) -> Property {
        Property { name: name.to_owned(), value: None, source: String::new() }
    }
}

/// What was told in other ways than by files, the ones that win first.
fn above_files(container: &Container) -> Vec<Property> {
    const JSON: &str = "SPRING_APPLICATION_JSON";
    let mut properties = assignments(words(container), "--");
    match container.environment.get(JSON) {
        Some(Some(json)) => {
            for document in yaml::read(JSON, json.as_bytes()).0 {
                flatten(&document.root, String::new(), JSON, &mut properties);
            }
        }
        Some(None) => properties.extend([TIMEOUT, SHUTDOWN, ACTIVE].map(Property::unknown)),
        None => {}
    }
    properties.extend(assignments(words(container), "-D"));
    for name in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"] {
        let options = variable(container, name).unwrap_or_default();
        properties.extend(assignments(options.split_whitespace(), "-D"));
    }
    for (variable, property) in VARIABLES {
        if let Some(value) = container.environment.get(variable) {
            let (name, value, source) = (property.to_owned(), value.clone(), variable.to_owned());
            properties.push(Property { name, value, source });
        }
    }
    if container.is_environment_partial {
        properties.extend([TIMEOUT, SHUTDOWN, ACTIVE].map(Property::unknown));
    }
    properties
}

/// What the configuration files tell that are read: `application.*`, and over it those of the active
/// profiles, of which the last one wins.
fn in_files(container: &Container, above: &[Property]) -> Vec<Property> {
    let (mut base, mut of_profiles) = (Vec::new(), Vec::new());
    for (path, text) in &container.files {
        for (condition, properties) in of_file(path, text) {
            match condition {
                None => base.push(properties),
                Some(condition) => of_profiles.push((condition, properties)),
            }
        }
    }
    // Of several documents the last one wins.
    let base: Vec<Property> = base.into_iter().rev().flatten().collect();
    let find = |name: &str| above.iter().chain(&base).find(|property| property.name == name);
    let profiles = [INCLUDE, ACTIVE].into_iter().filter_map(find);
    let active: Option<Vec<&str>> = profiles.map(|property| property.value.as_deref()).collect();
    let is_unknown = active.is_none();
    let names = active.unwrap_or_default().into_iter().flat_map(|names| names.split(','));
    let names: Vec<&str> = names.map(str::trim).filter(|name| !name.is_empty()).collect();
    let mut properties = Vec::new();
    if is_unknown || of_profiles.iter().any(|(condition, _)| !is_name(condition)) {
        let told = of_profiles.iter().flat_map(|(_, properties)| properties);
        properties.extend(told.map(|property| Property::unknown(&property.name)));
    } else {
        for name in names.iter().rev() {
            let theirs = of_profiles.iter().rev().filter(|(condition, _)| condition == name);
            properties.extend(theirs.flat_map(|(_, properties)| properties.clone()));
        }
    }
    properties.extend(base);
    properties
}

/// Whether a condition is one profile, and not an expression of several.
fn is_name(condition: &str) -> bool {
    condition.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) && !condition.is_empty()
}

/// `--name=value`, `-Dname=value`.
fn assignments<'w>(words: impl Iterator<Item = &'w str>, prefix: &str) -> Vec<Property> {
    let property = |word: &str| {
        let (name, value) = word.trim_matches(['"', '\'']).strip_prefix(prefix)?.split_once('=')?;
        Some(Property { name: plain(name), value: Some(value.to_owned()), source: name.to_owned() })
    };
    words.filter_map(property).collect()
}

fn plain(name: &str) -> String {
    name.trim().replace('-', "").to_lowercase()
}

/// The documents of `application.yaml`, `application-prod.properties`, each with the profile it is
/// meant for, if the file is one of them.
fn of_file(path: &str, text: &str) -> Vec<(Option<String>, Vec<Property>)> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, extension)) = name.rsplit_once('.') else { return Vec::new() };
    let Some(rest) = stem.strip_prefix("application") else { return Vec::new() };
    let profile = match (rest, rest.strip_prefix('-')) {
        ("", _) => None,
        (_, Some(profile)) => Some(profile.to_owned()),
        (_, None) => return Vec::new(),
    };
    let documents = match extension {
        "properties" => of_properties(path, text),
        "yaml" | "yml" => of_yaml(path, text),
        _ => Vec::new(),
    };
    let meant = |properties: Vec<Property>| {
        let condition = properties.iter().find(|property| property.name.starts_with(CONDITION));
        // A list of profiles is no name of one.
        let own = condition.map(|condition| match condition.name == CONDITION {
            true => condition.value.clone().unwrap_or_default(),
            false => String::new(),
        });
        (own.or_else(|| profile.clone()), properties)
    };
    documents.into_iter().map(meant).collect()
}

fn of_properties(path: &str, text: &str) -> Vec<Vec<Property>> {
    let mut documents = vec![Vec::new()];
    for line in text.lines().map(str::trim) {
        if line == "#---" || line == "!---" {
            documents.push(Vec::new());
        }
        let told = line.split_once(['=', ':']).filter(|_| !line.starts_with(['#', '!']));
        if let (Some((name, value)), Some(document)) = (told, documents.last_mut()) {
            let (value, source) = (Some(value.trim().to_owned()), path.to_owned());
            document.push(Property { name: plain(name), value, source });
        }
    }
    documents
}

fn of_yaml(path: &str, text: &str) -> Vec<Vec<Property>> {
    let flat = |root: &Node| {
        let mut properties = Vec::new();
        flatten(root, String::new(), path, &mut properties);
        properties
    };
    yaml::read(path, text.as_bytes()).0.iter().map(|document| flat(&document.root)).collect()
}

fn flatten(node: &Node, name: String, source: &str, properties: &mut Vec<Property>) {
    let value = match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                let dot = if name.is_empty() { "" } else { "." };
                let name = format!("{name}{dot}{}", plain(&entry.key));
                flatten(&entry.node, name, source, properties);
            }
            return;
        }
        Value::List(nodes) => {
            let texts: Vec<&str> = nodes.iter().filter_map(Node::text).collect();
            texts.join(",")
        }
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) => return,
    };
    properties.push(Property { name, value: Some(value), source: source.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::super::tests::container;
    use super::*;

    const NAME: &str = "spring.lifecycle.timeout-per-shutdown-phase";

    fn seconds(container: &Container) -> Option<u64> {
        told(container).map(|told| told.cap.as_secs())
    }

    #[test]
    fn it_is_told_in_every_way_spring_listens_to() {
        let argument = format!("--{NAME}=20s");
        assert_eq!(seconds(&container(&["java", "-jar", "a.jar", &argument], &[])), Some(20));
        let system = format!("-Xmx1g -D{NAME}=PT25S");
        assert_eq!(seconds(&container(&[], &[("JAVA_TOOL_OPTIONS", &system)])), Some(25));
        let short = [("SPRING_LIFECYCLE_TIMEOUTPERSHUTDOWNPHASE", "30000")];
        assert_eq!(seconds(&container(&[], &short)), Some(30));
        assert_eq!(seconds(&container(&[], &[("SERVER_SHUTDOWN", "graceful")])), Some(30));
        assert_eq!(seconds(&container(&[], &[("SERVER_SHUTDOWN", "immediate")])), None);
        assert_eq!(seconds(&container(&[&argument], &short)), Some(20));
        let flat = format!("{{\"{NAME}\": \"60s\"}}");
        let nested = "{\"spring\":{\"lifecycle\":{\"timeout-per-shutdown-phase\":\"60s\"}}}";
        for json in [&flat, nested] {
            let told = [("SPRING_APPLICATION_JSON", json), ("JAVA_TOOL_OPTIONS", &*system)];
            assert_eq!(seconds(&container(&[], &told)), Some(60), "{json}");
            assert_eq!(seconds(&container(&[&argument], &told)), Some(20), "{json}");
        }

        let file = |path: &str, text: &str| seconds(&files(&[(path, text)], &[]));
        let yaml = "spring:\n  lifecycle:\n    timeout-per-shutdown-phase: 40s\n";
        assert_eq!(file("/config/application.yaml", yaml), Some(40));
        assert_eq!(file("/config/other.yaml", yaml), None);
        assert_eq!(file("/config/applications.yaml", yaml), None);
        assert_eq!(file("/config/application.yml", "server.shutdown: graceful"), Some(30));
    }

    fn files(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Container {
        let mut container = container(&[], environment);
        let owned = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        container.files.extend(owned);
        container
    }

    #[test]
    fn only_files_of_active_profiles_count() {
        let told = |time: &str| format!("{NAME}={time}");
        let all = [
            ("/c/application.properties", &*told("40s")),
            ("/c/application-dev.properties", &told("90s")),
            ("/c/application-prod.properties", &told("20s")),
        ];
        let of = |profiles: &str| seconds(&files(&all, &[("SPRING_PROFILES_ACTIVE", profiles)]));
        assert_eq!(seconds(&files(&all, &[])), Some(40));
        assert_eq!(of("prod"), Some(20));
        assert_eq!(of("prod, dev"), Some(90));
        assert_eq!(of("test"), Some(40));
        let mut unknown = files(&all, &[]);
        unknown.environment.insert("SPRING_PROFILES_ACTIVE".to_owned(), None);
        assert_eq!(seconds(&unknown), None);
        let by_file = [("/c/application.yaml", "spring.profiles.active: dev"), all[1]];
        assert_eq!(seconds(&files(&by_file, &[])), Some(90));
    }

    #[test]
    fn a_document_counts_where_its_condition_holds() {
        let text =
            format!("{NAME}: 40s\n---\nspring.config.activate.on-profile: prod\n{NAME}: 50s\n");
        let all = [("/c/application.yaml", &*text)];
        assert_eq!(seconds(&files(&all, &[])), Some(40));
        assert_eq!(seconds(&files(&all, &[("SPRING_PROFILES_ACTIVE", "prod")])), Some(50));
        let either = text.replace("prod", "\"prod | dev\"");
        assert_eq!(seconds(&files(&[("/c/application.yaml", &either)], &[])), None);
    }

    #[test]
    fn what_may_be_overruled_is_not_known() {
        let yaml = format!("{NAME}: 40s");
        let mut container = files(&[("/c/application.yaml", &yaml)], &[]);
        assert_eq!(seconds(&container), Some(40));
        container.is_environment_partial = true;
        assert_eq!(seconds(&container), None);
        let name = "SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE".to_owned();
        container.environment.insert(name.clone(), Some("35s".to_owned()));
        assert_eq!(seconds(&container), Some(35));
        container.environment.insert(name, None);
        assert_eq!(seconds(&container), None);
    }
}
