//! Authentication: what the gateway accepts, a real API server with the equal
//! AuthenticationConfiguration accepts as the same user; what it refuses, the API server refuses
//! too, or the case is one of the documented stricter ones (`gateway/identity/src/jwt.rs`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway_identity::testing::{self, Case, Expected};
use gateway_identity::{
    Authenticator, AuthenticatorSpec, Evidence, KeyEvent, KeySet, Keyring, Moment, Outcome,
    Presented, authenticate,
};
use gateway_kubeapi::UserInfo;
use gateway_tests::{
    Bundle, Cluster, Issuer, Request, Setup, Site, Wire, discovery, eventually, scratch,
};
use serde_json::{Value, json};

/// Tokens compared with the API server.
const COUNT: usize = 500;
/// Every so many of them also through the gateway, by kubectl.
const SAMPLE_EVERY: usize = 25;

#[test]
fn every_token_means_the_same_caller_as_to_kubernetes() {
    let site = Site::start(|url, path| {
        let (name, rest) = path.trim_start_matches('/').split_once('/')?;
        let issuer = [testing::PLAIN, testing::MAIL]
            .into_iter()
            .find(|issuer| issuer.ends_with(&format!("/{name}")))?;
        match rest {
            "keys" => Some(testing::jwks()),
            _ => Some(discovery(issuer, &format!("{url}/{name}/keys"))),
        }
    });
    let cluster = start_cluster(&site);
    let setup = setup_with_the_same_issuers(&cluster);
    // As late as possible: good tokens stay so for ten minutes.
    let now = now();
    let cases = testing::generate_tokens(now.unsigned_abs(), COUNT, now);
    let mut wire = cluster.wire_without_certificate();
    let mut stricter = BTreeMap::new();
    let mut faults = Vec::new();
    for case in cases.iter().filter(|case| fits_in_a_header(&case.token)) {
        let theirs = ask_kubernetes(&mut wire, &case.token);
        match (ours(case), theirs) {
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (None, None) => {}
            (None, Some(_)) if case.expected == Expected::RefusedHere => {
                *stricter.entry(case.name.clone()).or_insert(0) += 1;
            }
            (ours, theirs) => {
                faults.push(format!(
                    "{}: here {ours:?}, Kubernetes {theirs:?}",
                    case.name
                ));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} differences:\n{}",
        faults.len(),
        faults.join("\n")
    );
    println!(
        "stricter here than Kubernetes, {} cases: {:?}",
        stricter.len(),
        stricter.keys()
    );
    check_sample(setup, &cases);
}

/// What `kubectl auth whoami` says through the gateway is what Kubernetes says to the token itself.
fn check_sample(setup: Setup, cases: &[Case]) {
    let gateway = setup.start();
    let mut accepted = 0;
    for case in cases.iter().step_by(SAMPLE_EVERY) {
        if !fits_in_a_header(&case.token) {
            continue;
        }
        let finished = gateway
            .kubectl(&case.token)
            .run(&["auth", "whoami", "-o", "json"]);
        let Expected::Accepted(expected) = &case.expected else {
            assert_eq!(finished.code, 1, "{}: {}", case.name, finished.stdout);
            continue;
        };
        assert_eq!(finished.code, 0, "{}: {}", case.name, finished.stderr);
        let review: Value = serde_json::from_str(&finished.stdout).expect("JSON");
        assert_eq!(
            user(&review["status"]["userInfo"]),
            *expected,
            "{}",
            case.name
        );
        accepted += 1;
    }
    assert!(accepted > 0, "the sample holds good tokens");
}

/// An API server that trusts the issuers of the generator, and has nothing else to do.
fn start_cluster(site: &Site) -> Cluster {
    let url = site.url();
    let at = |issuer: &str| {
        let name = issuer.rsplit('/').next().unwrap_or_default();
        format!("{url}/{name}/.well-known/openid-configuration")
    };
    let text = testing::authentication_configuration(&testing::specs(), at, &site.ca_pem());
    let file = scratch("oidc").join("authentication.yaml");
    std::fs::write(&file, text).expect("a file");
    let argument = format!("--apiserver-arg=--authentication-config={}", file.display());
    let cluster = Cluster::start("oidc", &["--no-controllers", "--no-kubelet", &argument]);
    cluster
        .admin()
        .apply(include_str!("../../fixtures/cluster-roles.yaml"));
    // It learns the keys some time after its start.
    let good = testing::generate_tokens(1, COUNT, now());
    let good = good
        .iter()
        .find(|case| matches!(case.expected, Expected::Accepted(_)));
    let token = &good.expect("a good token").token;
    eventually("the API server to know the issuers", || {
        ask_kubernetes(&mut cluster.wire_without_certificate(), token)
    });
    cluster
}

fn setup_with_the_same_issuers(cluster: &Cluster) -> Setup {
    let block = |name: &str, url: &str, lines: &str| {
        format!(
            "issuer \"{name}\" {{\n    url \"{url}\"\n    audiences \"k8s-gateway\" \"second\"\n    \
            algorithms \"RS256\" \"RS384\" \"RS512\" \"PS256\" \"PS384\" \"PS512\" \"ES256\" \"ES384\"\n    \
            max-token-age \"1h\"\n    kind agent\n{lines}}}\n"
        )
    };
    let plain = "    username claim=\"sub\" prefix=\"p:\"\n    groups claim=\"groups\" prefix=\"g:\"\n    \
        uid claim=\"uid\"\n    extra \"test.example/team\" claim=\"team\"\n    expect \"tenant\" \"harbour\"\n";
    let mail = "    username claim=\"email\" verified-by=\"email_verified\"\n";
    let identities = block("plain", testing::PLAIN, plain) + &block("mail", testing::MAIL, mail);
    let nobody = Issuer::start();
    let bundle = Bundle::open(&nobody, &["one"]).with("identities.kdl", &identities);
    let kubeconfig = cluster.published().path("gateway_kubeconfig");
    Setup::without_issuer(&kubeconfig, bundle)
        .with_file("keys.json", &testing::jwks())
        .with_line("issuer \"plain\" { jwks \"keys.json\" }")
        .with_line("issuer \"mail\" { jwks \"keys.json\" }")
}

/// The verdict of the gateway's own crate.
fn ours(case: &Case) -> Option<UserInfo> {
    let spec = AuthenticatorSpec {
        issuers: testing::specs(),
        ..AuthenticatorSpec::default()
    };
    let authenticator = Authenticator::new(spec).expect("the generator's issuers");
    let keys = Arc::new(KeySet::parse(testing::jwks().as_bytes()).expect("the generator's keys"));
    let mut keyring = Keyring::default();
    keyring.keep(authenticator.key_issuers());
    for issuer in [testing::PLAIN, testing::MAIL] {
        keyring.handle(issuer, KeyEvent::Fetched(Arc::clone(&keys)), Duration::ZERO);
    }
    let line = format!("Bearer {}", case.token);
    let lines = [line.as_bytes()];
    let presented = Presented {
        authorization: &lines,
        ..Presented::default()
    };
    let now = Moment {
        unix_seconds: now(),
        uptime: Duration::ZERO,
    };
    let evidence = Evidence {
        keys: &keyring,
        review: None,
    };
    match authenticate(&authenticator, evidence, &presented, now) {
        Outcome::Proven(proof) => Some(proof.caller.user),
        Outcome::NeedsKeys { .. } | Outcome::NeedsReview(_) | Outcome::Refused(_) => None,
    }
}

/// Whom the API server takes the token for.
fn ask_kubernetes(wire: &mut Wire, token: &str) -> Option<UserInfo> {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let request = Request::new("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews");
    let request = request
        .token(token)
        .body("application/json", body.to_string());
    let answer = wire.ask(&request);
    match answer.status {
        201 => Some(user(&answer.json()["status"]["userInfo"])),
        401 => None,
        other => panic!("the API server answers {other}: {}", answer.text()),
    }
}

/// What the API server adds to everybody left out.
fn user(info: &Value) -> UserInfo {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(|text| Some(text.as_str()?.to_owned()))
            .collect()
    };
    let mut groups = texts(&info["groups"]);
    groups.retain(|group| group != "system:authenticated");
    let extra = info["extra"].as_object().map(|extra| {
        extra
            .iter()
            .map(|(key, values)| (key.clone(), texts(values)))
            .collect()
    });
    UserInfo {
        username: info["username"].as_str().unwrap_or_default().to_owned(),
        uid: info["uid"]
            .as_str()
            .filter(|uid| !uid.is_empty())
            .map(str::to_owned),
        groups,
        extra: extra.unwrap_or_default(),
    }
}

/// Line ends and blanks would change the request, not the token.
fn fits_in_a_header(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_graphic())
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_secs()).expect("seconds")
}
