use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header};

/// A body without its content coding (RFC 9110, section 8.4), of at most `most` bytes. Says what is wrong with it
/// otherwise.
pub(super) fn inflate(headers: &HeaderMap, body: Vec<u8>, most: usize) -> Result<Vec<u8>, String> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase());
    match coding.as_deref().map(<[u8]>::trim_ascii) {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip" | b"x-gzip") => gunzip(&body, most),
        Some(_) => Err("it is compressed in a way that was not asked for".into()),
    }
}

fn gunzip(body: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(body.len().saturating_mul(4).min(most));
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body)
        .take(bound)
        .read_to_end(&mut out)
        .map_err(|error| format!("it is declared to be gzip and is not: {error}"))?;
    if out.len() > most { Err(format!("it inflates to more than {most} bytes")) } else { Ok(out) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn coded(coding: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        headers
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_comes_back_within_its_bound() {
        let text = b"exchange ".repeat(1000);
        assert_eq!(inflate(&coded("GZip"), gzip(&text), text.len()).unwrap(), text);
        assert!(inflate(&coded("gzip"), gzip(&text), text.len() - 1).unwrap_err().contains("more than"));
        let bomb = gzip(&vec![0; 50_000_000]);
        assert!(inflate(&coded("gzip"), bomb, 1000).is_err());
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        assert_eq!(inflate(&HeaderMap::new(), vec![0; 64], 1).unwrap(), [0; 64]);
        assert!(inflate(&coded("gzip"), vec![0; 64], 1000).is_err());
        assert!(inflate(&coded("gzip"), gzip(b"text")[..10].to_vec(), 1000).is_err());
        assert!(inflate(&coded("br"), vec![], 1000).is_err());
    }
}
