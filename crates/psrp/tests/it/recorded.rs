//! What real Windows hosts and their clients said, as the recordings of an independent client kept it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use exconn_psrp::{
    Client, ClientConfig, ClientError, EXCHANGE, Limits,
    clixml::{Error, ObjectVisitor, Property, Value, decode, decode_object},
    envelope::EnvelopeError,
    fragment::Defragmenter,
    message::{Destination, Message, MessageType},
    server::Request,
};
use quick_xml::{Reader, events::Event};
use uuid::Uuid;

use crate::conversation::Heard;

static RECORDINGS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("psrp-recorded");
    let made = Command::new(exconn_testkit::python())
        .arg(exconn_testkit::repository_root().join("peers/recorded/extract.py"))
        .arg(&folder)
        .output()
        .expect("the Python of EXCONN_PEERS_PYTHON starts");
    assert!(
        made.status.success(),
        "the recordings cannot be fetched:\n{}{}",
        String::from_utf8_lossy(&made.stdout),
        String::from_utf8_lossy(&made.stderr)
    );
    folder
});

struct Recorded {
    name: String,
    direction: String,
    number: u32,
    content: Vec<u8>,
}

fn messages() -> Vec<Recorded> {
    let table = fs::read_to_string(RECORDINGS.join("messages.tsv")).unwrap();
    let messages = table.lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        Recorded {
            name: fields[0].to_owned(),
            direction: fields[1].to_owned(),
            number: u32::from_str_radix(fields[2], 16).unwrap(),
            content: STANDARD.decode(fields[3]).unwrap(),
        }
    });
    messages.collect()
}

/// What a document's own text says: each element with text directly in it, with the attribute `N`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// Element, `N`, text.
    scalars: Vec<(String, String, String)>,
    to_strings: Vec<String>,
    nils: usize,
}

impl Said {
    fn sorted(mut self) -> Self {
        self.scalars.sort();
        self.to_strings.sort();
        self
    }

    /// By the XML crate, which the decoders do not use.
    fn by_the_text(xml: &[u8]) -> Self {
        let text = std::str::from_utf8(xml).unwrap().trim_start_matches('\u{feff}');
        let (mut said, mut reader) = (Self::default(), Reader::from_str(text));
        let mut open: Vec<(String, String, String, bool)> = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(tag) => {
                    if let Some(parent) = open.last_mut() {
                        parent.3 = true;
                    }
                    let name = tag.name().into_inner().to_owned();
                    open.push((name, name_attribute(&tag), String::new(), false));
                }
                Event::Empty(tag) => {
                    if let Some(parent) = open.last_mut() {
                        parent.3 = true;
                    }
                    said.element(tag.name().into_inner().to_owned(), name_attribute(&tag), "");
                }
                Event::End(_) => {
                    let (element, name, text, has_children) = open.pop().unwrap();
                    if !has_children {
                        said.element(element, name, &text);
                    }
                }
                Event::Text(text) => open.iter_mut().next_back().unwrap().2.push_str(&text.into_inner()),
                Event::GeneralRef(name) => {
                    let text = quick_xml::escape::unescape(&format!("&{};", &*name)).unwrap().into_owned();
                    open.last_mut().unwrap().2.push_str(&text);
                }
                Event::Eof => return said.sorted(),
                _ => {}
            }
        }
    }

    fn element(&mut self, element: String, name: String, text: &str) {
        match element.as_str() {
            "ToString" => self.to_strings.push(unescaped(text)),
            "Nil" => self.nils += 1,
            // Containers that may be empty, references, and type names are compared elsewhere.
            "Obj" | "Ref" | "TN" | "TNRef" | "T" | "MS" | "Props" | "LST" | "DCT" | "STK" | "QUE" | "IE"
            | "En" => {}
            _ => self.scalars.push((element, name, unescaped(text))),
        }
    }

    fn by_the_tree(value: &Value) -> Self {
        let mut said = Self::default();
        said.add("", value);
        said.sorted()
    }

    fn add(&mut self, name: &str, value: &Value) {
        match value {
            Value::Null => self.nils += 1,
            Value::Reference(_) => {}
            Value::Scalar { kind, text } => self.scalars.push((kind.clone(), name.to_owned(), text.clone())),
            Value::Object(object) => {
                self.to_strings.extend(object.to_string.clone());
                if let Some(value) = &object.value {
                    self.add("", value);
                }
                for (name, value) in object.adapted.iter().chain(&object.extended) {
                    self.add(name, value);
                }
                for value in object.items.iter().flatten() {
                    self.add("", value);
                }
                for (key, value) in object.entries.iter().flatten() {
                    self.add("Key", key);
                    self.add("Value", value);
                }
            }
        }
    }
}

fn name_attribute(tag: &quick_xml::events::BytesStart<'_>) -> String {
    let found = tag.attributes().find_map(|attribute| {
        let attribute = attribute.unwrap();
        (attribute.key.into_inner() == "N")
            .then(|| quick_xml::escape::unescape(&attribute.value).unwrap().into_owned())
    });
    unescaped(&found.unwrap_or_default())
}

/// `_xHHHH_` by UTF-16, piece by piece.
fn unescaped(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let all: Vec<u16> = text.encode_utf16().collect();
    let mut at = 0;
    while at < all.len() {
        let escape = all.get(at..at + 7).and_then(|seven| {
            let seven = String::from_utf16(seven).ok()?;
            let digits = seven.strip_prefix("_x")?.strip_suffix('_')?;
            u16::from_str_radix(digits, 16).ok()
        });
        units.push(escape.unwrap_or(all[at]));
        at += if escape.is_some() { 7 } else { 1 };
    }
    String::from_utf16(&units).unwrap()
}

#[test]
fn every_message_is_read_as_its_own_text_says() {
    let messages = messages();
    assert_eq!(messages.len(), 542);
    let (mut to_strings, mut scalars) = (0, 0);
    for Recorded { name, direction, number, content } in &messages {
        assert!(MessageType::from_number(*number).is_some(), "{number:x}");
        // The end of input has no content, and public keys are data without a document.
        if content.is_empty() {
            continue;
        }
        let tree =
            decode(content, &Limits::default()).unwrap_or_else(|error| panic!("{name} {direction}: {error}"));
        let (said, read) = (Said::by_the_text(content), Said::by_the_tree(&tree));
        to_strings += said.to_strings.len();
        scalars += said.scalars.len();
        assert_eq!(read, said, "{name} {direction}");
    }
    assert_eq!(to_strings, 1064, "of {scalars} scalars");
}

/// Names and texts of the properties of an object.
#[derive(Default)]
struct Properties(Vec<(String, Option<String>)>, Vec<String>, Option<String>);

impl ObjectVisitor for Properties {
    fn property(&mut self, name: &str, value: Property<'_>) -> Result<(), Error> {
        let text = match value {
            Property::Null => None,
            Property::Scalar(_, text) => Some(text.into_owned()),
            Property::Composite(text) => text.map(|text| text.into_owned()),
        };
        self.0.push((name.to_owned(), text));
        Ok(())
    }

    fn type_name(&mut self, name: &str) -> Result<(), Error> {
        self.1.push(name.to_owned());
        Ok(())
    }

    fn to_string(&mut self, text: &str) -> Result<(), Error> {
        self.2 = Some(text.to_owned());
        Ok(())
    }
}

#[test]
fn objects_read_without_a_tree_are_the_same() {
    let mut objects = 0;
    for Recorded { name, content, .. } in messages().iter().filter(|message| !message.content.is_empty()) {
        let tree = decode(content, &Limits::default()).unwrap();
        let mut properties = Properties::default();
        let read = decode_object(content, &Limits::default(), &mut properties);
        let Some(object) = tree.object() else {
            assert!(read.is_err(), "{name}");
            continue;
        };
        read.unwrap();
        objects += 1;
        let mut expected: Vec<_> = object
            .adapted
            .iter()
            .chain(&object.extended)
            .map(|(name, value)| {
                let text = match value {
                    Value::Scalar { text, .. } => Some(text.clone()),
                    Value::Object(object) => object.to_string.clone(),
                    Value::Null | Value::Reference(_) => None,
                };
                (name.clone(), text)
            })
            .collect();
        properties.0.sort();
        expected.sort();
        assert_eq!(properties.0, expected, "{name}");
        assert_eq!(properties.1, *object.types, "{name}");
        assert_eq!(properties.2, object.to_string, "{name}");
    }
    assert!(objects > 400, "{objects}");
}

fn envelopes(end: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in fs::read_dir(RECORDINGS.join("soap")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            if path.to_str().unwrap().ends_with(end) && !text.is_empty() {
                found.push((path.to_str().unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    found
}

/// Whether all of a recording's PSRP messages are of one shell: message ids ascend within a shell.
fn in_one_shell(recording: &str) -> bool {
    recording.starts_with("test_psrp") && !recording.contains("disconnect")
}

#[test]
fn streams_are_put_together_to_the_same_messages() {
    let (mut found, mut recording, mut incoming) = (Vec::new(), String::new(), Defragmenter::default());
    for (path, text) in envelopes("-response.xml") {
        let folder = Path::new(&path).parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        if !in_one_shell(&folder) {
            continue;
        }
        if folder != recording {
            (recording, incoming) = (folder, Defragmenter::default());
        }
        for stream in text.split("<rsp:Stream ").skip(1) {
            let Some((_, content)) = stream.split_once('>').filter(|(tag, _)| !tag.ends_with('/')) else {
                continue;
            };
            let content = STANDARD.decode(content.split_once('<').unwrap().0).unwrap();
            let put_together = incoming.receive(&content, &Limits::default(), |bytes| {
                let message = Message::parse(bytes).unwrap();
                assert_eq!(message.destination, Destination::Client, "{path}");
                found.push((recording.clone() + ".yml", message.number, message.content.to_vec()));
            });
            put_together.unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
    let expected =
        messages().into_iter().filter(|one| one.direction == "response" && in_one_shell(&one.name));
    let without_mark =
        |content: Vec<u8>| content.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(content);
    let mut expected: Vec<_> =
        expected.map(|one| (one.name, one.number, without_mark(one.content))).collect();
    expected.sort();
    found.sort();
    assert!(found.len() > 200, "{}", found.len());
    let missing: Vec<_> =
        expected.iter().filter(|one| !found.contains(one)).map(|one| (&one.0, one.1)).collect();
    // What comes in another element than a stream is not in a stream.
    assert!(missing.iter().all(|(name, _)| name.contains("connect")), "{missing:?}");
    assert!(found.iter().all(|one| expected.contains(one)));
}

#[test]
fn every_request_is_read_or_of_an_action_that_is_not_offered() {
    let (mut read, mut refused) = (0, 0);
    for (path, text) in envelopes("-request.xml") {
        // The arguments of a process are plain text, where those of a pipeline are Base64.
        if path.contains("test_winrs") || text.contains("/windows/shell/cmd<") {
            continue;
        }
        match Request::parse(text.as_bytes()) {
            Ok(request) => {
                read += 1;
                assert!(request.message_id.starts_with("uuid:"), "{path}");
                assert!(request.resource_uri.starts_with("http://schemas.microsoft.com/"), "{path}");
            }
            Err(EnvelopeError::Malformed(reason)) => {
                refused += 1;
                assert_eq!(reason, "an action that shells do not know", "{path}");
                assert!(
                    ["onnect<", "Get<", "Enumerate<"].iter().any(|action| text.contains(action)),
                    "{path}: {text}"
                );
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }
    assert!(read > 300 && refused < 40, "{read} {refused}");
}

#[test]
fn every_fault_is_understood() {
    let mut codes = Vec::new();
    for (path, text) in envelopes("-response.xml").into_iter().filter(|(_, text)| text.contains("WSManFault"))
    {
        let config = ClientConfig {
            endpoint: "http://localhost/PowerShell/".into(),
            resource_uri: EXCHANGE.into(),
            operation_timeout: std::time::Duration::from_secs(20),
            max_envelope: 512_000,
            limits: Limits::default(),
        };
        let mut client = Client::new(config, Box::new(|| Uuid::from_u128(1)));
        client.invoke(&exconn_psrp::Command::new("Get-MobileDevice")).unwrap();
        client.next_request().unwrap();
        let ClientError::Fault(fault) =
            client.handle(500, text.as_bytes(), &mut Heard::default()).unwrap_err()
        else {
            panic!("{path}: {text}");
        };
        assert!(text.contains(&format!("Code=\"{}\"", fault.code.unwrap())), "{path}: {fault:?}");
        assert!(!fault.reason.is_empty() && !fault.subcode.is_empty(), "{path}: {fault:?}");
        assert_eq!(fault.is_timeout(), fault.code == Some(2_150_858_793));
        assert_eq!(fault.is_shell_gone(), fault.code == Some(2_150_858_843));
        assert_eq!(fault.quota(), None);
        codes.push(fault.code.unwrap());
    }
    codes.sort_unstable();
    let timed_out = [2_150_858_793; 4];
    let shell_gone = [2_150_858_843; 3];
    assert_eq!(codes, [&[87, 2_147_942_402, 2_150_858_767][..], &timed_out, &shell_gone].concat());
}
