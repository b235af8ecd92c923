//! Rules that match nothing (GP401, GP402), and allows that a deny takes back (GP403).

use gateway_kubeapi::{ResourceId, Scope, Verb, builtin_resources, builtin_scope};

use super::reach;
use crate::builtin;
use crate::diagnostic::{Code, Finding, Report};
use crate::model::{Bundle, Cluster, ClusterSelector, Effect, Mode, On, Rule, Term, Who};
use crate::set::resource_in;
use crate::shape::nearest;
use crate::tri::Tri;

/// Subresources that carry a connection: every request on them is `connect`, and nothing else is
/// (K-6.1).
const CONNECT: &[(&str, &str)] = &[
    ("nodes", "proxy"),
    ("pods", "attach"),
    ("pods", "exec"),
    ("pods", "portforward"),
    ("pods", "proxy"),
    ("services", "proxy"),
];

/// What can be impersonated; `users` and `groups` are nothing else than that.
const IMPERSONATED: &[(&str, &str)] = &[
    ("", "groups"),
    ("", "serviceaccounts"),
    ("", "users"),
    ("authentication.k8s.io", "uids"),
    ("authentication.k8s.io", "userextras"),
];

pub(super) fn check(bundle: &Bundle, rule: &Rule, report: &mut Report) {
    clusters(bundle, rule, report);
    names(bundle, rule, report);
    if let Some(resources) = reach::listed_resources(bundle, rule) {
        verbs(bundle, rule, &resources, report);
        scopes(rule, &resources, report);
    }
    unknown_resources(rule, report);
    schedules(rule, report);
}

pub(super) fn never(rule: &Rule, line: &'static str, why: &str) -> Finding {
    let place = rule.lines.get(line).unwrap_or(&rule.location).clone();
    Finding::new(
        Code::GP401,
        format!("rule `{}` can never match: {why}", rule.id),
        place,
    )
}

fn clusters(bundle: &Bundle, rule: &Rule, report: &mut Report) {
    let meets = |cluster: &Cluster, selector: &ClusterSelector| match selector {
        ClusterSelector::Named(patterns) => patterns
            .iter()
            .any(|own| own.matches(&cluster.name) != Tri::False),
        ClusterSelector::Labelled(key, pattern) => cluster
            .labels
            .get(key)
            .is_some_and(|value| pattern.matches(value) != Tri::False),
    };
    let some = bundle
        .clusters
        .iter()
        .any(|cluster| rule.clusters.iter().all(|own| meets(cluster, own)));
    if !rule.clusters.is_empty() && !some {
        let known: Vec<&str> = bundle
            .clusters
            .iter()
            .map(|cluster| cluster.name.as_str())
            .collect();
        let finding = never(rule, "clusters", "no cluster of the bundle is meant");
        report.add(finding.help(format!("clusters are {}", known.join(", "))));
    }
}

fn names(bundle: &Bundle, rule: &Rule, report: &mut Report) {
    let sets = |name: &str| bundle.namespace_sets.get(name);
    if let Some(namespaces) = &rule.namespaces
        && !namespaces.cluster_scoped
        && reach::selects_nothing(&namespaces.names, &sets)
    {
        report.add(never(
            rule,
            "in",
            "every namespace of the line is taken out again",
        ));
    }
    if let Some(named) = &rule.named
        && reach::selects_nothing(named, &|_| None)
    {
        report.add(never(
            rule,
            "named",
            "every name of the line is taken out again",
        ));
    }
    if let On::Urls(urls) = &rule.on
        && reach::selects_nothing(urls, &|name| builtin::url_set(name))
    {
        report.add(never(
            rule,
            "urls",
            "every url of the line is taken out again",
        ));
    }
}

/// Whether the API server knows the verb on the resource, as policy names both.
fn is_possible(verb: Verb, resource: &ResourceId) -> bool {
    let core = resource.group.is_empty();
    let carries =
        core && CONNECT.contains(&(resource.resource.as_str(), resource.subresource.as_str()));
    let impersonated =
        IMPERSONATED.contains(&(resource.group.as_str(), resource.resource.as_str()));
    let only_impersonated = impersonated && resource.resource != "serviceaccounts";
    match verb {
        Verb::Connect => carries || builtin_scope(&resource.group, &resource.resource).is_none(),
        Verb::Impersonate => impersonated,
        Verb::Get
        | Verb::List
        | Verb::Watch
        | Verb::Create
        | Verb::Update
        | Verb::Patch
        | Verb::Delete
        | Verb::DeleteCollection => !carries && !only_impersonated,
    }
}

fn verbs(bundle: &Bundle, rule: &Rule, resources: &[ResourceId], report: &mut Report) {
    if resources.is_empty() {
        report.add(never(
            rule,
            "on",
            "every resource of the line is taken out again",
        ));
        return;
    }
    let verbs = reach::verbs(bundle, rule);
    if verbs.is_empty() {
        report.add(never(
            rule,
            "can",
            "every verb of the line is taken out again",
        ));
        return;
    }
    let some = resources
        .iter()
        .any(|one| verbs.iter().any(|verb| is_possible(*verb, one)));
    if !some {
        let list = |words: Vec<String>| words.join(", ");
        let why = format!(
            "{} is not possible on {}",
            list(verbs.iter().map(|verb| format!("`{verb}`")).collect()),
            list(resources.iter().map(|one| format!("`{one}`")).collect()),
        );
        let carries = resources.iter().all(|one| is_possible(Verb::Connect, one));
        let help = if carries {
            "a request on exec, attach, portforward or proxy is always `connect`"
        } else {
            "`connect` belongs to pods/exec, pods/attach, pods/portforward and the proxies, \
             `impersonate` to users, groups, serviceaccounts, uids and userextras"
        };
        report.add(never(rule, "can", &why).help(help));
    }
}

/// `in "shop"` beside cluster-scoped resources, or `in "@cluster"` beside namespaced ones.
fn scopes(rule: &Rule, resources: &[ResourceId], report: &mut Report) {
    let Some(namespaces) = &rule.namespaces else {
        return;
    };
    let named = !namespaces.names.include.is_empty();
    let possible = |one: &ResourceId| {
        // The API server gives a request for one namespace that namespace's name (K-1.5).
        let namespace_itself = one.group.is_empty() && one.resource == "namespaces";
        match builtin_scope(&one.group, &one.resource) {
            Some(Scope::Namespaced) => named,
            Some(Scope::Cluster) => namespaces.cluster_scoped || namespace_itself,
            Some(Scope::Unknown) | None => true,
        }
    };
    if resources.is_empty() || resources.iter().any(possible) {
        return;
    }
    let (why, help) = if named {
        (
            "its resources are in no namespace",
            "write `in \"@cluster\"`",
        )
    } else {
        (
            "its resources are in namespaces",
            "name the namespaces on the `in` line",
        )
    };
    report.add(never(rule, "in", why).help(help));
}

fn unknown_resources(rule: &Rule, report: &mut Report) {
    let On::Resources(terms) = &rule.on else {
        return;
    };
    for term in terms.include.iter().chain(&terms.exclude) {
        let Term::Value(pattern) = term else {
            continue;
        };
        let Some(resource) = reach::literal_resource(pattern) else {
            continue;
        };
        if is_known(&resource) {
            continue;
        }
        let place = rule.lines.get("on").unwrap_or(&rule.location).clone();
        let message = format!("resource `{resource}` is not known");
        let finding = Finding::new(Code::GP402, message, place);
        report.add(match likely(&resource) {
            Some(name) => finding.label(format!("did you mean \"{name}\"?")),
            None => finding.help("custom resources are written with their API group"),
        });
    }
}

/// Groups that are not Kubernetes' own may serve anything.
fn is_known(resource: &ResourceId) -> bool {
    let (group, name) = (resource.group.as_str(), resource.resource.as_str());
    let own_group = builtin_resources().any(|(own, _)| own == group);
    let impersonated = IMPERSONATED.contains(&(group, name));
    let signer = (group, name) == ("certificates.k8s.io", "signers");
    !own_group || builtin_scope(group, name).is_some() || impersonated || signer
}

/// The same name in another group, else the nearest name.
fn likely(resource: &ResourceId) -> Option<String> {
    let written = |(group, name): (&str, &str)| {
        if group.is_empty() {
            name.to_owned()
        } else {
            format!("{name}.{group}")
        }
    };
    let same = builtin_resources().find(|(_, name)| *name == resource.resource);
    same.map(written).or_else(|| {
        let near = nearest(
            &resource.resource,
            builtin_resources().map(|(_, name)| name),
        )?;
        builtin_resources()
            .find(|(_, name)| *name == near)
            .map(written)
    })
}

fn schedules(rule: &Rule, report: &mut Report) {
    let (Some(during), Some(outside)) = (&rule.during, &rule.outside) else {
        return;
    };
    if during.iter().all(|name| outside.contains(name)) {
        report.add(never(
            rule,
            "outside",
            "`during` and `outside` name the same times",
        ));
    }
}

/// Allows that an unconditional deny takes back in full.
pub(super) fn check_shadowed(bundle: &Bundle, report: &mut Report) {
    let denies: Vec<&Rule> = bundle
        .rules
        .iter()
        .filter(|rule| is_unconditional_deny(rule))
        .collect();
    for rule in bundle
        .rules
        .iter()
        .filter(|rule| rule.effect == Effect::Allow)
    {
        if let Some(deny) = denies.iter().find(|deny| takes_back(bundle, deny, rule)) {
            let message = format!(
                "allow `{}` has no effect: deny `{}` covers it",
                rule.id, deny.id
            );
            let finding = Finding::new(Code::GP403, message, rule.location.clone());
            report.add(
                finding
                    .also(deny.location.clone(), "the deny")
                    .help("remove or narrow one"),
            );
        }
    }
}

fn is_unconditional_deny(rule: &Rule) -> bool {
    let everyone = match rule.who.as_deref() {
        None => true,
        Some(lines) => lines.iter().all(line_is_anyone),
    };
    let enforced = match rule.mode {
        Mode::Enforce => true,
        Mode::Shadow(_) | Mode::Off(_) => false,
    };
    rule.effect == Effect::Deny
        && enforced
        && everyone
        && rule.namespaces.is_none()
        && rule.named.is_none()
        && rule.clusters.is_empty()
        && rule.from.is_none()
        && rule.during.is_none()
        && rule.outside.is_none()
}

fn line_is_anyone(line: &Who) -> bool {
    match line {
        Who::Anyone => true,
        Who::Identity(_)
        | Who::Group(_)
        | Who::User(_)
        | Who::Kind(_)
        | Who::Issuer(_)
        | Who::Attribute(_, _)
        | Who::ActingFor(_)
        | Who::Any(_)
        | Who::Not(_) => false,
    }
}

fn takes_back(bundle: &Bundle, deny: &Rule, allow: &Rule) -> bool {
    if !reach::verbs(bundle, allow).is_subset(&reach::verbs(bundle, deny)) {
        return false;
    }
    let On::Resources(denied) = &deny.on else {
        return deny.on == On::Everything;
    };
    let find = |name: &str| reach::resource_set(bundle, name);
    let plain = denied.exclude.is_empty();
    let denied = reach::leaves(denied, &find);
    let covered = |one: &ResourceId| denied.iter().any(|own| resource_in(own, one) == Tri::True);
    plain
        && reach::listed_resources(bundle, allow)
            .is_some_and(|resources| !resources.is_empty() && resources.iter().all(covered))
}
