//! The body of a judged request.

use bytes::Bytes;
use gateway_kubeapi::{
    BodyFault, DeleteOptions, RequestBody, RequestTarget, ReviewFault, access_question,
    rules_question,
};
use http::{Method, StatusCode};
use thiserror::Error;

use crate::review::Question;

/// Why a body is refused.
#[derive(Debug, Error)]
pub(crate) enum ContentFault {
    #[error("{0}")]
    Body(#[from] BodyFault),
    #[error("{0}")]
    Review(#[from] ReviewFault),
}

impl ContentFault {
    pub(crate) fn http_status(&self) -> StatusCode {
        match self {
            Self::Body(fault) => fault.http_status(),
            Self::Review(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Whether the request has a body that is judged before anything goes upstream.
pub(crate) fn is_judged(target: &RequestTarget, method: &Method) -> bool {
    let writes = matches!(
        *method,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    );
    writes && !target.is_connect()
}

/// Reads the body and, for a self-subject review, what it asks.
pub(crate) fn read(
    target: &RequestTarget,
    content_type: Option<&str>,
    body: Bytes,
) -> Result<(RequestBody, Option<Question>), ContentFault> {
    let body = RequestBody::read(target, content_type, body)?;
    if *target.method() == Method::DELETE && target.info().is_resource() {
        // K-1.29: the options must say one thing, wherever they stand.
        DeleteOptions::judge(target, &body)?;
    }
    let question = question(target, &body)?;
    Ok((body, question))
}

fn question(target: &RequestTarget, body: &RequestBody) -> Result<Option<Question>, ReviewFault> {
    let info = target.info();
    if info.verb() != "create" || info.group() != "authorization.k8s.io" {
        return Ok(None);
    }
    match info.resource() {
        "selfsubjectaccessreviews" => access_question(body.bytes())
            .map(Question::Access)
            .map(Some),
        "selfsubjectrulesreviews" => rules_question(body.bytes()).map(Question::Rules).map(Some),
        _ => Ok(None),
    }
}
