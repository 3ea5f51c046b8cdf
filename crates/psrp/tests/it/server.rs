//! What the server's half makes of requests.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use exconn_psrp::{
    Argument, Client, Command, Limits, clixml,
    envelope::{Action, EnvelopeError},
    fragment::{FragmentError, Fragmenter},
    message::{Destination, Message, MessageType},
    server::{Request, Runspace, ServerError, ServerEvent},
};
use uuid::Uuid;

use crate::conversation::client;

const COMMAND: Uuid = Uuid::from_u128(0x77);

fn opened(limits: Limits) -> (Client, Runspace) {
    let mut client = client(Limits::default(), 9000);
    client.invoke(&Command::new("Get-X")).unwrap();
    let request = Request::parse(&client.next_request().unwrap()).unwrap();
    let runspace = Runspace::create(&request, limits, 1000).unwrap();
    (client, runspace)
}

fn command_envelope(arguments: &[u8]) -> Vec<u8> {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"a\" xmlns:w=\"w\" xmlns:rsp=\"r\">\
         <s:Header><a:Action>http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command</a:Action>\
         <a:MessageID>uuid:1</a:MessageID><w:OperationTimeout>PT1M2.5S</w:OperationTimeout>\
         <w:SelectorSet><w:Selector Name=\"ShellId\">abc</w:Selector></w:SelectorSet></s:Header><s:Body>\
         <rsp:CommandLine CommandId=\"{COMMAND}\"><rsp:Command/><rsp:Arguments>{}</rsp:Arguments></rsp:CommandLine>\
         </s:Body></s:Envelope>",
        STANDARD.encode(arguments)
    )
    .into_bytes()
}

/// Runs what a client wrote as the content of `CreatePipeline`.
fn create_pipeline(limits: Limits, content: &str) -> Result<Vec<ServerEvent>, ServerError> {
    let (_, mut runspace) = opened(limits);
    let message = Message {
        destination: Destination::Server,
        number: MessageType::CreatePipeline as u32,
        pool: Uuid::nil(),
        pipeline: COMMAND,
        content: content.as_bytes(),
    };
    let mut fragmenter = Fragmenter::default();
    (0..10).for_each(|_| drop(fragmenter.fragments(b"", 1)));
    let fragments = fragmenter.fragments(&message.to_bytes(), 1_000_000).concat();
    runspace.feed(&Request::parse(&command_envelope(&fragments)).unwrap())
}

fn pipeline(arguments: &str) -> String {
    format!(
        "<Obj RefId=\"0\"><MS><Obj N=\"PowerShell\" RefId=\"1\"><MS><Obj N=\"Cmds\" RefId=\"2\"><LST><Obj RefId=\"3\"><MS>\
         <S N=\"Cmd\">Get-X</S><B N=\"IsScript\">false</B><Obj N=\"Args\" RefId=\"4\"><LST>{arguments}</LST></Obj>\
         </MS></Obj></LST></Obj></MS></Obj></MS></Obj>"
    )
}

fn argument(name: &str, value: &str) -> String {
    format!("<Obj><MS><S N=\"N\">-{name}</S>{value}</MS></Obj>")
}

#[test]
fn an_object_may_be_written_once_and_used_twice() {
    let list = "<Obj N=\"V\" RefId=\"9\"><LST><S>a</S></LST></Obj>";
    let content =
        pipeline(&[argument("One", list), argument("Two:", "<Ref N=\"V\" RefId=\"9\" />")].concat());
    let events = create_pipeline(Limits::default(), &content).unwrap();
    let list = || Argument::List(vec!["a".into()]);
    let command = Command::new("Get-X").with("One", list()).with("Two", list());
    assert_eq!(events, [ServerEvent::Invoke { pipeline: COMMAND, commands: vec![command] }]);
}

#[test]
fn objects_that_contain_themselves_come_to_an_end() {
    let circle = argument("One", "<Obj N=\"V\" RefId=\"9\"><LST><Ref RefId=\"9\" /></LST></Obj>");
    let error = create_pipeline(Limits::default(), &pipeline(&circle)).unwrap_err();
    assert!(matches!(error, ServerError::Clixml(clixml::Error::TooDeep { limit: 64 })), "{error:?}");
    // Each list holds the one before it twice: 2^40 values in a few kilobytes.
    let mut lists = argument("L9", "<Obj N=\"V\" RefId=\"9\"><LST><S>a</S></LST></Obj>");
    for id in 10..50 {
        let before = id - 1;
        let twice = format!("<Ref RefId=\"{before}\" />").repeat(2);
        lists += &argument("L", &format!("<Obj N=\"V\" RefId=\"{id}\"><LST>{twice}</LST></Obj>"));
    }
    let error = create_pipeline(Limits::default(), &pipeline(&lists)).unwrap_err();
    assert!(matches!(error, ServerError::Clixml(clixml::Error::TooMany { .. })), "{error:?}");
}

#[test]
fn pipelines_that_are_none_are_refused() {
    for content in
        ["<Nil/>", "<Obj/>", "", "<Obj RefId=\"0\"><MS><S N=\"PowerShell\">x</S></MS></Obj>", "<Obj>"]
    {
        assert!(
            matches!(create_pipeline(Limits::default(), content), Err(ServerError::Clixml(_))),
            "{content}"
        );
    }
    let limits = Limits { message_bytes: 4000, ..Limits::default() };
    let long = create_pipeline(limits, &pipeline(&"x".repeat(5000)));
    assert!(matches!(long, Err(ServerError::Fragment(FragmentError::TooLarge { limit: 4000 }))));
}

#[test]
fn a_request_says_what_it_asks_for() {
    let request = Request::parse(&command_envelope(b"")).unwrap();
    assert_eq!((request.action, request.command_id), (Action::Command, Some(COMMAND)));
    assert_eq!((request.shell_id.as_deref(), request.message_id.as_str()), (Some("ABC"), "uuid:1"));
    assert_eq!((request.operation_timeout, request.max_envelope), (Duration::from_millis(62_500), 153_600));
    let text = String::from_utf8(command_envelope(b"")).unwrap();
    for (from, to, refused) in [
        ("shell/Command", "shell/Dance", true),
        ("<rsp:Arguments>", "<rsp:Arguments>%", true),
        ("</s:Envelope>", "", true),
        ("s:Envelope", "s:Parcel", true),
        ("<s:Header>", "<!DOCTYPE x><s:Header>", true),
        ("PT1M2.5S", "PTinfS", false),
        ("PT1M2.5S", "PT-5S", false),
        ("PT1M2.5S", "soon", false),
        ("<rsp:Command/>", &"<x>".repeat(40), true),
    ] {
        let read = Request::parse(text.replace(from, to).as_bytes());
        match read {
            Ok(request) => assert!(!refused && request.operation_timeout == Duration::from_secs(60), "{to}"),
            Err(EnvelopeError::Malformed(_) | EnvelopeError::NotBase64) => assert!(refused, "{to}"),
        }
    }
}

#[test]
fn a_second_command_waits_for_the_end_of_the_first() {
    let (_, mut runspace) = opened(Limits::default());
    let request = Request::parse(&command_envelope(b"")).unwrap();
    runspace.feed(&request).unwrap();
    assert!(matches!(runspace.feed(&request), Err(ServerError::Busy)));
    runspace.end(&exconn_psrp::server::PipelineEnd::Completed);
    runspace.feed(&request).unwrap();
}
