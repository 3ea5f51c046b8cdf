//! WS-Management envelopes (DSP0226, MS-WSMV 2.2).

use std::{fmt::Write, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

use crate::clixml::escape;

const NAMESPACES: &str = "xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
    xmlns:w=\"http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\" \
    xmlns:p=\"http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd\" \
    xmlns:x=\"http://schemas.xmlsoap.org/ws/2004/09/transfer\" \
    xmlns:rsp=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\"";
const ANONYMOUS: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous";
const TRANSFER: &str = "http://schemas.xmlsoap.org/ws/2004/09/transfer/";
const SHELL: &str = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/";
const FAULT: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault";
/// Elements of an envelope; a listing's answer has a few hundred streams.
const MAX_ELEMENTS: usize = 50_000;
const MAX_DEPTH: usize = 32;

/// What an envelope asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a shell.
    Create,
    /// Run a command in it.
    Command,
    /// More input for a shell or a command.
    Send,
    /// Output of a shell or a command.
    Receive,
    /// Stop or forget a command.
    Signal,
    /// Close the shell.
    Delete,
}

impl Action {
    const ALL: [Self; 6] =
        [Self::Create, Self::Command, Self::Send, Self::Receive, Self::Signal, Self::Delete];

    pub(crate) fn uri(self) -> String {
        match self {
            Self::Create => format!("{TRANSFER}Create"),
            Self::Delete => format!("{TRANSFER}Delete"),
            Self::Command => format!("{SHELL}Command"),
            Self::Send => format!("{SHELL}Send"),
            Self::Receive => format!("{SHELL}Receive"),
            Self::Signal => format!("{SHELL}Signal"),
        }
    }

    pub(crate) fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.uri() == uri)
    }
}

/// A fault that the other side answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The number of the Windows error, if there is one.
    pub code: Option<u32>,
    /// The subcode without its prefix, for instance `TimedOut`.
    pub subcode: String,
    /// The reason as text.
    pub reason: String,
    /// The first address that the fault names, apart from those of schemas.
    pub location: Option<String>,
}

impl Fault {
    /// The operation brought nothing within its time (MS-WSMV 2.2.4.43, ERROR_WSMAN_OPERATION_TIMEDOUT).
    pub fn is_timeout(&self) -> bool {
        self.code == Some(2_150_858_793) || (self.code.is_none() && self.subcode == "TimedOut")
    }

    /// The shell or command is not known, or no longer.
    pub fn is_shell_gone(&self) -> bool {
        self.code == Some(2_150_858_843)
    }

    /// The caller used its share of requests or shells; with the time that it must wait, if the server named one.
    pub fn quota(&self) -> Option<Option<Duration>> {
        let milliseconds = self.number_after("for at least").map(Duration::from_millis);
        let wait = milliseconds.or_else(|| self.number_after("Please wait for").map(Duration::from_secs));
        let is_quota = self.subcode == "QuotaLimit"
            || self.reason.contains("load quota")
            || self.shell_limit().is_some();
        is_quota.then_some(wait)
    }

    /// The account has as many shells open as it may; with that number, if the server named it. Windows words it one way
    /// (ERROR_WSMAN_QUOTA_MAX_SHELLS, …_MAX_SHELLS_PPQ and …_MAX_PLUGINSHELLS_PPQ of wsmerror.h), Exchange's own policy
    /// another.
    pub fn shell_limit(&self) -> Option<Option<u32>> {
        const CODES: [u32; 3] = [2_150_859_173, 2_150_859_236, 2_150_859_238];
        const OF_EXCHANGE: &str = "maximum number of connections allowed";
        let is_limit = self.code.is_some_and(|code| CODES.contains(&code))
            || self.reason.contains("concurrent shells")
            || self.reason.contains(OF_EXCHANGE);
        let limit = ["maximum number of", "a maximum of", OF_EXCHANGE];
        let limit = limit.into_iter().find_map(|before| self.number_after(before));
        is_limit.then(|| limit.and_then(|limit| u32::try_from(limit).ok()))
    }

    /// The server leads elsewhere (ERROR_WSMAN_REDIRECT_REQUESTED of wsmerror.h).
    pub fn is_redirect(&self) -> bool {
        self.code == Some(2_150_859_161)
    }

    /// The number that follows these words.
    fn number_after(&self, words: &str) -> Option<u64> {
        let (_, rest) = self.reason.split_once(words)?;
        let rest = rest.trim_start_matches([' ', ':']);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    }

    /// The server does not serve the resource URI.
    pub fn is_wrong_resource(&self) -> bool {
        self.code == Some(2_150_858_778) || self.subcode == "InvalidResourceURI"
    }

    /// The account may not use the endpoint.
    pub fn is_access_denied(&self) -> bool {
        self.code == Some(5) || self.subcode == "AccessDenied"
    }
}

/// Why bytes are not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not well-formed XML, or larger or deeper than an envelope can be.
    #[error("malformed envelope: {0}")]
    Malformed(String),
    /// A stream is not Base64.
    #[error("a stream is not Base64")]
    NotBase64,
}

/// What stands in an envelope, as far as either side needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) action: String,
    pub(crate) message_id: String,
    pub(crate) resource_uri: String,
    pub(crate) max_envelope: Option<u32>,
    pub(crate) operation_timeout: Option<Duration>,
    pub(crate) shell_id: Option<String>,
    pub(crate) command_id: Option<String>,
    /// Streams and arguments, decoded.
    pub(crate) streams: Vec<Vec<u8>>,
    /// `Done`, `Running` or `Pending`.
    pub(crate) command_state: Option<String>,
    pub(crate) signal: Option<String>,
    pub(crate) fault: Option<Fault>,
}

impl Envelope {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let malformed = |what: &str| EnvelopeError::Malformed(what.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        let mut envelope = Self::default();
        let mut path: Vec<String> = Vec::new();
        let mut selector_is_shell = false;
        let (mut elements, mut content, mut is_envelope) = (0, String::new(), false);
        loop {
            let event = reader.read_event().map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
            match event {
                Event::Start(start) | Event::Empty(start)
                    if elements >= MAX_ELEMENTS || path.len() >= MAX_DEPTH =>
                {
                    drop(start);
                    return Err(malformed("it has too many elements"));
                }
                Event::Start(start) => {
                    elements += 1;
                    let name = local(start.name().into_inner()).to_owned();
                    is_envelope |= path.is_empty() && name == "Envelope";
                    selector_is_shell =
                        name == "Selector" && attribute(&start, "Name").as_deref() == Some("ShellId");
                    envelope.attributes(&name, &start);
                    content.clear();
                    path.push(name);
                }
                Event::Empty(start) => {
                    elements += 1;
                    let name = local(start.name().into_inner()).to_owned();
                    envelope.attributes(&name, &start);
                }
                Event::End(_) => {
                    let name = path.pop().unwrap_or_default();
                    let parent = path.last().map_or("", String::as_str);
                    envelope.element(parent, &name, &content, selector_is_shell)?;
                    content.clear();
                }
                // Without a copy where it counts: a stream is one long text.
                Event::Text(text)
                    if content.is_empty() && path.last().is_some_and(|name| name == "Stream") =>
                {
                    envelope.stream(&text.into_inner())?;
                }
                Event::Text(text) => content.push_str(&text.into_inner()),
                Event::CData(text) => content.push_str(&text.into_inner()),
                Event::GeneralRef(name) => {
                    let resolved =
                        quick_xml::escape::unescape(&format!("&{};", &*name)).map(|text| text.into_owned());
                    content.push_str(&resolved.map_err(|_| malformed("an unknown entity"))?);
                }
                Event::DocType(_) => return Err(malformed("a document type is not allowed")),
                Event::Eof if path.is_empty() && is_envelope => return Ok(envelope),
                Event::Eof => return Err(malformed("it ends too early or is none")),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
    }

    fn attributes(&mut self, name: &str, start: &BytesStart<'_>) {
        match name {
            "CommandState" => {
                self.command_state =
                    attribute(start, "State").and_then(|state| state.rsplit('/').next().map(str::to_owned));
            }
            "Shell" => {
                if let Some(id) = attribute(start, "ShellId") {
                    self.shell_id = Some(id);
                }
            }
            "DesiredStream" | "Stream" | "Signal" | "CommandLine" => {
                if let Some(id) = attribute(start, "CommandId") {
                    self.command_id = Some(id);
                }
            }
            "WSManFault" => {
                self.fault.get_or_insert_default().code =
                    attribute(start, "Code").and_then(|code| code.parse().ok());
            }
            "Fault" => {
                self.fault.get_or_insert_default();
            }
            _ => {}
        }
    }

    fn element(
        &mut self,
        parent: &str,
        name: &str,
        content: &str,
        selector_is_shell: bool,
    ) -> Result<(), EnvelopeError> {
        let text = content.trim();
        match (parent, name) {
            ("Header", "Action") => self.action = text.to_owned(),
            ("Header", "MessageID") => self.message_id = text.to_owned(),
            ("Header", "ResourceURI") => self.resource_uri = text.to_owned(),
            ("Header", "MaxEnvelopeSize") => self.max_envelope = text.parse().ok(),
            ("Header", "OperationTimeout") => self.operation_timeout = duration(text),
            (_, "Selector") if selector_is_shell => self.shell_id = Some(text.to_owned()),
            ("Shell", "ShellId") => self.shell_id = Some(text.to_owned()),
            ("CommandResponse", "CommandId") => self.command_id = Some(text.to_owned()),
            ("Signal", "Code") => self.signal = Some(text.to_owned()),
            (_, "creationXml" | "Arguments" | "Stream") if !text.is_empty() => self.stream(text)?,
            ("Subcode", "Value") => {
                self.fault.get_or_insert_default().subcode = local(text).to_owned();
            }
            ("Reason", "Text") => self.fault.get_or_insert_default().reason = text.to_owned(),
            _ => {}
        }
        if let Some(fault) = self.fault.as_mut().filter(|fault| fault.location.is_none()) {
            fault.location = address_in(text);
        }
        Ok(())
    }

    fn stream(&mut self, text: &str) -> Result<(), EnvelopeError> {
        let text = text.trim();
        if !text.is_empty() {
            self.streams.push(STANDARD.decode(text).map_err(|_| EnvelopeError::NotBase64)?);
        }
        Ok(())
    }
}

/// The first web address in a text that is not a schema's.
fn address_in(text: &str) -> Option<String> {
    const MAX_ADDRESS: usize = 2048;
    let mut words =
        text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '(' | ')'));
    let address = words.find(|word| {
        let is_address = word.starts_with("https://") || word.starts_with("http://");
        is_address && !word.starts_with("http://schemas.")
    })?;
    (address.len() <= MAX_ADDRESS).then(|| address.trim_end_matches(['.', ',', ';']).to_owned())
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = start.attributes().flatten().find(|attribute| local(attribute.key.into_inner()) == name)?;
    quick_xml::escape::unescape(&found.value).ok().map(|text| text.into_owned())
}

/// `PT1H2M3.5S`.
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text.strip_prefix("PT")?;
    while let Some(end) = rest.find(['H', 'M', 'S']) {
        let (number, unit) = rest.split_at(end);
        let number: f64 = number.parse().ok()?;
        seconds += match unit.as_bytes().first() {
            Some(b'H') => number * 3600.0,
            Some(b'M') => number * 60.0,
            _ => number,
        };
        rest = unit.get(1..)?;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// What the head of a request says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestHead<'a> {
    pub(crate) action: Action,
    pub(crate) to: &'a str,
    pub(crate) resource_uri: &'a str,
    pub(crate) message_id: uuid::Uuid,
    pub(crate) session_id: uuid::Uuid,
    pub(crate) max_envelope: u32,
    pub(crate) operation_timeout: Duration,
    pub(crate) shell_id: Option<&'a str>,
}

/// A request envelope around `body`.
pub(crate) fn request(head: RequestHead<'_>, options: &str, body: &str) -> Vec<u8> {
    let RequestHead { action, to, resource_uri, message_id, session_id, max_envelope, .. } = head;
    let mut xml = String::with_capacity(2048 + body.len());
    let id = |id: uuid::Uuid| id.to_string().to_uppercase();
    // Writing into a string cannot fail.
    let _ = write!(
        xml,
        "<s:Envelope {NAMESPACES}><s:Header>\
         <a:To>{}</a:To><a:ReplyTo><a:Address s:mustUnderstand=\"true\">{ANONYMOUS}</a:Address></a:ReplyTo>\
         <a:Action s:mustUnderstand=\"true\">{}</a:Action><a:MessageID>uuid:{}</a:MessageID>\
         <w:MaxEnvelopeSize s:mustUnderstand=\"true\">{max_envelope}</w:MaxEnvelopeSize>\
         <w:Locale s:mustUnderstand=\"false\" xml:lang=\"en-US\"/><p:DataLocale s:mustUnderstand=\"false\" xml:lang=\"en-US\"/>\
         <p:SessionId s:mustUnderstand=\"false\">uuid:{}</p:SessionId>\
         <w:OperationTimeout>PT{:.3}S</w:OperationTimeout>\
         <w:ResourceURI s:mustUnderstand=\"true\">{}</w:ResourceURI>",
        escape(to),
        action.uri(),
        id(message_id),
        id(session_id),
        head.operation_timeout.as_secs_f64(),
        escape(resource_uri),
    );
    if let Some(shell) = head.shell_id {
        let _ = write!(
            xml,
            "<w:SelectorSet><w:Selector Name=\"ShellId\">{}</w:Selector></w:SelectorSet>",
            escape(shell)
        );
    }
    xml.push_str(options);
    xml.push_str("</s:Header>");
    if body.is_empty() {
        xml.push_str("<s:Body/>");
    } else {
        let _ = write!(xml, "<s:Body>{body}</s:Body>");
    }
    xml.push_str("</s:Envelope>");
    xml.into_bytes()
}

/// An answer envelope: `action` is that of the request, to which `Response` is added.
pub(crate) fn answer(action: Action, relates_to: &str, message_id: uuid::Uuid, body: &str) -> Vec<u8> {
    respond(&format!("{}Response", action.uri()), relates_to, message_id, body)
}

/// A fault as Windows answers it.
pub(crate) fn fault(relates_to: &str, message_id: uuid::Uuid, fault: &Fault) -> Vec<u8> {
    let reason = escape(&fault.reason);
    let body = format!(
        "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:{}</s:Value></s:Subcode></s:Code>\
         <s:Reason><s:Text xml:lang=\"en-US\">{reason}</s:Text></s:Reason><s:Detail>\
         <f:WSManFault xmlns:f=\"http://schemas.microsoft.com/wbem/wsman/1/wsmanfault\" Code=\"{}\" Machine=\"localhost\">\
         <f:Message>{reason}</f:Message></f:WSManFault></s:Detail></s:Fault>",
        escape(&fault.subcode),
        fault.code.unwrap_or(0),
    );
    respond(FAULT, relates_to, message_id, &body)
}

fn respond(action: &str, relates_to: &str, message_id: uuid::Uuid, body: &str) -> Vec<u8> {
    let mut xml = String::with_capacity(1024 + body.len());
    // Writing into a string cannot fail.
    let _ = write!(
        xml,
        "<s:Envelope xml:lang=\"en-US\" {NAMESPACES}><s:Header><a:Action>{action}</a:Action>\
         <a:MessageID>uuid:{}</a:MessageID><a:To>{ANONYMOUS}</a:To><a:RelatesTo>{}</a:RelatesTo></s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>",
        message_id.to_string().to_uppercase(),
        escape(relates_to),
    );
    xml.into_bytes()
}
