//! Envelopes that anyone may have written, as a request to the server's half and as an answer to each request of the
//! client's.

use std::time::Duration;

use exconn_psrp::{
    Client, ClientConfig, Command, EXCHANGE, ErrorRecord, Limits, Sink, clixml,
    envelope::Action,
    server::{Request, Runspace},
};
use uuid::Uuid;

struct Deaf;

impl Sink for Deaf {
    fn output(&mut self, xml: &[u8]) -> Result<(), clixml::Error> {
        clixml::decode(xml, &LIMITS).map(drop)
    }

    fn error_record(&mut self, _: ErrorRecord) {}

    fn warning(&mut self, _: String) {}
}

const LIMITS: Limits =
    Limits { message_bytes: 64 * 1024, open_messages: 4, depth: 64, elements: 2000, idle_polls: 4 };

pub(crate) fn check(data: &[u8]) {
    as_request(data);
    for stage in 0..4 {
        as_answer(data, stage);
    }
}

fn as_request(data: &[u8]) {
    let Ok(request) = Request::parse(data) else { return };
    let mut opened = match request.action {
        Action::Create => Runspace::create(&request, LIMITS, 1000),
        _ => Runspace::create(&create(&mut client()), LIMITS, 1000),
    };
    if let Ok(runspace) = &mut opened {
        let _ = runspace.feed(&request);
        runspace.output(b"<S>x</S>");
        if let Some(answer) = runspace.receive(&request, Uuid::nil()) {
            assert!(answer.ends_with(b"</s:Envelope>"));
        }
    }
    assert!(request.done(Uuid::nil()).ends_with(b"</s:Envelope>"));
    assert!(request.timed_out(Uuid::nil()).ends_with(b"</s:Envelope>"));
}

fn client() -> Client {
    let mut next = 0;
    let config = ClientConfig {
        endpoint: "http://localhost/PowerShell/".into(),
        resource_uri: EXCHANGE.into(),
        operation_timeout: Duration::from_secs(20),
        max_envelope: 512_000,
        limits: LIMITS,
    };
    let ids = move || {
        next += 1;
        Uuid::from_u128(next)
    };
    let mut client = Client::new(config, Box::new(ids));
    client.invoke(&Command::new("Get-MobileDevice")).expect("a new client takes a command");
    client
}

fn create(client: &mut Client) -> Request {
    let request = client.next_request().expect("a new client opens its shell");
    Request::parse(&request).expect("our own request is one")
}

/// Lets a well-behaved server answer `stage` requests, and `data` the next ones.
fn as_answer(data: &[u8], stage: u32) {
    let mut client = client();
    let request = create(&mut client);
    let mut runspace = Runspace::create(&request, LIMITS, 1000).expect("our own request opens a runspace");
    let mut answer = request.created("SHELL", Uuid::nil());
    for _ in 0..stage {
        client.handle(200, &answer, &mut Deaf).expect("our own answer is understood");
        let request = client.next_request().expect("the client has more to ask");
        let request = Request::parse(&request).expect("our own request is one");
        runspace.feed(&request).expect("our own request is understood");
        let polled = runspace.receive(&request, Uuid::nil());
        answer = polled.unwrap_or_else(|| request.done(Uuid::nil()));
    }
    // Any number of answers: each either fails for good or is followed by another request or the end.
    for status in [200, 500, 200] {
        if client.handle(status, data, &mut Deaf).is_err() || client.next_request().is_none() {
            break;
        }
    }
    client.close();
    assert!(stage == 0 || client.next_request().is_some(), "a shell that exists can be closed");
}
