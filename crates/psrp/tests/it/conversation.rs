use std::{collections::VecDeque, time::Duration};

use exconn_psrp::{
    Argument, Client, ClientConfig, ClientError, Command, EXCHANGE, ErrorRecord, Fault, Limits, Outcome,
    Progress, Sink, clixml,
    envelope::Action,
    server::{PipelineEnd, Request, Runspace, ServerEvent},
};
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) output: Vec<String>,
    pub(crate) errors: Vec<ErrorRecord>,
    pub(crate) warnings: Vec<String>,
    pub(crate) other: Vec<String>,
}

impl Sink for Heard {
    fn output(&mut self, clixml: &[u8]) -> Result<(), clixml::Error> {
        self.output.push(String::from_utf8(clixml.to_vec()).unwrap());
        Ok(())
    }

    fn error_record(&mut self, record: ErrorRecord) {
        self.errors.push(record);
    }

    fn warning(&mut self, text: String) {
        self.warnings.push(text);
    }

    fn progress(&mut self, progress: Progress) {
        self.other.push(format!("{progress:?}"));
    }

    fn verbose(&mut self, text: String) {
        self.other.push(text);
    }

    fn debug(&mut self, text: String) {
        self.other.push(text);
    }
}

pub(crate) fn ids(mut next: u128) -> impl FnMut() -> Uuid + Send {
    move || {
        next += 1;
        Uuid::from_u128(next)
    }
}

pub(crate) fn client(limits: Limits, max_envelope: u32) -> Client {
    let config = ClientConfig {
        endpoint: "http://localhost/PowerShell/?a=1&b=2".into(),
        resource_uri: EXCHANGE.into(),
        operation_timeout: Duration::from_secs(20),
        max_envelope,
        limits,
    };
    Client::new(config, Box::new(ids(0)))
}

/// What the server does with a command, step by step.
pub(crate) enum Do {
    Output(String),
    Warn(&'static str),
    Error(&'static str),
    End(PipelineEnd),
}

pub(crate) struct Server {
    runspace: Option<Runspace>,
    script: VecDeque<Do>,
    invoked: Vec<Command>,
    actions: Vec<Action>,
    fragment: usize,
    stopped: bool,
}

impl Server {
    pub(crate) fn new(script: Vec<Do>, fragment: usize) -> Self {
        Self {
            runspace: None,
            script: script.into(),
            invoked: vec![],
            actions: vec![],
            fragment,
            stopped: false,
        }
    }

    pub(crate) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let request = Request::parse(request).unwrap();
        let id = Uuid::from_u128(7);
        self.actions.push(request.action);
        assert_eq!(request.resource_uri, EXCHANGE);
        match request.action {
            Action::Create => {
                self.runspace = Some(Runspace::create(&request, Limits::default(), self.fragment).unwrap());
                return request.created(request.shell_id.as_deref().unwrap(), id);
            }
            Action::Command | Action::Send => {
                for event in self.runspace.as_mut().unwrap().feed(&request).unwrap() {
                    let ServerEvent::Invoke { commands, .. } = event;
                    self.invoked.extend(commands);
                }
            }
            Action::Signal => {
                if request.stops {
                    self.stopped = true;
                    self.script = [Do::End(PipelineEnd::Stopped)].into();
                }
            }
            Action::Delete => self.runspace = None,
            Action::Receive => {
                let runspace = self.runspace.as_mut().unwrap();
                while request.command_id.is_some() && !runspace.is_full(&request) {
                    match self.script.pop_front() {
                        Some(Do::Output(xml)) => runspace.output(xml.as_bytes()),
                        Some(Do::Warn(text)) => runspace.warning(text),
                        Some(Do::Error(text)) => runspace.error_record(&ErrorRecord {
                            message: text.into(),
                            id: "SomeId".into(),
                            category: 13,
                            target: "target".into(),
                        }),
                        Some(Do::End(end)) => runspace.end(&end),
                        None => break,
                    }
                }
                return runspace.receive(&request, id).unwrap_or_else(|| request.timed_out(id));
            }
        }
        request.done(id)
    }
}

/// Lets both talk until the client has nothing more to ask.
pub(crate) fn talk(client: &mut Client, server: &mut Server, heard: &mut Heard) -> Result<(), ClientError> {
    while let Some(request) = client.next_request() {
        let answer = server.answer(&request);
        let status = if answer.windows(9).any(|part| part == b"<s:Fault>") { 500 } else { 200 };
        client.handle(status, &answer, heard)?;
    }
    Ok(())
}

fn texts(count: usize, length: usize) -> Vec<Do> {
    (0..count).map(|number| Do::Output(format!("<S>{number}{}</S>", "x".repeat(length)))).collect()
}

#[test]
fn commands_run_one_after_the_other_whatever_the_sizes() {
    for (fragment, max_envelope, length) in [(1, 9000, 3), (50, 9000, 5000), (32_768, 512_000, 100_000)] {
        let mut script = texts(20, length);
        script.insert(3, Do::Warn("careful & <slow>"));
        script.insert(9, Do::Error("one of them failed"));
        script.push(Do::End(PipelineEnd::Completed));
        let (mut client, mut server, mut heard) =
            (client(Limits::default(), max_envelope), Server::new(script, fragment), Heard::default());
        let long = "long".repeat(3000);
        let command = Command::new("Get-MobileDevice")
            .with("ResultSize", "Unlimited")
            .with("Long", Argument::Text(long.clone()))
            .with("Confirm", Argument::Boolean(false))
            .with("Number", Argument::Integer(-3))
            .with("Big", Argument::Long(1 << 40))
            .with("Nothing", Argument::Null)
            .with("List", Argument::List(vec!["a".into(), Argument::Null]))
            .with(
                "Table",
                Argument::Hashtable(vec![("Add".into(), Argument::List(vec!["_x0041_\u{1f600}\n".into()]))]),
            );
        client.invoke(&command).unwrap();
        talk(&mut client, &mut server, &mut heard).unwrap();
        assert_eq!(client.outcome(), Some(&Outcome::Completed));
        assert_eq!(server.invoked, [command]);
        assert_eq!(heard.output.len(), 20);
        assert!(heard.output.iter().enumerate().all(|(n, xml)| xml.starts_with(&format!("<S>{n}x"))));
        assert_eq!(heard.warnings, ["careful & <slow>"]);
        assert_eq!(heard.errors.len(), 1);
        let error = &heard.errors[0];
        assert_eq!((error.message.as_str(), error.id.as_str()), ("one of them failed", "SomeId"));
        assert_eq!((error.category, error.target.as_str()), (13, "target"));

        server.script =
            [Do::End(PipelineEnd::Failed(ErrorRecord { message: "no".into(), ..error.clone() }))].into();
        client.invoke(&Command::new("Get-OrganizationConfig")).unwrap();
        talk(&mut client, &mut server, &mut heard).unwrap();
        assert!(matches!(client.outcome(), Some(Outcome::Failed(error)) if error.message == "no"));
        client.close();
        talk(&mut client, &mut server, &mut heard).unwrap();
        assert_eq!(server.actions.last(), Some(&Action::Delete));
        assert!(server.runspace.is_none());
    }
}

#[test]
fn a_running_command_can_be_stopped() {
    let (mut client, mut server, mut heard) =
        (client(Limits::default(), 9000), Server::new(texts(1000, 1000), 1000), Heard::default());
    client.invoke(&Command::new("Get-MobileDevice")).unwrap();
    while heard.output.is_empty() {
        let answer = server.answer(&client.next_request().unwrap());
        client.handle(200, &answer, &mut heard).unwrap();
    }
    client.stop();
    talk(&mut client, &mut server, &mut heard).unwrap();
    assert!(server.stopped);
    assert_eq!(client.outcome(), Some(&Outcome::Stopped));
    assert!(heard.output.len() < 1000);
}

#[test]
fn polls_without_an_answer_are_bounded() {
    let limits = Limits { idle_polls: 5, ..Limits::default() };
    let (mut client, mut server, mut heard) =
        (client(limits, 9000), Server::new(vec![], 1000), Heard::default());
    client.invoke(&Command::new("Get-MobileDevice")).unwrap();
    assert!(matches!(talk(&mut client, &mut server, &mut heard), Err(ClientError::Idle(5))));
    client.close();
    talk(&mut client, &mut server, &mut heard).unwrap();
    assert_eq!(server.actions.last(), Some(&Action::Delete));
}

#[test]
fn a_repeated_fragment_is_refused() {
    let (mut client, mut server, mut heard) =
        (client(Limits::default(), 9000), Server::new(texts(3, 5), 1000), Heard::default());
    client.invoke(&Command::new("Get-MobileDevice")).unwrap();
    let error = loop {
        let answer = String::from_utf8(server.answer(&client.next_request().unwrap())).unwrap();
        let answer = match answer.find("<rsp:Stream") {
            Some(at) if !heard.output.is_empty() || answer.contains("CommandId") => {
                let end = at + answer[at..].find("</rsp:Stream>").unwrap() + "</rsp:Stream>".len();
                format!("{}{}{}", &answer[..end], &answer[at..end], &answer[end..])
            }
            _ => answer,
        };
        if let Err(error) = client.handle(200, answer.as_bytes(), &mut heard) {
            break error;
        }
    };
    assert!(matches!(error, ClientError::Fragment(_)), "{error:?}");
}

#[test]
fn faults_are_told_apart() {
    let quota = |reason: &str| Fault { reason: reason.into(), ..Fault::default() }.quota();
    assert_eq!(
        quota(
            "The user load quota of 1000 requests per 2 seconds has been exceeded. The next request from this user \
               will not be approved for at least 1500 milliseconds."
        ),
        Some(Some(Duration::from_millis(1500)))
    );
    assert_eq!(
        quota("This user is allowed a maximum number of 18 concurrent shells, which has been exceeded."),
        Some(None)
    );
    assert_eq!(quota("The shell was not found on the server."), None);
}

#[test]
fn what_is_no_envelope_is_an_error_and_no_panic() {
    for (status, body) in
        [(200, &b"<html>hello</html>"[..]), (200, b""), (404, b"not found"), (503, b"<x"), (200, b"\xff\xfe")]
    {
        let (mut client, mut heard) = (client(Limits::default(), 9000), Heard::default());
        client.invoke(&Command::new("Get-MobileDevice")).unwrap();
        client.next_request().unwrap();
        assert!(client.handle(status, body, &mut heard).is_err(), "{status} {body:?}");
    }
}
