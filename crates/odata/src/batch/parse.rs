use std::collections::BTreeMap;

use super::{BatchError, BatchRequest, MAX_ID, MAX_REQUESTS, part::Part};
use crate::excerpt::excerpt;

/// Reads a batch. Whatever is wrong with a request that concerns it alone is left for its own answer.
///
/// The fuzz target `batch` feeds this function.
pub fn parse(body: &[u8]) -> Result<Vec<BatchRequest<'_>>, BatchError> {
    let envelope = Part::whole(body)?;
    let mut items = None;
    for (name, member) in envelope.members("an object with requests")? {
        match name.as_str() {
            "requests" => items = Some(member.elements("an array of requests")?),
            _ => return Err(member.wrong("is not known; a batch has requests and nothing else")),
        }
    }
    let items = items.ok_or_else(|| envelope.lacks("requests"))?;
    match items.len() {
        0 => return Err(BatchError::Empty),
        1..=MAX_REQUESTS => {}
        _ => return Err(BatchError::TooMany),
    }
    let mut requests: Vec<BatchRequest<'_>> = Vec::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        let item = Item::read(&item)?;
        if find(&requests, &item.id).is_some() {
            return Err(BatchError::Repeated { position, id: excerpt(&item.id) });
        }
        let depends_on = item.depends_on.iter().map(|dependency| {
            find(&requests, dependency).ok_or_else(|| BatchError::Dependency {
                position,
                id: excerpt(&item.id),
                dependency: excerpt(dependency),
            })
        });
        let depends_on = depends_on.collect::<Result<_, _>>()?;
        requests.push(BatchRequest {
            id: item.id,
            method: item.method,
            url: item.url,
            headers: item.headers,
            body: item.body,
            depends_on,
            is_in_atomicity_group: item.is_in_atomicity_group,
        });
    }
    Ok(requests)
}

fn find(requests: &[BatchRequest<'_>], id: &str) -> Option<usize> {
    requests.iter().position(|request| request.id.eq_ignore_ascii_case(id))
}

/// One request as it stands in the body.
struct Item<'a> {
    id: String,
    method: String,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<&'a serde_json::value::RawValue>,
    depends_on: Vec<String>,
    is_in_atomicity_group: bool,
}

impl<'a> Item<'a> {
    fn read(request: &Part<'a>) -> Result<Self, BatchError> {
        let (mut id, mut method, mut url) = (None, None, None);
        let (mut headers, mut body, mut depends_on) = (BTreeMap::new(), None, None);
        let mut is_in_atomicity_group = false;
        for (name, member) in request.members("an object with id, method and url")? {
            match name.as_str() {
                "id" => id = Some(read_id(&member)?),
                "method" => method = Some(member.text()?),
                "url" => url = Some(member.text()?),
                "headers" => headers = read_headers(&member)?,
                "body" => body = (!member.is_null()).then_some(member.json),
                // The vendor's Python library writes the second name.
                "dependsOn" | "depends_on" if depends_on.is_none() => {
                    depends_on = Some(read_names(&member)?);
                }
                "dependsOn" | "depends_on" => return Err(member.wrong("is dependsOn a second time")),
                "atomicityGroup" => is_in_atomicity_group = !member.is_null(),
                _ => {
                    return Err(member
                        .wrong("is not known; a request has id, method, url, headers, body and dependsOn"));
                }
            }
        }
        Ok(Self {
            id: id.ok_or_else(|| request.lacks("id"))?,
            method: method.ok_or_else(|| request.lacks("method"))?,
            url: url.ok_or_else(|| request.lacks("url"))?,
            headers,
            body,
            depends_on: depends_on.unwrap_or_default(),
            is_in_atomicity_group,
        })
    }
}

fn read_id(member: &Part<'_>) -> Result<String, BatchError> {
    let id = member.text()?;
    match id.len() {
        1..=MAX_ID => Ok(id),
        length => Err(member.wrong(format!("must have 1 to {MAX_ID} bytes, not {length}"))),
    }
}

/// Ids or null.
fn read_names(member: &Part<'_>) -> Result<Vec<String>, BatchError> {
    if member.is_null() {
        return Ok(Vec::new());
    }
    let names = member.elements("an array of ids")?;
    if names.len() > MAX_REQUESTS {
        return Err(member.wrong(format!("must have at most {MAX_REQUESTS} ids")));
    }
    names.iter().map(Part::text).collect()
}

/// Headers or null. Their names are not case-sensitive, and so one that comes twice in two cases is refused.
fn read_headers(member: &Part<'_>) -> Result<BTreeMap<String, String>, BatchError> {
    let mut headers = BTreeMap::new();
    if member.is_null() {
        return Ok(headers);
    }
    for (name, value) in member.members("an object of headers with texts as values")? {
        if headers.insert(name.to_ascii_lowercase(), value.text()?).is_some() {
            return Err(value.wrong("is given twice"));
        }
    }
    Ok(headers)
}
