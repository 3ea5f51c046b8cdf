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
use crate::{ExchangeError, tls};

/// Largest message that is taken, in bytes. A page of DirSync's is asked for in pieces; one object is never so large.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How much is asked of the network at once.
const READ_AT_ONCE: usize = 64 * 1024;

/// What carries the bytes.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A connection to a domain controller. One request is under way at a time; what it brings is read when it is asked for, so
/// a slow reader slows the controller down.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
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
        Self { stream, target, wait, received: BytesMut::new(), last_id: 0 }
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

    /// Sends a request; gives its number.
    pub(super) async fn send(
        &mut self,
        operation: ProtocolOp,
        controls: Vec<Control>,
    ) -> Result<u32, ExchangeError> {
        self.last_id += 1;
        let mut message = LdapMessage::new(self.last_id, operation);
        message.controls = (!controls.is_empty()).then_some(controls);
        let bytes = rasn::ber::encode(&message).map_err(|error| ExchangeError::ProtocolViolated {
            reason: format!("a request cannot be written: {error}"),
        })?;
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
        self.received.reserve(READ_AT_ONCE);
        match timeout(self.wait, self.stream.read_buf(&mut self.received)).await {
            Ok(Ok(0)) => {
                let reason = if self.received.has_remaining() {
                    "the connection ended in the middle of an answer"
                } else {
                    "the controller closed the connection before its answer was complete"
                };
                Err(failure::unreachable(&self.target, reason))
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.broken(&error)),
            Err(_) => Err(self.silent()),
        }
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
