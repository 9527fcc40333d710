//! Full and valid manifests, in which nothing is found.

use super::findings;

macro_rules! sound {
    ($($test:ident $file:literal)*) => {$(
        #[test]
        fn $test() {
            let found = findings($file, include_str!(concat!("sound/", $file)));
            assert!(found.is_empty(), "{found:#?}");
        }
    )*};
}

sound! {
    a_deployment_with_everything "deployment.yaml"
    a_stateful_set "stateful-set.yaml"
    a_daemon_set "daemon-set.yaml"
    jobs "jobs.yaml"
    budgets_and_autoscalers "scaling.yaml"
    services_and_networks "network.yaml"
    configuration "configuration.yaml"
    accounts_and_roles "rbac.yaml"
    cluster_objects "cluster.yaml"
    a_list "list.yaml"
    json "object.json"
    what_kubectl_prints "printed.yaml"
}
