//! What is read, what is refused as nothing to check, and what is left behind.

use std::fs;

use sundown_drill::process::{Exit, Process};

use crate::manifest::{check, run, web};
use crate::service::{Scratch, sundown};

/// Checks the standard input, which has this content.
fn piped(scratch: &Scratch, content: &str) -> Exit {
    let file = scratch.path("input");
    fs::write(&file, content).unwrap();
    let script = "exec \"$0\" check - < \"$1\"";
    run(Process::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_sundown"), &file]))
}

#[test]
fn the_standard_input_is_read() {
    let scratch = Scratch::new();
    let exit = piped(&scratch, &web(&[]));
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    let exit = piped(&scratch, &web(&[("Seconds: 40", "Seconds: 30")]));
    assert_eq!(exit.code, Some(3), "{}", exit.stdout);
    assert!(exit.stdout.contains("standard input:9 error grace-too-short"), "{}", exit.stdout);
}

#[test]
fn an_input_with_nothing_in_it_does_not_pass() {
    let scratch = Scratch::new();
    for nothing in ["", "\n", "# a comment\n---\n# another\n", "---\n", "null\n"] {
        let exit = piped(&scratch, nothing);
        assert_eq!(exit.code, Some(2), "{nothing:?}: {}", exit.stdout);
        assert!(exit.stderr.contains("standard input has no object"), "{}", exit.stderr);
    }
    fs::write(scratch.path("comments.yaml"), "# nothing\n").unwrap();
    let exit = check(&scratch, &web(&[]), &scratch.path("comments.yaml"));
    assert_eq!(exit.code, Some(2), "{}", exit.stdout);
    assert!(exit.stderr.contains("comments.yaml has no object"), "{}", exit.stderr);
}

#[test]
fn what_is_not_rendered_is_not_checked() {
    let scratch = Scratch::new();
    fs::write(scratch.path("kustomization.yaml"), "resources: [web.yaml]\n").unwrap();
    fs::write(scratch.path("patch.yaml"), "kind: Deployment\n").unwrap();
    let folder = scratch.0.display().to_string();
    for input in [folder.clone(), scratch.path("kustomization.yaml")] {
        let exit = run(sundown(&format!("check {input}")));
        assert_eq!(exit.code, Some(2), "{}", exit.stdout);
        let render = format!("kubectl kustomize {folder} | sundown check -");
        assert!(exit.stderr.contains(&render), "{}", exit.stderr);
    }
}

#[test]
fn a_container_that_is_nowhere_is_named() {
    let scratch = Scratch::new();
    let exit = check(&scratch, &web(&[]), "--stop-timeout wbe=5m");
    assert_eq!(exit.code, Some(2), "{}", exit.stdout);
    assert!(exit.stderr.contains("no container `wbe` (there are: web)"), "{}", exit.stderr);
}

#[test]
fn a_namespace_is_where_objects_go_that_name_none() {
    let scratch = Scratch::new();
    let elsewhere = web(&[(
        "ConfigMap\nmetadata: { name: web",
        "ConfigMap\nmetadata: { namespace: shop, name: web",
    )]);
    let unseen = check(&scratch, &elsewhere.replace("listen = \"0.0.0.0:8080\"", "x = 1"), "");
    assert_eq!(unseen.code, Some(0), "{}", unseen.stdout);
    let seen = check(
        &scratch,
        &elsewhere.replace("listen = \"0.0.0.0:8080\"", "x = 1"),
        "--namespace shop",
    );
    assert_eq!(seen.code, Some(3), "{}", seen.stdout);
    assert!(seen.stdout.contains("unknown key `x`"), "{}", seen.stdout);
}

#[test]
fn each_pod_has_a_picture_of_its_own() {
    let scratch = Scratch::new();
    let pod = |namespace: &str, name: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
             spec: {{ containers: [{{ name: x, image: i }}] }}\n---\n"
        )
    };
    let pictures = scratch.path("pictures");
    let pods = pod("a", "b-c") + &pod("a-b", "c");
    let exit = check(&scratch, &pods, &format!("--svg {pictures}"));
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    for (name, title) in [("pod-a-b-c.svg", "Pod a/b-c"), ("pod-a-b-c-2.svg", "Pod a-b/c")] {
        let picture = fs::read_to_string(scratch.path(&format!("pictures/{name}"))).unwrap();
        assert!(picture.contains(title), "{name}: {picture}");
    }
}

#[test]
fn a_picture_that_cannot_be_left_does_not_swallow_the_report() {
    let scratch = Scratch::new();
    let pictures = scratch.path("pictures");
    fs::create_dir_all(format!("{pictures}/deployment-web.svg")).unwrap();
    let exit = check(&scratch, &web(&[]), &format!("--svg {pictures}"));
    assert_eq!(exit.code, Some(2), "{}", exit.stdout);
    assert!(exit.stderr.contains("cannot write"), "{}", exit.stderr);
    assert!(exit.stdout.contains("= 37 s ≤ 40 s of grace"), "{}", exit.stdout);
}

#[test]
fn a_large_stream_is_read_and_a_large_document_refused() {
    let scratch = Scratch::new();
    let map = |number: usize, size: usize| {
        let text = "x".repeat(size);
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: m{number} }}\ndata: {{ a: {text} }}\n---\n"
        )
    };
    let many: String = (0..11).map(|number| map(number, 1_000_000)).collect();
    let exit = check(&scratch, &(many + &web(&[])), "");
    assert_eq!(exit.code, Some(0), "{}", exit.stdout);
    let exit = check(&scratch, &(map(0, 1) + &map(1, 10_000_000)), "--json");
    assert_eq!(exit.code, Some(3), "{}", exit.stdout);
    let report: serde_json::Value = serde_json::from_str(&exit.stdout).unwrap();
    let found = &report["findings"][0];
    assert_eq!((&found["document"], &found["line"]), (&2.into(), &6.into()), "{found}");
    assert!(found["what"].as_str().unwrap().contains("the limit is 4 MiB"), "{found}");
}
