//! Inputs for tests of other crates. The same seed gives the same inputs.

/// Path segments, good, odd and bad.
const WORDS: [&str; 44] = [
    "api",
    "apis",
    "v1",
    "v1beta1",
    "apps",
    "example.com",
    "namespaces",
    "namespace",
    "a",
    "kube-system",
    "pods",
    "secrets",
    "nodes",
    "services",
    "events",
    "bindings",
    "foos",
    "p",
    "watch",
    "proxy",
    "exec",
    "attach",
    "portforward",
    "log",
    "status",
    "finalize",
    "scale",
    "token",
    "binding",
    "http:p:80",
    "https:p:",
    "p:http",
    "%73ecrets",
    "%70roxy",
    "s%2Estatus",
    "~",
    "a+b",
    "a%20b",
    "=&,$@",
    "!'()*",
    "%E2%82%AC",
    "API",
    "Watch",
    "system:node",
];
/// Segments that the gateway refuses.
const BAD_WORDS: [&str; 14] = [
    "", ".", "..", "%2e%2e", "%2F", "a%2Fb", "%5C", "\\", "%00", "%25", "%", "%zz", "%ff", "a%0Ab",
];
/// Query pairs.
const PAIRS: [&str; 40] = [
    "watch",
    "watch=",
    "watch=0",
    "watch=1",
    "watch=false",
    "watch=FaLsE",
    "watch=no",
    "%77atch=1",
    "Watch=1",
    "limit=500",
    "limit=",
    "limit=x",
    "limit=-1",
    "timeoutSeconds=5",
    "timeoutSeconds=1.5",
    "resourceVersion=0",
    "labelSelector=",
    "labelSelector=a%3Db",
    "labelSelector=a+in+(b,,c),!d",
    "labelSelector=a%20notin%20()",
    "labelSelector=a>5",
    "labelSelector=a%3E%3D5",
    "labelSelector=%20",
    "fieldSelector=metadata.name%3Ds",
    "fieldSelector=metadata.name=s",
    "fieldSelector=metadata.name==s",
    "fieldSelector=metadata.name!=s",
    "fieldSelector=metadata.name=a%5C,b",
    "fieldSelector=metadata.name=a/b",
    "fieldSelector=metadata.name=s,metadata.namespace=a",
    "fieldSelector=x",
    "fieldSelector==",
    "command=sh",
    "command=%0A",
    "dryRun=All",
    "=",
    "a=b=c",
    "a%3Db=c",
    "allowWatchBookmarks=true",
    "sendInitialEvents=",
];
/// Query pairs that the gateway refuses.
const BAD_PAIRS: [&str; 6] = [
    "watch=true;x=1",
    "a=%",
    "a=%zz",
    "watch=0&watch=1",
    "path=x",
    "access_token=t",
];
const METHODS: [&str; 8] = [
    "GET", "GET", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
];

/// Pairs of method and origin-form target, many of them nasty. What [`crate::RequestTarget`]
/// accepts of them, Kubernetes must resolve in the same way, both as given and as
/// `upstream_target()`.
#[must_use]
pub fn generate_targets(seed: u64, count: usize) -> Vec<(String, String)> {
    let mut random = Random(seed);
    (0..count)
        .map(|_| (random.pick(&METHODS).to_owned(), random.target()))
        .collect()
}

/// `SplitMix64`: small, and good enough to pick words.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        let index = self.below(words.len());
        words.get(index).copied().unwrap_or_default()
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn target(&mut self) -> String {
        let mut target = String::new();
        match self.below(6) {
            0 => {}
            1 | 2 => target.push_str("/api/v1"),
            3 => target.push_str("/apis/apps/v1"),
            4 => target.push_str("/api/v1/namespaces/a"),
            _ => target.push_str("/apis/example.com/v1/namespaces/a"),
        }
        for _ in 0..self.below(6) {
            target.push('/');
            let words: &[&str] = if self.one_in(25) { &BAD_WORDS } else { &WORDS };
            target.push_str(self.pick(words));
        }
        if target.is_empty() || self.one_in(8) {
            target.push('/');
        }
        for index in 0..self.below(4) {
            target.push(if index == 0 { '?' } else { '&' });
            let pairs: &[&str] = if self.one_in(25) { &BAD_PAIRS } else { &PAIRS };
            target.push_str(self.pick(pairs));
        }
        target
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RequestTarget;

    #[test]
    fn generates_mostly_acceptable_targets_and_the_same_for_one_seed() {
        let targets = generate_targets(1, 4000);
        assert_eq!(targets, generate_targets(1, 4000));
        let accepted = targets
            .iter()
            .filter(|(method, target)| {
                RequestTarget::parse(&method.parse().unwrap(), target.as_bytes()).is_ok()
            })
            .count();
        assert!((1600..3900).contains(&accepted), "{accepted}");
    }
}
