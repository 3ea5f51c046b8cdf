use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::{answer::Target, failure::Failure, routes::Place};

/// Characters of a wrong name that are repeated to the client.
const MAX_SHOWN: usize = 100;

const AT_ROOT: &str = "Here stand deviceManagement, $batch, $metadata and openapi.json.";
const IN_MANAGEMENT: &str = "Here stand exchangeConnectors, managedDevices and managedDeviceOverview.";
const IN_COLLECTION: &str = "Here stands an id or $count.";
const AFTER_CONNECTOR: &str = "After a connector stands sync, microsoft.graph.sync or nothing.";
const NOTHING: &str = "Nothing stands here.";

/// A version of the Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    Beta,
}

impl Version {
    /// Its name in paths.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::V1, Self::Beta].into_iter().find(|version| version.name().eq_ignore_ascii_case(name))
    }
}

/// A part of a path: a name, with a key where it is written `name('key')`.
struct Segment<'a> {
    name: Cow<'a, str>,
    key: Option<Cow<'a, str>>,
}

/// What a path of the Graph names.
pub(crate) fn resolve(path: &str) -> Result<Target<'_>, Failure> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let (version, rest) = path.split_once('/').unwrap_or((path, ""));
    let known = Version::from_name(version);
    let version =
        known.ok_or_else(|| Failure::UnknownVersion(shown(&decode(version).unwrap_or_default())))?;
    let mut segments = rest.split('/').map(Segment::read);
    let mut next = || segments.next().transpose();

    let alone = |place| Ok(Target { place, id: None, version: Some(version) });
    if rest.is_empty() {
        return alone(Place::ServiceDocument);
    }
    let root = next()?.filter(|segment| !segment.name.is_empty());
    let Some(root) = root else { return Err(Failure::bad("The request names no resource.")) };
    for (name, place) in
        [("$batch", Place::Batch), ("$metadata", Place::Metadata), ("openapi.json", Place::GraphDescription)]
    {
        if root.is(name) {
            return match next()? {
                None => alone(place),
                Some(segment) => Err(segment.unknown(NOTHING)),
            };
        }
    }
    if !root.is("deviceManagement") {
        return Err(root.unknown(AT_ROOT));
    }
    let Some(collection) = next()? else { return alone(Place::DeviceManagement) };
    let (many, one, count) = match collection.name.as_ref() {
        name if name.eq_ignore_ascii_case("exchangeConnectors") => {
            (Place::Connectors, Place::Connector, Place::ConnectorsCount)
        }
        name if name.eq_ignore_ascii_case("managedDevices") => {
            (Place::Devices, Place::Device, Place::DevicesCount)
        }
        name if name.eq_ignore_ascii_case("managedDeviceOverview") && collection.key.is_none() => {
            return match next()? {
                None => alone(Place::DeviceOverview),
                Some(segment) => Err(segment.unknown(NOTHING)),
            };
        }
        _ => return Err(collection.unknown(IN_MANAGEMENT)),
    };
    let id = match collection.key {
        Some(key) => key,
        None => match next()? {
            None => return alone(many),
            Some(segment) if segment.is("$count") => {
                return match next()? {
                    None => alone(count),
                    Some(segment) => Err(segment.unknown(NOTHING)),
                };
            }
            Some(segment) if segment.is_id() => segment.name,
            Some(segment) => return Err(segment.unknown(IN_COLLECTION)),
        },
    };
    let place = match next()? {
        None => one,
        Some(action)
            if one == Place::Connector && (action.is("sync") || action.is("microsoft.graph.sync")) =>
        {
            Place::ConnectorSync
        }
        Some(segment) if one == Place::Connector => return Err(segment.unknown(AFTER_CONNECTOR)),
        Some(segment) => return Err(segment.unknown(NOTHING)),
    };
    match next()? {
        None => Ok(Target { place, id: Some(id), version: Some(version) }),
        Some(segment) => Err(segment.unknown(NOTHING)),
    }
}

impl<'a> Segment<'a> {
    fn read(text: &'a str) -> Result<Self, Failure> {
        let text = decode(text).ok_or_else(|| Failure::bad("The path is not UTF-8."))?;
        let Some((name, key)) = text.split_once('(') else { return Ok(Self { name: text, key: None }) };
        let key = key.strip_prefix('\'').and_then(|key| key.strip_suffix("')")).and_then(unquoted);
        match key {
            Some(key) => Ok(Self { name: Cow::Owned(name.to_owned()), key: Some(Cow::Owned(key)) }),
            None => Err(Failure::bad(format!(
                "The key in '{}' is not understood; write it as name('id'), a quote within it as two, and a slash as %2F.",
                shown(&text)
            ))),
        }
    }

    fn is(&self, name: &str) -> bool {
        self.key.is_none() && self.name.eq_ignore_ascii_case(name)
    }

    /// Whether it can be an id: what begins with `$` belongs to OData.
    fn is_id(&self) -> bool {
        self.key.is_none() && !self.name.is_empty() && !self.name.starts_with('$')
    }

    fn unknown(&self, accepted: &'static str) -> Failure {
        Failure::UnknownSegment { name: shown(&self.name), accepted }
    }
}

/// The text of a literal whose quotes are doubled; `None` if a single one stands in it.
fn unquoted(text: &str) -> Option<String> {
    let plain = text.replace("''", "\u{0}");
    if plain.contains('\'') || text.contains('\u{0}') { None } else { Some(plain.replace('\u{0}', "'")) }
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str) -> Result<(Place, Option<String>), u16> {
        match resolve(path) {
            Ok(target) => Ok((target.place, target.id.map(Cow::into_owned))),
            Err(failure) => Err(failure.status().as_u16()),
        }
    }

    #[test]
    fn paths_name_places() {
        let id = |id: &str| Some(id.to_owned());
        for (path, place) in [
            ("/v1.0/deviceManagement/exchangeConnectors", (Place::Connectors, None)),
            ("/BETA/devicemanagement/EXCHANGECONNECTORS/", (Place::Connectors, None)),
            ("/beta/deviceManagement/exchangeConnectors/%24count", (Place::ConnectorsCount, None)),
            ("/v1.0/deviceManagement/exchangeConnectors/a%20b", (Place::Connector, id("a b"))),
            ("/v1.0/deviceManagement/exchangeConnectors/a%2Fb", (Place::Connector, id("a/b"))),
            ("/v1.0/deviceManagement/exchangeConnectors/it's", (Place::Connector, id("it's"))),
            ("/v1.0/deviceManagement/exchangeConnectors/100%25", (Place::Connector, id("100%"))),
            ("/v1.0/deviceManagement/exchangeConnectors/%252F", (Place::Connector, id("%2F"))),
            ("/v1.0/deviceManagement/exchangeConnectors('a%2Fb')", (Place::Connector, id("a/b"))),
            ("/v1.0/deviceManagement/exchangeConnectors(%27it%27%27s%27)", (Place::Connector, id("it's"))),
            (
                "/v1.0/deviceManagement/exchangeConnectors('a%2Fsync')/sync",
                (Place::ConnectorSync, id("a/sync")),
            ),
            ("/v1.0/deviceManagement/exchangeConnectors('it''s')", (Place::Connector, id("it's"))),
            ("/v1.0/deviceManagement/exchangeConnectors%28%27a%27%29/sync", (Place::ConnectorSync, id("a"))),
            (
                "/v1.0/deviceManagement/exchangeConnectors/a/microsoft.graph.sync",
                (Place::ConnectorSync, id("a")),
            ),
            ("/v1.0/deviceManagement/managedDevices/a", (Place::Device, id("a"))),
            ("/v1.0/deviceManagement/managedDeviceOverview", (Place::DeviceOverview, None)),
            ("/beta/%24batch", (Place::Batch, None)),
            ("/v1.0/deviceManagement", (Place::DeviceManagement, None)),
            ("/beta/deviceManagement/", (Place::DeviceManagement, None)),
            ("/v1.0", (Place::ServiceDocument, None)),
            ("/beta/", (Place::ServiceDocument, None)),
            ("/v1.0/$metadata", (Place::Metadata, None)),
            ("/beta/%24Metadata/", (Place::Metadata, None)),
            ("/v1.0/openapi.json", (Place::GraphDescription, None)),
        ] {
            assert_eq!(read(path), Ok(place), "{path}");
        }
    }

    #[test]
    fn other_paths_name_nothing() {
        for (path, status) in [
            ("", 404),
            ("/", 404),
            ("/v3.0/deviceManagement/exchangeConnectors", 404),
            ("/v1.0///", 400),
            ("/v1.0/$metadata/deviceManagement", 400),
            ("/v1.0/$metadata('a')", 400),
            ("/v1.0/openapi.json/a", 400),
            ("/v1.0//exchangeConnectors", 400),
            ("/v1.0/deviceManagement('a')/exchangeConnectors", 400),
            ("/v1.0/deviceManagement/exchangeConnectors//sync", 400),
            ("/v1.0/deviceManagement/exchangeConnectors('a')('b')", 400),
            ("/v1.0/deviceManagement/exchangeConnectors('a'b')", 400),
            ("/v1.0/deviceManagement/exchangeConnectors(a)", 400),
            ("/v1.0/deviceManagement/exchangeConnectors(", 400),
            ("/v1.0/deviceManagement/exchangeConnectors/$count/a", 400),
            ("/v1.0/deviceManagement/exchangeConnectors/$ref", 400),
            ("/v1.0/deviceManagement/exchangeConnectors/%24ref", 400),
            ("/v1.0/deviceManagement/exchangeConnectors('a/b')", 400),
            ("/v1.0/deviceManagement/exchangeConnectors('a')/$count", 400),
            ("/v1.0/deviceManagement/exchangeConnectors/a/sync/b", 400),
            ("/v1.0/deviceManagement/managedDevices/a/sync", 400),
            ("/v1.0/deviceManagement/%FF", 400),
            ("/v1.0/$batch/a", 400),
        ] {
            assert_eq!(read(path), Err(status), "{path}");
        }
    }
}
