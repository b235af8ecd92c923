//! Bytes of an adversary, sent through the gateway to a real API server. Each must be refused, and
//! the API server's own audit log must not know of it; or it is judged, and then the log must say
//! exactly what was judged, as the caller and nobody else.

mod content;
mod framing;
mod headers;
mod http2;
mod identity;
mod masking;
mod methods;
mod paths;
mod sessions;
mod upgrades;
mod verbs;
mod write_back;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use gateway_tests::{Answer, PATIENCE, Wire, fresh};

use crate::ground::{Ground, assert_status, ground};

/// Who attacks; an administrator upstream, so that nothing but the gateway stands in the way.
const ATTACKER: &str = "attacker";
const ATTACKER_UPSTREAM: &str = "it:attacker";
/// How the names of callers in these tests begin, upstream.
const TEST_CALLERS: [&str; 4] = ["it:", "legacy:", "mesh:", "system:serviceaccount:sa-"];

/// Whoever waits for more of a message has not answered by then.
const PAUSE: Duration = Duration::from_millis(500);

/// What an attack carries so that its traces are found.
struct Marks {
    /// A user agent nobody else has.
    agent: String,
    /// A good token of the attacker.
    token: String,
    /// The namespace of the ground.
    namespace: String,
}

/// What must come of an attack.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// A `Status` with this code.
    Refused(u16),
    /// Refused in the exchange or below it: any 4xx or 5xx.
    Dropped,
    /// The same, or the connection is closed before all is sent.
    Cut,
    /// Refused by exactly one answer, a 4xx or 5xx, after which the connection closes: where the
    /// next request would begin is in doubt, so there is none.
    Closed,
    /// Passed as exactly this vector, as the attacker.
    Judged(&'static str),
    /// Either of the two; for inputs whose refusal is a matter of taste.
    DroppedOrJudged(&'static str),
}

/// One attack of a table.
struct Attack {
    title: String,
    bytes: Vec<u8>,
    /// Sent after the answer to the first, or when there is none for a while.
    later: Vec<u8>,
    outcome: Outcome,
}

impl Attack {
    fn new(title: impl Into<String>, bytes: impl Into<Vec<u8>>, outcome: Outcome) -> Self {
        Self {
            title: title.into(),
            bytes: bytes.into(),
            later: Vec::new(),
            outcome,
        }
    }

    fn then(self, later: &str) -> Self {
        Self {
            later: later.into(),
            ..self
        }
    }
}

/// Sends each attack on a connection of its own and checks both sides.
fn check(attacks: impl Fn(&Marks) -> Vec<Attack>) {
    let ground = ground();
    let count = attacks(&marks(ground)).len();
    let mut faults = Vec::new();
    for index in 0..count {
        let marks = marks(ground);
        let attack = attacks(&marks).swap_remove(index);
        let title = &attack.title;
        // A table names every fault at once; what a panic leaves behind is not looked at again.
        let run = AssertUnwindSafe(|| check_one(ground, &marks, &attack));
        if let Err(panic) = std::panic::catch_unwind(run) {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            faults.push(format!("{title}: {text}"));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {count} attacks:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn check_one(ground: &Ground, marks: &Marks, attack: &Attack) {
    let before = ground.cluster.journal().count();
    let mut wire = ground.gateway.wire();
    let answer = send(&mut wire, attack);
    match attack.outcome {
        Outcome::Refused(code) => {
            let answer = answer.expect("an answer");
            assert_status(&attack.title, &answer, code);
            assert_untouched(ground, marks, before);
        }
        Outcome::Dropped => {
            assert!(answer.is_some(), "no answer");
            assert_dropped(answer.as_ref());
            assert_untouched(ground, marks, before);
        }
        Outcome::Cut => {
            assert_dropped(answer.as_ref());
            assert_untouched(ground, marks, before);
        }
        Outcome::Closed => {
            let answer = answer.expect("an answer");
            assert_dropped(Some(&answer));
            assert!(wire.is_closed(), "it goes on after {}", answer.text());
            assert_untouched(ground, marks, before);
        }
        Outcome::Judged(vector) => {
            let answer = answer.expect("an answer");
            assert!(
                answer.status < 300,
                "status {}: {}",
                answer.status,
                answer.text()
            );
            assert_judged(ground, marks, before, vector);
        }
        Outcome::DroppedOrJudged(vector) => {
            ground.sentinel();
            if ground.cluster.journal().by_agent(&marks.agent).is_empty() {
                assert_dropped(answer.as_ref());
                assert_untouched(ground, marks, before);
            } else {
                assert_judged(ground, marks, before, vector);
            }
        }
    }
}

/// Sends it; gives the first answer.
fn send(wire: &mut Wire, attack: &Attack) -> Option<Answer> {
    let with_body = !attack.bytes.starts_with(b"HEAD ");
    // The gateway may close before everything is written.
    wire.send(&attack.bytes).ok()?;
    if attack.later.is_empty() {
        return wire.answer(with_body).ok();
    }
    wire.set_patience(PAUSE);
    let first = wire.answer(with_body).ok();
    wire.set_patience(PATIENCE);
    let sent = wire.send(&attack.later);
    first.or_else(|| sent.ok().and_then(|()| wire.answer(with_body).ok()))
}

fn assert_dropped(answer: Option<&Answer>) {
    let status = answer.map(|answer| answer.status);
    assert!(
        status.is_none_or(|status| (400..600).contains(&status)),
        "status {status:?}"
    );
}

/// The API server knows nothing of it, and nobody was impersonated whom nobody is.
fn assert_untouched(ground: &Ground, marks: &Marks, before: usize) {
    ground.sentinel();
    let events = ground.cluster.journal().since(before);
    let own = events
        .iter()
        .find(|event| event.0.to_string().contains(&marks.agent));
    assert!(own.is_none(), "the API server saw it: {own:?}");
    assert_nobody_rose(ground, before);
}

/// The API server saw it once, as the attacker.
fn assert_judged(ground: &Ground, marks: &Marks, before: usize, vector: &str) {
    let vector = vector.replace("{ns}", &marks.namespace);
    ground.sentinel();
    let events = ground.cluster.journal().by_agent(&marks.agent);
    let received: Vec<_> = events
        .iter()
        .filter(|event| event.text("/stage") == "RequestReceived")
        .collect();
    assert_eq!(received.len(), 1, "seen once: {events:?}");
    for event in &events {
        assert_eq!(event.vector(), vector);
        assert_eq!(event.text("/user/username"), "countersign-gateway");
        let seen = event.text("/impersonatedUser/username");
        let early = event.text("/stage") == "RequestReceived" && seen.is_empty();
        assert!(early || seen == ATTACKER_UPSTREAM, "as `{seen}`");
    }
    assert_nobody_rose(ground, before);
}

/// No request of the gateway ran as somebody whom no test is, nor as the gateway itself on an
/// object.
fn assert_nobody_rose(ground: &Ground, before: usize) {
    for event in ground.cluster.journal().since(before) {
        if event.text("/user/username") != "countersign-gateway" {
            continue;
        }
        let groups = event.texts("/impersonatedUser/groups");
        assert!(!groups.contains(&"system:masters"), "{event:?}");
        let user = event.text("/impersonatedUser/username");
        let known = TEST_CALLERS.iter().any(|prefix| user.starts_with(prefix));
        assert!(user.is_empty() || known, "as `{user}`: {event:?}");
        let finished = event.text("/stage") == "ResponseComplete";
        let object = event.text("/objectRef/resource");
        let own = ["", "tokenreviews"].contains(&object);
        assert!(
            !finished || !user.is_empty() || own,
            "as the gateway itself: {event:?}"
        );
    }
}

fn marks(ground: &Ground) -> Marks {
    Marks {
        agent: fresh("attack"),
        token: ground.token(ATTACKER),
        namespace: ground.namespace.clone(),
    }
}

impl Marks {
    /// A whole request with these header lines after the usual ones.
    fn request(&self, line: &str, more: &str) -> Vec<u8> {
        let Self {
            agent,
            token,
            namespace,
        } = self;
        let line = line.replace("{ns}", namespace);
        format!(
            "{line}\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
        )
        .into_bytes()
    }

    /// A GET of that target.
    fn get(&self, target: &str) -> Vec<u8> {
        self.request(&format!("GET {target} HTTP/1.1"), "")
    }
}
