//! Protobuf wire format, as far as the API server's own messages need it.

/// BOUND: PodSpecs have some fifty fields, repeated ones a few thousand entries; more is refused.
const FIELD_COUNT_MAX: usize = 64 * 1024;

/// Why bytes are not a protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// Bytes end inside a field.
    #[error("the protobuf message is cut off")]
    Truncated,
    /// A varint of more than 64 bits.
    #[error("the protobuf message has an overlong number")]
    Varint,
    /// Field number 0 or above 2^29-1, or a group.
    #[error("the protobuf message has an invalid field tag")]
    Tag,
    /// A field of another wire type than its schema says.
    #[error("the protobuf field {field} has the wrong wire type")]
    WireType {
        /// Field number.
        field: u32,
    },
    /// A singular field twice: readers merge or replace.
    #[error("the protobuf field {field} stands twice")]
    Repeated {
        /// Field number.
        field: u32,
    },
    /// A field that the message does not have.
    #[error("the protobuf message has the unknown field {field}")]
    Unknown {
        /// Field number.
        field: u32,
    },
    /// Text that is not UTF-8.
    #[error("the protobuf field {field} is not UTF-8")]
    NotUtf8 {
        /// Field number.
        field: u32,
    },
    /// More fields than the bound.
    #[error("the protobuf message has more than {FIELD_COUNT_MAX} fields")]
    TooManyFields,
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// One message, split into fields in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    fields: Vec<(u32, Wire<'a>)>,
}

impl<'a> Message<'a> {
    pub(crate) fn parse(mut bytes: &'a [u8]) -> Result<Self, WireFault> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            if fields.len() == FIELD_COUNT_MAX {
                return Err(WireFault::TooManyFields);
            }
            let (field, rest) = take_field(bytes)?;
            fields.push(field);
            bytes = rest;
        }
        Ok(Self { fields })
    }

    /// Refuses fields other than `1..=last`.
    pub(crate) fn check_known(&self, last: u32) -> Result<(), WireFault> {
        match self.fields.iter().find(|(field, _)| *field > last) {
            Some(&(field, _)) => Err(WireFault::Unknown { field }),
            None => Ok(()),
        }
    }

    /// A singular field.
    pub(crate) fn single(&self, field: u32) -> Result<Option<Wire<'a>>, WireFault> {
        let mut found = self.fields.iter().filter(|(number, _)| *number == field);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, wire)), None) => Ok(Some(*wire)),
            (Some(_), Some(_)) => Err(WireFault::Repeated { field }),
        }
    }

    /// A singular message or byte field; absent is empty.
    pub(crate) fn bytes(&self, field: u32) -> Result<Option<&'a [u8]>, WireFault> {
        self.single(field)?
            .map(|wire| bytes_of(field, wire))
            .transpose()
    }

    /// A singular text field; empty counts as absent, as in proto3 and in Go.
    pub(crate) fn text(&self, field: u32) -> Result<Option<&'a str>, WireFault> {
        let bytes = self.bytes(field)?.filter(|bytes| !bytes.is_empty());
        bytes.map(|bytes| text_of(field, bytes)).transpose()
    }

    /// A singular boolean.
    pub(crate) fn boolean(&self, field: u32) -> Result<Option<bool>, WireFault> {
        Ok(self.varint(field)?.map(|value| value != 0))
    }

    /// A singular number.
    pub(crate) fn varint(&self, field: u32) -> Result<Option<u64>, WireFault> {
        match self.single(field)? {
            None => Ok(None),
            Some(Wire::Varint(value)) => Ok(Some(value)),
            Some(Wire::Fixed64(_) | Wire::Bytes(_) | Wire::Fixed32(_)) => {
                Err(WireFault::WireType { field })
            }
        }
    }

    /// A repeated message field.
    pub(crate) fn repeated(&self, field: u32) -> Result<Vec<&'a [u8]>, WireFault> {
        let found = self.fields.iter().filter(|(number, _)| *number == field);
        found.map(|(_, wire)| bytes_of(field, *wire)).collect()
    }

    /// A repeated text field.
    pub(crate) fn texts(&self, field: u32) -> Result<Vec<String>, WireFault> {
        let bytes = self.repeated(field)?;
        bytes
            .into_iter()
            .map(|bytes| text_of(field, bytes).map(ToOwned::to_owned))
            .collect()
    }

    /// The message with all occurrences of one field replaced by one.
    pub(crate) fn with_bytes(&self, field: u32, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, wire) in &self.fields {
            if *number != field {
                write_field(&mut out, *number, *wire);
            }
        }
        write_field(&mut out, field, Wire::Bytes(value));
        out
    }
}

/// Appends one field.
pub(crate) fn write_field(out: &mut Vec<u8>, field: u32, wire: Wire<'_>) {
    let wire_type = match wire {
        Wire::Varint(_) => 0,
        Wire::Fixed64(_) => 1,
        Wire::Bytes(_) => 2,
        Wire::Fixed32(_) => 5,
    };
    write_varint(out, u64::from(field) << 3 | wire_type);
    match wire {
        Wire::Varint(value) => write_varint(out, value),
        Wire::Fixed64(bytes) => out.extend_from_slice(&bytes),
        Wire::Fixed32(bytes) => out.extend_from_slice(&bytes),
        Wire::Bytes(bytes) => {
            write_varint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        }
    }
}

/// Appends a text field, unless it is empty.
pub(crate) fn write_text(out: &mut Vec<u8>, field: u32, text: &str) {
    if !text.is_empty() {
        write_field(out, field, Wire::Bytes(text.as_bytes()));
    }
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn bytes_of(field: u32, wire: Wire<'_>) -> Result<&[u8], WireFault> {
    match wire {
        Wire::Bytes(bytes) => Ok(bytes),
        Wire::Varint(_) | Wire::Fixed64(_) | Wire::Fixed32(_) => Err(WireFault::WireType { field }),
    }
}

fn text_of(field: u32, bytes: &[u8]) -> Result<&str, WireFault> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => Err(WireFault::NotUtf8 { field }),
    }
}

fn take_field(bytes: &[u8]) -> Result<((u32, Wire<'_>), &[u8]), WireFault> {
    let (tag, rest) = take_varint(bytes)?;
    let field = match u32::try_from(tag >> 3) {
        Ok(field) if field != 0 && field < 1 << 29 => field,
        Ok(_) | Err(_) => return Err(WireFault::Tag),
    };
    match tag & 7 {
        0 => take_varint(rest).map(|(value, rest)| ((field, Wire::Varint(value)), rest)),
        1 => match rest.split_first_chunk() {
            Some((bytes, rest)) => Ok(((field, Wire::Fixed64(*bytes)), rest)),
            None => Err(WireFault::Truncated),
        },
        2 => {
            let (length, rest) = take_varint(rest)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            match rest.split_at_checked(length) {
                Some((bytes, rest)) => Ok(((field, Wire::Bytes(bytes)), rest)),
                None => Err(WireFault::Truncated),
            }
        }
        5 => match rest.split_first_chunk() {
            Some((bytes, rest)) => Ok(((field, Wire::Fixed32(*bytes)), rest)),
            None => Err(WireFault::Truncated),
        },
        _ => Err(WireFault::Tag),
    }
}

fn take_varint(bytes: &[u8]) -> Result<(u64, &[u8]), WireFault> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte holds the last of 64 bits.
        if index > 9 || index == 9 && bits > 1 {
            return Err(WireFault::Varint);
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Ok((value, bytes.get(index + 1..).unwrap_or_default()));
        }
    }
    Err(WireFault::Truncated)
}
