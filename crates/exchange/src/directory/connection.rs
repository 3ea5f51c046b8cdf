use std::{fmt, io, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use rasn_ldap::{Control, LdapMessage, ProtocolOp, UnbindRequest};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{
    ber, failure,
    message::{Message, Operation},
    target::Target,
};
use crate::{
    ExchangeError,
    security::{SecurityError, sasl::Sasl},
    tls,
};

/// Largest message that is taken, in bytes. A page of DirSync's is asked for in pieces; one object is never so large.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How much is asked of the network at once.
const READ_AT_ONCE: usize = 64 * 1024;
/// Bytes of the length in front of a sealed message.
const LENGTH: usize = 4;

/// What carries the bytes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A connection to a domain controller. One request is under way at a time; what it brings is read when it is asked for, so
/// a slow reader slows the controller down.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// What seals, once a sign-in has ended in that.
    sasl: Option<Sasl>,
    /// What came sealed and is not whole yet.
    sealed: BytesMut,
    pub(super) target: Target,
    wait: Duration,
    received: BytesMut,
    last_id: u32,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Connection {
    /// A connection over this stream, of which nothing was read.
    pub(super) fn new(stream: Box<dyn Stream>, target: Target, wait: Duration) -> Self {
        Self {
            stream,
            sasl: None,
            sealed: BytesMut::new(),
            target,
            wait,
            received: BytesMut::new(),
            last_id: 0,
        }
    }

    /// The stream again, for TLS to be put over it.
    ///
    /// # Errors
    /// If the server has sent something ahead: it would be taken for something said under TLS.
    pub(super) fn into_stream(self) -> Result<Box<dyn Stream>, ExchangeError> {
        if self.received.is_empty() {
            Ok(self.stream)
        } else {
            Err(failure::wrong_endpoint(&self.target, "it goes on in plain text after the start of TLS"))
        }
    }

    /// Everything from now on is sealed.
    ///
    /// # Errors
    /// If the server has sent something ahead that is not.
    pub(super) fn seal_with(&mut self, sasl: Sasl) -> Result<(), ExchangeError> {
        self.sasl = Some(sasl);
        if self.received.is_empty() {
            Ok(())
        } else {
            Err(failure::wrong_endpoint(&self.target, "it goes on in plain text after the sign-in"))
        }
    }

    /// Sends a request; gives its number.
    pub(super) async fn send(
        &mut self,
        operation: ProtocolOp,
        controls: Vec<Control>,
    ) -> Result<u32, ExchangeError> {
        self.last_id += 1;
        let mut message = LdapMessage::new(self.last_id, operation);
        message.controls = (!controls.is_empty()).then_some(controls);
        let mut bytes = rasn::ber::encode(&message).map_err(|error| ExchangeError::ProtocolViolated {
            reason: format!("a request cannot be written: {error}"),
        })?;
        if let Some(sasl) = &mut self.sasl {
            bytes = sasl.seal(bytes).await.map_err(|error| error.at(self.target.endpoint()))?;
        }
        let writing = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.wait, writing).await {
            Ok(result) => result.map_err(|error| self.broken(&error))?,
            Err(_) => return Err(self.silent()),
        }
        Ok(self.last_id)
    }

    /// The next message of the answer to this request.
    pub(super) async fn receive(&mut self, id: u32) -> Result<Message, ExchangeError> {
        let frame = self.frame().await?;
        let message = Message::read(&frame).map_err(|error| failure::malformed(&self.target, error))?;
        if message.id == i64::from(id) {
            return Ok(message);
        }
        if message.id == 0 && matches!(message.operation, Operation::Extended(_)) {
            // RFC 4511, 4.4.1: the notice of disconnection is the only message that nobody asked for.
            return Err(failure::unreachable(&self.target, "the controller ends the connection"));
        }
        let reason = format!("{} answers what was not asked", self.target.endpoint());
        Err(ExchangeError::ProtocolViolated { reason })
    }

    /// The next whole message.
    async fn frame(&mut self) -> Result<Bytes, ExchangeError> {
        loop {
            let header =
                ber::header(&self.received).map_err(|error| failure::malformed(&self.target, error))?;
            if let Some(header) = header {
                if header.tag != ber::SEQUENCE {
                    return Err(failure::malformed(&self.target, ber::Malformed));
                }
                let length = header.size.saturating_add(header.length);
                if length > MAX_MESSAGE {
                    let reason = format!("{} announces a message of {length} bytes", self.target.endpoint());
                    return Err(ExchangeError::ProtocolViolated { reason });
                }
                if self.received.len() >= length {
                    return Ok(self.received.split_to(length).freeze());
                }
                self.received.reserve(length - self.received.len());
            }
            self.read_some().await?;
        }
    }

    async fn read_some(&mut self) -> Result<(), ExchangeError> {
        let into = if self.sasl.is_some() { &mut self.sealed } else { &mut self.received };
        into.reserve(READ_AT_ONCE);
        match timeout(self.wait, self.stream.read_buf(into)).await {
            Ok(Ok(0)) => {
                let reason = if self.received.is_empty() && self.sealed.is_empty() {
                    "the controller closed the connection before its answer was complete"
                } else {
                    "the connection ended in the middle of an answer"
                };
                Err(failure::unreachable(&self.target, reason))
            }
            Ok(Ok(_)) => self.unseal().await,
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.silent()),
        }
    }

    /// Opens what has come sealed and is whole (RFC 4422, section 3.7).
    async fn unseal(&mut self) -> Result<(), ExchangeError> {
        let Some(sasl) = &mut self.sasl else { return Ok(()) };
        let failed = |error: SecurityError| error.at(self.target.endpoint());
        while let Some(prefix) = self.sealed.first_chunk::<LENGTH>() {
            let length = Sasl::announced(*prefix).map_err(failed)?;
            if self.sealed.len() < LENGTH + length {
                self.sealed.reserve(LENGTH + length - self.sealed.len());
                break;
            }
            self.sealed.advance(LENGTH);
            let token = self.sealed.split_to(length).to_vec();
            let opened = sasl.unseal(token).await.map_err(failed)?;
            self.received.extend_from_slice(&opened);
        }
        Ok(())
    }

    fn silent(&self) -> ExchangeError {
        failure::unreachable(&self.target, format_args!("nothing was heard for {:?}", self.wait))
    }

    /// A broken connection: TLS's fault if TLS says so.
    fn broken(&self, error: &io::Error) -> ExchangeError {
        match tls::refusal(error) {
            Some(reason) => ExchangeError::Tls { endpoint: self.target.endpoint(), reason },
            None => failure::unreachable(&self.target, error),
        }
    }

    /// Says goodbye (RFC 4511, 4.3). Nobody waits for it to arrive.
    pub(super) async fn close(mut self) {
        let _ = self.send(ProtocolOp::UnbindRequest(UnbindRequest), Vec::new()).await;
    }
}
