//! Where an API server is and with which credential the gateway goes there: from a kubeconfig file
//! or from the ServiceAccount of the pod.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use thiserror::Error;

use crate::proxy::UpstreamEndpoint;

/// Where the kubelet mounts the credential of a pod.
const SERVICE_ACCOUNT_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How the gateway proves itself upstream.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum GatewayCredential {
    /// By the client certificate of the endpoint.
    ClientCertificate,
    /// A fixed bearer token.
    Bearer(String),
    /// A bearer token in a file that is read again when it changes.
    BearerFile(PathBuf),
}

impl std::fmt::Debug for GatewayCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ClientCertificate => f.write_str("ClientCertificate"),
            Self::Bearer(_) => f.write_str("Bearer([secret])"),
            Self::BearerFile(path) => write!(f, "BearerFile({})", path.display()),
        }
    }
}

/// An API server and the gateway's own credential for it.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    /// Address and trust.
    pub(crate) endpoint: UpstreamEndpoint,
    /// The gateway's own credential.
    pub(crate) credential: GatewayCredential,
}

/// Why a kubeconfig or a mounted ServiceAccount cannot be used.
#[derive(Debug, Error)]
pub(crate) enum UpstreamFault {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is not a kubeconfig.
    #[error("`{path}` is not a kubeconfig: {detail}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        detail: String,
    },
    /// A part is missing or not supported.
    #[error("`{path}`: {detail}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        detail: String,
    },
    /// The server's name cannot be resolved.
    #[error("cannot resolve `{host}`: {detail}")]
    Resolve {
        /// Host and port.
        host: String,
        /// The system's answer.
        detail: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawKubeconfig {
    #[serde(default)]
    current_context: String,
    #[serde(default)]
    contexts: Vec<Named<RawContext>>,
    #[serde(default)]
    clusters: Vec<Named<RawCluster>>,
    #[serde(default)]
    users: Vec<Named<RawUser>>,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster", alias = "user")]
    value: T,
}

#[derive(Deserialize)]
struct RawContext {
    cluster: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RawCluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    proxy_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct RawUser {
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    username: Option<String>,
    exec: Option<serde_yaml_ng::Value>,
    auth_provider: Option<serde_yaml_ng::Value>,
}

struct Source<'a> {
    path: &'a Path,
}

impl Source<'_> {
    fn content(&self, detail: impl Into<String>) -> UpstreamFault {
        UpstreamFault::Content {
            path: self.path.to_path_buf(),
            detail: detail.into(),
        }
    }

    /// Inline base64 data wins over a file, as in client-go. Paths are relative to the kubeconfig.
    fn bytes(
        &self,
        data: Option<&String>,
        file: Option<&PathBuf>,
    ) -> Result<Option<Vec<u8>>, UpstreamFault> {
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let bytes = STANDARD
                .decode(data.trim())
                .map_err(|error| self.content(format!("inline data is not base64: {error}")))?;
            return Ok(Some(bytes));
        }
        file.map(|file| read(&self.resolve(file))).transpose()
    }

    fn resolve(&self, file: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new(".")).join(file)
    }
}

/// Reads one context of a kubeconfig.
///
/// # Errors
/// [`UpstreamFault`]; exec plugins, auth providers, basic auth, proxies and skipped verification are
/// refused by name.
pub(crate) fn from_kubeconfig(
    path: &Path,
    context: Option<&str>,
) -> Result<Upstream, UpstreamFault> {
    let source = Source { path };
    let text = read(path)?;
    let raw: RawKubeconfig =
        serde_yaml_ng::from_slice(&text).map_err(|error| UpstreamFault::Syntax {
            path: path.to_path_buf(),
            detail: error.to_string(),
        })?;
    let wanted = context.unwrap_or(&raw.current_context);
    let context = find(&raw.contexts, wanted)
        .ok_or_else(|| source.content(format!("has no context `{wanted}`")))?;
    let cluster = find(&raw.clusters, &context.cluster)
        .ok_or_else(|| source.content(format!("has no cluster `{}`", context.cluster)))?;
    let user = find(&raw.users, &context.user)
        .ok_or_else(|| source.content(format!("has no user `{}`", context.user)))?;
    if cluster.insecure_skip_tls_verify {
        return Err(source.content("sets insecure-skip-tls-verify: give a certificate authority"));
    }
    if cluster.proxy_url.is_some() {
        return Err(source.content("sets proxy-url, which is not supported"));
    }
    if user.exec.is_some() || user.auth_provider.is_some() || user.username.is_some() {
        return Err(source.content(
            "uses an exec plugin, an auth provider or basic auth: give the gateway a ServiceAccount \
             token file or a client certificate of its own",
        ));
    }
    let (credential, client) = credential(&source, user)?;
    let authorities = source
        .bytes(
            cluster.certificate_authority_data.as_ref(),
            cluster.certificate_authority.as_ref(),
        )?
        .ok_or_else(|| source.content("names no certificate-authority for its cluster"))?;
    let endpoint = UpstreamEndpoint {
        authorities: pem_certificates(&source, &authorities)?,
        client,
        ..endpoint(&source, &cluster.server, cluster.tls_server_name.as_deref())?
    };
    Ok(Upstream {
        endpoint,
        credential,
    })
}

/// The ServiceAccount of the pod the gateway runs in; `service` is host and port of the API server.
///
/// # Errors
/// [`UpstreamFault`]: the mount is not there.
pub(crate) fn in_cluster(service: &str) -> Result<Upstream, UpstreamFault> {
    let directory = Path::new(SERVICE_ACCOUNT_DIRECTORY);
    let authority_file = directory.join("ca.crt");
    let source = Source {
        path: &authority_file,
    };
    let authorities = pem_certificates(&source, &read(&authority_file)?)?;
    let token = directory.join("token");
    read(&token)?;
    let endpoint = UpstreamEndpoint {
        authorities,
        ..endpoint(&source, &format!("https://{service}"), None)?
    };
    Ok(Upstream {
        endpoint,
        credential: GatewayCredential::BearerFile(token),
    })
}

type ClientPair = Option<(Vec<Vec<u8>>, Vec<u8>)>;

fn credential(
    source: &Source<'_>,
    user: &RawUser,
) -> Result<(GatewayCredential, ClientPair), UpstreamFault> {
    let certificate = source.bytes(
        user.client_certificate_data.as_ref(),
        user.client_certificate.as_ref(),
    )?;
    let key = source.bytes(user.client_key_data.as_ref(), user.client_key.as_ref())?;
    let client = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let chain = pem_certificates(source, &certificate)?;
            let key = PrivateKeyDer::from_pem_slice(&key)
                .map_err(|error| source.content(format!("client key: {error}")))?;
            Some((chain, key.secret_der().to_vec()))
        }
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            return Err(source.content("has a client certificate or key without the other"));
        }
    };
    let credential = match (&user.token_file, &user.token, &client) {
        (Some(file), _, _) => GatewayCredential::BearerFile(source.resolve(file)),
        (None, Some(token), _) => GatewayCredential::Bearer(token.clone()),
        (None, None, Some(_)) => GatewayCredential::ClientCertificate,
        (None, None, None) => {
            return Err(source.content("gives its user neither token nor client certificate"));
        }
    };
    Ok((credential, client))
}

fn endpoint(
    source: &Source<'_>,
    server: &str,
    server_name: Option<&str>,
) -> Result<UpstreamEndpoint, UpstreamFault> {
    let uri: Uri = server
        .parse()
        .map_err(|error| source.content(format!("server `{server}` is not a URL: {error}")))?;
    if uri.scheme_str() != Some("https") {
        return Err(source.content(format!("server `{server}` must begin with https://")));
    }
    if !matches!(uri.path(), "" | "/") {
        return Err(source.content(format!(
            "server `{server}` has a path, which is not supported"
        )));
    }
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let address = resolve(&host, port)?;
    Ok(UpstreamEndpoint {
        address,
        server_name: server_name.map_or_else(|| host.clone(), str::to_owned),
        authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
        authorities: Vec::new(),
        client: None,
    })
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, UpstreamFault> {
    let fault = |detail: String| UpstreamFault::Resolve {
        host: format!("{host}:{port}"),
        detail,
    };
    (host, port)
        .to_socket_addrs()
        .map_err(|error| fault(error.to_string()))?
        .next()
        .ok_or_else(|| fault("no address".to_owned()))
}

fn pem_certificates(source: &Source<'_>, pem: &[u8]) -> Result<Vec<Vec<u8>>, UpstreamFault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| source.content(format!("certificate: {error}")))?;
    if found.is_empty() {
        return Err(source.content("holds no certificate in PEM form"));
    }
    for der in &found {
        // Pingora panics on DER it cannot parse, so it is parsed here first.
        x509_parser::parse_x509_certificate(der)
            .map_err(|error| source.content(format!("certificate: {error}")))?;
    }
    Ok(found.into_iter().map(|der| der.to_vec()).collect())
}

fn find<'a, T>(list: &'a [Named<T>], name: &str) -> Option<&'a T> {
    list.iter()
        .find(|entry| entry.name == name)
        .map(|entry| &entry.value)
}

fn read(path: &Path) -> Result<Vec<u8>, UpstreamFault> {
    fs::read(path).map_err(|source| UpstreamFault::Read {
        path: path.to_path_buf(),
        source,
    })
}
