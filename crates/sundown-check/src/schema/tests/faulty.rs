//! Manifests with faults, each said in a comment on its line: `#! rule: words of the finding`.

use super::findings;

/// Finds exactly what the comments say, and where.
#[track_caller]
fn check(text: &str) {
    check_file("a.yaml", text);
}

#[track_caller]
fn check_file(name: &str, text: &str) {
    let mut found = findings(name, text);
    for (line, text) in (1..).zip(text.lines()) {
        let Some((_, expected)) = text.split_once("#! ") else { continue };
        for expected in expected.split(" & ") {
            let (rule, words) = expected.split_once(": ").expect("`rule: words`");
            let fits = |finding: &crate::Finding| {
                let called = serde_json::to_value(finding.rule).unwrap();
                let said = format!(
                    "{} {} {} {} {:?}",
                    finding.place.field, finding.what, finding.why, finding.mend, finding.severity
                );
                finding.place.line == line && called == rule && said.contains(words.trim())
            };
            let at = found.iter().position(fits);
            let at = at.unwrap_or_else(|| panic!("line {line}: no {expected} in {found:#?}"));
            found.remove(at);
        }
    }
    assert!(found.is_empty(), "{text}\nunexpected: {found:#?}");
}

/// A deployment with something in its pod and in its container.
fn pod(pod: &str, container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: a }}\nspec:\n  selector: {{ matchLabels: \
         {{ a: b }} }}\n  template:\n    metadata: {{ labels: {{ a: b }} }}\n    spec:\n{pod}      \
         containers:\n      - name: a\n        image: a\n{container}"
    )
}

#[test]
fn unknown_fields_are_named_with_what_is_meant() {
    check(&pod(
        "      terminationGracePeriodSecond: 30 #! unknown-field: `terminationGracePeriodSeconds` meant\n",
        "",
    ));
    check(&pod(
        "",
        "        terminationGracePeriodSeconds: 30 #! unknown-field: field of `spec.template.spec`\n",
    ));
    check(&pod(
        "",
        "        lifecycle:\n          prestop: {} #! unknown-field: `preStop` meant\n",
    ));
    check(&pod("", "        lifecycle: { preStop: {\n          http: { port: 1 } #! unknown-field: containers[0].lifecycle.preStop.http\n         } }\n").replace("http:", "httpget:"));
    check(&pod("      Containers2: [] #! unknown-field: spec.template.spec.Containers2\n", ""));
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  lables: {} #! unknown-field: `labels` meant\nspec: {} #! unknown-field: no field `spec`\n",
    );
    check(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: { name: a }\nspec:\n  maxUnavailabel: 1 #! unknown-field: `maxUnavailable` meant\n",
    );
}

#[test]
fn missing_fields_are_named() {
    check(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: a }\nspec:\n  replicas: 1 #! missing-field: spec.selector & missing-field: spec.template\n",
    );
    check("apiVersion: apps/v1 #! missing-field: spec\nkind: Deployment\nmetadata: { name: a }\n");
    check(&pod("", "      - image: b #! missing-field: containers[1].name\n"));
    check(&pod("", "        volumeMounts:\n        - name: x #! missing-field: volumeMounts[0].mountPath\n").replace("      containers", "      volumes: [{ name: x }]\n      containers"));
    check(&pod("", "        ports:\n        - name: http #! missing-field: containerPort\n"));
    check(&pod(
        "",
        "        env:\n        - value: a #! missing-field: env[0].name\n        - name: #! missing-field: env[1].name\n          value: b\n",
    ));
    check(
        "apiVersion: v1\nkind: Service\nmetadata:\n  labels: {} #! missing-field: metadata.name\nspec: {}\n",
    );
    check("apiVersion: v1 #! missing-field: metadata.name\nkind: Service\nspec: {}\n");
    check("kind: Service #! missing-field: `apiVersion`\nmetadata: { name: a }\n");
    check("services: {} #! missing-field: `apiVersion` and `kind`\n");
    check(
        "apiVersion: batch/v1\nkind: Job\nmetadata: { name: a }\nspec:\n  template:\n    spec:\n      containers: [{ name: a, image: a }] #! missing-field: Always\n",
    );
    check(
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: { name: a }\nspec:\n  scaleTargetRef: { kind: Deployment, name: a } #! missing-field: maxReplicas\n",
    );
    check(
        "apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec:\n  ports:\n  - port: 1 #! missing-field: ports[0].name\n  - { port: 2, name: b }\n",
    );
}

#[test]
fn values_of_another_type_are_named_with_the_mend() {
    check(&pod(
        "",
        "        env:\n        - name: A\n          value: 8080 #! wrong-value: quote it: \"8080\"\n        - name: B\n          value: yes #! wrong-value: env[1].value\n        - name: C\n          value: 1.5 #! wrong-value: \"1.5\"\n",
    ));
    check(&pod(
        "      terminationGracePeriodSeconds: \"30\" #! wrong-value: without quotes: 30\n",
        "",
    ));
    check(&pod("      terminationGracePeriodSeconds: 30s #! wrong-value: whole number\n", ""));
    check(&pod("      hostNetwork: \"true\" #! wrong-value: without quotes\n", ""));
    check(&pod("      volumes: {} #! wrong-value: a list\n", ""));
    check(&pod(
        "",
        "        args: --x #! wrong-value: a list\n        command: [a, 1] #! wrong-value: command[1]\n",
    ));
    check(&pod("", "        resources: { limits: { cpu: 100MB } } #! wrong-value: limits.cpu\n"));
    check(&pod("", "        resources: { limits: { memory: true } } #! wrong-value: a quantity\n"));
    check(&pod(
        "",
        "        livenessProbe: { httpGet: { port: [1] } } #! wrong-value: a whole number or a text\n",
    ));
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata:\n  a: 1 #! wrong-value: data.a\n  b.c: on #! wrong-value: data[\"b.c\"]\n  d: {} #! wrong-value: a map\n",
    );
    check(
        "apiVersion: v1\nkind: Secret\nmetadata: { name: a }\ndata:\n  a: \"!\" #! wrong-value: base64\n",
    );
    check(
        "apiVersion: v1\nkind: Pod\nmetadata: { name: a, labels: { a: 1 } } #! wrong-value: metadata.labels.a\nspec: [] #! wrong-value: a list\n",
    );
    check(
        "apiVersion: v1\nkind: Pod\nmetadata: a #! wrong-value: a map\nspec: { containers: [{ name: a, image: a }, 1] } #! wrong-value: containers[1]\n",
    );
    check(
        "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: { name: a }\nspec: x #! wrong-value: a map\n",
    );
    check("apiVersion: 1 #! wrong-value: `apiVersion` is no text\nkind: Pod\n");
    check(
        "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: { name: a }\nspec: { scaleTargetRef: { kind: a, name: a }, maxReplicas: 5000000000 } #! wrong-value: 32 bits\n",
    );
}

#[test]
fn values_that_are_not_allowed_are_named() {
    check(&pod("      restartPolicy: Alway #! wrong-value: `Always` meant\n", ""));
    check(&pod("      restartPolicy: Never #! wrong-value: always restarted\n", ""));
    check(&pod("      terminationGracePeriodSeconds: -1 #! wrong-value: too small\n", ""));
    check(&pod(
        "",
        "        imagePullPolicy: ifNotPresent #! wrong-value: `IfNotPresent` meant\n        terminationMessagePolicy: Logs #! wrong-value: FallbackToLogsOnError\n",
    ));
    check(&pod("", "        ports: [{ containerPort: 0 }] #! wrong-value: from 1 to 65535\n"));
    check(&pod(
        "",
        "        ports: [{ containerPort: 70000, protocol: tcp }] #! wrong-value: 70000 & wrong-value: `TCP` meant\n",
    ));
    check(&pod(
        "",
        "        ports: [{ containerPort: 1, name: averylongportname }] #! wrong-value: 15\n",
    ));
    check(&pod(
        "",
        "        readinessProbe: { tcpSocket: { port: \"80\" } } #! wrong-value: without quotes\n",
    ));
    check(&pod("", "      - { name: B_c, image: b } #! wrong-value: containers[1].name\n"));
    check(&pod("", "      - { name: a, image: b } #! wrong-value: on line 10\n"));
    check(
        &pod("      initContainers: [{ name: a, image: a }]\n", "")
            .replace("- name: a\n", "- name: a #! wrong-value: another container\n"),
    );
    check(&pod(
        "",
        "        lifecycle: { preStop: {} } #! missing-field: exec, httpGet, sleep, tcpSocket\n",
    ));
    check(&pod(
        "",
        "        lifecycle:\n          preStop:\n            sleep: { seconds: 1 }\n            exec: { command: [a] } #! wrong-value: both `sleep` and `exec`\n",
    ));
    check(&pod(
        "",
        "        lifecycle: { preStop: { sleep: { seconds: -1 } } } #! wrong-value: at least 0\n",
    ));
    check(&pod("", "        livenessProbe: { periodSeconds: 1 } #! missing-field: exec, grpc\n"));
    check(&pod(
        "",
        "        livenessProbe: { successThreshold: 2, grpc: { port: 1 } } #! wrong-value: one success\n",
    ));
    check(&pod(
        "",
        "        volumeMounts: [{ name: x, mountPath: /x }] #! wrong-value: no volume \"x\"\n",
    ));
    check(&pod(
        "      topologySpreadConstraints: [{ maxSkew: 0, topologyKey: a, whenUnsatisfiable: Never }] #! wrong-value: at least 1 & wrong-value: DoNotSchedule\n",
        "",
    ));
    check(&pod("", "").replace("name: a }", "name: A_b } #! wrong-value: metadata.name"));
    check(&pod("", "").replace("labels: { a: b } }", "labels: { a: c } }").replace(
        "matchLabels: { a: b } }",
        "matchLabels: { a: b } } #! wrong-value: no label `a: b`",
    ));
    check(
        &pod("", "")
            .replace("{ matchLabels: { a: b } }", "{} #! wrong-value: the selector is empty"),
    );
    check(&pod("", "").replace("spec:\n  selector", "spec:\n  replicas: -1 #! wrong-value: replicas\n  strategy: { type: rolling } #! wrong-value: RollingUpdate\n  selector"));
    check(&pod("", "").replace("spec:\n  selector", "spec:\n  strategy:\n    type: Recreate\n    rollingUpdate: {} #! wrong-value: Recreate\n  selector"));
}

#[test]
fn other_kinds_are_checked_too() {
    check(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: { name: a }\nspec:\n  minAvailable: 1\n  maxUnavailable: \"1\" #! wrong-value: stand together & wrong-value: without quotes: 1\n  unhealthyPodEvictionPolicy: Always #! wrong-value: AlwaysAllow\n",
    );
    check(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: { name: a }\nspec:\n  schedule: \"* * * *\" #! wrong-value: five fields\n  concurrencyPolicy: forbid #! wrong-value: `Forbid` meant\n  jobTemplate:\n    spec:\n      completionMode: Indexed #! missing-field: spec.jobTemplate.spec.completions\n      template:\n        spec:\n          restartPolicy: Always #! wrong-value: OnFailure\n          containers: [] #! missing-field: no container\n",
    );
    check(
        "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: { name: a }\nspec:\n  podManagementPolicy: parallel #! wrong-value: `Parallel` meant\n  updateStrategy: { type: Recreate } #! wrong-value: OnDelete\n  selector: { matchLabels: { a: b } }\n  template:\n    metadata: { labels: { a: b } }\n    spec: { containers: [{ name: a, image: a }] }\n",
    );
    check(
        "apiVersion: v1\nkind: Service\nmetadata: { name: a.b } #! wrong-value: metadata.name\nspec:\n  type: Loadbalancer #! wrong-value: `LoadBalancer` meant\n  ports: [{ port: 0 }] #! wrong-value: 65535\n",
    );
    check(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: a }\nspec:\n  rules:\n  - http:\n      paths:\n      - path: / #! missing-field: pathType\n        backend: { service: { name: a } }\n      - { pathType: prefix, backend: {} } #! wrong-value: `Prefix` meant\n",
    );
    check(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: { name: a } \nroleRef: { kind: role, name: a } #! wrong-value: `Role` meant\nsubjects: [{ kind: User }] #! missing-field: subjects[0].name\n",
    );
    check(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: A #! wrong-value: metadata.namespace\n  labels: { a: b c } #! wrong-value: value of a label\n",
    );
}

#[test]
fn versions_that_are_gone_are_named_with_the_one_to_use() {
    for (version, kind, mend) in [
        ("extensions/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("extensions/v1beta1", "Deployment", "apps/v1"),
        ("apps/v1beta2", "StatefulSet", "apps/v1"),
        ("policy/v1beta1", "PodDisruptionBudget", "policy/v1"),
        ("policy/v1beta1", "PodSecurityPolicy", "Pod Security Admission"),
        ("batch/v1beta1", "CronJob", "batch/v1"),
        ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "autoscaling/v2"),
        ("networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("rbac.authorization.k8s.io/v1beta1", "Role", "rbac.authorization.k8s.io/v1"),
        ("apps/v2", "Deployment", "`apiVersion: apps/v1`"),
        ("v1", "Deployment", "`apiVersion: apps/v1`"),
        ("app/v1", "Deployment", "`apiVersion: apps/v1`"),
    ] {
        check(&format!(
            "metadata: {{ name: a }}\napiVersion: {version} #! unknown-kind: {mend}\nkind: {kind}\n"
        ));
    }
}

#[test]
fn unknown_kinds_are_named_with_what_is_meant() {
    check(
        "apiVersion: apps/v1\nkind: Deploymnet #! unknown-kind: is `Deployment` meant? It is of `apps/v1`\n",
    );
    check(
        "apiVersion: v1\nkind: CronJobs #! unknown-kind: is `CronJob` meant? It is of `batch/v1`\n",
    );
    check("apiVersion: v1\nkind: Zebra #! unknown-kind: custom resources have a dot\n");
}

#[test]
fn what_others_define_is_only_noted() {
    for version in
        ["monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1", "resource.k8s.io/v1beta2"]
    {
        check(&format!(
            "apiVersion: {version}\nkind: Thing #! unknown-kind: Note\nspec: {{ a: 1 }}\n"
        ));
    }
    let text =
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization #! unknown-kind: Note\n";
    check_file("base/kustomization.yaml", text);
    check_file("kustomization.yaml", "resources: [a.yaml] #! unknown-kind: Note\n");
}
