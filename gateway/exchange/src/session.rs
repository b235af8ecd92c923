//! Sessions under a mask: exec and attach over WebSocket, whose output goes through detectors.
//!
//! Each channel is a text of its own: what the API server sends in messages goes on in messages of
//! the same subprotocol, with what detectors find replaced. At the end of each message comes out what
//! cannot be part of a secret, so that a prompt shows; at the end of the session what was held. What
//! the client sends is not masked. Detectors are a second net, not a promise (K-4.19).
//!
//! What cannot be read is refused before it begins: SPDY, of which kubectl makes use where its
//! WebSocket request was refused, too (K-6.9); forwarded ports; unknown subprotocols. What is not
//! understood once it runs ends the session.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use gateway_kubeapi::{Channel, ChannelProtocol, ControlKind, ResourceId, SessionPart};
use gateway_kubeapi::{SessionReader, SessionWriter, Upgrade};
use gateway_masking::{Kernel, LogMasker, MaskProgram, Masker};
use http::{HeaderMap, HeaderName, header};

use crate::record::MaskedSoFar;
use crate::unmaskable::{Unmaskable, UnmaskableCause};

/// Why a session cannot be opened under masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionRefusal {
    #[error(
        "what passes over SPDY cannot be masked; use WebSocket, as kubectl 1.31 and newer do (one that does tries SPDY when its WebSocket request was refused: `kubectl -v=6` shows that)"
    )]
    Spdy,
    #[error("what a forwarded port carries cannot be masked")]
    Port,
    #[error("what a workload answers cannot be masked")]
    Proxy,
    #[error(
        "none of the subprotocols offered can be masked; offer `v5.channel.k8s.io` or `v4.channel.k8s.io`"
    )]
    Subprotocol,
    #[error("it names paths alone, and a session has none; add `detect` to the mask")]
    NoDetectors,
}

/// What a client offered for a session that can be masked.
#[derive(Debug, Clone)]
pub(crate) struct SessionOffer {
    subprotocols: Vec<String>,
}

impl SessionOffer {
    pub(crate) fn of(resource: &ResourceId, upgrade: &Upgrade) -> Result<Self, SessionRefusal> {
        match resource.subresource.as_str() {
            "exec" | "attach" => {}
            "portforward" => return Err(SessionRefusal::Port),
            _ => return Err(SessionRefusal::Proxy),
        }
        let subprotocols = match upgrade {
            Upgrade::WebSocket { protocols, .. } => protocols.clone(),
            Upgrade::Spdy { .. } => return Err(SessionRefusal::Spdy),
        };
        let is_known = |name: &String| ChannelProtocol::of_name(Some(name)).is_some();
        if !subprotocols.is_empty() && !subprotocols.iter().any(is_known) {
            return Err(SessionRefusal::Subprotocol);
        }
        Ok(Self { subprotocols })
    }

    /// The subprotocol that upstream chose, if it is an offered one that can be read.
    pub(crate) fn chosen(&self, headers: &HeaderMap) -> Result<ChannelProtocol, Unmaskable> {
        if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            return Err(unfit("a session came with extensions nobody offered"));
        }
        let upgraded = single(headers, &header::UPGRADE)?;
        if !upgraded.is_some_and(|name| name.eq_ignore_ascii_case("websocket")) {
            return Err(unfit("a session came as something else than WebSocket"));
        }
        // Where none was asked for, the API server names an empty one.
        let name = single(headers, &header::SEC_WEBSOCKET_PROTOCOL)?;
        let name = name.filter(|name| !name.is_empty());
        let is_offered = match name {
            Some(name) => self.subprotocols.iter().any(|own| own == name),
            None => self.subprotocols.is_empty(),
        };
        let chosen = ChannelProtocol::of_name(name).filter(|_| is_offered);
        chosen.ok_or_else(|| unfit("a session came in a subprotocol that cannot be masked"))
    }
}

fn unfit(why: impl Into<String>) -> Unmaskable {
    Unmaskable::new(UnmaskableCause::MediaType, why)
}

/// The one value of a header.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Unmaskable> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    let text = first.map(http::HeaderValue::to_str).transpose();
    match (text, second) {
        (Ok(text), None) => Ok(text),
        (Err(_), _) | (Ok(_), Some(_)) => {
            Err(unfit(format!("a session came with an odd `{name}`")))
        }
    }
}

/// The error channel: how the session ended may quote what it printed.
#[derive(Debug)]
enum Ending {
    Status(Box<Masker>),
    Text(LogMasker),
}

/// Masks what the API server sends in one session.
#[derive(Debug)]
pub(crate) struct SessionMasker {
    program: Arc<MaskProgram>,
    reader: SessionReader,
    writer: SessionWriter,
    /// Standard input (an empty message alone), output and error.
    outputs: [LogMasker; 3],
    ending: Ending,
    /// Control frames that were stripped of their words.
    stripped_count: u64,
    is_over: bool,
}

impl SessionMasker {
    pub(crate) fn new(protocol: ChannelProtocol, program: Arc<MaskProgram>) -> Self {
        let output = || LogMasker::new(Arc::clone(&program));
        let ending = if protocol.has_status() {
            let masker = Masker::new(Arc::clone(&program), Kernel::best());
            Ending::Status(Box::new(masker))
        } else {
            Ending::Text(output())
        };
        Self {
            reader: SessionReader::new(protocol),
            writer: SessionWriter::new(protocol),
            outputs: [output(), output(), output()],
            ending,
            stripped_count: 0,
            is_over: false,
            program,
        }
    }

    /// What goes on of the next piece.
    pub(crate) fn next(
        &mut self,
        piece: Option<Bytes>,
        is_last: bool,
    ) -> Result<Vec<u8>, Unmaskable> {
        let mut out = Vec::new();
        let mut piece = piece.unwrap_or_default();
        loop {
            let part = self.reader.next(&mut piece).map_err(|fault| {
                let why = format!("a session is not understood: {fault}");
                Unmaskable::new(UnmaskableCause::Malformed, why)
            })?;
            match part {
                Some(part) => self.part(part, &mut out)?,
                None => break,
            }
        }
        if is_last {
            // Upstream broke off: what is held has no better moment.
            self.end(&mut out);
        }
        Ok(out)
    }

    fn part(&mut self, part: SessionPart, out: &mut Vec<u8>) -> Result<(), Unmaskable> {
        match part {
            SessionPart::Output {
                channel,
                bytes,
                is_last,
            } => {
                let masked = self.mask(channel, &bytes, is_last)?;
                self.write(channel, &masked, out);
            }
            SessionPart::Empty(channel) => self.writer.output(channel, b"", out),
            SessionPart::Closed(channel) => {
                let masked = self.finish(channel);
                self.write(channel, &masked, out);
                self.writer.closed(channel, out);
            }
            SessionPart::Control(kind, payload) => self.control(kind, &payload, out),
        }
        Ok(())
    }

    fn output(&mut self, channel: Channel) -> Option<&mut LogMasker> {
        let [stdin, stdout, stderr] = &mut self.outputs;
        match channel {
            Channel::Stdin => Some(stdin),
            Channel::Stdout => Some(stdout),
            Channel::Stderr => Some(stderr),
            Channel::Error => match &mut self.ending {
                Ending::Text(text) => Some(text),
                Ending::Status(_) => None,
            },
        }
    }

    fn mask(
        &mut self,
        channel: Channel,
        bytes: &Bytes,
        is_last: bool,
    ) -> Result<Vec<Bytes>, Unmaskable> {
        let mut masked = Vec::new();
        if let Some(text) = self.output(channel) {
            text.push(bytes, &mut masked);
            if is_last {
                text.release(&mut masked);
            }
        } else if let Ending::Status(status) = &mut self.ending
            && !bytes.is_empty()
        {
            status.push(bytes, &mut masked)?;
        }
        Ok(masked)
    }

    /// What is held of a channel on which nothing more comes.
    fn finish(&mut self, channel: Channel) -> Vec<Bytes> {
        let mut masked = Vec::new();
        if let Some(text) = self.output(channel) {
            text.finish(&mut masked);
        }
        masked
    }

    fn write(&self, channel: Channel, masked: &[Bytes], out: &mut Vec<u8>) {
        let whole = masked.concat();
        if !whole.is_empty() {
            self.writer.output(channel, &whole, out);
        }
    }

    /// Hands on all that is held, once.
    fn end(&mut self, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        self.is_over = true;
        for channel in [
            Channel::Stdin,
            Channel::Stdout,
            Channel::Stderr,
            Channel::Error,
        ] {
            let masked = self.finish(channel);
            self.write(channel, &masked, out);
        }
    }

    /// The words of a control frame go if there is a secret in them: a marker might not fit.
    fn control(&mut self, kind: ControlKind, payload: &[u8], out: &mut Vec<u8>) {
        let code = match kind {
            ControlKind::Close => {
                self.end(out);
                payload.len().min(2)
            }
            ControlKind::Ping | ControlKind::Pong => 0,
        };
        let (code, words) = payload.split_at_checked(code).unwrap_or_default();
        if self.program.finds(words) {
            self.stripped_count += 1;
            self.writer.control(kind, code, out);
        } else {
            self.writer.control(kind, payload, out);
        }
    }

    /// What was masked so far.
    pub(crate) fn masked(&self) -> MaskedSoFar {
        let (count, bytes) = match &self.ending {
            Ending::Status(status) => {
                let summary = status.summary();
                (summary.masked_count, summary.bytes_in)
            }
            Ending::Text(text) => (text.masked_count(), text.bytes_in()),
        };
        let counts = self.outputs.iter().map(LogMasker::masked_count);
        let sizes = self.outputs.iter().map(LogMasker::bytes_in);
        MaskedSoFar {
            count: counts.sum::<u64>() + count + self.stripped_count,
            bytes: sizes.sum::<u64>() + bytes,
            places: String::new(),
        }
    }
}
