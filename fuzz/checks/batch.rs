//! Batches that anyone may have written: nothing panics, and what is accepted keeps the bounds and can be carried out.

use exconn_odata::batch::{self, BatchAnswer, BatchBody, MAX_HEADERS, MAX_ID, MAX_REQUESTS};

pub(crate) fn check(data: &[u8]) {
    let Ok(requests) = batch::parse(data) else { return };
    assert!((1..=MAX_REQUESTS).contains(&requests.len()));
    for (position, request) in requests.iter().enumerate() {
        assert!((1..=MAX_ID).contains(&request.id.len()));
        assert!(request.headers.len() <= MAX_HEADERS);
        assert!(request.depends_on.iter().all(|on| *on < position));
        let earlier = requests.iter().take(position);
        assert!(earlier.into_iter().all(|other| !other.id.eq_ignore_ascii_case(&request.id)));
    }
    let answers: Vec<BatchAnswer<'_>> = requests
        .iter()
        .map(|request| BatchAnswer {
            id: &request.id,
            status: 200,
            headers: &[],
            body: request.body.map_or(BatchBody::Text(&request.url), |body| BatchBody::Json(body.get().as_bytes())),
        })
        .collect();
    let rendered = batch::render(&answers);
    assert!(std::str::from_utf8(&rendered).is_ok_and(|text| text.ends_with("]}")));
}
