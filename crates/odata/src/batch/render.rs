//! Writing the answers of a batch.

/// The answer to one request of a batch.
#[derive(Clone, Copy, Debug)]
pub struct BatchAnswer<'a> {
    /// The request's id.
    pub id: &'a str,
    /// The status.
    pub status: u16,
    /// Names and values of its headers.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body.
    pub body: BatchBody<'a>,
}

/// A body within the body of a batch.
#[derive(Clone, Copy, Debug)]
pub enum BatchBody<'a> {
    /// There is none.
    Empty,
    /// JSON text, which becomes a part of the batch as it is.
    Json(&'a [u8]),
    /// Any other text.
    Text(&'a str),
}

/// Writes the answers of a batch.
pub fn render(answers: &[BatchAnswer<'_>]) -> Vec<u8> {
    let size: usize = answers.iter().map(|answer| 256 + answer.body.len()).sum();
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(b"{\"responses\":[");
    for (number, answer) in answers.iter().enumerate() {
        out.extend_from_slice(if number == 0 { b"{\"id\":" } else { b",{\"id\":" });
        string(&mut out, answer.id);
        out.extend_from_slice(b",\"status\":");
        out.extend_from_slice(answer.status.to_string().as_bytes());
        out.extend_from_slice(b",\"headers\":{");
        for (number, (name, value)) in answer.headers.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            string(&mut out, name);
            out.push(b':');
            string(&mut out, value);
        }
        out.push(b'}');
        match answer.body {
            BatchBody::Empty => {}
            BatchBody::Json(json) => {
                out.extend_from_slice(b",\"body\":");
                out.extend_from_slice(json);
            }
            BatchBody::Text(text) => {
                out.extend_from_slice(b",\"body\":");
                string(&mut out, text);
            }
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

impl BatchBody<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Json(json) => json.len(),
            Self::Text(text) => text.len(),
        }
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    // Writing a string into a vector cannot fail.
    let _ = serde_json::to_writer(out, text);
}
