//! What most tests share: one gateway under a policy that lets administrators do everything but
//! impersonate, so that what is refused is refused by the gateway itself.

use std::sync::OnceLock;

use gateway_tests::{Answer, Bundle, Cluster, Gateway, Issuer, Request, Setup, fresh, get};
use serde_json::Value;

/// The rules of the shared gateway.
pub(crate) const EVERYTHING: &str = r#"
allow "everything" {
    why "What is refused here is refused by the gateway itself"
    who { group "it:admins" }
    can read write connect
    on "*/*"
    in "*" "@cluster"
}
allow "every-url" {
    why "What is refused here is refused by the gateway itself"
    who { group "it:admins" }
    can all
    urls "*"
}
"#;

/// What kubectl asks before anything else.
pub(crate) const DISCOVERY: &str = r#"
allow "discovery" {
    why "kubectl asks what there is"
    who { anyone }
    can read
    urls "@discovery"
}
"#;

/// The shared gateway and what stands around it.
pub(crate) struct Ground {
    pub(crate) cluster: &'static Cluster,
    pub(crate) issuer: Issuer,
    pub(crate) gateway: Gateway,
    /// A namespace with a running pod `shell`, a ConfigMap `cm` and a Secret `db`.
    pub(crate) namespace: String,
}

/// The shared ground; made on first use.
pub(crate) fn ground() -> &'static Ground {
    static GROUND: OnceLock<Ground> = OnceLock::new();
    GROUND.get_or_init(|| {
        let cluster = Cluster::shared();
        let issuer = Issuer::start();
        let bundle = Bundle::open(&issuer, &["one"]).with_rules(EVERYTHING);
        let gateway = Setup::new(cluster, &issuer).with_bundle(bundle).start();
        let namespace = cluster.namespace("ground");
        cluster.pod(&namespace, "shell");
        let admin = cluster.admin().with(&["-n", &namespace]);
        admin.ok(&["create", "configmap", "cm", "--from-literal=k=v"]);
        admin.ok(&[
            "create",
            "secret",
            "generic",
            "db",
            "--from-literal=password=hunter2",
        ]);
        Ground {
            cluster,
            issuer,
            gateway,
            namespace,
        }
    })
}

impl Ground {
    /// A token of user `it:NAME` in `it:admins`.
    pub(crate) fn token(&self, name: &str) -> String {
        self.issuer.token(name)
    }

    /// Sends one request through the gateway on a connection of its own.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.gateway.wire().ask(request)
    }

    /// A request that must pass, sent after a doubtful one: when it is in the API server's audit
    /// log, whatever was sent before it is there too.
    pub(crate) fn sentinel(&self) {
        let agent = fresh("sentinel");
        let target = format!("/api/v1/namespaces/{}", self.namespace);
        let request = get(&target).token(&self.token("sentinel")).agent(&agent);
        let answer = self.ask(&request);
        assert_eq!(
            answer.status,
            200,
            "a good request passes: {}",
            answer.text()
        );
        let event = self
            .cluster
            .journal()
            .await_agent(&agent, "ResponseComplete");
        assert_eq!(event.text("/impersonatedUser/username"), "it:sentinel");
    }
}

/// Asserts the shape of a refusal: a `Status` with the code, of that exchange.
pub(crate) fn assert_status(title: &str, answer: &Answer, code: u16) {
    assert_eq!(answer.status, code, "{title}: {}", answer.text());
    let status = answer.json();
    assert_eq!(status["kind"], "Status", "{title}: {status}");
    assert_eq!(status["status"], "Failure", "{title}: {status}");
    assert_eq!(status["code"], Value::from(code), "{title}: {status}");
    let media = answer.header("content-type");
    assert_eq!(media, Some("application/json"), "{title}");
    assert!(
        answer.header("countersign-decision-id").is_some(),
        "{title}: no decision id"
    );
}
