//! Sessions of kubectl over both protocols: exec, attach, cp, port-forward, follow, watch.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Child;

use gateway_tests::{Bundle, Gateway, Issuer, Kubectl, Setup, eventually, fresh};

use crate::ground::{EVERYTHING, ground};

/// A pod of its own, kubectl through the gateway, once per protocol.
fn each_protocol(check: impl Fn(&Kubectl, &str)) {
    let ground = ground();
    let issuer = Issuer::start();
    let bundle = Bundle::open(&issuer, &["one"]).with_rules(EVERYTHING);
    let gateway: Gateway = Setup::new(ground.cluster, &issuer)
        .with_bundle(bundle)
        .start();
    let namespace = ground.cluster.namespace("session");
    ground.cluster.pod(&namespace, "shell");
    let kubectl = gateway
        .kubectl(&issuer.token("session"))
        .with(&["-n", &namespace]);
    check(&kubectl, &namespace);
    let spdy = kubectl
        .with_environment("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false")
        .with_environment("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false");
    check(&spdy, &namespace);
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
fn exec_carries_input_output_and_exit_codes() {
    each_protocol(|kubectl, _| {
        assert_eq!(
            kubectl.ok(&["exec", "shell", "--", "echo", "hello"]),
            "hello\n"
        );
        let echoed = kubectl.run_with_input(&["exec", "-i", "shell", "--", "cat"], "in and out\n");
        assert_eq!(
            (echoed.code, echoed.stdout.as_str()),
            (0, "in and out\n"),
            "{echoed:?}"
        );
        let failed = kubectl.run(&["exec", "shell", "--", "sh", "-c", "echo no >&2; exit 7"]);
        assert_eq!(failed.code, 7, "{failed:?}");
        assert!(failed.stderr.starts_with("no\n"), "{failed:?}");
        // More than any buffer on the way.
        let long = "0123456789abcdef".repeat(64 * 1024);
        let echoed = kubectl.run_with_input(&["exec", "-i", "shell", "--", "cat"], &long);
        assert_eq!(echoed.stdout.len(), long.len(), "{}", echoed.stderr);
        assert_eq!(echoed.stdout, long);
    });
}

#[test]
fn files_are_copied_there_and_back() {
    let folder = gateway_tests::scratch("cp");
    each_protocol(|kubectl, _| {
        let name = fresh("file");
        let (there, back) = (folder.join(&name), folder.join(format!("{name}.back")));
        let content = "line\n".repeat(20_000);
        std::fs::write(&there, &content).expect("a file");
        let remote = format!("shell:{name}");
        kubectl.ok(&["cp", there.to_str().expect("UTF-8"), &remote]);
        kubectl.ok(&["cp", &remote, back.to_str().expect("UTF-8")]);
        assert_eq!(std::fs::read_to_string(&back).expect("a file"), content);
    });
}

#[test]
fn ports_are_forwarded() {
    each_protocol(|kubectl, _| {
        let mut child = Running(kubectl.spawn(&["port-forward", "pod/shell", ":8080"]));
        let stdout = child.0.stdout.take().expect("piped");
        let mut line = String::new();
        // Kept open: kubectl goes on writing to it.
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).expect("a line");
        // Forwarding from 127.0.0.1:PORT -> 8080
        let address = line.split(' ').nth(2).unwrap_or_default().to_owned();
        for _ in 0..3 {
            let mut socket = TcpStream::connect(&address).expect("the forwarded port");
            let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            socket.write_all(request).expect("a request");
            // kubectl may reset the connection after the last byte.
            let mut answer = Vec::new();
            let mut piece = [0; 1024];
            while let Ok(count @ 1..) = socket.read(&mut piece) {
                answer.extend(&piece[..count]);
            }
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.contains("hello from shell:8080"), "{answer}");
        }
    });
}

#[test]
fn logs_are_followed_and_lists_are_watched() {
    each_protocol(|kubectl, namespace| {
        let mut follow = Running(kubectl.spawn(&["logs", "-f", "shell"]));
        let stdout = follow.0.stdout.take().expect("piped");
        let lines = BufReader::new(stdout).lines().take(8);
        assert_eq!(lines.filter_map(Result::ok).count(), 8, "a line a second");

        let name = fresh("seen");
        let mut watch = Running(kubectl.spawn(&["get", "configmaps", "-w", "-o", "name"]));
        let stdout = watch.0.stdout.take().expect("piped");
        let seen = name.clone();
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.any(|line| line.ends_with(&seen))
        });
        let admin = ground().cluster.admin().with(&["-n", namespace]);
        eventually("the watch to see a change", || {
            admin.run(&["create", "configmap", &name]);
            admin.run(&[
                "label",
                "configmap",
                &name,
                "--overwrite",
                &format!("n={}", fresh("v")),
            ]);
            reader.is_finished().then_some(())
        });
        assert!(reader.join().expect("no panic"), "the change was seen");
    });
}
