//! What the cluster serves: whether a resource is namespaced (K-11.5). Built-in kinds need no
//! question; others are asked for once and kept.

use std::time::Duration;

use bytes::Bytes;
use gateway_kubeapi::Scope;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;

use super::CredentialSource;
use crate::fetch::{Call, Fetcher};

/// BOUND: one group version's resource list.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// BOUND: a request for an unknown resource waits this long for discovery, then is judged with
/// unknown scope, which is the stricter reading.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Discovery {
    pub(crate) fetcher: Fetcher,
    pub(crate) authority: String,
    pub(crate) credential: CredentialSource,
}

#[derive(Deserialize)]
struct ApiResourceList {
    #[serde(default)]
    resources: Vec<ApiResource>,
}

#[derive(Deserialize)]
struct ApiResource {
    name: String,
    namespaced: bool,
}

/// The caller's words become part of the gateway's own URL, under the gateway's own credential, so
/// they are names and nothing else: a group is a DNS subdomain, a version a DNS label.
fn path(group: &str, version: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_version = !version.is_empty() && version.bytes().all(is_name);
    let is_group = group
        .split('.')
        .all(|label| !label.is_empty() && label.bytes().all(is_name));
    match (group.is_empty(), is_group, is_version) {
        (true, _, true) => Ok(format!("/api/{version}")),
        (false, true, true) => Ok(format!("/apis/{group}/{version}")),
        (_, _, _) => Err("the group or version is no DNS name".to_owned()),
    }
}

impl Discovery {
    /// Every resource of one group version with its scope, as the gateway itself sees it.
    pub(crate) async fn scopes(
        &self,
        group: &str,
        version: &str,
    ) -> Result<Vec<(String, Scope)>, String> {
        let path = path(group, version)?;
        let (status, body) = self.get(&path).await?;
        match status.as_u16() {
            200 => {}
            404 => return Ok(Vec::new()),
            code => return Err(format!("discovery of {path} answered {code}")),
        }
        let list: ApiResourceList = serde_json::from_slice(&body)
            .map_err(|error| format!("discovery of {path} is not an APIResourceList: {error}"))?;
        Ok(list
            .resources
            .into_iter()
            .filter(|resource| !resource.name.contains('/'))
            .map(|resource| {
                let scope = if resource.namespaced {
                    Scope::Namespaced
                } else {
                    Scope::Cluster
                };
                (resource.name, scope)
            })
            .collect())
    }

    /// Asks something that every API server answers to those whom it knows: an answer of any other
    /// status is one of a server that the gateway cannot work with.
    pub(crate) async fn reachable(&self) -> Result<(), String> {
        match self.get("/version").await?.0 {
            status if status.is_success() => Ok(()),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(format!(
                "/version answered {status}; check the gateway's own credential"
            )),
            status => Err(format!("/version answered {status}")),
        }
    }

    /// Sends a `TokenReview` with the gateway's own credential.
    pub(crate) async fn review_token(&self, body: Bytes) -> Result<(StatusCode, Bytes), String> {
        let mut headers = self.headers();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        self.call(
            Method::POST,
            "/apis/authentication.k8s.io/v1/tokenreviews",
            headers,
            body,
        )
        .await
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), String> {
        self.call(Method::GET, path, self.headers(), Bytes::new())
            .await
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(bearer) = self.credential.bearer() {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        headers
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let uri: Uri = format!("https://{}{path}", self.authority)
            .parse()
            .map_err(|error| format!("upstream address: {error}"))?;
        let call = Call {
            method,
            uri,
            headers,
            body,
            answer_bytes_max: ANSWER_BYTES_MAX,
            deadline: DEADLINE,
        };
        self.fetcher
            .call(call)
            .await
            .map_err(|fault| fault.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decoded `?` or `/` of the caller's target stood in the gateway's own request.
    #[test]
    fn asks_for_names_only() {
        assert_eq!(path("", "v1").as_deref(), Ok("/api/v1"));
        assert_eq!(
            path("example.com", "v1beta1").as_deref(),
            Ok("/apis/example.com/v1beta1")
        );
        for (group, version) in [
            ("", ""),
            ("a", ""),
            ("a/b", "v1"),
            ("..", "v1"),
            ("a?x=1", "v1"),
            ("a#", "v1"),
            ("a b", "v1"),
            ("A", "v1"),
            ("a", "../v1"),
            ("a", "v1%2f"),
            ("a", "v1?watch=1"),
            ("é", "v1"),
        ] {
            assert!(path(group, version).is_err(), "{group} {version}");
        }
    }
}
