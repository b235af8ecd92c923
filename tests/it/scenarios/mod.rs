//! What an operator relies on, from end to end.

mod audit;
mod crash;
mod credentials;
mod deployment;
mod drain;
mod impersonation;
mod metrics;
mod obligations;
mod reload;
mod reviews;
mod routing;
mod streams;
mod upstream;

use std::io::Result;

use gateway_tests::{Bundle, Gateway, Issuer, Setup, Wire, get};

use crate::ground::{EVERYTHING, Ground, ground};

/// A gateway of its own before the shared cluster, with an issuer of its own.
struct Stage {
    ground: &'static Ground,
    issuer: Issuer,
    gateway: Gateway,
}

impl Stage {
    fn new(change: impl FnOnce(Setup) -> Setup) -> Self {
        let ground = ground();
        let issuer = Issuer::start();
        let bundle = Bundle::open(&issuer, &["one"]).with_rules(EVERYTHING);
        let setup = Setup::new(ground.cluster, &issuer).with_bundle(bundle);
        let gateway = change(setup).start();
        Self {
            ground,
            issuer,
            gateway,
        }
    }

    fn bundle(&self, rules: &str) -> Bundle {
        Bundle::open(&self.issuer, &["one"]).with_rules(rules)
    }
}

/// A watch under way; its first event has been read.
struct Watch {
    wire: Wire,
    id: String,
}

impl Watch {
    fn open(gateway: &Gateway, target: &str, token: &str) -> Self {
        let mut wire = gateway.wire();
        wire.send(&get(target).token(token).bytes())
            .expect("the request is sent");
        let head = wire.head().expect("a head");
        assert_eq!(head.status, 200, "{target}");
        let id = head
            .header("countersign-decision-id")
            .expect("a decision id")
            .to_owned();
        let first = wire.piece().expect("an event");
        assert!(first.is_some(), "a watch begins with what there is");
        Self { wire, id }
    }

    /// Reads to the end; `Ok` if it came as HTTP says an end comes.
    fn end(mut self) -> Result<()> {
        while self.wire.piece()?.is_some() {}
        Ok(())
    }
}
