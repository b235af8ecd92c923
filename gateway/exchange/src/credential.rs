//! What a request presented to prove its caller, kept for as long as its exchange lasts: a watch is
//! proven again when keys, issuers or authorities change (K-3.10).

use std::fmt;

use gateway_identity::{
    AuthenticationFault, Evidence, Moment, Outcome, Presented, Review, WebSocketProtocols,
    authenticate,
};
use http::{HeaderMap, HeaderName, header};

use crate::input::{MICROS_PER_SECOND, Now, RequestHead};
use crate::snapshot::Snapshot;

/// The parts of a head that can prove a caller. INVARIANT 7: it is never printed and never sent.
pub(crate) struct Credential {
    authorization: Vec<Vec<u8>>,
    websocket_protocols: Vec<Vec<u8>>,
    client_certificate: Option<Vec<u8>>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Credential {
    pub(crate) fn of(head: &mut RequestHead) -> Self {
        Self {
            authorization: lines(&head.headers, &header::AUTHORIZATION),
            websocket_protocols: lines(&head.headers, &header::SEC_WEBSOCKET_PROTOCOL),
            client_certificate: head.client_certificate.take(),
        }
    }

    /// Who it proves by what `snapshot` knows.
    pub(crate) fn prove(&self, snapshot: &Snapshot, review: Option<&Review>, now: Now) -> Outcome {
        let authorization = slices(&self.authorization);
        let protocols = slices(&self.websocket_protocols);
        let protocols = match WebSocketProtocols::parse(&protocols) {
            Ok(protocols) => protocols,
            Err(fault) => return Outcome::Refused(AuthenticationFault::from(fault)),
        };
        let presented = Presented {
            authorization: &authorization,
            websocket_bearer: protocols.bearer,
            client_certificate: self.client_certificate.as_deref(),
        };
        let evidence = Evidence {
            keys: &snapshot.keys,
            review,
        };
        let moment = Moment {
            unix_seconds: now.micros / MICROS_PER_SECOND,
            uptime: now.uptime,
        };
        authenticate(&snapshot.authenticator, evidence, &presented, moment)
    }
}

fn lines(headers: &HeaderMap, name: &HeaderName) -> Vec<Vec<u8>> {
    headers
        .get_all(name)
        .iter()
        .map(|value| value.as_bytes().to_vec())
        .collect()
}

fn slices(lines: &[Vec<u8>]) -> Vec<&[u8]> {
    lines.iter().map(Vec::as_slice).collect()
}
