//! Nothing secret reaches the log, however much of it is wanted. A program of its own, since it takes the whole log.
#![expect(clippy::unwrap_used, reason = "in a test a failed expectation is the result")]

use std::{
    fs, io,
    sync::{Arc, Mutex},
};

use exconn_exchange::{
    Account, DeviceScope, Exchange,
    remoting::{Authentication, RemotingConfig, RemotingExchange},
};
use exconn_model::Timestamp;
use exconn_testkit::{Kdc, ManualClock, Peer, SeededEntropy};
use tracing_subscriber::fmt::MakeWriter;

const PASSWORD: &str = "hunter2-of-the-tests";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// How a text would look if bytes were written as the crate for security writes them.
fn hexadecimal(text: &[u8]) -> String {
    text.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn nothing_secret_is_logged_at_any_level() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .init();
    let kdc = Kdc::start();
    kdc.add_user("svc", PASSWORD, "");
    let folder = tempfile::tempdir().unwrap();
    let password_file = folder.path().join("password");
    fs::write(&password_file, PASSWORD).unwrap();
    let users = folder.path().join("users");
    fs::write(&users, format!("{}:svc:{PASSWORD}\n", Kdc::REALM)).unwrap();
    let mut environment = kdc.add_service("HTTP/127.0.0.1");
    environment.push(("NTLM_USER_FILE".into(), users.into()));
    let schemes =
        ["--auth", "negotiate", "--schemes", "Kerberos,Negotiate,NTLM", "--require-sealing", "--count", "20"];
    let peer = Peer::start_with(&schemes, &environment);
    let methods: [fn(Account) -> Authentication; 3] =
        [Authentication::Kerberos, Authentication::Negotiate, Authentication::Ntlm];
    for method in methods {
        let account = Account::new(format!(r"{}\svc", Kdc::REALM), &password_file);
        let mut config = RemotingConfig::new(peer.url(), method(account));
        config.kerberos.kdcs = vec![kdc.address()];
        let written = fs::metadata(&password_file).unwrap().modified().unwrap();
        let now =
            Timestamp::from_unix_seconds(0).after(written.duration_since(std::time::UNIX_EPOCH).unwrap());
        let clock = Arc::new(ManualClock::at(now));
        let exchange = RemotingExchange::new(config, Arc::new(SeededEntropy::new(7)), clock).unwrap();
        let mut listing = exchange.devices(DeviceScope::All).await.unwrap();
        let mut count = 0;
        while let Some(batch) = listing.next().await.unwrap() {
            count += batch.len();
        }
        assert_eq!(count, 20);
    }
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).to_lowercase();
    assert!(log.contains("signed in"), "the log is empty: {log}");
    let wide: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for secret in [
        PASSWORD.to_owned(),
        hexadecimal(PASSWORD.as_bytes()),
        hexadecimal(&wide),
        // What was sealed, either way.
        "get-mobiledevice".to_owned(),
        hexadecimal(b"Envelope"),
        hexadecimal(b"rsp:Stream"),
        // A token of NTLM.
        hexadecimal(b"NTLMSSP"),
    ] {
        assert!(!log.contains(&secret.to_lowercase()), "{secret} is in the log");
    }
}
