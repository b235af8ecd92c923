//! Tokens of Kubernetes ServiceAccounts (K-8.6), mapped as `pkg/serviceaccount/claims.go` does.

use std::collections::BTreeMap;

use gateway_kubeapi::UserInfo;

use crate::claims::ClaimFault;
use crate::json::{Json, Object};

/// What every user name of a ServiceAccount begins with.
pub(crate) const USER_PREFIX: &str = "system:serviceaccount:";

const ALL_GROUP: &str = "system:serviceaccounts";
const KUBERNETES: &str = "kubernetes.io";

// The limits of the API: a DNS label and a DNS subdomain.
const NAMESPACE_BYTES_MAX: usize = 63;
const ACCOUNT_BYTES_MAX: usize = 253;

/// Namespace and name of `system:serviceaccount:NAMESPACE:NAME`.
pub(crate) fn split_user(username: &str) -> Option<(&str, &str)> {
    let (namespace, name) = username.strip_prefix(USER_PREFIX)?.split_once(':')?;
    (is_label(namespace, NAMESPACE_BYTES_MAX)
        && name.len() <= ACCOUNT_BYTES_MAX
        && name
            .split('.')
            .all(|label| is_label(label, ACCOUNT_BYTES_MAX)))
    .then_some((namespace, name))
}

/// The groups of every account of a namespace.
pub(crate) fn groups(namespace: &str) -> Vec<String> {
    vec![ALL_GROUP.to_owned(), format!("{ALL_GROUP}:{namespace}")]
}

/// The user of a token, from `sub` and the `kubernetes.io` claim, which must agree.
pub(crate) fn read_user(claims: &Object) -> Result<UserInfo, ClaimFault> {
    let wrong = |claim: &str| ClaimFault::Type(claim.to_owned());
    let username = claims
        .get("sub")
        .and_then(Json::as_text)
        .ok_or_else(|| wrong("sub"))?;
    let (namespace, name) = split_user(username).ok_or_else(|| wrong("sub"))?;
    let own = claims
        .get(KUBERNETES)
        .and_then(Json::as_object)
        .ok_or_else(|| wrong(KUBERNETES))?;
    let account = reference(own, "serviceaccount")?.ok_or_else(|| wrong(KUBERNETES))?;
    let same = own.get("namespace").and_then(Json::as_text) == Some(namespace);
    if !same || account.name != name || account.uid.is_empty() {
        return Err(wrong(KUBERNETES));
    }
    let mut extra = BTreeMap::new();
    let mut add = |key: &str, value: &str| {
        extra.insert(
            format!("authentication.kubernetes.io/{key}"),
            vec![value.to_owned()],
        );
    };
    if let Some(pod) = reference(own, "pod")?
        && !pod.name.is_empty()
        && !pod.uid.is_empty()
    {
        add("pod-name", pod.name);
        add("pod-uid", pod.uid);
    }
    if let Some(node) = reference(own, "node")?
        && !node.name.is_empty()
    {
        add("node-name", node.name);
        if !node.uid.is_empty() {
            add("node-uid", node.uid);
        }
    }
    Ok(UserInfo {
        username: username.to_owned(),
        uid: Some(account.uid.to_owned()),
        groups: groups(namespace),
        extra,
    })
}

struct Reference<'a> {
    name: &'a str,
    uid: &'a str,
}

fn reference<'a>(own: &'a Object, member: &str) -> Result<Option<Reference<'a>>, ClaimFault> {
    let wrong = || ClaimFault::Type(KUBERNETES.to_owned());
    let Some(value) = own.get(member) else {
        return Ok(None);
    };
    let value = value.as_object().ok_or_else(wrong)?;
    let text = |member: &str| match value.get(member) {
        None => Ok(""),
        Some(Json::Text(text)) if text.bytes().all(is_name_byte) => Ok(text.as_str()),
        Some(_) => Err(wrong()),
    };
    Ok(Some(Reference {
        name: text("name")?,
        uid: text("uid")?,
    }))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
}

fn is_label(label: &str, bytes_max: usize) -> bool {
    let alphanumeric = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric());
    let bytes = label.as_bytes();
    label.len() <= bytes_max
        && alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes
            .iter()
            .all(|byte| is_name_byte(*byte) && *byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse_object;
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({
            "sub": "system:serviceaccount:shop:web.bot",
            "kubernetes.io": {
                "namespace": "shop",
                "serviceaccount": {"name": "web.bot", "uid": "6d5c"},
                "pod": {"name": "web-0", "uid": "1f"},
                "node": {"name": "n1", "uid": "2f"},
                "warnafter": 1_700_000_000,
            },
        })
    }

    fn read(claims: &Value) -> Result<UserInfo, ClaimFault> {
        let claims = parse_object(claims.to_string().as_bytes());
        read_user(&claims.unwrap_or_default())
    }

    fn extra(claims: &Value) -> Vec<(String, String)> {
        let extra = read(claims).unwrap().extra;
        let short = |key: String| key.replace("authentication.kubernetes.io/", "");
        extra
            .into_iter()
            .map(|(key, values)| (short(key), values.join(",")))
            .collect()
    }

    #[test]
    fn reads_a_pod_bound_token_as_the_api_server_does() {
        let user = read(&good()).unwrap();
        assert_eq!(user.username, "system:serviceaccount:shop:web.bot");
        assert_eq!(user.uid.as_deref(), Some("6d5c"));
        assert_eq!(
            user.groups,
            ["system:serviceaccounts", "system:serviceaccounts:shop"]
        );
        let expected = [
            ("node-name", "n1"),
            ("node-uid", "2f"),
            ("pod-name", "web-0"),
            ("pod-uid", "1f"),
        ];
        assert_eq!(
            extra(&good()),
            expected.map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
    }

    #[test]
    fn leaves_out_a_pod_without_uid_and_a_node_without_name() {
        let mut claims = good();
        claims["kubernetes.io"]["pod"] = json!({"name": "web-0"});
        claims["kubernetes.io"]["node"] = json!({"uid": "2f"});
        assert_eq!(extra(&claims), []);
    }

    #[test]
    fn refuses_tokens_whose_claims_disagree() {
        for (pointer, value) in [
            ("/sub", json!("system:serviceaccount:shop:other")),
            ("/sub", json!("system:serviceaccount:other:web.bot")),
            ("/sub", json!("system:masters")),
            ("/sub", json!("ana")),
            ("/sub", json!("system:serviceaccount:shop:web.bot:x")),
            ("/sub", json!("system:serviceaccount::web.bot")),
            ("/sub", json!("system:serviceaccount:Shop:web.bot")),
            ("/sub", json!(1)),
            ("/kubernetes.io", json!("shop")),
            ("/kubernetes.io/namespace", json!("kube-system")),
            ("/kubernetes.io/namespace", json!(null)),
            ("/kubernetes.io/serviceaccount", json!(null)),
            ("/kubernetes.io/serviceaccount/name", json!("admin")),
            ("/kubernetes.io/serviceaccount/uid", json!("")),
            ("/kubernetes.io/serviceaccount/uid", json!(1)),
            ("/kubernetes.io/pod", json!("web-0")),
            ("/kubernetes.io/pod/name", json!("a\nb")),
        ] {
            let mut claims = good();
            *claims.pointer_mut(pointer).unwrap() = value.clone();
            assert!(read(&claims).is_err(), "{pointer} {value}");
        }
    }
}
