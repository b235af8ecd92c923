//! The API server's protobuf envelope: `k8s\0`, then `runtime.Unknown` (K-2.8).

use super::kinds::has_object_meta;
use super::wire::{Message, Wire, WireFault, write_field, write_text};
use super::{BodyFault, BodyIdentity};

const MAGIC: &[u8] = b"k8s\0";

/// Fields of `runtime.Unknown`.
const TYPE_META: u32 = 1;
const RAW: u32 = 2;
const UNKNOWN_FIELD_LAST: u32 = 4;
/// Fields of `ObjectMeta`.
const NAME: u32 = 1;
const GENERATE_NAME: u32 = 2;
const NAMESPACE: u32 = 3;
const METADATA: u32 = 1;

/// An unpacked envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Unpacks. Type and kind must stand there: the API server would fill them in from the URL.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, BodyFault> {
        let bytes = bytes.strip_prefix(MAGIC).ok_or(BodyFault::NoEnvelope)?;
        let unknown = Message::parse(bytes)?;
        unknown.check_known(UNKNOWN_FIELD_LAST)?;
        let type_meta = Message::parse(unknown.bytes(TYPE_META)?.unwrap_or_default())?;
        type_meta.check_known(2)?;
        let (Some(api_version), Some(kind)) = (type_meta.text(1)?, type_meta.text(2)?) else {
            return Err(BodyFault::NoKind);
        };
        Ok(Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            raw: unknown.bytes(RAW)?.unwrap_or_default(),
        })
    }

    /// Packs another message of the same kind.
    pub(crate) fn print_with(&self, raw: &[u8]) -> Vec<u8> {
        let mut type_meta = Vec::new();
        write_text(&mut type_meta, 1, &self.api_version);
        write_text(&mut type_meta, 2, &self.kind);
        let mut out = MAGIC.to_vec();
        write_field(&mut out, TYPE_META, Wire::Bytes(&type_meta));
        write_field(&mut out, RAW, Wire::Bytes(raw));
        // The API server writes the two empty fields as well.
        write_field(&mut out, 3, Wire::Bytes(b""));
        write_field(&mut out, UNKNOWN_FIELD_LAST, Wire::Bytes(b""));
        out
    }

    /// The API group.
    pub(crate) fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// The identity, for kinds known to have `ObjectMeta` as field 1.
    pub(crate) fn identity(&self) -> Result<BodyIdentity, BodyFault> {
        if !has_object_meta(self.group(), &self.kind) {
            return Err(BodyFault::UnknownKind {
                kind: self.kind.clone(),
            });
        }
        let object = Message::parse(self.raw)?;
        let metadata = Message::parse(object.bytes(METADATA)?.unwrap_or_default())?;
        let text = |field| metadata.text(field).map(|text| text.map(ToOwned::to_owned));
        BodyIdentity {
            api_version: Some(self.api_version.clone()),
            kind: Some(self.kind.clone()),
            namespace: text(NAMESPACE)?,
            name: text(NAME)?,
            generate_name: text(GENERATE_NAME)?,
        }
        .checked()
    }
}

impl From<WireFault> for BodyFault {
    fn from(fault: WireFault) -> Self {
        Self::Protobuf(fault)
    }
}
