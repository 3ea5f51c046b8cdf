//! A server that is a domain controller as far as the driver can tell, until it is told to fail.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use rasn::types::OctetString;
use rasn_ldap::{
    BindResponse, Control, ExtendedResponse, LdapMessage, LdapResult, PartialAttribute, ProtocolOp,
    ResultCode, SearchRequest, SearchResultDone, SearchResultEntry, SearchResultReference,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How the search for devices goes after its first page, if not said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Right,
    /// The second page ends with this result.
    Ends(ResultCode),
    /// The first page ends with the result that another server should be asked.
    Refers,
    /// The connection ends in the middle of the second page.
    Drops,
    /// The connection ends in the middle of a message.
    Halves,
    /// A message is announced that is larger than anything.
    Announces,
    /// A page has no end.
    Endless,
    /// Nothing comes any more.
    Silent,
    /// The notice of disconnection comes.
    Leaves,
    /// An answer to another request comes.
    Mistakes,
    /// What comes is not LDAP.
    Babbles,
    /// A search is answered as if it were a bind.
    Confuses,
    /// Each object has attributes twice, with many values, too long, or not of their form.
    Absurd,
    /// The control at a page's end cannot be read.
    Garbles,
    /// The cookie of DirSync is refused.
    Forgets,
    /// DirSync says that there is more and gives the same cookie again.
    Circles,
    /// The sign-in is answered like this.
    Signs(ResultCode),
    /// It is an LDAP server of another kind.
    Stranger,
    /// The forest has another domain, at an address that is not said to be this machine's.
    Leads,
    /// A container has changed that cannot be seen.
    Hides,
}

/// How many devices it has.
pub(crate) const DEVICES: usize = 40;

const SERVICE: &str = "CN=NTDS Settings,CN=DC1,CN=Configuration,DC=contoso,DC=test";
const DIRSYNC: &[u8] = b"1.2.840.113556.1.4.841";
const PAGED: &[u8] = b"1.2.840.113556.1.4.319";

pub(crate) struct Scripted {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::Right));
        let shared = script.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let session = Session { stream, script: shared.clone() };
                tokio::spawn(session.serve());
            }
        });
        Self { address, script, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// What it does from now on.
    pub(crate) fn play(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Session {
    stream: TcpStream,
    script: Arc<Mutex<Script>>,
}

fn octets(bytes: &[u8]) -> OctetString {
    OctetString::from(bytes)
}

fn result(code: ResultCode) -> LdapResult {
    LdapResult::new(code, "".into(), "as the test wants it\0".into())
}

fn entry(dn: &str, attributes: &[(&str, &[&[u8]])]) -> ProtocolOp {
    let attributes = attributes.iter().map(|(name, values)| {
        let values = values.iter().map(|value| octets(value)).collect::<Vec<_>>();
        PartialAttribute::new((*name).into(), values.into())
    });
    ProtocolOp::SearchResEntry(SearchResultEntry::new(dn.into(), attributes.collect()))
}

/// `SEQUENCE { … }` of the two controls with a cookie.
fn control(kind: &[u8], numbers: &[i64], cookie: &[u8]) -> Control {
    let numbers = numbers.iter().flat_map(|number| rasn::ber::encode(number).unwrap());
    let content: Vec<u8> = numbers.chain(rasn::ber::encode(&octets(cookie)).unwrap()).collect();
    let mut value = vec![0x30, u8::try_from(content.len()).unwrap()];
    value.extend(content);
    Control::new(octets(kind), false, Some(value.into()))
}

impl Session {
    async fn serve(mut self) {
        let mut received = Vec::new();
        loop {
            while let Some((request, length)) = whole(&received) {
                received.drain(..length);
                if self.answer(request).await.is_none() {
                    return;
                }
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => received.extend_from_slice(&buffer[..read]),
            }
        }
    }

    /// `None` when the connection is to end.
    async fn answer(&mut self, request: LdapMessage) -> Option<()> {
        let script = *self.script.lock().unwrap();
        let id = request.message_id;
        match request.protocol_op {
            ProtocolOp::BindRequest(_) => {
                let code = if let Script::Signs(code) = script { code } else { ResultCode::Success };
                let bound = BindResponse::new(code, "".into(), "".into(), None, None);
                self.send(id, ProtocolOp::BindResponse(bound), None).await
            }
            ProtocolOp::SearchRequest(search) => {
                let controls = request.controls.unwrap_or_default();
                let value = |kind: &[u8]| {
                    let control = controls.iter().find(|control| &control.control_type[..] == kind)?;
                    Some(control.control_value.clone().unwrap_or_default().to_vec())
                };
                match (value(DIRSYNC), value(PAGED)) {
                    (Some(value), _) => self.changes(id, script, &value).await,
                    (None, Some(_))
                        if script == Script::Hides && search.base_object.as_str() != "DC=contoso,DC=test" =>
                    {
                        self.end(id, ResultCode::NoSuchObject, None).await
                    }
                    (None, Some(value)) => self.devices(id, script, &value).await,
                    (None, None) => self.object(id, script, &search).await,
                }
            }
            _ => None,
        }
    }

    async fn object(&mut self, id: u32, script: Script, search: &SearchRequest) -> Option<()> {
        let base = search.base_object.as_str();
        if base.is_empty() && script != Script::Stranger {
            let root: [(&str, &[u8]); 7] = [
                ("defaultNamingContext", b"DC=contoso,DC=test"),
                ("rootDomainNamingContext", b"DC=contoso,DC=test"),
                ("configurationNamingContext", b"CN=Configuration,DC=contoso,DC=test"),
                ("schemaNamingContext", b"CN=Schema,CN=Configuration,DC=contoso,DC=test"),
                ("dsServiceName", SERVICE.as_bytes()),
                ("highestCommittedUSN", b"1000"),
                ("supportedControl", DIRSYNC),
            ];
            let root: Vec<_> =
                root.iter().map(|(name, value)| (*name, std::slice::from_ref(value))).collect();
            self.send(id, entry("", &root), None).await?;
        } else if base.starts_with("CN=Partitions") {
            let part = entry(
                "CN=CONTOSO,CN=Partitions",
                &[
                    ("nCName", &[b"DC=contoso,DC=test"]),
                    ("dnsRoot", &[b"contoso.test"]),
                    ("systemFlags", &[b"3"]),
                ],
            );
            self.send(id, part, None).await?;
            if script == Script::Leads {
                let part = entry(
                    "CN=OTHER,CN=Partitions",
                    &[
                        ("nCName", &[b"DC=other,DC=test"]),
                        ("dnsRoot", &[b"0.0.0.0"]),
                        ("systemFlags", &[b"3"]),
                    ],
                );
                self.send(id, part, None).await?;
            }
        }
        // A part of the directory elsewhere is no error.
        let elsewhere = SearchResultReference(vec!["ldap://elsewhere.test/DC=x".into()]);
        self.send(id, ProtocolOp::SearchResRef(elsewhere), None).await?;
        self.end(id, ResultCode::Success, None).await
    }

    async fn changes(&mut self, id: u32, script: Script, value: &[u8]) -> Option<()> {
        let begins = value.ends_with(&[4, 0]);
        if script == Script::Hides && !begins {
            let container = entry("CN=hidden,DC=contoso,DC=test", &[("objectGUID", &[&[7; 16]])]);
            self.send(id, container, None).await?;
        }
        match script {
            Script::Forgets if !begins => self.end(id, ResultCode::UnwillingToPerform, None).await,
            Script::Circles if !begins => {
                self.end(id, ResultCode::Success, Some(control(DIRSYNC, &[1, 0], b"cookie"))).await
            }
            _ => self.end(id, ResultCode::Success, Some(control(DIRSYNC, &[0, 0], b"cookie"))).await,
        }
    }

    async fn devices(&mut self, id: u32, script: Script, value: &[u8]) -> Option<()> {
        // SEQUENCE { size, cookie }: the cookie is one byte, the first device that is wanted.
        let size = usize::from(value[4]);
        let first = if value.ends_with(&[4, 0]) { 0 } else { usize::from(*value.last().unwrap()) };
        let second = first > 0;
        match script {
            Script::Refers => {
                let mut done = result(ResultCode::Referral);
                done.referral = Some(vec!["ldap://dc99.contoso.test/DC=contoso,DC=test".into()]);
                return self.send(id, ProtocolOp::SearchResDone(SearchResultDone(done)), None).await;
            }
            Script::Ends(code) if second => {
                self.device(id, first, script).await?;
                return self.end(id, code, None).await;
            }
            Script::Drops if second => {
                self.device(id, first, script).await?;
                return None;
            }
            Script::Halves if second => {
                self.stream.write_all(&[0x30, 0x40, 2, 1]).await.ok()?;
                return None;
            }
            Script::Announces if second => {
                return self.stream.write_all(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]).await.ok();
            }
            Script::Endless if second => loop {
                self.device(id, first, script).await?;
            },
            Script::Silent if second => return std::future::pending().await,
            Script::Leaves if second => {
                let notice = ExtendedResponse {
                    result_code: ResultCode::Unavailable,
                    matched_dn: "".into(),
                    diagnostic_message: "".into(),
                    referral: None,
                    response_name: Some(octets(b"1.3.6.1.4.1.1466.20036")),
                    response_value: None,
                };
                return self.send(0, ProtocolOp::ExtendedResp(notice), None).await;
            }
            Script::Mistakes if second => return self.end(id + 1, ResultCode::Success, None).await,
            Script::Babbles if second => {
                return self.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
            }
            Script::Confuses if second => {
                let bound = BindResponse::new(ResultCode::Success, "".into(), "".into(), None, None);
                return self.send(id, ProtocolOp::BindResponse(bound), None).await;
            }
            Script::Garbles if second => {
                let broken = Control::new(octets(PAGED), false, Some(octets(b"\x30\x05\x02")));
                return self.end(id, ResultCode::Success, Some(broken)).await;
            }
            _ => {}
        }
        let end = DEVICES.min(first + size);
        for number in first..end {
            self.device(id, number, script).await?;
        }
        let next = [u8::try_from(end).unwrap()];
        let cookie = if end < DEVICES { &next[..] } else { b"" };
        self.end(id, ResultCode::Success, Some(control(PAGED, &[0], cookie))).await
    }

    async fn device(&mut self, id: u32, number: usize, script: Script) -> Option<()> {
        let dn = format!("CN=iPhone§{number},CN=ExchangeActiveSyncDevices,CN=u,CN=Users,DC=contoso,DC=test");
        let guid = [u8::try_from(number).unwrap(); 16];
        let name = number.to_string();
        let long = vec![b'x'; 100_000];
        let device = if script == Script::Absurd {
            entry(
                &dn,
                &[
                    ("msExchDeviceModel", &[&long]),
                    ("msExchDeviceID", &[name.as_bytes(), b"second"]),
                    ("msExchDeviceID", &[b"third"]),
                    ("objectGUID", &[&guid]),
                    ("msExchDeviceAccessState", &[b"-99999999999999999999"]),
                    ("msExchFirstSyncTime", &[b"\xff\xfe"]),
                    ("whenChanged", &[b""]),
                    ("whenCreated", &[]),
                    ("", &[b"", b""]),
                ],
            )
        } else {
            entry(&dn, &[("objectGUID", &[&guid]), ("msExchDeviceID", &[name.as_bytes()])])
        };
        self.send(id, device, None).await
    }

    async fn end(&mut self, id: u32, code: ResultCode, control: Option<Control>) -> Option<()> {
        self.send(id, ProtocolOp::SearchResDone(SearchResultDone(result(code))), control).await
    }

    async fn send(&mut self, id: u32, operation: ProtocolOp, control: Option<Control>) -> Option<()> {
        let mut message = LdapMessage::new(id, operation);
        message.controls = control.map(|control| vec![control]);
        self.stream.write_all(&rasn::ber::encode(&message).unwrap()).await.ok()
    }
}

/// The first message and its length, if it is all there.
fn whole(bytes: &[u8]) -> Option<(LdapMessage, usize)> {
    let first = usize::from(*bytes.get(1)?);
    let (head, length) = if first < 0x80 {
        (2, first)
    } else {
        let length = bytes.get(2..2 + (first & 0x7f))?;
        (2 + length.len(), length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    };
    let message = bytes.get(..head + length)?;
    Some((rasn::ber::decode(message).unwrap(), head + length))
}
