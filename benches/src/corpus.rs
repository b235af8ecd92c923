//! Made-up answers of an API server, of the shapes and densities that real ones have.

/// Any seed will do; a fixed one makes two runs comparable.
const SEED: u64 = 88_172_645_463_325_252;

/// A stream of numbers: the same for each corpus.
#[derive(Debug)]
struct Numbers(u64);

impl Numbers {
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    fn hex(&mut self, length: usize) -> String {
        let mut text = String::new();
        while text.len() < length {
            add(&mut text, format_args!("{:016x}", self.next()));
        }
        text.truncate(length);
        text
    }
}

fn add(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.push_str(&part.to_string());
}

/// Answers to measure with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corpus {
    /// A list of Secrets.
    Secrets,
    /// A list of Pods.
    Pods,
    /// Events of a watch: Secrets, Pods, Leases and Helm releases, one line each.
    Watch,
    /// A list of `ConfigMap`s, each with one text of a mebibyte.
    ConfigMaps,
}

/// The length of a `ConfigMap`'s text.
const CONFIG_BYTES: usize = 1 << 20;

impl Corpus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Secrets, Self::Pods, Self::Watch, Self::ConfigMaps];

    /// In cases of rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Pods => "pods",
            Self::Watch => "watch",
            Self::ConfigMaps => "configmap",
        }
    }

    /// At least so many bytes: a list, or the events of a watch, each of which is a document.
    #[must_use]
    pub fn documents(self, bytes: usize) -> Vec<Vec<u8>> {
        if self != Self::Watch {
            return vec![self.list(bytes)];
        }
        let mut numbers = Numbers(SEED);
        let mut events = Vec::new();
        let mut total = 0;
        while total < bytes {
            let event = self.event(&mut numbers);
            total += event.len();
            events.push(event);
        }
        events
    }

    /// Objects as they stand in lists.
    #[must_use]
    pub fn objects(self, count: usize) -> Vec<String> {
        let mut numbers = Numbers(SEED);
        let object = |_| {
            let mut text = String::new();
            self.object(&mut numbers, &mut text);
            text
        };
        (0..count).map(object).collect()
    }

    fn list(self, bytes: usize) -> Vec<u8> {
        let mut numbers = Numbers(SEED);
        let kind = match self {
            Self::Secrets => "SecretList",
            Self::Pods => "PodList",
            Self::ConfigMaps => "ConfigMapList",
            Self::Watch => "List",
        };
        let mut text = format!(
            r#"{{"kind":"{kind}","apiVersion":"v1","metadata":{{"resourceVersion":"91823"}},"items":["#
        );
        let mut parting = "";
        while text.len() < bytes {
            text.push_str(parting);
            parting = ",";
            self.object(&mut numbers, &mut text);
        }
        text.push_str("]}\n");
        text.into_bytes()
    }

    /// Watch events, one line each.
    #[must_use]
    pub fn events(self, count: usize) -> Vec<Vec<u8>> {
        let mut numbers = Numbers(SEED);
        (0..count).map(|_| self.event(&mut numbers)).collect()
    }

    fn event(self, numbers: &mut Numbers) -> Vec<u8> {
        let mut text = r#"{"type":"MODIFIED","object":"#.to_owned();
        self.object(numbers, &mut text);
        text.push_str("}\n");
        text.into_bytes()
    }

    fn object(self, numbers: &mut Numbers, text: &mut String) {
        match self {
            Self::Secrets => match numbers.below(50) {
                0 => helm_release(numbers, text),
                _ => secret(numbers, text, 560),
            },
            Self::Pods => pod(numbers, text),
            Self::ConfigMaps => config_map(numbers, text),
            // The sizes of a cluster's watches: half below 2.8 KB, one in a hundred above 13 KB.
            Self::Watch => match numbers.below(100) {
                0..=1 => helm_release(numbers, text),
                2..=31 => pod(numbers, text),
                32..=46 => lease(numbers, text),
                _ => secret(numbers, text, 310),
            },
        }
    }
}

fn head(numbers: &mut Numbers, name: &str, text: &mut String) {
    let (id, namespace) = (numbers.hex(9), numbers.below(40));
    let (uid, version) = (numbers.hex(32), numbers.below(1 << 30));
    add(
        text,
        format_args!(
            r#"{{"metadata":{{"name":"{name}-{id}","namespace":"team-{namespace}","uid":"{uid}","resourceVersion":"{version}","creationTimestamp":"2026-05-01T10:00:00Z","labels":{{"app.kubernetes.io/name":"{name}","app.kubernetes.io/instance":"{name}-{namespace}","app.kubernetes.io/managed-by":"Helm","helm.sh/chart":"{name}-1.2.3"}},"annotations":{{"meta.helm.sh/release-name":"{name}","meta.helm.sh/release-namespace":"team-{namespace}""#
        ),
    );
}

/// With values of 40 bytes and up to so many more.
fn secret(numbers: &mut Numbers, text: &mut String, more: u64) {
    head(numbers, "storefront", text);
    if numbers.below(10) < 3 {
        let (a, b) = (numbers.hex(420), numbers.hex(900));
        add(
            text,
            format_args!(
                r#","kubectl.kubernetes.io/last-applied-configuration":"{{\"apiVersion\":\"v1\",\"data\":{{\"a\":\"{a}\",\"b\":\"{b}\"}},\"kind\":\"Secret\",\"metadata\":{{\"annotations\":{{}},\"name\":\"storefront\"}},\"type\":\"Opaque\"}}\n""#
            ),
        );
    }
    text.push_str(r#"},"managedFields":[{"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"v1","time":"2026-05-01T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{}"#);
    let keys: Vec<String> = (0..4 + numbers.below(4)).map(|_| numbers.hex(8)).collect();
    for key in &keys {
        add(text, format_args!(r#","f:key-{key}":{{}}"#));
    }
    text.push_str(r#"},"f:metadata":{"f:annotations":{".":{},"f:meta.helm.sh/release-name":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}},"f:labels":{".":{},"f:app.kubernetes.io/name":{},"f:app.kubernetes.io/managed-by":{}}},"f:type":{}}}]},"data":{"#);
    let mut parting = "";
    for key in &keys {
        let length = 40 + numbers.below(more);
        let value = numbers.hex(length);
        add(text, format_args!(r#"{parting}"key-{key}":"{value}""#));
        parting = ",";
    }
    text.push_str(r#"},"type":"Opaque"}"#);
}

/// A Secret with one long value.
fn helm_release(numbers: &mut Numbers, text: &mut String) {
    head(numbers, "sh.helm.release.v1.storefront", text);
    let length = 10_000 + numbers.below(6_000);
    let release = numbers.hex(length);
    add(
        text,
        format_args!(
            r#"}},"managedFields":[{{"manager":"Helm","operation":"Update","apiVersion":"v1","time":"2026-05-01T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:data":{{".":{{}},"f:release":{{}}}},"f:metadata":{{"f:labels":{{".":{{}},"f:name":{{}},"f:owner":{{}},"f:status":{{}},"f:version":{{}}}}}},"f:type":{{}}}}}}]}},"data":{{"release":"{release}"}},"type":"helm.sh/release.v1"}}"#
        ),
    );
}

/// What nodes renew all the time.
fn lease(numbers: &mut Numbers, text: &mut String) {
    head(numbers, "node", text);
    let (holder, micros) = (numbers.hex(9), numbers.below(1_000_000));
    add(
        text,
        format_args!(
            r#"}}}},"spec":{{"holderIdentity":"node-{holder}","leaseDurationSeconds":40,"renewTime":"2026-05-01T10:00:00.{micros:06}Z"}}}}"#
        ),
    );
}

/// Lines of a configuration file: one escape in about fourteen bytes.
fn config_map(numbers: &mut Numbers, text: &mut String) {
    head(numbers, "storefront", text);
    text.push_str(r#"}},"data":{"storefront.conf":""#);
    let end = text.len() + CONFIG_BYTES;
    while text.len() < end {
        let (key, value) = (numbers.hex(6), numbers.hex(4));
        add(text, format_args!(r"{key} = {value}\n"));
    }
    text.push_str(r#""}}"#);
}

fn pod(numbers: &mut Numbers, text: &mut String) {
    head(numbers, "storefront", text);
    let (hash, address) = (numbers.hex(64), numbers.below(250));
    add(
        text,
        format_args!(
            r#","checksum/config":"{hash}","prometheus.io/scrape":"true","cni.projectcalico.org/podIP":"10.42.7.{address}/32"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"storefront-7d9c5b6f4","uid":"{}","controller":true,"blockOwnerDeletion":true}}],"#,
            numbers.hex(36)
        ),
    );
    text.push_str(POD_FIELDS);
    for container in 0..2 {
        let parting = if container == 0 { "" } else { "," };
        let digest = numbers.hex(64);
        add(
            text,
            format_args!(
                r#"{parting}{{"name":"web-{container}","image":"registry.example.org/storefront/web@sha256:{digest}","ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}}],"env":["#
            ),
        );
        for variable in 0..6 {
            let parting = if variable == 0 { "" } else { "," };
            let length = 12 + numbers.below(50);
            let value = numbers.hex(length);
            add(
                text,
                format_args!(r#"{parting}{{"name":"STOREFRONT_{variable}","value":"{value}"}}"#),
            );
        }
        text.push_str(CONTAINER_REST);
    }
    text.push_str(POD_SPEC_REST);
    for kind in [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
    ] {
        add(
            text,
            format_args!(
                r#"{{"type":"{kind}","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-05-01T10:00:00Z"}},"#
            ),
        );
    }
    add(
        text,
        format_args!(
            r#"{{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-05-01T10:00:00Z"}}],"hostIP":"192.168.0.7","podIP":"10.42.7.{address}","podIPs":[{{"ip":"10.42.7.{address}"}}],"startTime":"2026-05-01T10:00:00Z","containerStatuses":["#
        ),
    );
    for container in 0..2 {
        let parting = if container == 0 { "" } else { "," };
        let (digest, id) = (numbers.hex(64), numbers.hex(64));
        add(
            text,
            format_args!(
                r#"{parting}{{"name":"web-{container}","state":{{"running":{{"startedAt":"2026-05-01T10:00:03Z"}}}},"lastState":{{}},"ready":true,"restartCount":0,"image":"registry.example.org/storefront/web@sha256:{digest}","imageID":"registry.example.org/storefront/web@sha256:{digest}","containerID":"containerd://{id}","started":true,"volumeMounts":[{{"name":"kube-api-access-x7k2p","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true,"recursiveReadOnly":"Disabled"}}]}}"#
            ),
        );
    }
    text.push_str(r#"],"qosClass":"Burstable"}}"#);
}

const POD_FIELDS: &str = r#""managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-05-01T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:checksum/config":{},"f:prometheus.io/scrape":{}},"f:generateName":{},"f:labels":{".":{},"f:app.kubernetes.io/instance":{},"f:app.kubernetes.io/name":{},"f:pod-template-hash":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"0b6f4b0e-2f2b-4d27-9f0e-1a3c5f2d7e11\"}":{}}},"f:spec":{"f:affinity":{},"f:containers":{"k:{\"name\":\"web-0\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"STOREFRONT_0\"}":{".":{},"f:name":{},"f:value":{}},"k:{\"name\":\"STOREFRONT_1\"}":{".":{},"f:name":{},"f:value":{}},"k:{\"name\":\"STOREFRONT_2\"}":{".":{},"f:name":{},"f:value":{}},"k:{\"name\":\"STOREFRONT_3\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:livenessProbe":{".":{},"f:failureThreshold":{},"f:httpGet":{".":{},"f:path":{},"f:port":{},"f:scheme":{}},"f:periodSeconds":{},"f:successThreshold":{},"f:timeoutSeconds":{}},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}},"f:resources":{".":{},"f:limits":{".":{},"f:cpu":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:securityContext":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:serviceAccount":{},"f:serviceAccountName":{},"f:terminationGracePeriodSeconds":{}}}},{"manager":"kubelet","operation":"Update","apiVersion":"v1","time":"2026-05-01T10:00:04Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":{"f:conditions":{"k:{\"type\":\"ContainersReady\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Ready\"}":{".":{},"f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},"f:containerStatuses":{},"f:hostIP":{},"f:phase":{},"f:podIP":{},"f:podIPs":{".":{},"k:{\"ip\":\"10.42.7.19\"}":{".":{},"f:ip":{}}},"f:startTime":{}}},"subresource":"status"}]},"spec":{"volumes":[{"name":"kube-api-access-x7k2p","projected":{"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}],"containers":["#;

const CONTAINER_REST: &str = r#"],"resources":{"limits":{"cpu":"500m","memory":"256Mi"},"requests":{"cpu":"100m","memory":"128Mi"}},"volumeMounts":[{"name":"kube-api-access-x7k2p","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],"livenessProbe":{"httpGet":{"path":"/healthz","port":"http","scheme":"HTTP"},"initialDelaySeconds":10,"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent","securityContext":{"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false}}"#;

const POD_SPEC_REST: &str = r#"],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"storefront","serviceAccount":"storefront","nodeName":"ip-10-42-7-19.eu-central-1.compute.internal","securityContext":{"runAsUser":1000,"fsGroup":1000},"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":100,"podAffinityTerm":{"labelSelector":{"matchLabels":{"app.kubernetes.io/name":"storefront"}},"topologyKey":"kubernetes.io/hostname"}}]}},"schedulerName":"default-scheduler","tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"},"status":{"phase":"Running","conditions":["#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corpora_are_json_of_the_wanted_size() {
        for corpus in Corpus::ALL {
            let documents = corpus.documents(1 << 16);
            assert!(documents.iter().map(Vec::len).sum::<usize>() >= 1 << 16);
            for document in documents {
                let read: serde_json::Value = serde_json::from_slice(&document).unwrap();
                assert!(read.get("items").or(read.get("object")).is_some());
            }
            for event in corpus.events(3) {
                let read: serde_json::Value = serde_json::from_slice(&event).unwrap();
                assert_eq!(read["type"], "MODIFIED");
            }
        }
    }

    #[test]
    fn events_of_a_watch_have_the_sizes_of_a_clusters() {
        let mut sizes: Vec<usize> = Corpus::Watch.events(2_000).iter().map(Vec::len).collect();
        sizes.sort_unstable();
        assert!((2_600..3_000).contains(&sizes[1_000]), "{}", sizes[1_000]);
        assert!((12_000..15_000).contains(&sizes[1_980]), "{}", sizes[1_980]);
    }
}
