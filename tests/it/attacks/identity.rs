//! Attacks 40, 42, 44: who is proven, and who that is upstream (K-7.2 to K-7.9).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_tests::{Bundle, Gateway, Issuer, Request, Setup, WebSocket, fresh, get, issuer_block};
use serde_json::{Value, json};

use super::{assert_nobody_rose, marks};
use crate::ground::{EVERYTHING, assert_status, ground};

const TARGET: &str = "/api/v1/nodes";

/// A refused request: the API server never hears of it.
fn refuses(title: &str, request: &Request, code: u16) {
    let ground = ground();
    refuses_at(title, &ground.gateway, request, code);
}

fn refuses_at(title: &str, gateway: &Gateway, request: &Request, code: u16) {
    let ground = ground();
    let agent = fresh("identity");
    let before = ground.cluster.journal().count();
    let answer = gateway.wire().ask(&request.clone().agent(&agent));
    assert_status(title, &answer, code);
    ground.sentinel();
    assert_eq!(
        ground.cluster.journal().by_agent(&agent).len(),
        0,
        "{title}"
    );
    assert_nobody_rose(ground, before);
}

#[test]
fn refuses_whoever_proves_nothing() {
    let token = ground().token("nobody");
    let authorization = |value: &str| get(TARGET).header("Authorization", value);
    let doubled = authorization(&format!("Bearer {token}")).token(&token);
    for (title, request, code) in [
        ("nothing", get(TARGET), 401),
        ("an empty credential", authorization(""), 401),
        ("Basic", authorization("Basic cm9vdDpyb290"), 401),
        ("no token", authorization("Bearer"), 401),
        ("an empty token", authorization("Bearer "), 401),
        (
            "two blanks",
            authorization(&format!("Bearer  {token}")),
            401,
        ),
        (
            "a third word",
            authorization(&format!("Bearer {token} x")),
            401,
        ),
        (
            "a comma",
            authorization(&format!("Bearer {token}, Bearer {token}")),
            401,
        ),
        ("no JWT", authorization("Bearer abc"), 401),
        (
            "a token twice in one line",
            authorization(&format!("Bearer {token}{token}")),
            401,
        ),
        ("two lines", doubled, 400),
        (
            "a token in the query",
            get(&format!("{TARGET}?access_token={token}")),
            400,
        ),
    ] {
        refuses(title, &request, code);
    }
}

#[test]
fn refuses_tokens_that_are_not_what_they_claim() {
    let issuer = &ground().issuer;
    let claims = || issuer.claims("mallory");
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let good = issuer.token("mallory");
    let parts: Vec<&str> = good.split('.').collect();
    let none = format!(
        "{}.{}.",
        part(json!({"alg": "none", "typ": "JWT"})),
        parts[1]
    );
    let hmac = format!(
        "{}.{}.{}",
        part(json!({"alg": "HS256", "kid": "key-1"})),
        parts[1],
        parts[2]
    );
    let header = json!({"alg": "ES256", "kid": "key-1", "jwk": {"kty": "EC"}, "jku": "https://evil.example"});
    let forged = format!("{}.{}.{}", part(header), parts[1], parts[2]);
    for (title, token) in [
        ("no signature", none),
        ("a MAC under the public key", hmac),
        ("a header that brings its own key", forged),
        ("a cut signature", good[..good.len() - 4].to_owned()),
        (
            "changed claims",
            format!("{}.{}.{}", parts[0], part(json!({"sub": "root"})), parts[2]),
        ),
        (
            "another issuer",
            issuer.mint(&claims().with("iss", json!("https://evil.example"))),
        ),
        (
            "the issuer with a slash",
            issuer.mint(&claims().with("iss", json!(issuer.url() + "/"))),
        ),
        (
            "another audience",
            issuer.mint(&claims().with("aud", json!("kube-apiserver"))),
        ),
        ("no audience", issuer.mint(&claims().without("aud"))),
        ("expired", issuer.mint(&claims().ending_in(-3600))),
        ("no end", issuer.mint(&claims().without("exp"))),
        (
            "not yet",
            issuer.mint(&claims().with("nbf", json!(4_000_000_000_i64))),
        ),
        (
            "good for too long",
            issuer.mint(&claims().ending_in(30 * 24 * 3600)),
        ),
        ("no subject", issuer.mint(&claims().without("sub"))),
        (
            "a subject that is no text",
            issuer.mint(&claims().with("sub", json!(["root"]))),
        ),
        (
            "an unknown key",
            issuer.token_of_unknown_key("key-1", "mallory"),
        ),
    ] {
        refuses(title, &get(TARGET).token(&token), 401);
    }
}

/// Attack 40: an empty user name upstream means: no impersonation, the gateway's own rights.
#[test]
fn refuses_a_caller_without_a_name() {
    let ground = ground();
    let bare = bare_names();
    for subject in [
        json!(""),
        json!(" "),
        json!("\n"),
        json!(null),
        json!(0),
        json!({}),
    ] {
        let title = format!("subject {subject}");
        let token = ground
            .issuer
            .mint(&ground.issuer.claims("x").with("sub", subject));
        refuses(&title, &get(TARGET).token(&token), 401);
        refuses_at(&title, &bare, &get(TARGET).token(&token), 401);
    }
}

/// Attack 42: names of the API server's own cannot be claimed, whatever the issuer says (K-7.4).
#[test]
fn refuses_names_of_the_api_servers_own() {
    let issuer = &ground().issuer;
    let bare = bare_names();
    let claims = || issuer.claims("agent").with("groups", json!([]));
    for (title, claims) in [
        ("a system user", claims().with("sub", json!("system:admin"))),
        ("a node", claims().with("sub", json!("system:node:node-1"))),
        (
            "a ServiceAccount",
            claims().with("sub", json!("system:serviceaccount:kube-system:default")),
        ),
        ("nobody", claims().with("sub", json!("system:anonymous"))),
        (
            "system:masters",
            claims().with("groups", json!(["system:masters"])),
        ),
        (
            "system:masters among others",
            claims().with("groups", json!(["a", "system:masters"])),
        ),
        (
            "system:nodes",
            claims().with("groups", json!(["system:nodes"])),
        ),
        (
            "a line break in a name",
            claims().with("sub", json!("a\r\nImpersonate-Group: system:masters")),
        ),
        (
            "a line break in a group",
            claims().with("groups", json!(["a\nImpersonate-User: root"])),
        ),
        ("a NUL in a name", claims().with("sub", json!("a\u{0}b"))),
    ] {
        let answer = bare.wire().ask(&get(TARGET).token(&issuer.mint(&claims)));
        assert!(
            [401, 403].contains(&answer.status),
            "{title}: {} {}",
            answer.status,
            answer.text()
        );
        refuses_at(
            title,
            &bare,
            &get(TARGET).token(&issuer.mint(&claims)),
            answer.status,
        );
    }
}

/// With a prefix the same claims are names like any other.
#[test]
fn a_claimed_system_group_is_a_prefixed_name_upstream() {
    let ground = ground();
    let agent = fresh("identity");
    let claims = ground.issuer.claims("system:admin");
    let claims = claims.with("groups", json!(["system:masters", "admins"]));
    let request = get(TARGET)
        .token(&ground.issuer.mint(&claims))
        .agent(&agent);
    assert_eq!(ground.ask(&request).status, 200);
    let event = ground
        .cluster
        .journal()
        .await_agent(&agent, "ResponseComplete");
    assert_eq!(event.text("/impersonatedUser/username"), "it:system:admin");
    let groups = event.texts("/impersonatedUser/groups");
    assert_eq!(
        groups,
        ["it:system:masters", "it:admins", "system:authenticated"]
    );
}

/// Attack 44, seen from the API server: the token is no subprotocol any more (K-7.7). What the wire
/// holds is checked in `traps`.
#[test]
fn a_bearer_subprotocol_is_a_credential_and_one_only() {
    let ground = ground();
    let token = ground.token("browser");
    let bearer = |token: &str| {
        let encoded = URL_SAFE_NO_PAD.encode(token);
        format!("base64url.bearer.authorization.k8s.io.{encoded}")
    };
    let target = format!(
        "/api/v1/namespaces/{}/pods/shell/exec?command=echo&command=hello&stdout=true",
        ground.namespace
    );
    let upgrade = |protocols: &[&str]| WebSocket::request(&target, protocols);
    let one = bearer(&token);
    let other = bearer(&ground.token("other"));
    for (title, request, code) in [
        (
            "two bearers",
            upgrade(&[&one, &other, "v4.channel.k8s.io"]),
            401,
        ),
        (
            "the same bearer twice",
            upgrade(&[&one, &one, "v4.channel.k8s.io"]),
            401,
        ),
        ("nothing but a bearer", upgrade(&[&one]), 401),
        (
            "a bearer that is no base64",
            upgrade(&[
                "base64url.bearer.authorization.k8s.io.%%",
                "v4.channel.k8s.io",
            ]),
            401,
        ),
        (
            "an empty bearer",
            upgrade(&[
                "base64url.bearer.authorization.k8s.io.",
                "v4.channel.k8s.io",
            ]),
            401,
        ),
        (
            "a header that differs",
            upgrade(&[&other, "v4.channel.k8s.io"]).token(&token),
            401,
        ),
    ] {
        refuses(title, &request, code);
    }
    let agent = fresh("browser");
    let request = upgrade(&[&one, "v4.channel.k8s.io"]).agent(&agent);
    let mut socket = WebSocket::open(ground.gateway.wire(), &request).expect("an upgrade");
    assert_eq!(socket.channel(1, 6).unwrap(), b"hello\n");
    let event = ground
        .cluster
        .journal()
        .await_agent(&agent, "ResponseStarted");
    assert_eq!(event.text("/impersonatedUser/username"), "it:browser");
    let marks = marks(ground);
    let told = event.0.to_string().contains(&one) || event.0.to_string().contains(&marks.token);
    assert!(!told, "the token is in the API server's log");
}

/// Two credentials that name different callers are refused, the certificate being one of them.
#[test]
fn refuses_a_certificate_and_a_token_together() {
    let ground = ground();
    let authority = gateway_tests::Authority::new("mesh CA");
    let setup = Setup::new(ground.cluster, &ground.issuer)
        .with_listener_lines("main", "    client-ca \"mesh.crt\"\n    cluster \"one\"\n")
        .with_file("mesh.crt", &authority.pem())
        .with_line("client-certificates \"mesh\" {\n    kind agent\n    username-prefix \"mesh:\"\n    groups-prefix \"it:\"\n}");
    let gateway = setup.start();
    let leaf = authority.client("robot", &["admins"]);
    let agent = fresh("mesh");
    let alone = gateway
        .wire_with(Some(&leaf))
        .ask(&get(TARGET).agent(&agent));
    assert_eq!(alone.status, 200, "{}", alone.text());
    let event = ground
        .cluster
        .journal()
        .await_agent(&agent, "ResponseComplete");
    assert_eq!(event.text("/impersonatedUser/username"), "mesh:robot");
    let both = get(TARGET).token(&ground.token("robot"));
    let answer = gateway.wire_with(Some(&leaf)).ask(&both);
    assert_status("a certificate and a token", &answer, 401);
    let strange = gateway_tests::Authority::new("mesh CA").client("robot", &["admins"]);
    let config = gateway_tests::client_config(&gateway.ca_pem(), &["http/1.1"], Some(&strange));
    let refused = gateway_tests::connect(gateway.address(), "127.0.0.1", config);
    // TLS 1.3 tells the client only when it reads.
    let silent = refused.is_ok_and(|mut stream| {
        use std::io::Read;
        matches!(stream.read(&mut [0]), Ok(1..))
    });
    assert!(
        !silent,
        "a certificate of a stranger is refused in the handshake"
    );
}

/// A gateway whose issuer adds no prefix: what a token claims is the name upstream.
fn bare_names() -> Gateway {
    let ground = ground();
    let issuer: &Issuer = &ground.issuer;
    let block = issuer_block("agents", issuer, "").replace(" prefix=\"it:\"", "");
    let rules = EVERYTHING.replace("group \"it:admins\"", "kind agent");
    let bundle = Bundle::open(issuer, &["one"])
        .with("identities.kdl", &block)
        .with_rules(&rules);
    Setup::new(ground.cluster, issuer)
        .with_bundle(bundle)
        .start()
}
