//! What the cluster serves: whether a resource is namespaced (K-11.5). Built-in kinds need no
//! question. A request for any other that is not known asks once for everything the cluster serves;
//! requests that come meanwhile share the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_exchange::Scopes;
use gateway_kubeapi::Scope;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};

use super::CredentialSource;
use crate::fetch::{Call, Fetcher};

/// BOUND: one discovery document; that of a cluster with a thousand custom kinds has 2 MiB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// BOUND: one call; an API server that takes longer is as good as away.
const DEADLINE: Duration = Duration::from_secs(5);
/// BOUND: a request for an unknown resource waits this long for discovery, then is judged with
/// unknown scope, which is the stricter reading.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// BOUND: between two questions. A resource that does not exist is asked for as often as somebody
/// likes; the cluster is not.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// BOUND: group versions asked for one by one, where the API server has no aggregated discovery
/// (before 1.27).
const GROUP_VERSIONS_MAX: usize = 500;
/// BOUND: token reviews under way at one cluster. Their issuer and audience are no secret, so anybody
/// can cause one.
const REVIEWS_MAX: usize = 32;

/// Aggregated discovery where there is (K-11.1).
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// Asks one cluster.
#[derive(Debug, Clone)]
pub(crate) struct Discovery {
    fetcher: Fetcher,
    authority: String,
    credential: CredentialSource,
    /// When the last question was asked. Held while one is under way.
    asked: Arc<Mutex<Option<Instant>>>,
    reviews: Arc<Semaphore>,
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Groups {
    #[serde(rename = "APIGroupDiscoveryList")]
    Aggregated {
        #[serde(default)]
        items: Vec<GroupDiscovery>,
    },
    #[serde(rename = "APIGroupList")]
    Names {
        #[serde(default)]
        groups: Vec<GroupNames>,
    },
}

#[derive(Deserialize)]
struct GroupDiscovery {
    metadata: GroupMetadata,
    #[serde(default)]
    versions: Vec<VersionDiscovery>,
}

#[derive(Deserialize)]
struct GroupMetadata {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct VersionDiscovery {
    #[serde(default)]
    resources: Vec<ResourceDiscovery>,
}

#[derive(Deserialize)]
struct ResourceDiscovery {
    resource: String,
    scope: String,
}

#[derive(Deserialize)]
struct GroupNames {
    name: String,
    versions: Vec<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
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

const fn scope(is_namespaced: bool) -> Scope {
    if is_namespaced {
        Scope::Namespaced
    } else {
        Scope::Cluster
    }
}

impl Discovery {
    pub(crate) fn new(fetcher: Fetcher, authority: String, credential: CredentialSource) -> Self {
        Self {
            fetcher,
            authority,
            credential,
            asked: Arc::default(),
            reviews: Arc::new(Semaphore::new(REVIEWS_MAX)),
        }
    }

    /// Tells everything the cluster serves, as the gateway itself sees it now. Where a question that
    /// was asked after this call has told it already, there is nothing more to do.
    pub(crate) async fn refresh(&self, tell: impl FnOnce(Scopes)) -> Result<(), String> {
        let since = Instant::now();
        let refreshed = tokio::time::timeout(WAIT_MAX, async {
            let mut asked = self.asked.lock().await;
            if asked.is_some_and(|at| at >= since) {
                return Ok(());
            }
            if let Some(at) = *asked {
                tokio::time::sleep_until((at + PAUSE_MIN).into()).await;
            }
            *asked = Some(Instant::now());
            tell(self.scopes().await?);
            Ok(())
        });
        refreshed
            .await
            .unwrap_or_else(|_elapsed| Err("discovery takes too long".to_owned()))
    }

    async fn scopes(&self) -> Result<Scopes, String> {
        let body = self.read("/apis", AGGREGATED).await?;
        let groups: Groups = serde_json::from_slice(&body)
            .map_err(|error| format!("discovery of /apis is not understood: {error}"))?;
        let mut scopes = Scopes::new();
        match groups {
            Groups::Aggregated { items } => {
                for group in items {
                    let resources = group.versions.into_iter().flat_map(|one| one.resources);
                    scopes.entry(group.metadata.name).or_default().extend(
                        resources.map(|one| (one.resource, scope(one.scope == "Namespaced"))),
                    );
                }
            }
            Groups::Names { groups } => {
                let pairs = groups.into_iter().flat_map(|group| {
                    let versions = group.versions.into_iter();
                    versions.map(move |one| (group.name.clone(), one.version))
                });
                for (group, version) in pairs.take(GROUP_VERSIONS_MAX) {
                    let found = self.group_version(&group, &version).await?;
                    scopes.entry(group).or_default().extend(found);
                }
            }
        }
        Ok(scopes)
    }

    async fn group_version(
        &self,
        group: &str,
        version: &str,
    ) -> Result<Vec<(String, Scope)>, String> {
        let path = format!("/apis/{group}/{version}");
        let body = self.read(&path, "application/json").await?;
        let list: ApiResourceList = serde_json::from_slice(&body)
            .map_err(|error| format!("discovery of {path} is not an APIResourceList: {error}"))?;
        let resources = list.resources.into_iter();
        Ok(resources
            .filter(|resource| !resource.name.contains('/'))
            .map(|resource| (resource.name, scope(resource.namespaced)))
            .collect())
    }

    async fn read(&self, path: &str, accept: &'static str) -> Result<Bytes, String> {
        let (status, body) = self.get(path, accept).await?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(format!("discovery of {path} answered {status}"))
        }
    }

    /// Whether the API server answers, and takes the gateway for who it is.
    pub(crate) async fn reachable(&self) -> Result<(), String> {
        match self.get("/version", "application/json").await?.0 {
            status if status.is_success() => Ok(()),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(format!(
                "/version answered {status}; check the gateway's own credential"
            )),
            status => Err(format!("/version answered {status}")),
        }
    }

    /// Sends a `TokenReview` with the gateway's own credential.
    pub(crate) async fn review_token(&self, body: Bytes) -> Result<(StatusCode, Bytes), String> {
        let _permit = self
            .reviews
            .acquire()
            .await
            .map_err(|error| error.to_string())?;
        let mut headers = self.headers("application/json");
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

    async fn get(&self, path: &str, accept: &'static str) -> Result<(StatusCode, Bytes), String> {
        self.call(Method::GET, path, self.headers(accept), Bytes::new())
            .await
    }

    fn headers(&self, accept: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
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
