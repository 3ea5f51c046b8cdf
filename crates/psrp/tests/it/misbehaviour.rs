//! A server that does not do what it should: the client says what is wrong, and can always close its shell.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use exconn_psrp::{
    Client, ClientError, Command, Fault, Limits, Outcome,
    clixml::Writer,
    envelope::Action,
    fragment::Fragmenter,
    message::{Destination, Message, MessageType},
    server::Request,
};
use uuid::Uuid;

use crate::conversation::{Heard, Server, client, talk};

/// A client that waits for its command's output, and the command's id.
fn running(heard: &mut Heard, limits: Limits) -> (Client, Uuid) {
    let (mut client, mut server) = (client(limits, 9000), Server::new(vec![], 1000));
    client.invoke(&Command::new("Get-MobileDevice")).unwrap();
    loop {
        let request = client.next_request().unwrap();
        let parsed = Request::parse(&request).unwrap();
        if let (Action::Receive, Some(id)) = (parsed.action, parsed.command_id) {
            return (client, id);
        }
        client.handle(200, &server.answer(&request), heard).unwrap();
    }
}

fn message(kind: MessageType, pipeline: Uuid, content: &str) -> Vec<u8> {
    let (destination, pool) = (Destination::Client, Uuid::nil());
    Message { destination, number: kind as u32, pool, pipeline, content: content.as_bytes() }.to_bytes()
}

fn whole(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut fragmenter = Fragmenter::default();
    // Behind everything that the server said while the shell was opened.
    (0..100).for_each(|_| drop(fragmenter.fragments(b"", 1)));
    messages.iter().flat_map(|message| fragmenter.fragments(message, 100_000)).flatten().collect()
}

fn answer(fragments: &[u8], done: bool) -> Vec<u8> {
    let done = if done {
        "<rsp:CommandState State=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done\"/>"
    } else {
        ""
    };
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:rsp=\"r\"><s:Body><rsp:ReceiveResponse>\
         <rsp:Stream Name=\"stdout\">{}</rsp:Stream>{done}</rsp:ReceiveResponse></s:Body></s:Envelope>",
        STANDARD.encode(fragments)
    )
    .into_bytes()
}

fn state(number: i32) -> String {
    format!("<Obj RefId=\"0\"><MS><I32 N=\"PipelineState\">{number}</I32></MS></Obj>")
}

fn host_call(method: i32) -> String {
    format!(
        "<Obj RefId=\"0\"><MS><Obj N=\"mi\" RefId=\"1\"><ToString>x</ToString><I32>{method}</I32></Obj></MS></Obj>"
    )
}

/// Closes the shell after whatever happened.
fn closes(client: &mut Client) {
    client.close();
    let request = Request::parse(&client.next_request().expect("the shell is closed")).unwrap();
    assert_eq!(request.action, Action::Delete);
    client.handle(200, &request.done(Uuid::nil()), &mut Heard::default()).unwrap();
    assert!(client.next_request().is_none());
    assert!(matches!(client.invoke(&Command::new("Get-X")), Err(ClientError::Busy)));
}

#[test]
fn messages_that_break_the_protocol_end_the_exchange() {
    use MessageType::{PipelineHostCall, PipelineOutput, PipelineState, RunspacePoolState};
    let pool_state =
        |number: i32| format!("<Obj RefId=\"0\"><MS><I32 N=\"RunspaceState\">{number}</I32></MS></Obj>");
    let stranger = Uuid::from_u128(0xbad);
    type Messages = fn(Uuid, Uuid) -> Vec<Vec<u8>>;
    let cases: &[(Messages, bool, &str)] = &[
        (|_, _| vec![], true, "the command ended without a final state"),
        (
            |id, _| vec![message(PipelineOutput, id, "<S>x</S>")],
            true,
            "the command ended without a final state",
        ),
        (
            |_, stranger| vec![message(PipelineOutput, stranger, "<S/>")],
            false,
            "a message belongs to another command",
        ),
        (
            |_, stranger| vec![message(PipelineState, stranger, &state(4))],
            true,
            "a message belongs to another command",
        ),
        (
            |id, _| vec![message(PipelineState, id, &state(4)), message(PipelineOutput, id, "<S/>")],
            true,
            "a message came after the command's end",
        ),
        (
            |id, _| vec![message(PipelineState, id, &state(4)), message(PipelineState, id, &state(5))],
            true,
            "a message came after the command's end",
        ),
        (|_, _| vec![b"short".to_vec()], false, "a message is too short"),
        (|id, _| vec![message(PipelineState, id, "<Obj>")], false, "malformed CLIXML"),
        (|id, _| vec![message(PipelineHostCall, id, &host_call(11))], false, "asked a question"),
        (|id, _| vec![message(PipelineHostCall, id, &host_call(23))], false, "asked a question"),
        (|id, _| vec![message(PipelineHostCall, id, &host_call(56))], false, "asked a question"),
    ];
    for (messages, done, reason) in cases {
        let mut heard = Heard::default();
        let (mut client, id) = running(&mut heard, Limits::default());
        let error =
            client.handle(200, &answer(&whole(&messages(id, stranger)), *done), &mut heard).unwrap_err();
        assert!(error.to_string().contains(reason), "{error} for {reason}");
        closes(&mut client);
    }
    for (number, reason) in [(3, "the runspace is closed"), (5, "the runspace is broken")] {
        let mut heard = Heard::default();
        let (mut client, _) = running(&mut heard, Limits::default());
        let content = message(RunspacePoolState, Uuid::nil(), &pool_state(number));
        let error = client.handle(200, &answer(&whole(&[content]), false), &mut heard).unwrap_err();
        assert_eq!(error.to_string(), reason);
        closes(&mut client);
    }
}

#[test]
fn a_message_cut_by_the_end_is_no_end() {
    let mut heard = Heard::default();
    let (mut client, id) = running(&mut heard, Limits::default());
    let output = message(MessageType::PipelineOutput, id, "<S>long enough for two</S>");
    let mut fragmenter = Fragmenter::default();
    (0..100).for_each(|_| drop(fragmenter.fragments(b"", 1)));
    let cut = fragmenter.fragments(&output, 50).remove(0);
    let end = fragmenter.fragments(&message(MessageType::PipelineState, id, &state(4)), 10_000).concat();
    let error = client.handle(200, &answer(&[cut, end].concat(), true), &mut heard).unwrap_err();
    assert!(error.to_string().contains("unfinished at its end"), "{error}");
    assert_eq!(client.outcome(), None);
    closes(&mut client);
}

#[test]
fn what_only_informs_is_heard_and_needs_no_answer() {
    let mut heard = Heard::default();
    let (mut client, id) = running(&mut heard, Limits::default());
    let record = |text: &str| {
        let mut w = Writer::default();
        w.begin(None);
        w.raw("<MS>");
        w.text("InformationalRecord_Message", text);
        w.raw("</MS>");
        w.end();
        w.finish()
    };
    let progress = "<Obj RefId=\"0\"><MS><S N=\"Activity\">Reading</S><S N=\"StatusDescription\">all</S>\
                    <I32 N=\"PercentComplete\">40</I32></MS></Obj>";
    let messages = [
        message(MessageType::VerboseRecord, id, &record("details")),
        message(MessageType::DebugRecord, id, &record("more details")),
        message(MessageType::ProgressRecord, id, progress),
        message(MessageType::ProgressRecord, id, &progress.replace("40", "-1")),
        message(MessageType::WarningRecord, id, &record("careful")),
        message(MessageType::PipelineHostCall, id, &host_call(22)),
        message(MessageType::RunspacePoolHostCall, Uuid::nil(), &host_call(20)),
        message(MessageType::PipelineState, id, &state(2)),
        message(MessageType::UserEvent, id, "<Nil/>"),
        message(MessageType::PipelineState, id, &state(4)),
    ];
    client.handle(200, &answer(&whole(&messages), true), &mut heard).unwrap();
    assert_eq!(heard.warnings, ["careful"]);
    assert_eq!(heard.other[..2], ["details", "more details"]);
    assert_eq!(heard.other[2], "Progress { activity: \"Reading\", status: \"all\", percent: Some(40) }");
    assert!(heard.other[3].ends_with("percent: None }"));
    assert_eq!(client.outcome(), Some(&Outcome::Completed));
}

#[test]
fn an_error_record_says_what_people_are_told() {
    let mut heard = Heard::default();
    let (mut client, id) = running(&mut heard, Limits::default());
    let record = |rest: &str| {
        format!(
            "<Obj RefId=\"0\"><ToString>as text</ToString><MS><S N=\"FullyQualifiedErrorId\">Id</S>\
             <I32 N=\"ErrorCategory_Category\">13</I32><S N=\"ErrorCategory_TargetName\">x</S>{rest}</MS></Obj>"
        )
    };
    let exception =
        "<Obj N=\"Exception\" RefId=\"1\"><Props><S N=\"Message\">of the exception</S></Props></Obj>";
    let messages = [
        record(""),
        record(exception),
        record(&format!("{exception}<S N=\"ErrorDetails_Message\">in detail</S>")),
        record("<Ref N=\"Exception\" RefId=\"0\" /><S N=\"Message\">of itself</S>"),
        record("<Ref N=\"Exception\" RefId=\"9\" />"),
    ];
    let messages = messages.map(|content| message(MessageType::ErrorRecord, id, &content));
    client.handle(200, &answer(&whole(&messages), false), &mut heard).unwrap();
    let said: Vec<_> = heard.errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(said, ["as text", "of the exception", "in detail", "of itself", "as text"]);
    assert!(
        heard
            .errors
            .iter()
            .all(|error| (error.id.as_str(), error.category, error.target.as_str()) == ("Id", 13, "x"))
    );
}

#[test]
fn only_polls_in_a_row_count_as_idle() {
    let mut heard = Heard::default();
    let (mut client, id) = running(&mut heard, Limits { idle_polls: 3, ..Limits::default() });
    let timed_out = Request::parse(&client_request()).unwrap().timed_out(Uuid::nil());
    let mut fragmenter = Fragmenter::default();
    (0..100).for_each(|_| drop(fragmenter.fragments(b"", 1)));
    for _ in 0..5 {
        for _ in 0..2 {
            client.handle(500, &timed_out, &mut heard).unwrap();
            client.next_request().unwrap();
        }
        let output = fragmenter.fragments(&message(MessageType::PipelineOutput, id, "<S/>"), 1000).concat();
        client.handle(200, &answer(&output, false), &mut heard).unwrap();
        client.next_request().unwrap();
    }
    assert_eq!(heard.output.len(), 5);
    for _ in 0..2 {
        client.handle(500, &timed_out, &mut heard).unwrap();
        client.next_request().unwrap();
    }
    assert!(matches!(client.handle(500, &timed_out, &mut heard), Err(ClientError::Idle(3))));
    closes(&mut client);
}

fn client_request() -> Vec<u8> {
    let mut client = client(Limits::default(), 9000);
    client.invoke(&Command::new("Get-X")).unwrap();
    client.next_request().unwrap()
}

#[test]
fn faults_say_what_to_do() {
    let fault = |code: u32, subcode: &str, reason: &str| Fault {
        code: Some(code),
        subcode: subcode.into(),
        reason: reason.into(),
        location: None,
    };
    let load = "The next request from this user will not be approved for at least 1500 milliseconds.";
    let shells = "This user is allowed a maximum number of 18 concurrent shells, which has been exceeded.";
    let request = Request::parse(&client_request()).unwrap();
    type Is = fn(&Fault) -> bool;
    let moved = Fault {
        location: Some("https://ex02.contoso.com/PowerShell/".into()),
        ..fault(2_150_859_161, "Redirect", "It is at https://ex02.contoso.com/PowerShell/.")
    };
    let policy = "Fail to create runspace because you have exceeded the maximum number of connections allowed : 3 for the \
                  policy party : MaxConcurrency. Please wait for 36 seconds.";
    let cases: [(Fault, Is); 7] = [
        (moved, Fault::is_redirect),
        (fault(0, "", policy), |f| {
            f.shell_limit() == Some(Some(3)) && f.quota() == Some(Some(Duration::from_secs(36)))
        }),
        (fault(5, "AccessDenied", "Access is denied & <over>."), Fault::is_access_denied),
        (fault(2_150_858_778, "InvalidResourceURI", "not found"), Fault::is_wrong_resource),
        (fault(2_150_859_174, "QuotaLimit", load), |f| f.quota() == Some(Some(Duration::from_millis(1500)))),
        (fault(2_150_859_173, "QuotaLimit", shells), |f| {
            f.quota() == Some(None) && f.shell_limit() == Some(Some(18))
        }),
        (fault(2_150_858_843, "InvalidSelectors", "The shell was not found."), Fault::is_shell_gone),
    ];
    for (given, is) in cases {
        assert!(is(&given), "{given:?}");
        // In answer to the request that opens the shell: there is nothing to close.
        let mut client = client(Limits::default(), 9000);
        client.invoke(&Command::new("Get-X")).unwrap();
        client.next_request().unwrap();
        let error =
            client.handle(500, &request.fault(Uuid::nil(), &given), &mut Heard::default()).unwrap_err();
        assert!(matches!(&error, ClientError::Fault(found) if *found == given), "{error:?}");
        assert_eq!(client.next_request().is_some(), given.quota().is_some(), "a quota is worth another try");
        client.close();
        assert!(client.next_request().is_none());

        // In answer to a poll.
        let (mut client, _) = running(&mut Heard::default(), Limits::default());
        let error =
            client.handle(500, &request.fault(Uuid::nil(), &given), &mut Heard::default()).unwrap_err();
        assert!(matches!(&error, ClientError::Fault(found) if *found == given), "{error:?}");
        // A shell that is gone cannot be closed, which is as good.
        client.close();
        client.next_request().unwrap();
        client.handle(500, &request.fault(Uuid::nil(), &given), &mut Heard::default()).unwrap();
        assert!(client.next_request().is_none());
    }
}

#[test]
fn an_http_status_is_told_when_there_is_no_fault() {
    for (status, body) in [(401, &b""[..]), (404, b"<html>"), (503, b"busy"), (500, b"\xff"), (500, b"<a/>")]
    {
        let (mut client, _) = running(&mut Heard::default(), Limits::default());
        let error = client.handle(status, body, &mut Heard::default()).unwrap_err();
        assert!(matches!(error, ClientError::Status(found) if found == status), "{error:?}");
        closes(&mut client);
    }
    let (mut client, _) = running(&mut Heard::default(), Limits::default());
    let good = answer(b"", false);
    assert!(matches!(client.handle(503, &good, &mut Heard::default()), Err(ClientError::Status(503))));
    assert!(client.handle(200, &good, &mut Heard::default()).is_err(), "an answer that was not asked for");
}

#[test]
fn one_command_runs_at_a_time() {
    let (mut client, _) = running(&mut Heard::default(), Limits::default());
    assert!(matches!(client.invoke(&Command::new("Get-X")), Err(ClientError::Busy)));
    assert!(client.next_request().is_none(), "an answer is due first");
    let mut untouched = crate::conversation::client(Limits::default(), 9000);
    assert!(untouched.next_request().is_none());
    untouched.stop();
    untouched.close();
    assert!(untouched.next_request().is_none());
}

#[test]
fn stopping_what_has_ended_does_nothing() {
    let end = crate::conversation::Do::End(exconn_psrp::server::PipelineEnd::Completed);
    let (mut client, mut server, mut heard) =
        (client(Limits::default(), 9000), Server::new(vec![end], 1000), Heard::default());
    client.invoke(&Command::new("Get-X")).unwrap();
    talk(&mut client, &mut server, &mut heard).unwrap();
    client.stop();
    assert!(client.next_request().is_none());
    assert_eq!(client.outcome(), Some(&Outcome::Completed));
}

/// The envelope without its id, which is another one each time.
fn without_id(envelope: &[u8]) -> String {
    let text = String::from_utf8(envelope.to_vec()).unwrap();
    let (before, rest) = text.split_once("<a:MessageID>").unwrap();
    format!("{before}{}", rest.split_once("</a:MessageID>").unwrap().1)
}

#[test]
fn what_a_quota_refused_is_asked_again_and_nothing_is_lost() {
    use crate::conversation::Do;
    let script = vec![
        Do::Output("<S>a</S>".into()),
        Do::Output("<S>b</S>".into()),
        Do::End(exconn_psrp::server::PipelineEnd::Completed),
    ];
    let (mut client, mut server, mut heard) =
        (client(Limits::default(), 9000), Server::new(script, 1000), Heard::default());
    let quota = Fault {
        reason: "The next request from this user will not be approved for at least 7 milliseconds.".into(),
        subcode: "QuotaLimit".into(),
        ..Fault::default()
    };
    client.invoke(&Command::new("Set-X")).unwrap();
    let mut refusals = 0;
    while let Some(envelope) = client.next_request() {
        // Every request is refused once: opening, the command, each poll, and the good-bye to the command.
        let request = Request::parse(&envelope).unwrap();
        let refusal = client.handle(500, &request.fault(Uuid::nil(), &quota), &mut heard);
        assert!(matches!(refusal, Err(ClientError::Fault(_))));
        assert!(!client.is_free());
        if request.action == exconn_psrp::envelope::Action::Command {
            assert!(!client.may_have_run(), "the server refused it");
        }
        let again = client.next_request().unwrap();
        assert_eq!(without_id(&again), without_id(&envelope));
        assert_ne!(again, envelope);
        client.handle(200, &server.answer(&again), &mut heard).unwrap();
        refusals += 1;
    }
    assert!(refusals >= 5, "{refusals}");
    assert_eq!(heard.output, ["<S>a</S>", "<S>b</S>"]);
    assert!(client.may_have_run() && client.is_free());
    client.invoke(&Command::new("Get-X")).unwrap();
    assert!(!client.may_have_run(), "the next command has not");
}
