//! A request as one would type it for kubectl, made into what policy judges.

use anyhow::{Context as _, Result, bail};
use gateway_kubeapi::{Verb, builtin_resources};
use gateway_policy::model::TestRequest;

/// kubectl's short names.
const SHORT_NAMES: [(&str, &str); 19] = [
    ("cj", "cronjobs"),
    ("cm", "configmaps"),
    ("crd", "customresourcedefinitions"),
    ("csr", "certificatesigningrequests"),
    ("deploy", "deployments"),
    ("ds", "daemonsets"),
    ("ep", "endpoints"),
    ("ev", "events"),
    ("hpa", "horizontalpodautoscalers"),
    ("ing", "ingresses"),
    ("netpol", "networkpolicies"),
    ("no", "nodes"),
    ("ns", "namespaces"),
    ("po", "pods"),
    ("pv", "persistentvolumes"),
    ("pvc", "persistentvolumeclaims"),
    ("rs", "replicasets"),
    ("sa", "serviceaccounts"),
    ("sts", "statefulsets"),
];

/// Namespace and words of a command line.
#[derive(Debug, Default)]
struct Words {
    words: Vec<String>,
    namespace: Option<String>,
    all_namespaces: bool,
    watches: bool,
}

/// Reads `get pods -n shop`, `scale deploy/web -n shop`, `exec web-1 -n shop -- date`,
/// `get /metrics` or `DELETE /api/v1/namespaces/shop/pods/web-1`.
///
/// # Errors
/// If it is no request.
pub(super) fn parse_command(words: &[String]) -> Result<TestRequest> {
    let words = split(words)?;
    let first = words
        .words
        .first()
        .context("say what is requested, as in `get pods -n shop`")?;
    if let Some(target) = words.words.get(1)
        && target.starts_with('/')
        && first.chars().all(|letter| letter.is_ascii_uppercase())
    {
        return Ok(TestRequest::Http {
            method: first.clone(),
            target: target.clone(),
            content_type: None,
            body: None,
            response: None,
        });
    }
    let pod = |subresource| Some(("pods", subresource));
    let (verb, fixed) = match first.as_str() {
        "attach" => (Verb::Connect, pod("attach")),
        "cp" | "exec" => (Verb::Connect, pod("exec")),
        "port-forward" => (Verb::Connect, pod("portforward")),
        "log" | "logs" => (Verb::Get, pod("log")),
        "describe" => (Verb::Get, None),
        "annotate" | "apply" | "edit" | "label" | "scale" => (Verb::Patch, None),
        word => (Verb::parse(word).with_context(|| unknown_verb(word))?, None),
    };
    let (resource, name) = match fixed {
        Some((resource, subresource)) => {
            let named = words.words.get(1).context("name the pod")?;
            // `pod/web-1` of exec, `web-1:/tmp/file` of cp.
            let name = named.split(':').next().unwrap_or(named);
            let name = name.rsplit('/').next().unwrap_or(name);
            (format!("{resource}/{subresource}"), Some(name.to_owned()))
        }
        None => object(&words.words)?,
    };
    let resource = if first == "scale" {
        format!("{resource}/scale")
    } else {
        resource
    };
    let verb = match (verb, &name) {
        (Verb::Get, _) if words.watches => Verb::Watch,
        (Verb::Get, None) if !resource.starts_with('/') => Verb::List,
        (Verb::Delete, None) => Verb::DeleteCollection,
        (verb, _) => verb,
    };
    Ok(facts(verb, resource, name, words))
}

/// Reads `get secrets -n shop` as `kubectl auth can-i` does: the verb is policy's own.
///
/// # Errors
/// If it is no verb and resource.
pub(super) fn parse_right(words: &[String]) -> Result<TestRequest> {
    let words = split(words)?;
    let first = words
        .words
        .first()
        .context("say what, as in `get secrets -n shop`")?;
    let verb = Verb::parse(first).with_context(|| unknown_verb(first))?;
    let (resource, name) = object(&words.words)?;
    Ok(facts(verb, resource, name, words))
}

fn unknown_verb(word: &str) -> String {
    let verbs: Vec<&str> = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
    format!("`{word}` is no verb; verbs are {}", verbs.join(" "))
}

fn facts(verb: Verb, resource: String, name: Option<String>, words: Words) -> TestRequest {
    TestRequest::Facts {
        verb,
        resource,
        namespace: words.namespace,
        name,
        all_namespaces: words.all_namespaces,
        source: None,
    }
}

/// Takes the options out; what a command inside a pod looks like is no matter.
fn split(given: &[String]) -> Result<Words> {
    let mut words = Words::default();
    let mut rest = given.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "--" => break,
            "-A" | "--all-namespaces" => words.all_namespaces = true,
            "-w" | "--watch" => words.watches = true,
            "-n" | "--namespace" => {
                let namespace = rest
                    .next()
                    .with_context(|| format!("`{word}` wants a name"))?;
                words.namespace = Some(namespace.to_owned());
            }
            "kubectl" if words.words.is_empty() => (),
            option if option.starts_with('-') => {
                let namespace = option.strip_prefix("--namespace=").with_context(|| {
                    format!("`{option}` does not change the decision; leave it out")
                })?;
                words.namespace = Some(namespace.to_owned());
            }
            other => words.words.push(other.to_owned()),
        }
    }
    if words.all_namespaces && words.namespace.is_some() {
        bail!("say either `-n` or `-A`");
    }
    Ok(words)
}

/// `pods web-1`, `pod/web-1`, `deployments.apps/scale web`, `/metrics`.
fn object(words: &[String]) -> Result<(String, Option<String>)> {
    let resource = words.get(1).context("name the resource, as in `pods`")?;
    if words.len() > 3 {
        bail!(
            "only one object at a time; `{}` is too much",
            words.join(" ")
        );
    }
    if resource.starts_with('/') {
        return Ok((resource.clone(), None));
    }
    match (resource.split_once('/'), words.get(2)) {
        (None, name) => Ok((canonical(resource), name.cloned())),
        (Some((resource, subresource)), Some(name)) => Ok((
            format!("{}/{subresource}", canonical(resource)),
            Some(name.clone()),
        )),
        // A kind before the slash makes `pod/web-1`, a plural `pods/log`.
        (Some((before, after)), None) if is_kind(before) => {
            Ok((canonical(before), Some(after.to_owned())))
        }
        (Some((before, after)), None) => Ok((format!("{}/{after}", canonical(before)), None)),
    }
}

fn is_kind(word: &str) -> bool {
    let known = SHORT_NAMES.iter().any(|(short, _)| *short == word);
    known || builtin_resources().any(|(_, plural)| plural != word && singular(plural) == word)
}

/// `deploy` → `deployments.apps`; what is not built in stays as it is.
fn canonical(word: &str) -> String {
    let (word, group) = word.split_once('.').unwrap_or((word, ""));
    let long = SHORT_NAMES
        .iter()
        .find(|(short, _)| *short == word)
        .map_or(word, |(_, long)| long);
    let known = builtin_resources()
        .filter(|(own, _)| group.is_empty() || *own == group)
        .find(|(_, plural)| *plural == long || singular(plural) == long);
    match known {
        Some(("", plural)) => plural.to_owned(),
        Some((group, plural)) => format!("{plural}.{group}"),
        None if group.is_empty() => word.to_owned(),
        None => format!("{word}.{group}"),
    }
}

fn singular(plural: &str) -> String {
    if let Some(stem) = plural.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let stem = ["ses", "xes"].iter().any(|end| plural.ends_with(end));
    let cut = if stem { "es" } else { "s" };
    plural.strip_suffix(cut).unwrap_or(plural).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    /// `verb resource name namespace`, `-` for none, `*` for every namespace.
    fn shown(request: &TestRequest) -> String {
        match request {
            TestRequest::Http { method, target, .. } => format!("{method} {target}"),
            TestRequest::Facts {
                verb,
                resource,
                namespace,
                name,
                all_namespaces,
                ..
            } => {
                let place = if *all_namespaces {
                    "*"
                } else {
                    namespace.as_deref().unwrap_or("-")
                };
                format!(
                    "{verb} {resource} {} {place}",
                    name.as_deref().unwrap_or("-")
                )
            }
        }
    }

    #[test]
    fn reads_commands_as_kubectl_would_send_them() {
        for (typed, expected) in [
            ("get pods -n shop", "list pods - shop"),
            ("kubectl get po web-1 -n shop", "get pods web-1 shop"),
            ("get pod/web-1 --namespace=shop", "get pods web-1 shop"),
            ("get deploy -A", "list deployments.apps - *"),
            ("get pods -w -n shop", "watch pods - shop"),
            (
                "get ingresses -n shop",
                "list ingresses.networking.k8s.io - shop",
            ),
            (
                "get netpol x -n shop",
                "get networkpolicies.networking.k8s.io x shop",
            ),
            ("delete pods -n shop", "deletecollection pods - shop"),
            ("delete pod web-1 -n shop", "delete pods web-1 shop"),
            (
                "scale deployment/web -n shop",
                "patch deployments.apps/scale web shop",
            ),
            ("logs web-1 -n shop", "get pods/log web-1 shop"),
            (
                "exec web-1 -n shop -- ls -l",
                "connect pods/exec web-1 shop",
            ),
            ("cp web-1:/tmp/x -n shop", "connect pods/exec web-1 shop"),
            (
                "port-forward pod/web-1 -n shop",
                "connect pods/portforward web-1 shop",
            ),
            (
                "get widgets.shop.example -n shop",
                "list widgets.shop.example - shop",
            ),
            ("get /metrics", "get /metrics - -"),
            (
                "DELETE /api/v1/namespaces/shop/pods/x",
                "DELETE /api/v1/namespaces/shop/pods/x",
            ),
        ] {
            assert_eq!(
                shown(&parse_command(&words(typed)).unwrap()),
                expected,
                "{typed}"
            );
        }
    }

    #[test]
    fn reads_rights_as_kubectl_auth_can_i_does() {
        for (typed, expected) in [
            ("get secrets -n shop", "get secrets - shop"),
            (
                "connect pods/exec web-1 -n shop",
                "connect pods/exec web-1 shop",
            ),
            ("get pods/log -n shop", "get pods/log - shop"),
            ("deletecollection cm -A", "deletecollection configmaps - *"),
        ] {
            assert_eq!(
                shown(&parse_right(&words(typed)).unwrap()),
                expected,
                "{typed}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_question() {
        for (typed, expected) in [
            ("pods", "is no verb"),
            ("get", "name the resource"),
            ("get pods -o yaml", "does not change the decision"),
            ("get pods -n", "wants a name"),
            ("get pods -n a -A", "either"),
            ("get pods a b", "one object at a time"),
        ] {
            let fault = parse_command(&words(typed)).unwrap_err().to_string();
            assert!(fault.contains(expected), "{typed}: {fault}");
        }
    }

    #[test]
    fn finds_every_built_in_kind_by_its_own_name() {
        for (group, plural) in builtin_resources() {
            let name = if group.is_empty() {
                plural.to_owned()
            } else {
                format!("{plural}.{group}")
            };
            assert_eq!(canonical(&name), name);
        }
    }
}
