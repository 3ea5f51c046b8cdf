//! How fast device objects are read on this machine, against the bare tokenising pass of the XML crate, and how fast a
//! whole listing is written by the server's half and read by the client's:
//! `cargo run --release -p exconn-psrp --example decode_speed`.

use std::{hint::black_box, time::Duration};

use exconn_psrp::{
    Client, ClientConfig, Command, EXCHANGE, ErrorRecord, Limits, Sink,
    clixml::{Error, ObjectVisitor, Property, Writer, decode, decode_object},
    envelope::Action,
    server::{PipelineEnd, Request, Runspace},
};
use quick_xml::{Reader, events::Event};
use uuid::Uuid;

const OBJECTS: u32 = 10_000;

/// Keeps what a device record keeps, so that no reading is optimised away.
#[derive(Default)]
struct Device {
    guid: u128,
    texts: [Option<String>; 8],
    characters: usize,
}

impl ObjectVisitor for Device {
    fn property(&mut self, name: &str, value: Property<'_>) -> Result<(), Error> {
        let Property::Scalar(_, text) = value else { return Ok(()) };
        self.characters += text.len();
        let slot = match name {
            "Guid" => {
                self.guid = text.bytes().fold(0, |sum, byte| sum * 31 + u128::from(byte));
                return Ok(());
            }
            "DeviceId" => 0,
            "FriendlyName" => 1,
            "DeviceModel" => 2,
            "DeviceOS" => 3,
            "Identity" => 4,
            "DeviceAccessState" => 5,
            "FirstSyncTime" => 6,
            "UserDisplayName" => 7,
            _ => return Ok(()),
        };
        if let Some(slot) = self.texts.get_mut(slot) {
            *slot = Some(text.into_owned());
        }
        Ok(())
    }
}

/// A device as Exchange writes it at its default serialisation.
fn device(number: u32) -> String {
    let id = format!("APPL{number:028X}");
    let path = format!("contoso.com/Users/User {number:06}/ExchangeActiveSyncDevices/iPhone§{id}");
    let mut w = Writer::default();
    w.begin(None);
    w.types(&[
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.MobileDevice",
        "Microsoft.Exchange.Data.Directory.ADConfigurationObject",
        "Microsoft.Exchange.Data.Directory.ADObject",
        "Microsoft.Exchange.Data.Directory.ADRawEntry",
        "Microsoft.Exchange.Data.ConfigurableObject",
        "System.Object",
    ]);
    w.to_string_element(&format!("iPhone§{id}"));
    w.raw("<Props>");
    for (name, text) in [
        ("FriendlyName", "Ann's phone"),
        ("DeviceId", &id),
        ("DeviceImei", "352099001761481"),
        ("DeviceMobileOperator", "Telekom"),
        ("DeviceOS", "iOS 17.5.1 21F90"),
        ("DeviceOSLanguage", "en-DE"),
        ("DeviceTelephoneNumber", "+49 170 0000000"),
        ("DeviceType", "iPhone"),
        ("DeviceUserAgent", "Apple-iPhone15C2/2106.90"),
        ("DeviceModel", "iPhone15C2"),
    ] {
        w.text(name, text);
    }
    w.scalar("DT", Some("FirstSyncTime"), "2024-01-01T06:00:11Z");
    w.text("UserDisplayName", &format!("contoso.com/Users/User {number:06}"));
    for (name, text) in
        [("DeviceAccessState", "Allowed"), ("DeviceAccessStateReason", "Global"), ("ClientVersion", "16.1")]
    {
        w.text(name, text);
    }
    w.nil("DeviceAccessControlRule");
    w.text("ClientType", "EAS");
    for name in ["IsManaged", "IsCompliant", "IsDisabled"] {
        w.boolean(name, false);
    }
    w.text("AdminDisplayName", "");
    w.text("ExchangeVersion", "0.10 (14.0.100.0)");
    w.text("Name", &format!("iPhone§{id}"));
    w.text(
        "DistinguishedName",
        &format!(
            "CN=iPhone§{id},CN=ExchangeActiveSyncDevices,CN=User {number:06},CN=Users,DC=contoso,DC=com"
        ),
    );
    w.text("Identity", &path);
    w.scalar("G", Some("Guid"), &format!("10000000-0000-4000-8000-{number:012x}"));
    w.text("ObjectCategory", "contoso.com/Configuration/Schema/ms-Exch-Active-Sync-Device");
    w.begin(Some("ObjectClass"));
    w.types(&[
        "Microsoft.Exchange.Data.MultiValuedProperty`1[[System.String, mscorlib, Version=4.0.0.0, Culture=neutral, \
         PublicKeyToken=b77a5c561934e089]]",
        "Microsoft.Exchange.Data.MultiValuedPropertyBase",
        "System.Object",
    ]);
    w.raw("<LST><S>top</S><S>msExchActiveSyncDevice</S></LST>");
    w.end();
    for name in ["WhenChanged", "WhenChangedUTC", "WhenCreated", "WhenCreatedUTC"] {
        w.scalar("DT", Some(name), "2024-01-01T06:00:11Z");
    }
    w.text("OrganizationId", "");
    w.text("Id", &path);
    w.text("OriginatingServer", "dc01.contoso.com");
    w.boolean("IsValid", true);
    w.text("ObjectState", "Unchanged");
    w.raw("</Props><MS>");
    w.text("PSComputerName", "ex01.contoso.com");
    w.scalar("G", Some("RunspaceId"), "6b8f0d2c-7a0e-4f2b-9a6d-0f3a5a7b9c11");
    w.boolean("PSShowComputerName", false);
    w.raw("</MS>");
    w.end();
    w.finish()
}

/// The fastest of five passes, in MB/s.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn best(name: &str, bytes: usize, mut pass: impl FnMut()) -> f64 {
    let fastest = (0..5).map(|_| {
        let start = std::time::Instant::now();
        pass();
        start.elapsed()
    });
    let rate = bytes as f64 / 1e6 / fastest.min().unwrap_or(Duration::MAX).as_secs_f64();
    println!("{name:<26} {rate:>8.0} MB/s");
    rate
}

/// Reads what a listing brings.
#[derive(Default)]
struct Listing {
    devices: u32,
}

impl Sink for Listing {
    fn output(&mut self, clixml: &[u8]) -> Result<(), Error> {
        let mut device = Device::default();
        decode_object(clixml, &Limits::default(), &mut device)?;
        black_box(device.guid);
        self.devices += 1;
        Ok(())
    }

    fn error_record(&mut self, _: ErrorRecord) {}

    fn warning(&mut self, _: String) {}
}

/// A client that is about to list; its ids are the same each time.
fn client() -> Result<Client, Box<dyn std::error::Error>> {
    let mut next = 0;
    let config = ClientConfig {
        endpoint: "http://localhost/PowerShell/".into(),
        resource_uri: EXCHANGE.into(),
        operation_timeout: Duration::from_secs(20),
        max_envelope: 512_000,
        limits: Limits::default(),
    };
    let ids = move || {
        next += 1;
        Uuid::from_u128(next)
    };
    let mut client = Client::new(config, Box::new(ids));
    client.invoke(&Command::new("Get-MobileDevice"))?;
    Ok(client)
}

/// Every answer of a listing of these objects.
fn answers(objects: &[String]) -> Result<Vec<Vec<u8>>, Box<dyn std::error::Error>> {
    let (mut client, mut sink, mut answers) = (client()?, Listing::default(), Vec::new());
    let (mut runspace, mut left) = (None, objects.iter());
    while let Some(request) = client.next_request() {
        let request = Request::parse(&request)?;
        let answer = match (request.action, &mut runspace) {
            (Action::Create, _) => {
                runspace = Some(Runspace::create(&request, Limits::default(), 32_768)?);
                request.created("SHELL", Uuid::nil())
            }
            (Action::Receive, Some(runspace)) => {
                while request.command_id.is_some() && !runspace.is_full(&request) {
                    let Some(object) = left.next() else {
                        runspace.end(&PipelineEnd::Completed);
                        break;
                    };
                    runspace.output(object.as_bytes());
                }
                runspace.receive(&request, Uuid::nil()).unwrap_or_default()
            }
            (_, Some(runspace)) => {
                runspace.feed(&request)?;
                request.done(Uuid::nil())
            }
            (_, None) => break,
        };
        client.handle(200, &answer, &mut sink)?;
        answers.push(answer);
    }
    Ok(answers)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let objects: Vec<String> = (0..OBJECTS).map(device).collect();
    let bytes = objects.iter().map(String::len).sum::<usize>();
    println!("{OBJECTS} objects of {} bytes", bytes / OBJECTS as usize);
    for object in &objects {
        decode_object(object.as_bytes(), &Limits::default(), &mut Device::default())?;
    }
    best("write", bytes, || {
        for number in 0..OBJECTS {
            black_box(device(number));
        }
    });
    best("tree", bytes, || {
        for object in &objects {
            let _ = black_box(decode(object.as_bytes(), &Limits::default()));
        }
    });
    let decoded = best("objects", bytes, || {
        for object in &objects {
            let mut device = Device::default();
            let _ = decode_object(object.as_bytes(), &Limits::default(), &mut device);
            black_box((device.guid, device.texts, device.characters));
        }
    });
    let tokenised = best("bare tokenising pass", bytes, || {
        for object in &objects {
            let mut reader = Reader::from_reader(object.as_bytes());
            while !matches!(black_box(reader.read_event()), Ok(Event::Eof) | Err(_)) {}
        }
    });
    let listing = answers(&objects)?;
    let wire = listing.iter().map(Vec::len).sum();
    best("both halves, on the wire", wire, || {
        let _ = black_box(answers(&objects));
    });
    best("client, on the wire", wire, || {
        let (Ok(mut client), mut sink) = (client(), Listing::default()) else { return };
        for answer in &listing {
            client.next_request();
            let _ = client.handle(200, answer, &mut sink);
        }
        assert_eq!(sink.devices, OBJECTS);
    });
    println!("objects are read at {:.0} % of the bare pass", decoded / tokenised * 100.0);
    Ok(())
}
