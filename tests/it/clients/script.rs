//! Commands of kubectl, run past the gateway and through it, and compared.

use std::path::Path;

use gateway_tests::{Bundle, Finished, Gateway, Issuer, Kubectl, Setup};

use super::normal::normal;
use crate::ground::ground;

/// One command; `{ns}` stands for the namespace. Commands run in this order in one namespace.
pub(super) struct Case {
    pub(super) arguments: &'static str,
    /// What is run past the gateway where that is another command.
    pub(super) direct: Option<&'static str>,
    pub(super) input: &'static str,
    pub(super) equal: Equal,
}

/// What of two runs must be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Equal {
    /// Exit code, output, complaints.
    All,
    /// The exit code: the words are withheld.
    Code,
}

pub(super) const fn run(arguments: &'static str) -> Case {
    feed(arguments, "")
}

pub(super) const fn feed(arguments: &'static str, input: &'static str) -> Case {
    Case {
        arguments,
        direct: None,
        input,
        equal: Equal::All,
    }
}

/// The same user, once impersonated past the gateway, once proven to it.
pub(super) struct Sides {
    pub(super) direct: Kubectl,
    pub(super) through: Kubectl,
    /// kubectl 1.20 shows managed fields, in the order of the seconds in which each manager wrote, and
    /// the members of a map in another order each time.
    any_order: bool,
    _gateway: Gateway,
}

impl Sides {
    pub(super) fn new(bundle: impl FnOnce(Bundle) -> Bundle, program: Option<&Path>) -> Self {
        let ground = ground();
        let issuer = Issuer::start();
        let bundle = bundle(Bundle::open(&issuer, &["one"]));
        let gateway = Setup::new(ground.cluster, &issuer)
            .with_bundle(bundle)
            .start();
        let user = ["--as=it:admin", "--as-group=it:admins"];
        let with = |kubectl: Kubectl| {
            // Whether the instant in a manager's entry differs depends on the second's end.
            let kubectl = kubectl.with_environment("KUBECTL_EXTERNAL_DIFF", "diff -U0 -N -Itime");
            program.map_or(kubectl.clone(), |program| kubectl.with_program(program))
        };
        Self {
            direct: with(ground.cluster.admin().with(&user)),
            through: with(gateway.kubectl(&issuer.token("admin"))),
            any_order: program.is_some(),
            _gateway: gateway,
        }
    }

    /// Runs every case on both sides, each in its namespace. `expected` is told what was said past
    /// the gateway, `told` what was said through it; both give what is compared.
    pub(super) fn compare(
        &self,
        cases: &[Case],
        namespaces: &[String; 2],
        expected: impl Fn(&Case, Finished) -> Finished,
        told: impl Fn(&Case, Finished) -> Finished,
    ) {
        let direct = self.direct.clone().with(&["-n", &namespaces[0]]);
        let through = self.through.clone().with(&["-n", &namespaces[1]]);
        let mut faults = Vec::new();
        for case in cases {
            let (one, other) = std::thread::scope(|scope| {
                let arguments = case.direct.unwrap_or(case.arguments);
                let one = scope.spawn(|| run_case(&direct, arguments, case, &namespaces[0]));
                let other = run_case(&through, case.arguments, case, &namespaces[1]);
                (one.join().expect("no panic"), other)
            });
            let one = normal_of(&expected(case, one), &namespaces[0]);
            let other = normal_of(&told(case, other), &namespaces[1]);
            let equal = match case.equal {
                Equal::All if self.any_order => sorted(&one) == sorted(&other),
                Equal::All => one == other,
                Equal::Code => one.code == other.code,
            };
            if !equal {
                faults.push(format!(
                    "kubectl {}\n  direct:  {one:?}\n  through: {other:?}",
                    case.arguments
                ));
            }
        }
        assert!(
            faults.is_empty(),
            "{} of {}:\n{}",
            faults.len(),
            cases.len(),
            faults.join("\n")
        );
    }
}

fn run_case(kubectl: &Kubectl, arguments: &str, case: &Case, namespace: &str) -> Finished {
    let arguments = arguments.replace("{ns}", namespace);
    let arguments: Vec<&str> = arguments.split(' ').collect();
    kubectl.run_with_input(&arguments, case.input)
}

fn normal_of(finished: &Finished, namespace: &str) -> Finished {
    let names = [(namespace, "NS"), ("it:admin", "USER")];
    Finished {
        code: finished.code,
        stdout: normal(&finished.stdout, &names),
        stderr: normal(&finished.stderr, &names),
    }
}

/// The lines in any order. In JSON the last of several has no comma.
fn sorted(finished: &Finished) -> (i32, Vec<&str>, &str) {
    let lines = finished.stdout.lines();
    let mut lines: Vec<&str> = lines.map(|line| line.trim_end_matches(',')).collect();
    lines.sort_unstable();
    (finished.code, lines, &finished.stderr)
}
