//! The gateway's own credential, read again from its file when it is rotated.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;

use super::kubeconfig::GatewayCredential;

/// How often a token file is read. Projected tokens are renewed at 80 % of their life, minutes
/// before the old one ends.
const REREAD_INTERVAL: Duration = Duration::from_secs(10);

/// A ready `Authorization` value, or none where the client certificate speaks.
#[derive(Debug, Clone)]
pub(crate) struct CredentialSource {
    header: Arc<ArcSwapOption<HeaderValue>>,
    file: Option<PathBuf>,
}

impl CredentialSource {
    /// # Errors
    /// The token file cannot be read or is not a header value.
    pub(crate) fn new(credential: &GatewayCredential) -> Result<Self, String> {
        let (token, file) = match credential {
            GatewayCredential::ClientCertificate => (None, None),
            GatewayCredential::Bearer(token) => (Some(token.clone()), None),
            GatewayCredential::BearerFile(path) => {
                let token = fs::read_to_string(path)
                    .map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                (Some(token), Some(path.clone()))
            }
        };
        let header = token.map(|token| header(&token)).transpose()?.map(Arc::new);
        Ok(Self {
            header: Arc::new(ArcSwapOption::new(header)),
            file,
        })
    }

    /// The `Authorization` value to send.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        self.header.load().as_deref().cloned()
    }

    /// Follows the token file until dropped. A file that cannot be read keeps the last token: it
    /// may still be good, and the API server judges it anyway.
    pub(crate) async fn follow(self) {
        let Some(path) = &self.file else { return };
        loop {
            tokio::time::sleep(REREAD_INTERVAL).await;
            let read = tokio::fs::read_to_string(path)
                .await
                .map_err(|error| error.to_string());
            match read.and_then(|token| header(&token)) {
                Ok(value) => self.header.store(Some(Arc::new(value))),
                Err(error) => {
                    tracing::warn!(path = %path.display(), error, "token file not read again");
                }
            }
        }
    }
}

fn header(token: &str) -> Result<HeaderValue, String> {
    let token = token.trim();
    if token.is_empty() {
        return Err("the gateway's bearer token is empty".to_owned());
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|error| format!("the gateway's bearer token is not a header value: {error}"))?;
    value.set_sensitive(true);
    Ok(value)
}
