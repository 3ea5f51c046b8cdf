//! pypsrp, a client that was written apart from this one, against the server's half.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command as Process,
    sync::{Arc, Mutex},
    thread,
};

use exconn_psrp::{
    Argument, Command, EXCHANGE, ErrorRecord, Limits,
    clixml::Writer,
    envelope::Action,
    server::{PipelineEnd, Request, Runspace, ServerEvent},
};
use serde_json::{Value, json};
use uuid::Uuid;

const DEVICES: u32 = 300;

/// One runspace, and what its command is about to say.
#[derive(Default)]
struct Server {
    runspace: Option<Runspace>,
    left: Option<Listing>,
    invoked: Vec<Command>,
    actions: Vec<Action>,
    last_id: u128,
}

struct Listing {
    cmdlet: String,
    next: u32,
}

impl Server {
    /// The answer to an envelope, with its HTTP status.
    fn answer(&mut self, envelope: &[u8]) -> (u16, Vec<u8>) {
        let request = Request::parse(envelope).expect("pypsrp writes envelopes");
        self.last_id += 1;
        let id = Uuid::from_u128(self.last_id);
        self.actions.push(request.action);
        assert_eq!(request.resource_uri, EXCHANGE);
        match request.action {
            Action::Create => {
                self.runspace = Some(Runspace::create(&request, Limits::default(), 5000).unwrap());
                return (200, request.created(request.shell_id.as_deref().unwrap(), id));
            }
            Action::Delete => self.runspace = None,
            Action::Signal if request.stops => {
                self.left = None;
                self.runspace.as_mut().unwrap().end(&PipelineEnd::Stopped);
            }
            Action::Signal => {}
            Action::Command | Action::Send => {
                for event in self.runspace.as_mut().unwrap().feed(&request).unwrap() {
                    let ServerEvent::Invoke { commands, .. } = event;
                    self.left = Some(Listing { cmdlet: commands[0].name.clone(), next: 0 });
                    self.invoked.extend(commands);
                }
            }
            Action::Receive => {
                let runspace = self.runspace.as_mut().unwrap();
                while request.command_id.is_some() && !runspace.is_full(&request) {
                    if !say(runspace, &mut self.left) {
                        break;
                    }
                }
                return match runspace.receive(&request, id) {
                    Some(answer) => (200, answer),
                    None => (500, request.timed_out(id)),
                };
            }
        }
        (200, request.done(id))
    }
}

/// Says the next thing of a command, if there is one.
fn say(runspace: &mut Runspace, listing: &mut Option<Listing>) -> bool {
    let Some(now) = listing else { return false };
    let error = ErrorRecord {
        message: "The term 'Get-Nothing' is not recognized & <so on>.".into(),
        id: "CommandNotFoundException".into(),
        category: 13,
        target: "Get-Nothing".into(),
    };
    match (now.cmdlet.as_str(), now.next) {
        ("Get-MobileDevice", next) if next < DEVICES => runspace.output(device(next).as_bytes()),
        ("Get-MobileDevice", _) => {
            runspace.warning("Only these & no others.");
            runspace.end(&PipelineEnd::Completed);
            *listing = None;
            return true;
        }
        ("Get-Nothing", 0) => runspace.error_record(&error),
        ("Get-Nothing", _) => {
            runspace.end(&PipelineEnd::Failed(error));
            *listing = None;
            return true;
        }
        ("Wait-Forever", _) => return false,
        _ => {
            runspace.end(&PipelineEnd::Completed);
            *listing = None;
            return true;
        }
    }
    now.next += 1;
    true
}

fn device(number: u32) -> String {
    let mut w = Writer::default();
    w.begin(None);
    w.types(&["Microsoft.Exchange.Data.Directory.SystemConfiguration.MobileDevice", "System.Object"]);
    w.to_string_element(&format!("iPhone§{number}"));
    w.raw("<Props>");
    w.text("DeviceId", &format!("ID{number}"));
    w.text("FriendlyName", "Ann's <phone> & _x0041_\u{1f600}\u{1}");
    w.boolean("IsManaged", false);
    w.number("Number", -1);
    w.scalar("I64", Some("Big"), "1099511627776");
    w.nil("DeviceAccessControlRule");
    w.raw("</Props><MS>");
    w.text("PSComputerName", "ex01");
    w.raw("</MS>");
    w.end();
    w.finish()
}

/// Reads requests of one connection until it ends.
fn serve(connection: TcpStream, server: &Mutex<Server>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut envelope = vec![0; length];
        reader.read_exact(&mut envelope)?;
        let (status, answer) = server.lock().unwrap().answer(&envelope);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        writer.write_all(&[head.as_bytes(), &answer].concat())?;
    }
}

#[test]
fn an_independent_client_reads_everything() {
    let server = Arc::new(Mutex::new(Server::default()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shared = server.clone();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (connection, shared) = (connection.unwrap(), shared.clone());
            thread::spawn(move || serve(connection, &shared));
        }
    });
    let asked = Process::new(exconn_testkit::python())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/ask.py"))
        .arg(port.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("the Python of EXCONN_PEERS_PYTHON starts");
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let heard: Value = serde_json::from_slice(&asked.stdout).unwrap();

    let list = &heard["list"];
    assert_eq!(list["failure"], Value::Null);
    assert_eq!(list["warnings"], json!(["Only these & no others."]));
    let output = list["output"].as_array().unwrap();
    assert_eq!(output.len(), DEVICES as usize);
    for (number, device) in output.iter().enumerate() {
        let expected = json!({
            "toString": format!("iPhone§{number}"),
            "types": ["Microsoft.Exchange.Data.Directory.SystemConfiguration.MobileDevice", "System.Object"],
            "DeviceId": format!("ID{number}"),
            "FriendlyName": "Ann's <phone> & _x0041_\u{1f600}\u{1}",
            "IsManaged": false,
            "Number": -1,
            "Big": 1_099_511_627_776_u64,
            "DeviceAccessControlRule": null,
            "PSComputerName": "ex01",
        });
        assert_eq!(*device, expected);
    }
    assert_eq!((&heard["long"]["failure"], &heard["long"]["output"]), (&Value::Null, &json!([])));
    let failed = &heard["failed"];
    let message = "The term 'Get-Nothing' is not recognized & <so on>.";
    // The record, and the one that the command's end carries.
    assert_eq!(failed["errors"], json!([message, message]));
    assert_eq!(failed["errorIds"], json!(["CommandNotFoundException", "CommandNotFoundException"]));
    // MS-PSRP 2.2.3.5: 5 is Failed.
    assert_eq!((&failed["state"], &list["state"]), (&json!(5), &json!(4)));
    assert_eq!(heard["stopped"], true);

    let server = server.lock().unwrap();
    assert!(server.runspace.is_none(), "the shell was closed");
    let text = |text: &str| Argument::Text(text.into());
    let list = Command::new("Get-MobileDevice")
        .with("ResultSize", text("Unlimited"))
        .with("Confirm", Argument::Boolean(false))
        .with("Number", Argument::Integer(5))
        .with("Nothing", Argument::Null)
        .with("List", Argument::List(vec![text("a"), text("b")]))
        .with(
            "Table",
            Argument::Hashtable(vec![
                ("Add".into(), Argument::List(vec![text("x")])),
                ("Remove".into(), text("y")),
            ]),
        );
    let ids = (0..2000).map(|number| text(&format!("ID{number:040}"))).collect();
    let long = Command::new("Set-CASMailbox").with("ActiveSyncBlockedDeviceIDs", Argument::List(ids));
    let expected = [list, long, Command::new("Get-Nothing"), Command::new("Wait-Forever")];
    assert_eq!(server.invoked, expected);
    assert!(server.actions.contains(&Action::Send), "the long command came in several fragments");
}
