//! Objects of absurd size take no absurd time.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::findings;

/// Checks an object whose parts are written this often.
#[track_caller]
fn check(head: &str, part: impl Fn(usize) -> String, tail: &str) {
    let mut text = head.to_owned();
    (0..8000).for_each(|index| text.write_str(&part(index)).unwrap());
    text.push_str(tail);
    let started = Instant::now();
    let found = findings("a.yaml", &text);
    let took = started.elapsed();
    assert!(found.len() <= 8050, "{}", found.len());
    assert!(took < Duration::from_secs(10), "{head:?} took {took:?}");
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec:\n";

const WORKLOAD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec:\n";

#[test]
fn many_parts_of_one_object_do_not_take_long() {
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata:\n",
        |index| format!("  a{index}: b\n"),
        "",
    );
    check(POD, |index| format!("  terminationGracePeriod{index}: 1\n"), "");
    check(
        &format!("{POD}  containers:\n"),
        |index| format!("  - {{ name: a{index}, image: a }}\n"),
        "",
    );
    check(&format!("{POD}  containers:\n"), |_| "  - 1\n".to_owned(), "");
    check(
        &format!(
            "{POD}  volumes: [{{ name: x }}]\n  containers:\n  - name: a\n    volumeMounts:\n"
        ),
        |index| format!("    - {{ name: v{index}, mountPath: /a }}\n"),
        "",
    );
    check(
        &format!(
            "{WORKLOAD}  template: {{ metadata: {{ labels: {{ a: b }} }}, spec: {{}} }}\n  selector:\n    matchLabels:\n"
        ),
        |index| format!("      a{index}: b\n"),
        "",
    );
    let key = "k".repeat(500_000);
    check(
        &format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  managedFields:\n  - fieldsV1:\n      '{key}':\n"
        ),
        |index| format!("        a{index}: {{}}\n"),
        "",
    );
}
