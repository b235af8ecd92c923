//! The traps of the proxy library, each of which really happened: the gateway's remedies are held
//! here, against an upstream that misbehaves on demand.

mod bodies;
mod bystanders;
mod heads;
mod live;
mod long_lists;
mod masked_sessions;
mod masks;
mod retries;
mod sessions;

use gateway_tests::{Bundle, FakeUpstream, Gateway, Issuer, Script, Setup};

use crate::ground::EVERYTHING;

/// A gateway before a fake upstream.
struct Bench {
    upstream: FakeUpstream,
    issuer: Issuer,
    gateway: Gateway,
}

/// Create of this name is denied, so that a body decides.
const DENY_BY_NAME: &str = r#"
deny "not-this-one" {
    why "A denial that only the body can decide"
    severity low
    can create update patch
    on "configmaps"
    in "*"
    named "denied"
}
"#;

impl Bench {
    fn new(script: Script) -> Self {
        Self::with_rules(script, DENY_BY_NAME)
    }

    fn with_rules(script: Script, more: &str) -> Self {
        Self::with_masks(script, more, "")
    }

    fn with_masks(script: Script, more: &str, masks: &str) -> Self {
        let upstream = FakeUpstream::start(script);
        let issuer = Issuer::start();
        let rules = [EVERYTHING, more].concat();
        let bundle = Bundle::open(&issuer, &["one"])
            .with("masks.kdl", masks)
            .with_rules(&rules);
        let setup = Setup::with_kubeconfig(&upstream.kubeconfig(), &issuer);
        let gateway = setup.with_bundle(bundle).start();
        Self {
            upstream,
            issuer,
            gateway,
        }
    }

    fn token(&self) -> String {
        self.issuer.token("agent")
    }

    /// Requests for objects, the gateway's own questions left out.
    fn received(&self, part: &str) -> Vec<gateway_tests::Received> {
        let mut received = self.upstream.received();
        received.retain(|request| request.line.contains(part));
        received
    }
}
