use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The HTTP that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 and 1.0.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A stream whose first bytes were read to see what they are, and come again.
#[derive(Debug)]
pub(crate) struct Rewound<S> {
    first: Vec<u8>,
    given: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> Rewound<S> {
    /// Reads as far as is needed to tell the protocol: without TLS a client may begin HTTP/2 without asking (RFC 9113,
    /// section 3.3). The caller bounds the time.
    pub(crate) async fn sniff(mut stream: S) -> io::Result<(Self, Protocol)> {
        let mut first = Vec::with_capacity(PREFACE.len());
        while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
            let left = (PREFACE.len() - first.len()) as u64;
            if (&mut stream).take(left).read_buf(&mut first).await? == 0 {
                break;
            }
        }
        let protocol = if first == PREFACE { Protocol::Http2 } else { Protocol::Http1 };
        Ok((Self { first, given: 0, stream }, protocol))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match this.first.get(this.given..) {
            Some(left) if !left.is_empty() => {
                let (now, _) = left.split_at(left.len().min(buffer.remaining()));
                buffer.put_slice(now);
                this.given += now.len();
                Poll::Ready(Ok(()))
            }
            _ => Pin::new(&mut this.stream).poll_read(cx, buffer),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn the_protocol_shows_in_the_first_bytes_and_none_is_lost() {
        let begun = [PREFACE, &b"\0\0\0\x04\0\0\0\0\0"[..]].concat();
        for (sent, protocol) in [
            (&begun[..], Protocol::Http2),
            (&PREFACE[..], Protocol::Http2),
            (&PREFACE[..23], Protocol::Http1),
            (b"PRI * HTTP/1.1\r\nHost: x\r\n\r\n", Protocol::Http1),
            (b"POST / HTTP/1.1\r\n\r\n", Protocol::Http1),
            (b"P", Protocol::Http1),
            (b"", Protocol::Http1),
        ] {
            let (mut client, server) = tokio::io::duplex(3);
            let writing = async {
                client.write_all(sent).await.unwrap();
                drop(client);
            };
            let reading = async {
                let (mut stream, seen) = Rewound::sniff(server).await.unwrap();
                let mut all = Vec::new();
                stream.read_to_end(&mut all).await.unwrap();
                (seen, all)
            };
            let ((), (seen, all)) = tokio::join!(writing, reading);
            assert_eq!((seen, all.as_slice()), (protocol, sent));
        }
    }
}
