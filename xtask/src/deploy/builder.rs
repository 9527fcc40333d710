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

/// What the image is called where it is built. podman and buildah put `localhost/` before a name without
/// a registry, and a cluster looks for `docker.io/library/`.
pub(super) fn local_name(builder: &str, image: &str) -> String {
    if names_a_registry(image) || matches!(builder, "docker" | "nerdctl") {
        return image.to_owned();
    }
    let library = if image.contains('/') { "" } else { "library/" };
    format!("docker.io/{library}{image}")
}

/// The words that build the image: the same for all of them.
pub(super) fn build(image: &str, commit: &str) -> Vec<String> {
    let commit = format!("BUILD_COMMIT={commit}");
    let words =
        ["build", "--file", "deploy/Dockerfile", "--build-arg", &commit, "--tag", image, "."];
    words.map(str::to_owned).to_vec()
}

/// The words that write the image into a file, as docker would.
pub(super) fn save(builder: &str, image: &str, file: &str) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    match builder {
        "buildah" => words(&["push", image, &format!("docker-archive:{file}:{image}")]),
        "podman" => words(&["save", "--format", "docker-archive", "--output", file, image]),
        _ => words(&["save", "--output", file, image]),
    }
}

/// Whether an image is one certain image, which somebody has built.
pub(super) fn is_digest(image: &str) -> bool {
    image.contains('@')
}

/// Whether an image names the registry it belongs to, and so is to be pushed there.
pub(super) fn names_a_registry(image: &str) -> bool {
    let Some((host, _)) = image.split_once('/') else { return false };
    host == "localhost" || host.contains(['.', ':'])
}

/// An image that is to be brought into a cluster.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load<'a> {
    /// It is in docker's store, under this name.
    OfDocker(&'a str),
    /// It is in this file.
    Archive(&'a str),
}

/// The program that brings an image into a cluster on this machine, if the context is that of one.
pub(super) fn loader(context: &str, load: Load<'_>) -> Option<(&'static str, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    if let Some(cluster) = context.strip_prefix("kind-") {
        let (what, image) = match load {
            Load::OfDocker(image) => ("docker-image", image),
            Load::Archive(file) => ("image-archive", file),
        };
        return Some(("kind", words(&["load", what, image, "--name", cluster])));
    }
    // A context is called after its profile. The active one may be another.
    let (Load::OfDocker(image) | Load::Archive(image)) = load;
    let is_minikube = context == "minikube";
    is_minikube.then(|| ("minikube", words(&["image", "load", image, "--profile", context])))
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
        let line = |context, load| {
            loader(context, load).map(|(program, words)| format!("{program} {}", words.join(" ")))
        };
        for (context, load, expected) in [
            (
                "kind-test",
                Load::OfDocker("sundown:1"),
                Some("kind load docker-image sundown:1 --name test"),
            ),
            (
                "kind-test",
                Load::Archive("a.tar"),
                Some("kind load image-archive a.tar --name test"),
            ),
            (
                "minikube",
                Load::OfDocker("sundown:1"),
                Some("minikube image load sundown:1 --profile minikube"),
            ),
            (
                "minikube",
                Load::Archive("a.tar"),
                Some("minikube image load a.tar --profile minikube"),
            ),
            ("production", Load::OfDocker("sundown:1"), None),
        ] {
            assert_eq!(line(context, load).as_deref(), expected);
        }
    }

    #[test]
    fn an_image_without_a_registry_is_called_what_a_cluster_takes_it_for() {
        for (builder, image, name) in [
            ("docker", "sundown:1", "sundown:1"),
            ("nerdctl", "sundown:1", "sundown:1"),
            ("podman", "sundown:1", "docker.io/library/sundown:1"),
            ("buildah", "team/sundown:1", "docker.io/team/sundown:1"),
            ("podman", "localhost/sundown:1", "localhost/sundown:1"),
            ("podman", "registry.example.com/sundown", "registry.example.com/sundown"),
        ] {
            assert_eq!(local_name(builder, image), name, "{builder}");
        }
    }

    #[test]
    fn each_builder_writes_the_same_archive_in_its_own_words() {
        for (builder, line) in [
            ("podman", "save --format docker-archive --output a.tar docker.io/library/b:1"),
            ("nerdctl", "save --output a.tar docker.io/library/b:1"),
            ("buildah", "push docker.io/library/b:1 docker-archive:a.tar:docker.io/library/b:1"),
        ] {
            assert_eq!(save(builder, "docker.io/library/b:1", "a.tar").join(" "), line);
        }
    }
}
