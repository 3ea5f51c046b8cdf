use std::{
    io::{self, Write},
    thread,
};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header::ACCEPT_ENCODING};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::accept::thousandths;

/// Shorter bodies fit into the packet that carries the head.
const SHORTEST: usize = 1024;
/// Longer ones are compressed beside the threads that serve connections; this many take a fifth of a millisecond.
const LONGEST_IN_PLACE: usize = 64 * 1024;
/// Measured on a list of 1000 devices: 350 MB/s to 15 % of the size. The next better ratio, 13 %, comes at 65 MB/s.
const BROTLI_QUALITY: u32 = 1;
/// A window of 256 KiB, as a power of two.
const BROTLI_WINDOW: u32 = 18;
/// 300 MB/s to 19 %; level 3 comes to 15 % at 105 MB/s.
const GZIP_LEVEL: u32 = 1;
const BUFFER: usize = 16 * 1024;

/// A content coding (RFC 9110, section 8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Gzip,
}

/// What a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    coding: Option<Coding>,
    /// Whether it takes nothing that is not compressed.
    only: bool,
}

/// Compresses answers, as many at once as there are processors: each takes some megabytes.
#[derive(Debug)]
pub(crate) struct Compressor(Semaphore);

impl Default for Compressor {
    fn default() -> Self {
        Self(Semaphore::new(thread::available_parallelism().map_or(1, usize::from)))
    }
}

impl Accepted {
    /// Reads `Accept-Encoding` (RFC 9110, section 12.5.3). Of codings that are liked alike brotli wins.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let (mut brotli, mut gzip, mut identity, mut any) = (None, None, None, None);
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for coding in values.flat_map(|value| value.split(',')) {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let quality = match weight.trim().split_once('=') {
                None => Some(1000),
                Some((_, quality)) => thousandths(quality.trim()),
            };
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "br" => &mut brotli,
                "gzip" | "x-gzip" => &mut gzip,
                "identity" => &mut identity,
                "*" => &mut any,
                _ => continue,
            };
            *slot = quality;
        }
        let liked = |quality: Option<u16>| quality.or(any).unwrap_or(0);
        let (coding, quality) = match (liked(brotli), liked(gzip)) {
            (brotli, gzip) if brotli >= gzip => (Coding::Brotli, brotli),
            (_, gzip) => (Coding::Gzip, gzip),
        };
        let is_liked = quality > 0 && quality >= identity.unwrap_or(0);
        Self { coding: is_liked.then_some(coding), only: identity.or(any) == Some(0) }
    }

    /// How to compress a body of this many bytes. Who takes nothing that there is gets it as it is.
    pub(crate) fn coding(self, length: usize) -> Option<Coding> {
        self.coding.filter(|_| length >= SHORTEST || self.only && length > 0)
    }
}

impl Compressor {
    /// The compressed body; `None` if it could not be compressed.
    pub(crate) async fn compress(&self, body: &Bytes, coding: Coding) -> Option<Bytes> {
        let compressed = if body.len() <= LONGEST_IN_PLACE {
            coding.compress(body)
        } else {
            let _slot = self.0.acquire().await.ok()?;
            let body = body.clone();
            spawn_blocking(move || coding.compress(&body)).await.ok()?
        };
        // Writing into memory cannot fail.
        compressed.ok().map(Bytes::from)
    }
}

impl Coding {
    /// Its name in `Content-Encoding`.
    pub(crate) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        })
    }

    fn compress(self, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut compressed = Vec::with_capacity(body.len() / 4);
        match self {
            Self::Brotli => {
                let mut encoder =
                    CompressorWriter::new(&mut compressed, BUFFER, BROTLI_QUALITY, BROTLI_WINDOW);
                encoder.write_all(body)?;
                drop(encoder);
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(&mut compressed, Compression::new(GZIP_LEVEL));
                encoder.write_all(body)?;
                encoder.finish()?;
            }
        }
        Ok(compressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coding_that_is_liked_best_is_chosen() {
        use Coding::{Brotli, Gzip};
        for (accepted, long, short) in [
            ("gzip", Some(Gzip), None),
            ("x-gzip", Some(Gzip), None),
            ("gzip, deflate", Some(Gzip), None),
            ("gzip, deflate, br, zstd", Some(Brotli), None),
            ("GZIP;q=1.0, BR;q=0.5", Some(Gzip), None),
            ("br;q=0.1", Some(Brotli), None),
            ("*", Some(Brotli), None),
            ("br;q=0, *", Some(Gzip), None),
            ("deflate, zstd", None, None),
            ("gzip;q=0", None, None),
            ("identity", None, None),
            ("identity, gzip;q=0.5", None, None),
            ("identity;q=0.5, gzip", Some(Gzip), None),
            ("identity;q=0, gzip", Some(Gzip), Some(Gzip)),
            ("*;q=0, br", Some(Brotli), Some(Brotli)),
            ("identity;q=0", None, None),
            ("*;q=0", None, None),
            ("gzip;q=x", None, None),
            ("", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
            let read = Accepted::read(&headers);
            assert_eq!((read.coding(SHORTEST), read.coding(SHORTEST - 1)), (long, short), "{accepted}");
        }
        assert_eq!(Accepted::read(&HeaderMap::new()).coding(SHORTEST), None);
    }
}
