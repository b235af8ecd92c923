//! The tour: commands as a person would type them, what comes of each, and why.
//!
//! One table for both readers: `demo up` prints the lines that have a remark, `demo check` runs
//! them all.

use std::io::Write as _;

use anyhow::Result;

use super::cluster::{FOREIGN_NAMESPACE, OWN_NAMESPACE, Owner, Upstream};
use super::files::Layout;
use super::tokens::{SUBJECTS, Subject};

/// One command and what must come of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// The subject whose kubeconfig is used.
    pub(super) who: &'static str,
    /// What is typed; run by `sh`, with the demo's kubectl first on the PATH.
    pub(super) command: &'static str,
    /// What the printed tour says about it; empty leaves it out there.
    pub(super) remark: &'static str,
    /// What must come of it.
    pub(super) expect: Expect,
    /// Where it can be run.
    pub(super) place: Place,
}

/// What must come of a command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expect {
    /// It succeeds and prints all of these.
    Prints(&'static [&'static str]),
    /// It ends with this code, whatever it prints.
    Ends(i32),
    /// It says no: exit code 1 and all of these on either output.
    Says(&'static [&'static str]),
    /// The gateway refuses: exit code 1, `forbidden`, a decision id, and all of these.
    Refused(&'static [&'static str]),
    /// It goes on for ever: the first is printed, then an admin does `meanwhile`, then the others
    /// are printed, then it is stopped.
    Follows {
        /// What is to be seen, in this order.
        prints: &'static [&'static str],
        /// What an admin does after the first was seen; may be empty.
        meanwhile: &'static str,
    },
    /// It forwards a port of its choice, behind which an HTTP server answers with this.
    Forwards(&'static str),
}

/// Where a command can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In every cluster, in the one namespace of the tour.
    Anywhere,
    /// Only where all the demo's namespaces and rights are.
    OwnCluster,
}

impl Place {
    /// Whether that cluster will do.
    pub(super) const fn is_in(self, owner: Owner) -> bool {
        match (self, owner) {
            (Self::Anywhere, _) | (Self::OwnCluster, Owner::Demo) => true,
            (Self::OwnCluster, Owner::User) => false,
        }
    }
}

/// What an allowed caller reads is what the API server says, byte for byte: `(who, path)`.
/// `{shop}` is the tour's namespace; lists are read at one resource version.
pub(super) const SAME: [(&str, &str); 8] = [
    ("reader-agent", "/api/v1/namespaces/{shop}/pods/toolbox"),
    (
        "reader-agent",
        "/api/v1/namespaces/{shop}/configmaps/web-config",
    ),
    (
        "reader-agent",
        "/apis/apps/v1/namespaces/{shop}/deployments/web",
    ),
    ("reader-agent", "/api/v1/namespaces/{shop}/pods"),
    ("deploy-agent", "/api/v1/namespaces/{shop}/services?limit=1"),
    (
        "sre-human",
        "/api/v1/namespaces/{shop}/secrets/db-credentials",
    ),
    ("sre-human", "/apis"),
    ("reader-agent", "/version"),
];

const fn step(
    who: &'static str,
    command: &'static str,
    remark: &'static str,
    expect: Expect,
) -> Step {
    Step {
        who,
        command,
        remark,
        expect,
        place: Place::Anywhere,
    }
}

const fn own(step: Step) -> Step {
    Step {
        place: Place::OwnCluster,
        ..step
    }
}

const READER: &str = "reader-agent";
const DEPLOYER: &str = "deploy-agent";
const PERSON: &str = "sre-human";
const OLD_JOB: &str = "legacy-ci";

/// The tour, in order: a later line may build on an earlier one.
pub(super) const STEPS: &[Step] = &[
    step(
        READER,
        "kubectl auth whoami",
        "demo:reader-agent, proven by a ten-minute token",
        Expect::Prints(&["demo:reader-agent", "demo:agents"]),
    ),
    step(
        READER,
        "kubectl get pods",
        "allowed: the API server's own answer",
        Expect::Prints(&["NAME", "toolbox", "web-"]),
    ),
    step(
        READER,
        "kubectl get pods,services,configmaps,deployments -o name",
        "",
        Expect::Prints(&[
            "pod/toolbox",
            "service/web",
            "configmap/web-config",
            "deployment.apps/web",
        ]),
    ),
    step(
        READER,
        "kubectl describe pod toolbox",
        "",
        Expect::Prints(&["Name:", "toolbox", "busybox"]),
    ),
    step(READER, "kubectl logs toolbox --tail=5", "", Expect::Ends(0)),
    step(
        READER,
        "kubectl logs -f toolbox",
        "",
        Expect::Follows {
            prints: &[""],
            meanwhile: "",
        },
    ),
    step(
        READER,
        "kubectl get configmap web-config -w -o yaml",
        "",
        Expect::Follows {
            prints: &["colour: blue", "seen: in-passing"],
            meanwhile: "kubectl annotate configmap web-config seen=in-passing",
        },
    ),
    step(
        READER,
        "kubectl get secrets",
        "denied: says what is allowed instead",
        Expect::Refused(&["nothing is allowed on secrets for you"]),
    ),
    step(
        READER,
        "kubectl get secret db-credentials -o yaml",
        "",
        Expect::Refused(&["no rule allows you to get secrets db-credentials"]),
    ),
    own(step(
        READER,
        "kubectl get pods -n vault",
        "denied: another namespace",
        Expect::Refused(&["you may get, list, watch pods in namespaces shop, shop-*"]),
    )),
    own(step(
        READER,
        "kubectl get pods -A",
        "",
        Expect::Refused(&["you may get, list, watch pods in namespaces shop, shop-*"]),
    )),
    step(
        READER,
        "kubectl delete pod toolbox",
        "",
        Expect::Refused(&["you may get, list, watch pods"]),
    ),
    step(
        READER,
        "kubectl exec toolbox -- date",
        "",
        Expect::Refused(&["nothing is allowed on pods/exec for you"]),
    ),
    step(
        READER,
        "kubectl get pods --as=system:admin",
        "",
        Expect::Refused(&[]),
    ),
    step(
        READER,
        "kubectl auth can-i list pods",
        "",
        Expect::Prints(&["yes"]),
    ),
    step(
        READER,
        "kubectl auth can-i get secrets",
        "no: policy and RBAC are asked together",
        Expect::Says(&["no"]),
    ),
    step(
        READER,
        "kubectl auth can-i --list",
        "",
        Expect::Prints(&["Resources", "pods"]),
    ),
    step(
        DEPLOYER,
        "kubectl scale deployment/web --replicas=3",
        "allowed, and in the audit log before it happens",
        Expect::Prints(&["deployment.apps/web scaled"]),
    ),
    step(
        DEPLOYER,
        "kubectl rollout status deployment/web --timeout=60s",
        "",
        Expect::Prints(&["successfully rolled out"]),
    ),
    step(
        DEPLOYER,
        "kubectl create configmap banner --from-literal=text=hello --dry-run=client -o yaml | kubectl apply -f -",
        "",
        Expect::Prints(&["configmap/banner created"]),
    ),
    step(
        DEPLOYER,
        "kubectl create configmap banner --from-literal=text=hi --dry-run=client -o yaml | kubectl apply -f -",
        "",
        Expect::Prints(&["configmap/banner configured"]),
    ),
    step(
        DEPLOYER,
        "kubectl create configmap banner --from-literal=text=hello --dry-run=client -o yaml | kubectl apply --server-side --force-conflicts -f -",
        "",
        Expect::Prints(&["configmap/banner serverside-applied"]),
    ),
    step(
        DEPLOYER,
        "KUBE_EDITOR='sed -i s/hello/goodbye/' kubectl edit configmap banner",
        "",
        Expect::Prints(&["configmap/banner edited"]),
    ),
    step(
        DEPLOYER,
        "kubectl get configmap banner -o jsonpath='{.data.text}'",
        "",
        Expect::Prints(&["goodbye"]),
    ),
    step(
        DEPLOYER,
        "kubectl delete configmap banner",
        "",
        Expect::Prints(&["\"banner\" deleted"]),
    ),
    step(
        DEPLOYER,
        "kubectl get secrets",
        "",
        Expect::Prints(&["db-credentials", "Opaque"]),
    ),
    step(
        DEPLOYER,
        "kubectl get secret db-credentials -o yaml",
        "allowed, with every value masked",
        Expect::Prints(&["password: Y291bnRlcnNpZ24tbWFza2Vk", "username: Y291"]),
    ),
    step(
        DEPLOYER,
        "kubectl get secret db-credentials -o jsonpath='{.data.password}' | base64 -d",
        "",
        Expect::Prints(&["countersign-masked:"]),
    ),
    step(
        DEPLOYER,
        "kubectl describe secret db-credentials",
        "",
        Expect::Prints(&["password:", "bytes"]),
    ),
    step(
        DEPLOYER,
        "kubectl label secret db-credentials seen=yes",
        "",
        Expect::Refused(&["you may get, list, watch secrets"]),
    ),
    own(step(
        DEPLOYER,
        "kubectl -n shop-dev exec deploy/web -- date",
        "allowed in shop-dev",
        Expect::Prints(&[":"]),
    )),
    step(
        DEPLOYER,
        "kubectl exec toolbox -- date",
        "denied here",
        Expect::Refused(&["you may connect pods/exec in namespace shop-dev"]),
    ),
    step(
        DEPLOYER,
        "kubectl create rolebinding mine --clusterrole=admin --user=demo:deploy-agent",
        "denied by a guardrail that no rule can lift",
        Expect::Refused(&[
            "denied by rule `no-escalation`: Roles, bindings and webhooks are changed by pull request",
        ]),
    ),
    step(
        DEPLOYER,
        "kubectl create secret generic mine --from-literal=key=value",
        "",
        Expect::Refused(&[]),
    ),
    own(step(
        PERSON,
        "kubectl get pods -A",
        "",
        Expect::Prints(&["shop-dev", "shop-ci"]),
    )),
    own(step(
        PERSON,
        "kubectl get nodes",
        "",
        Expect::Prints(&["Ready"]),
    )),
    step(
        PERSON,
        "kubectl get secret db-credentials -o jsonpath='{.data.password}'",
        "allowed: a person, one Secret by name",
        Expect::Prints(&["Y2FuYXJ5LXNob3AtZGItN2YzYQ=="]),
    ),
    step(PERSON, "kubectl get secrets", "", Expect::Refused(&[])),
    own(step(
        PERSON,
        "kubectl get secret root-token -n vault",
        "",
        Expect::Refused(&[]),
    )),
    step(
        PERSON,
        "kubectl exec toolbox -- sh -c 'echo in the pod; exit 7'",
        "allowed: the exit code comes through",
        Expect::Ends(7),
    ),
    step(
        PERSON,
        "echo through the gateway | kubectl exec -i toolbox -- cat",
        "",
        Expect::Prints(&["through the gateway"]),
    ),
    step(
        PERSON,
        "KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false kubectl exec toolbox -- echo over SPDY",
        "",
        Expect::Prints(&["over SPDY"]),
    ),
    step(
        PERSON,
        "date > there && kubectl cp there toolbox:/tmp/there && kubectl cp toolbox:/tmp/there back && cmp there back",
        "",
        Expect::Ends(0),
    ),
    step(
        PERSON,
        "kubectl port-forward pod/toolbox :8080",
        "",
        Expect::Forwards("hello from"),
    ),
    own(step(
        PERSON,
        "kubectl get --raw /api/v1/nodes/any/proxy/metrics",
        "",
        Expect::Refused(&["no-node-proxy"]),
    )),
    step(
        PERSON,
        "kubectl delete pod toolbox",
        "",
        Expect::Prints(&["\"toolbox\" deleted"]),
    ),
    own(step(
        OLD_JOB,
        "kubectl get pods -n shop-ci",
        "allowed, by a static token",
        Expect::Prints(&["build"]),
    )),
    step(OLD_JOB, "kubectl get pods", "denied", Expect::Refused(&[])),
];

/// Prints the tour.
///
/// # Errors
/// If nobody reads.
pub(super) fn print(layout: &Layout, upstream: &Upstream, gateway: &str) -> Result<()> {
    writeln!(
        std::io::stdout().lock(),
        "{}",
        text(layout, upstream, gateway)
    )?;
    Ok(())
}

fn text(layout: &Layout, upstream: &Upstream, gateway: &str) -> String {
    let place = |below: &str| layout.path(below).display().to_string();
    let mut text = format!(
        "
The gateway {gateway} stands in front of the API server {server}.
Four callers have a kubeconfig each. Upstream all of them may do almost everything: what is
refused below is refused by policy. Commands run in namespace {namespace} unless they say otherwise.

    export PATH={bin}:$PATH
",
        server = upstream.server,
        namespace = upstream.owner.namespace(),
        bin = place("bin"),
    );
    for subject in &SUBJECTS {
        text += &visit(layout, upstream.owner, subject);
    }
    text += &format!(
        "
Besides
    past the gateway        export KUBECONFIG={admin}
    who, what, why          tail -n 3 {audit}
    another rule            $EDITOR {rules}
                            a valid change holds a second later, a faulty one is only reported
    a token for curl        countersign demo token --dir {dir} --as reader-agent

Ctrl-C stops everything and leaves nothing behind.",
        admin = layout.kubeconfig("admin").display(),
        audit = place("audit.jsonl"),
        rules = place("bundle/rules/agents.kdl"),
        dir = layout.root().display(),
    );
    text
}

/// What the tour shows as one subject.
fn visit(layout: &Layout, owner: Owner, subject: &Subject) -> String {
    let shown = |step: &&Step| {
        step.who == subject.name && step.place.is_in(owner) && !step.remark.is_empty()
    };
    let mut text = format!("\n{}, {}\n", subject.name, subject.about);
    text += &format!(
        "    export KUBECONFIG={}\n",
        layout.kubeconfig(subject.name).display()
    );
    for step in STEPS.iter().filter(shown) {
        text += &aligned(step.command, step.remark);
    }
    text
}

/// A remark stands beside its command if there is room, else below it.
fn aligned(command: &str, remark: &str) -> String {
    const COLUMN: usize = 44;
    if command.len() <= COLUMN {
        format!("    {command:COLUMN$}  # {remark}\n")
    } else {
        format!("    {command}\n    {:COLUMN$}  # {remark}\n", "")
    }
}

/// The namespace of the tour put in place of `{shop}`.
pub(super) fn in_namespace(path: &str, owner: Owner) -> String {
    let namespace = match owner {
        Owner::Demo => OWN_NAMESPACE,
        Owner::User => FOREIGN_NAMESPACE,
    };
    path.replace("{shop}", namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_only_subjects_that_exist() {
        for who in STEPS
            .iter()
            .map(|step| step.who)
            .chain(SAME.iter().map(|(who, _)| *who))
        {
            assert!(SUBJECTS.iter().any(|subject| subject.name == who), "{who}");
        }
    }

    #[test]
    fn stays_in_its_namespace_where_the_cluster_is_the_users() {
        for step in STEPS.iter().filter(|step| step.place == Place::Anywhere) {
            assert!(!step.command.contains(" -n "), "{}", step.command);
            assert!(!step.command.contains(" -A"), "{}", step.command);
        }
    }

    #[test]
    fn prints_a_short_tour() {
        let upstream = Upstream {
            server: "https://127.0.0.1:6443".to_owned(),
            admin: "/demo/kubeconfig/admin.yaml".into(),
            gateway: "/demo/cluster/kubeconfig-gateway.yaml".into(),
            gateway_subject: String::new(),
            owner: Owner::Demo,
        };
        let layout = Layout::at("/demo".as_ref()).unwrap();
        insta::assert_snapshot!(
            "own_cluster",
            text(&layout, &upstream, "https://127.0.0.1:8443")
        );
        let upstream = Upstream {
            owner: Owner::User,
            ..upstream
        };
        insta::assert_snapshot!(
            "users_cluster",
            text(&layout, &upstream, "https://127.0.0.1:8443")
        );
    }
}
