//! kubectl in sessions and logs that a mask concerns: what it prints is masked, and it works.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;

use gateway_tests::{Bundle, Finished, Gateway, Issuer, Kubectl, Setup, eventually, fresh};

use crate::ground::{EVERYTHING, ground};

/// Detectors on everything that speaks, and on a port, which cannot be masked.
pub(crate) const MASKS: &str = r#"
mask "streams" {
    for "pods/log" "pods/exec" "pods/attach" "pods/portforward" { detect "jwt" "pem" "aws-key" redact }
}
"#;
/// They are demanded of everybody.
pub(crate) const MASKED: &str = r#"
require "streams-are-masked" {
    why "What workloads print may hold tokens"
    owner "it"
    severity low
    can read connect
    on "pods/log" "pods/exec" "pods/attach" "pods/portforward"
    mask "streams"
}
"#;
const MARK: &str = "countersign-masked:streams";

struct Booth {
    _issuer: Issuer,
    gateway: Gateway,
    namespace: String,
    kubectl: Kubectl,
    /// A token that must not come out.
    canary: String,
}

impl Booth {
    fn new() -> Self {
        let ground = ground();
        let issuer = Issuer::start();
        let rules = [EVERYTHING, MASKED].concat();
        let bundle = Bundle::open(&issuer, &["one"])
            .with("masks.kdl", MASKS)
            .with_rules(&rules);
        let gateway = Setup::new(ground.cluster, &issuer)
            .with_bundle(bundle)
            .start();
        let namespace = ground.cluster.namespace("booth");
        let kubectl = gateway
            .kubectl(&issuer.token("booth"))
            .with(&["-n", &namespace]);
        let canary = canary();
        let log = format!("before\\ntoken {canary}\\nkey AKIAIOSFODNN7EXAMPLE used");
        ground.cluster.admin().apply(&format!(
            r#"{{"apiVersion":"v1","kind":"Pod",
            "metadata":{{"name":"shell","namespace":"{namespace}","annotations":{{"tests.countersign/log":"{log}"}}}},
            "spec":{{"nodeName":"node-1","terminationGracePeriodSeconds":0,"containers":[{{"name":"main","image":"busybox"}}]}}}}"#
        ));
        ground.cluster.admin().ok(&[
            "-n",
            &namespace,
            "wait",
            "--for=condition=Ready",
            "pod/shell",
            "--timeout=60s",
        ]);
        Self {
            _issuer: issuer,
            gateway,
            namespace,
            kubectl,
            canary,
        }
    }

    /// No part of the token that says anything is in the text.
    fn check(&self, text: &str) {
        check_clean(&self.canary, text);
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let finished = self.kubectl.run(arguments);
        self.check(&finished.stdout);
        self.check(&finished.stderr);
        finished
    }

    fn exec(&self, script: &str) -> Finished {
        self.run(&["exec", "shell", "--", "sh", "-c", script])
    }
}

fn canary() -> String {
    let payload = fresh("eyJzdWIiOiJjYW5hcnki");
    format!("eyJhbGciOiJIUzI1NiJ9.{payload}.c2lnbmF0dXJlLW9mLXRoZS1jYW5hcnk")
}

/// Any eight bytes of a secret that are not what every token begins with.
pub(crate) fn check_clean(secret: &str, text: &str) {
    let pieces: Vec<&str> = (7..secret.len() - 8)
        .map(|at| &secret[at..at + 8])
        .collect();
    let found = pieces.iter().find(|piece| text.contains(**piece));
    assert!(found.is_none(), "{found:?} of the secret is in {text}");
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("a child of ours");
        self.0.wait().expect("a child of ours");
    }
}

#[test]
fn exec_prints_masked_output_and_keeps_its_exit_code() {
    let booth = Booth::new();
    let token = &booth.canary;
    let finished = booth.exec(&format!(
        "echo token {token} used; echo AKIAIOSFODNN7EXAMPLE"
    ));
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (0, format!("token {MARK} used\n{MARK}\n").as_str()),
        "{finished:?}"
    );
    // On standard error, without a line end, with a code.
    let finished = booth.exec(&format!("printf {token} >&2; exit 7"));
    assert_eq!(finished.code, 7, "{finished:?}");
    assert!(finished.stderr.starts_with(MARK), "{finished:?}");
    // In two halves, with a pause that the API server sees.
    let (front, back) = token.split_at(30);
    let finished = booth.exec(&format!(
        "printf 'a {front}'; sleep 0.3; printf {back}; sleep 0.3; echo ' b'"
    ));
    assert_eq!(finished.stdout, format!("a {MARK} b\n"), "{finished:?}");
    let key = "-----BEGIN PRIVATE KEY-----\\nMIIBVgIBADANBgkq\\n-----END PRIVATE KEY-----\\n";
    let finished = booth.exec(&format!("printf -- 'x\\n{key}y\\n'"));
    assert_eq!(finished.stdout, format!("x\n{MARK}\ny\n"), "{finished:?}");
}

#[test]
fn exec_carries_what_is_no_secret_as_it_is() {
    let booth = Booth::new();
    let exec = ["exec", "-i", "shell", "--", "cat"];
    let echoed = booth.kubectl.run_with_input(&exec, "in and out\n");
    assert_eq!((echoed.code, echoed.stdout.as_str()), (0, "in and out\n"));
    // One line longer than any look-back, and many lines.
    let long = "0123456789abcdef".repeat(16 * 1024);
    let lines = "a line of some length, with words\n".repeat(20_000);
    for input in [long, lines] {
        let echoed = booth.kubectl.run_with_input(&exec, &input);
        assert_eq!(echoed.stdout.len(), input.len(), "{}", echoed.stderr);
        assert!(echoed.stdout == input, "other bytes");
    }
    let input = format!("{}\n{}", "x\n".repeat(30_000), booth.canary);
    let echoed = booth.kubectl.run_with_input(&exec, &input);
    booth.check(&echoed.stdout);
    assert!(echoed.stdout.ends_with(&format!("x\n\n{MARK}")));
}

#[test]
fn a_shell_on_a_terminal_shows_its_prompt_and_masks_what_it_prints() {
    let booth = Booth::new();
    let shell = ["exec", "-it", "shell", "--", "env", "PS1=[ready]$ ", "sh"];
    let mut terminal = booth.kubectl.on_terminal(&shell);
    // No line end follows; a person waits for it.
    terminal.await_text("[ready]$ ");
    terminal.type_in("echo one\r");
    terminal.await_text("one\r\n");
    terminal.await_text("[ready]$ ");
    let (front, back) = booth.canary.split_at(20);
    terminal.type_in(&format!("A={front}\r"));
    terminal.await_text("[ready]$ ");
    terminal.type_in(&format!("printf \"$A{back}\"\r"));
    terminal.await_text(MARK);
    terminal.await_text("[ready]$ ");
    terminal.type_in("printf 'Password: '; read -r x; exit 3\r");
    terminal.await_text("\r\nPassword: ");
    terminal.type_in("\r");
    let (code, screen) = terminal.finish();
    assert_eq!(code, 3, "{screen}");
    // What was typed comes back as it was typed; together it was seen masked alone.
    assert!(!screen.contains(&booth.canary), "{screen}");
}

#[test]
fn attach_prints_masked_output() {
    let booth = Booth::new();
    let mut child = Running(booth.kubectl.spawn(&["attach", "-i", "shell"]));
    let mut input = child.0.stdin.take().expect("piped");
    let output = child.0.stdout.take().expect("piped");
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let name = fresh("line");
    writeln!(input, "{name} {} end", booth.canary).expect("kubectl reads");
    let line = lines.find(|line| line.contains(&name));
    assert_eq!(line.as_deref(), Some(format!("{name} {MARK} end").as_str()));
}

#[test]
fn logs_are_masked_and_followed_line_by_line() {
    let booth = Booth::new();
    let finished = booth.run(&["logs", "shell"]);
    assert_eq!(finished.code, 0, "{finished:?}");
    let expected = format!("before\ntoken {MARK}\nkey {MARK} used\nready\n");
    assert!(finished.stdout.contains(&expected), "{finished:?}");
    assert!(finished.stderr.contains("streams"), "{finished:?}");
    let mut child = Running(booth.kubectl.spawn(&["logs", "-f", "--tail=1", "shell"]));
    let output = child.0.stdout.take().expect("piped");
    // The container says something each second; a line that waited for others would not come alone.
    let lines: Vec<String> = BufReader::new(output)
        .lines()
        .take(3)
        .filter_map(Result::ok)
        .collect();
    assert_eq!(lines.len(), 3);
    let event = eventually("the log's event", || {
        let journal = booth.gateway.journal();
        let mut events = journal.matching(|event| {
            event.text("/objectRef/subresource") == "log"
                && event.text("/stage") == "ResponseComplete"
        });
        events.pop()
    });
    let masked = event.0["annotations"]["countersign/masked"].as_str();
    assert_eq!(masked, Some("2"), "{event:?}");
}

#[test]
fn the_audit_log_says_how_many_secrets_a_session_held() {
    let booth = Booth::new();
    let token = &booth.canary;
    booth.exec(&format!("echo {token}; echo {token} >&2; printf {token}"));
    let event = eventually("the session's event", || {
        let journal = booth.gateway.journal();
        let mut events = journal.matching(|event| {
            event.text("/objectRef/subresource") == "exec"
                && event.text("/stage") == "ResponseComplete"
        });
        events.pop()
    });
    let annotations = &event.0["annotations"];
    assert_eq!(annotations["countersign/masked"], "3", "{event:?}");
    assert_eq!(annotations["countersign/masks"], "streams", "{event:?}");
}

/// K-6.9: the second door is shut too, and says which one is open.
#[test]
fn a_session_over_spdy_is_refused_with_the_way_out() {
    let booth = Booth::new();
    let spdy = booth
        .kubectl
        .clone()
        .with_environment("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false");
    for arguments in [
        &["exec", "shell", "--", "echo", &booth.canary][..],
        &["attach", "shell"],
    ] {
        let finished = spdy.run(arguments);
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(finished.stderr.contains("use WebSocket"), "{finished:?}");
    }
    // A WebSocket request that fails comes back over SPDY, which is refused as well.
    let finished = booth.run(&["exec", "shell", "-c", "nobody", "--", "id"]);
    assert_eq!(finished.code, 1, "{finished:?}");
}

#[test]
fn ports_are_not_forwarded_under_a_detector() {
    let booth = Booth::new();
    for websockets in ["true", "false"] {
        let kubectl = booth
            .kubectl
            .clone()
            .with_environment("KUBECTL_PORT_FORWARD_WEBSOCKETS", websockets);
        let finished = kubectl.run(&["port-forward", "pod/shell", ":8080"]);
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(finished.stderr.contains("forwarded port"), "{finished:?}");
    }
}

/// `kubectl cp` is a tar archive on standard output: files without a secret come as they are. One
/// with a secret comes masked and damaged: the archive does not fit its own lengths any more.
#[test]
fn files_without_a_secret_are_copied_and_no_secret_is() {
    let booth = Booth::new();
    let folder = gateway_tests::scratch("masked-cp");
    let name = fresh("file");
    let (there, back) = (folder.join(&name), folder.join(format!("{name}.back")));
    let content = "line\n".repeat(20_000);
    std::fs::write(&there, &content).expect("a file");
    let remote = format!("shell:{name}");
    let there = there.to_str().expect("UTF-8");
    booth.kubectl.ok(&["cp", there, &remote]);
    booth
        .kubectl
        .ok(&["cp", &remote, back.to_str().expect("UTF-8")]);
    assert_eq!(std::fs::read_to_string(&back).expect("a file"), content);

    let secret = format!("{name}.secret");
    let admin = ground().cluster.admin().with(&["-n", &booth.namespace]);
    let script = format!("echo {} > {secret}; echo more >> {secret}", booth.canary);
    admin.ok(&["exec", "shell", "--", "sh", "-c", &script]);
    let local = folder.join(&secret);
    let finished = booth.run(&[
        "cp",
        "--retries=0",
        &format!("shell:{secret}"),
        local.to_str().expect("UTF-8"),
    ]);
    println!("a file with a secret: {finished:?}");
    let copied = std::fs::read(&local).unwrap_or_default();
    booth.check(&String::from_utf8_lossy(&copied));
}
