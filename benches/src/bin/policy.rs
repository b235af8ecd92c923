//! Head decisions: the compiled form beside Cedar, on one generated fleet.

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use gateway_benches::cedar::CedarFleet;
use gateway_benches::row::Row;
use gateway_benches::sample::{Sample, clock_cost};
use gateway_policy::PolicySet;
use gateway_policy::identify::IdentityRules;
use gateway_policy::testing::{CLUSTER, Fleet, FleetSize};

/// Any seed will do; a fixed one makes two runs comparable.
const SEED: u64 = 20_261_118;
const CALLERS: usize = 200;
const REQUESTS: usize = 10_000;
/// Denials that are described.
const DESCRIBED: usize = 1_000;
/// Times each request is decided.
const ROUNDS: usize = 20;
/// The peer is given about so many seconds per size, and at least this many requests.
const PEER_SECONDS: f64 = 10.0;
const PEER_REQUESTS_MIN: usize = 200;

const PEER: &str = "cedar-policy";
const PEER_SLICED: &str = "cedar-policy, policies of the caller's groups only";

fn main() -> Result<()> {
    say(&format!(
        "reading the clock costs {:.3} us, in every time below",
        clock_cost()
    ))?;
    for rules in [10, 100, 1_000, 10_000] {
        measure(rules)?;
    }
    Ok(())
}

fn measure(rules: usize) -> Result<()> {
    let size = FleetSize {
        rules,
        callers: CALLERS,
        requests: REQUESTS,
    };
    let fleet = Fleet::new(SEED, size);
    let started = Instant::now();
    let set = PolicySet::compile(&fleet.bundle, CLUSTER)?;
    let compiling = started.elapsed().as_secs_f64() * 1e3;
    let identities: Vec<IdentityRules> = fleet
        .callers
        .iter()
        .map(|caller| set.identify(caller))
        .collect();
    let ours = Ours {
        fleet: &fleet,
        set: &set,
        identities: &identities,
    };
    let cedar = CedarFleet::new(&fleet)?;
    let allowed = agree(&ours, &cedar)?;
    say(&format!(
        "{rules} rules: {allowed} of {REQUESTS} requests allowed, engines agree"
    ))?;

    let case = rules.to_string();
    let head = Sample::of_calls((0..ROUNDS).flat_map(|_| 0..REQUESTS), |request| {
        ours.is_allowed(request)
    });
    let peer = peer_sample(&ours, &cedar)?;
    let sliced = sliced_sample(&ours, &cedar)?;
    for (bench, percent) in [("policy.head_p50", 50), ("policy.head_p99", 99)] {
        let value = head.percentile(percent);
        let peer = Some((PEER, peer.percentile(percent)));
        Row {
            bench,
            case: &case,
            unit: "us",
            value,
            peer,
        }
        .print()?;
        let peer = Some((PEER_SLICED, sliced.percentile(percent)));
        Row {
            bench,
            case: &format!("{case}-sliced"),
            unit: "us",
            value,
            peer,
        }
        .print()?;
    }
    allocations(&ours, &cedar, &case)?;
    unpaired(&ours, &case)?;
    Row {
        bench: "policy.compile",
        case: &case,
        unit: "ms",
        value: compiling,
        peer: None,
    }
    .print()?;
    Ok(())
}

/// What has no counterpart: a caller seen for the first time, and a denial with its explanation.
fn unpaired(ours: &Ours<'_>, case: &str) -> Result<()> {
    let callers = &ours.fleet.callers;
    let cold = Sample::of_calls(callers, |caller| ours.set.identify(caller));
    let denied: Vec<usize> = (0..REQUESTS)
        .filter(|request| ours.is_allowed(*request) == Some(false))
        .collect();
    let described = Sample::of_calls(denied.iter().take(DESCRIBED), |request| {
        let (caller, attributes) = ours.fleet.requests.get(*request)?;
        let caller = callers.get(*caller)?;
        let verdict = ours
            .set
            .decide(&ours.set.identify(caller), attributes, ours.fleet.at);
        Some(
            ours.set
                .describe(&verdict, caller, attributes, ours.fleet.at),
        )
    });
    for (bench, sample) in [
        ("policy.identify_p50", cold),
        ("policy.denial_p50", described),
    ] {
        Row {
            bench,
            case,
            unit: "us",
            value: sample.percentile(50),
            peer: None,
        }
        .print()?;
    }
    Ok(())
}

struct Ours<'a> {
    fleet: &'a Fleet,
    set: &'a PolicySet,
    identities: &'a [IdentityRules],
}

impl Ours<'_> {
    fn is_allowed(&self, request: usize) -> Option<bool> {
        let (caller, attributes) = self.fleet.requests.get(request)?;
        let identity = self.identities.get(*caller)?;
        Some(
            self.set
                .decide(identity, attributes, self.fleet.at)
                .is_allowed(),
        )
    }
}

/// All requests, decided by both. The peer decides each by the policies of the caller's groups:
/// the others cannot apply, and all of them on all requests would take an hour at 10 000 rules.
fn agree(ours: &Ours<'_>, cedar: &CedarFleet) -> Result<usize> {
    let slices = ours
        .fleet
        .callers
        .iter()
        .map(|caller| cedar.slice(caller))
        .collect::<Result<Vec<_>>>()?;
    let mut allowed = 0;
    for request in 0..REQUESTS {
        let (caller, attributes) = ours
            .fleet
            .requests
            .get(request)
            .context("a fleet has all its requests")?;
        let slice = slices.get(*caller).context("a request has a caller")?;
        let own = ours.is_allowed(request);
        ensure!(
            own == cedar.is_allowed_by(request, slice),
            "engines differ on {attributes:?}"
        );
        allowed += usize::from(own == Some(true));
    }
    Ok(allowed)
}

/// The peer with all policies, on as many requests as its time allows; its decisions are compared
/// here too.
fn peer_sample(ours: &Ours<'_>, cedar: &CedarFleet) -> Result<Sample> {
    let warm = Instant::now();
    for request in 0..10 {
        cedar
            .is_allowed(request)
            .context("a fleet has all its requests")?;
    }
    let each = warm.elapsed().as_secs_f64() / 10.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of requests, cut to those there are"
    )]
    let affordable = (PEER_SECONDS / each.max(1e-9)) as usize;
    let count = affordable.clamp(PEER_REQUESTS_MIN, REQUESTS);
    for request in 0..count {
        ensure!(
            cedar.is_allowed(request) == ours.is_allowed(request),
            "engines differ on request {request}"
        );
    }
    Ok(Sample::of_calls(0..count, |request| {
        cedar.is_allowed(request)
    }))
}

fn sliced_sample(ours: &Ours<'_>, cedar: &CedarFleet) -> Result<Sample> {
    let mut inputs = Vec::new();
    let slices = ours
        .fleet
        .callers
        .iter()
        .map(|caller| cedar.slice(caller))
        .collect::<Result<Vec<_>>>()?;
    for request in 0..1_000 {
        let (caller, _) = ours
            .fleet
            .requests
            .get(request)
            .context("a fleet has its requests")?;
        inputs.push((
            request,
            slices.get(*caller).context("a request has a caller")?,
        ));
    }
    Ok(Sample::of_calls(inputs, |(request, slice)| {
        cedar.is_allowed_by(request, slice)
    }))
}

/// Allocations of one decision, on average over many.
fn allocations(ours: &Ours<'_>, cedar: &CedarFleet, case: &str) -> Result<()> {
    let count = |calls: u32, call: &dyn Fn(usize)| {
        let counted = allocation_counter::measure(|| (0..calls as usize).for_each(call));
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
        let total = counted.count_total as f64;
        total / f64::from(calls)
    };
    let own = count(10_000, &|request| {
        std::hint::black_box(ours.is_allowed(request));
    });
    let peer = count(20, &|request| {
        std::hint::black_box(cedar.is_allowed(request));
    });
    let row = Row {
        bench: "policy.allocations",
        case,
        unit: "allocations",
        value: own,
        peer: Some((PEER, peer)),
    };
    row.print()?;
    Ok(())
}

fn say(text: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "{text}")?;
    Ok(())
}
