//! Network policies whose peers nobody is.

use super::{World, of_kind};
use crate::document::Document;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::{Entry, Node};

/// Peers in other namespaces that would have to carry the labels of the pods that the policy protects, as
/// well as some of their own: what kustomize makes of them when it adds labels to all selectors.
pub(super) fn peers_with_own_labels(world: &World<'_>) -> Vec<Finding> {
    of_kind(&world.documents, "networking.k8s.io", "NetworkPolicy").flat_map(of_policy).collect()
}

fn of_policy(policy: &Document) -> Vec<Finding> {
    let Some(spec) = policy.root.get("spec") else { return Vec::new() };
    let own = labels(spec.get("podSelector"));
    let mut findings = Vec::new();
    for (rules, peers) in [("egress", "to"), ("ingress", "from")] {
        let rules_here = spec.get(rules).map(Node::list).unwrap_or_default();
        for (rule_index, rule) in rules_here.iter().enumerate() {
            let peers_here = rule.get(peers).map(Node::list).unwrap_or_default();
            for (index, peer) in peers_here.iter().enumerate() {
                if has_labels_of(peer, own) {
                    let field = format!("spec.{rules}[{rule_index}].{peers}[{index}].podSelector");
                    findings.push(finding(policy, peer.line, field, own));
                }
            }
        }
    }
    findings
}

fn labels(selector: Option<&Node>) -> &[Entry] {
    selector.and_then(|it| it.get("matchLabels")).map(Node::entries).unwrap_or_default()
}

fn has_labels_of(peer: &Node, own: &[Entry]) -> bool {
    let asked = labels(peer.get("podSelector"));
    let has = |label: &Entry| {
        asked.iter().any(|it| it.key == label.key && it.node.value == label.node.value)
    };
    let is_elsewhere = !labels(peer.get("namespaceSelector")).is_empty();
    is_elsewhere && !own.is_empty() && asked.len() > own.len() && own.iter().all(has)
}

fn finding(policy: &Document, line: usize, field: String, own: &[Entry]) -> Finding {
    let own: Vec<&str> = own.iter().map(|label| label.key.as_str()).collect();
    let words = Words {
        what: format!(
            "this peer in another namespace must carry the labels of the pods here, too: {}",
            own.join(", ")
        ),
        why: "no pod has both, so the rule allows nothing: with a peer that is the DNS service, names \
              are not resolved any more",
        mend:
            "leave these labels out of the peer (kustomize adds them where `includeSelectors` is \
               true, or with `commonLabels`: use `labels` with `includeTemplates`)"
                .to_owned(),
    };
    let (rule, severity) = (Rule::PolicyPeerHasOwnLabels, Severity::Warning);
    Finding::new(rule, severity, policy.place(line, field), policy.title(), words)
}
