//! The mask that comes with the language: `@secret-like` (K-4.1 to K-4.5, K-4.18).

use gateway_masking::FieldPath;

use crate::model::{Location, Mask, MaskPart, MaskStrategy, MaskedPath, ResourcePattern, Term};
use crate::model::{Terms, WriteBack};
use crate::pattern::Pattern;

/// Resource and what is redacted in it. The last-applied annotation is derived for all masks;
/// managedFields need nothing here: of maps they hold the key names alone, and those are no secret
/// (K-4.4).
const PARTS: &[(Resource, &[&str])] = &[
    // Helm releases (K-4.5) and bootstrap tokens (K-4.18) are Secrets: `data` holds all of them.
    (
        ("", "secrets", None),
        &[
            "data.*",
            "stringData.*",
            // Copies of the whole object that other tools make (K-4.3).
            "metadata.annotations['objectset.rio.cattle.io/applied']",
            "metadata.annotations['kapp.k14s.io/original']",
            "metadata.annotations['banzaicloud.com/last-applied']",
            "metadata.annotations['app.oam.dev/last-applied-configuration']",
            "metadata.annotations['kopf.zalando.org/last-handled-configuration']",
            "metadata.annotations['metacontroller.k8s.io/last-applied-configuration']",
        ],
    ),
    (("", "serviceaccounts", Some("token")), &["status.token"]),
    (
        ("certificates.k8s.io", "certificatesigningrequests", None),
        &["status.certificate"],
    ),
    // Ciphertext, and templates with literal values beside it.
    (
        ("bitnami.com", "sealedsecrets", None),
        &[
            "spec.encryptedData.*",
            "spec.data",
            "spec.template.data.*",
            "spec.template.stringData.*",
        ],
    ),
    (
        ("external-secrets.io", "externalsecrets", None),
        &[
            "spec.target.template.data.*",
            "spec.target.template.templateFrom[*].literal",
        ],
    ),
    (
        ("external-secrets.io", "clusterexternalsecrets", None),
        &[
            "spec.externalSecretSpec.target.template.data.*",
            "spec.externalSecretSpec.target.template.templateFrom[*].literal",
        ],
    ),
    (
        ("external-secrets.io", "pushsecrets", None),
        &[
            "spec.template.data.*",
            "spec.template.templateFrom[*].literal",
        ],
    ),
];

/// Group, resource, subresource.
type Resource = (&'static str, &'static str, Option<&'static str>);

/// The mask, as a bundle would write it.
pub(super) fn secret_like() -> Mask {
    let part = |((group, resource, subresource), paths): &(Resource, &[&str])| MaskPart {
        resources: Terms {
            include: vec![Term::Value(ResourcePattern {
                group: Some(Pattern::literal(group)),
                resource: Pattern::literal(resource),
                subresource: subresource.map(Pattern::literal),
            })],
            exclude: Vec::new(),
        },
        paths: paths.iter().filter_map(|text| redacted(text)).collect(),
        detections: Vec::new(),
        location: nowhere(),
    };
    Mask {
        parts: PARTS.iter().map(part).collect(),
        write_back: WriteBack::Refuse,
        location: nowhere(),
    }
}

/// `the_rows_are_paths` proves that none is left out.
fn redacted(text: &str) -> Option<MaskedPath> {
    Some(MaskedPath {
        path: FieldPath::parse(text).ok()?,
        strategy: MaskStrategy::Redact,
        location: nowhere(),
    })
}

/// A place in no file of the bundle.
fn nowhere() -> Location {
    Location {
        file: "masks.kdl".into(),
        offset: 0,
        length: 0,
        line: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_paths() {
        let written: usize = PARTS.iter().map(|(_, paths)| paths.len()).sum();
        let read: usize = secret_like()
            .parts
            .iter()
            .map(|part| part.paths.len())
            .sum();
        assert_eq!(written, read);
    }

    #[test]
    fn every_resource_of_the_set_has_a_part() {
        for term in &crate::builtin::resource_set("secret-like").unwrap().include {
            let Term::Value(pattern) = term else {
                panic!("the built-in set names resources")
            };
            let found = secret_like()
                .parts
                .iter()
                .any(|part| part.resources.include == [Term::Value(pattern.clone())]);
            assert!(found, "{pattern:?}");
        }
    }
}
