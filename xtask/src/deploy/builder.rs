//! Who builds the image: whatever is present, in the order in which it is most likely meant.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

/// The programs that build from a Dockerfile, the likeliest first.
const BUILDERS: &[&str] = &["docker", "podman", "nerdctl", "buildah"];
/// How long one may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is known of a builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// It is not on PATH.
    Absent,
    /// It is, and what it talks to does not answer.
    Silent,
    /// It builds.
    Answers,
}

/// The builder to use.
pub(super) fn find(path: &OsStr) -> anyhow::Result<&'static str> {
    choose(|builder| presence(builder, path))
}

/// The first that answers. Those behind it are not asked.
fn choose(presence: impl Fn(&str) -> Presence) -> anyhow::Result<&'static str> {
    let mut silent = Vec::new();
    for builder in BUILDERS {
        match presence(builder) {
            Presence::Answers => return Ok(builder),
            Presence::Silent => silent.push(*builder),
            Presence::Absent => {}
        }
    }
    if silent.is_empty() {
        bail!("nothing here builds images: install one of {}", BUILDERS.join(", "));
    }
    let (names, verb) = (silent.join(" and "), if silent.len() == 1 { "is" } else { "are" });
    bail!(
        "{names} {verb} here, but `{} info` fails: is the daemon running, and may you talk to it?",
        silent[0]
    )
}

fn presence(builder: &str, path: &OsStr) -> Presence {
    if !is_on(path, builder) {
        return Presence::Absent;
    }
    let asked = Command::new(builder)
        .arg("info")
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .and_then(|child| within(child, PATIENCE));
    match asked {
        Ok(Some(status)) if status.success() => Presence::Answers,
        Ok(_) | Err(_) => Presence::Silent,
    }
}

/// How it ended; nothing if it took too long, and was killed. Reaped in any case.
fn within(mut child: Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::park_timeout(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// The words that build the image: the same for all of them.
pub(super) fn build(image: &str, commit: &str) -> Vec<String> {
    let commit = format!("BUILD_COMMIT={commit}");
    let words =
        ["build", "--file", "deploy/Dockerfile", "--build-arg", &commit, "--tag", image, "."];
    words.map(str::to_owned).to_vec()
}

/// Whether an image names the registry it belongs to, and so is to be pushed there.
pub(super) fn names_a_registry(image: &str) -> bool {
    let Some((host, _)) = image.split_once('/') else { return false };
    host == "localhost" || host.contains(['.', ':'])
}

/// The program that brings an image of docker's into a cluster on this machine, if the context is
/// that of one.
pub(super) fn loader(context: &str, image: &str) -> Option<(&'static str, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    if let Some(cluster) = context.strip_prefix("kind-") {
        return Some(("kind", words(&["load", "docker-image", image, "--name", cluster])));
    }
    let is_minikube = context == "minikube";
    is_minikube.then(|| ("minikube", words(&["image", "load", image])))
}

/// Whether there is a program of this name.
fn is_on(path: &OsStr, program: &str) -> bool {
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_first_that_answers_builds() {
        let found = choose(|builder| match builder {
            "docker" => Presence::Silent,
            "podman" => Presence::Answers,
            _ => Presence::Absent,
        });
        assert_eq!(found.unwrap(), "podman");
    }

    #[test]
    fn where_none_builds_the_error_says_why() {
        let none = choose(|_| Presence::Absent).unwrap_err().to_string();
        assert!(none.contains("install one of docker, podman, nerdctl, buildah"), "{none}");
        let silent = |name: &str| {
            if name == "docker" { Presence::Silent } else { Presence::Absent }
        };
        let silent = choose(silent).unwrap_err().to_string();
        assert!(silent.starts_with("docker is here, but `docker info` fails"), "{silent}");
    }

    #[test]
    fn a_builder_that_never_answers_is_not_waited_for() {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = child.id();
        assert!(within(child, Duration::from_millis(50)).unwrap().is_none());
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "it is reaped");
    }

    #[test]
    fn images_with_a_registry_are_told_from_those_without() {
        for image in ["registry.example.com/sundown:1", "localhost/sundown", "10.0.0.1:5000/a/b"] {
            assert!(names_a_registry(image), "{image}");
        }
        for image in ["sundown:dev", "sundown", "team/sundown:1"] {
            assert!(!names_a_registry(image), "{image}");
        }
    }

    #[test]
    fn a_cluster_on_this_machine_gets_the_image_without_a_registry() {
        let (program, words) = loader("kind-test", "sundown:1").unwrap();
        assert_eq!(
            (program, words.join(" ")),
            ("kind", "load docker-image sundown:1 --name test".to_owned())
        );
        assert_eq!(loader("minikube", "sundown:1").unwrap().0, "minikube");
        assert_eq!(loader("production", "sundown:1"), None);
    }
}
