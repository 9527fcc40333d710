//! Spring Boot, told by arguments, system properties, variables, or a configuration file.

use std::time::Duration;

use super::{Told, variable, words};
use crate::container::Container;
use crate::node::{Node, Value};
use crate::workload::duration;
use crate::yaml;

/// The property as Spring compares names: without case and without dashes.
const TIMEOUT: &str = "spring.lifecycle.timeoutpershutdownphase";
const SHUTDOWN: &str = "server.shutdown";
/// The timeout of a service that was only told to stop gracefully.
const USUAL: Duration = Duration::from_secs(30);

/// What the container is told, by the source that wins.
pub(super) fn told(container: &Container) -> Told {
    let properties = properties(container);
    let find = |name: &str| properties.iter().find(|property| property.name == name);
    if let Some(property) = find(TIMEOUT) {
        // Spring takes a number without a unit for milliseconds here.
        let time = duration::parse_with(&property.value, Duration::from_millis(1))?;
        return Some((time, property.source.clone()));
    }
    let shutdown = find(SHUTDOWN)?;
    let is_graceful = shutdown.value.trim().eq_ignore_ascii_case("graceful");
    is_graceful.then(|| (USUAL, format!("{} (Spring Boot's default)", shutdown.source)))
}

struct Property {
    name: String,
    value: String,
    source: String,
}

/// All properties that were told, the ones that win first.
fn properties(container: &Container) -> Vec<Property> {
    let arguments = assignments(words(container), "--");
    let system = assignments(words(container), "-D");
    let options = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"]
        .into_iter()
        .filter_map(|name| variable(container, name))
        .flat_map(|options| assignments(options.split_whitespace(), "-D"));
    let variables = container.environment.iter().filter_map(|(name, value)| {
        let property = match name.as_str() {
            "SPRING_LIFECYCLE_TIMEOUT_PER_SHUTDOWN_PHASE"
            | "SPRING_LIFECYCLE_TIMEOUTPERSHUTDOWNPHASE" => TIMEOUT,
            "SERVER_SHUTDOWN" => SHUTDOWN,
            _ => return None,
        };
        let (value, source) = (value.clone()?, name.clone());
        Some(Property { name: property.to_owned(), value, source })
    });
    let files = container.files.iter().flat_map(|(path, text)| of_file(path, text));
    arguments.into_iter().chain(system).chain(options).chain(variables).chain(files).collect()
}

/// `--name=value`, `-Dname=value`.
fn assignments<'w>(words: impl Iterator<Item = &'w str>, prefix: &str) -> Vec<Property> {
    let property = |word: &str| {
        let (name, value) = word.trim_matches(['"', '\'']).strip_prefix(prefix)?.split_once('=')?;
        Some(Property { name: plain(name), value: value.to_owned(), source: name.to_owned() })
    };
    words.filter_map(property).collect()
}

fn plain(name: &str) -> String {
    name.trim().replace('-', "").to_lowercase()
}

/// What stands in `application.yaml`, `application-prod.properties`, if the file is one of them.
fn of_file(path: &str, text: &str) -> Vec<Property> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, extension)) = name.rsplit_once('.') else { return Vec::new() };
    if stem != "application" && !stem.starts_with("application-") {
        return Vec::new();
    }
    let mut properties = Vec::new();
    match extension {
        "properties" => {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
            properties.extend(lines.filter_map(|line| line.split_once(['=', ':'])).map(
                |(name, value)| Property {
                    name: plain(name),
                    value: value.trim().to_owned(),
                    source: path.to_owned(),
                },
            ));
        }
        "yaml" | "yml" => {
            for document in yaml::read(path, text.as_bytes()).0 {
                flatten(&document.root, String::new(), path, &mut properties);
            }
        }
        _ => {}
    }
    properties
}

fn flatten(node: &Node, name: String, path: &str, properties: &mut Vec<Property>) {
    let value = match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(&entry.node, format!("{name}{dot}{}", plain(&entry.key)), path, properties);
            }
            return;
        }
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::List(_) => return,
    };
    properties.push(Property { name, value, source: path.to_owned() });
}

#[cfg(test)]
mod tests {
    use super::super::tests::container;
    use super::*;

    #[test]
    fn it_is_told_in_every_way_spring_listens_to() {
        let seconds = |container: &Container| told(container).map(|(time, _)| time.as_secs());
        let name = "spring.lifecycle.timeout-per-shutdown-phase";
        let argument = format!("--{name}=20s");
        assert_eq!(seconds(&container(&["java", "-jar", "a.jar", &argument], &[])), Some(20));
        let system = format!("-Xmx1g -D{name}=PT25S");
        assert_eq!(seconds(&container(&[], &[("JAVA_TOOL_OPTIONS", &system)])), Some(25));
        let short = [("SPRING_LIFECYCLE_TIMEOUTPERSHUTDOWNPHASE", "30000")];
        assert_eq!(seconds(&container(&[], &short)), Some(30));
        assert_eq!(seconds(&container(&[], &[("SERVER_SHUTDOWN", "graceful")])), Some(30));
        assert_eq!(seconds(&container(&[], &[("SERVER_SHUTDOWN", "immediate")])), None);
        assert_eq!(seconds(&container(&[&argument], &short)), Some(20));

        let file = |path: &str, text: &str| {
            let mut container = container(&[], &[]);
            container.files.insert(path.to_owned(), text.to_owned());
            seconds(&container)
        };
        let yaml = "spring:\n  lifecycle:\n    timeout-per-shutdown-phase: 40s\n";
        assert_eq!(file("/config/application.yaml", yaml), Some(40));
        assert_eq!(file("/config/other.yaml", yaml), None);
        assert_eq!(file("/config/application-prod.properties", &format!("{name}=45s")), Some(45));
        assert_eq!(file("/config/application.yml", "server.shutdown: graceful"), Some(30));
    }
}
