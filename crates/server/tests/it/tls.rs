//! TLS: what it promises, which HTTP it leads to, and a certificate that is renewed.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use exconn_server::{
    serve,
    tls::{self, Tls},
};
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::client::TlsStream;

use crate::{harness::CONNECTORS, serving::app};

/// A service over TLS whose files are in a folder of its own.
struct Served {
    folder: tempfile::TempDir,
    tls: Tls,
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// A certificate that certifies itself, for `localhost`.
type Made = CertifiedKey<rcgen::KeyPair>;

fn make() -> Made {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

impl Served {
    async fn start(made: &Made) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &made.cert.pem(), &made.signing_key.serialize_pem());
        let (certificate, key) = files(folder.path());
        let tls = tls::load(&certificate, &key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app(folder.path(), address).unwrap();
        let serving = serve(listener, Some(tls.clone()), app, std::future::pending());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { folder, tls, address, task }
    }

    async fn connect(&self, trusted: &[&Made], protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        for made in trusted {
            roots.add(made.cert.der().clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        client.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        let stream = TcpStream::connect(self.address).await.unwrap();
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("cert.pem"), folder.join("key.pem"))
}

fn write(folder: &Path, certificate: &str, key: &str) {
    let files = files(folder);
    fs::write(files.0, certificate).unwrap();
    fs::write(files.1, key).unwrap();
}

fn request(address: SocketAddr) -> Request<Full<Bytes>> {
    let uri = format!("https://{address}{CONNECTORS}");
    Request::get(uri).header("host", address.to_string()).body(Full::default()).unwrap()
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn tls_leads_to_the_http_that_the_client_names() {
    let made = make();
    let served = Served::start(&made).await;
    for (protocols, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = served.connect(&[&made], protocols).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), chosen.map(str::as_bytes), "{protocols:?}");
        let (response, version) = if chosen == Some("h2") {
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            (sender.send_request(request(served.address)).await.unwrap(), Version::HTTP_2)
        } else {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            (sender.send_request(request(served.address)).await.unwrap(), Version::HTTP_11)
        };
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let json: Value = serde_json::from_slice(&body).unwrap();
        let context = json["@odata.context"].as_str().unwrap();
        assert!(context.starts_with(&format!("https://{}/v1.0/", served.address)), "{context}");
    }
    served.connect(&[&made], &["spdy/3"]).await.unwrap_err();
}

#[tokio::test]
async fn links_may_have_a_name_that_the_certificate_proves() {
    let made = rcgen::generate_simple_self_signed(
        ["localhost", "exconn.contoso.com", "*.exconn.contoso.com"].map(str::to_owned),
    );
    let made = made.unwrap();
    let served = Served::start(&made).await;
    let stream = served.connect(&[&made], &["h2"]).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for (host, is_proven) in [
        ("exconn.contoso.com", true),
        ("exconn.contoso.com:8443", true),
        ("a.exconn.contoso.com", true),
        ("a.b.exconn.contoso.com", false),
        ("evil.example", false),
    ] {
        let request = Request::get(format!("https://{host}{CONNECTORS}")).body(Full::<Bytes>::default());
        let response = sender.send_request(request.unwrap()).await.unwrap();
        // Nobody signs in here, and so another name is not answered at all.
        assert_eq!(response.status() == 200, is_proven, "{host}: {response:?}");
        if is_proven {
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let json: Value = serde_json::from_slice(&body).unwrap();
            let context = json["@odata.context"].as_str().unwrap();
            assert!(context.starts_with(&format!("https://{host}/v1.0/")), "{host}: {context}");
        }
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_for_new_connections() {
    let (old, new) = (make(), make());
    let served = Served::start(&old).await;
    let standing = served.connect(&[&old], &[]).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(standing)).await.unwrap();
    tokio::spawn(connection);
    assert!(!served.tls.reload_if_changed().unwrap());

    write(served.folder.path(), &new.cert.pem(), &new.signing_key.serialize_pem());
    assert!(served.tls.reload_if_changed().unwrap());
    assert!(!served.tls.reload_if_changed().unwrap(), "nothing has changed since");
    let stream = served.connect(&[&old, &new], &[]).await.unwrap();
    assert_eq!(&shown(&stream), new.cert.der());
    served.connect(&[&old], &[]).await.unwrap_err();
    assert_eq!(
        sender.send_request(request(served.address)).await.unwrap().status(),
        200,
        "the old one goes on"
    );
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let (old, new) = (make(), make());
    let served = Served::start(&old).await;
    let (certificate, key) = (old.cert.pem(), old.signing_key.serialize_pem());
    let folder = served.folder.path();
    for (certificate, key, says) in [
        (new.cert.pem(), key.clone(), "cannot be used"),
        (String::new(), key.clone(), "holds no certificate"),
        (certificate.clone(), "rubbish".to_owned(), "holds no private key"),
    ] {
        write(folder, &certificate, &key);
        let refused = served.tls.reload_if_changed().unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
        assert!(!served.tls.reload_if_changed().unwrap(), "the same mistake is told once");
        served.tls.reload().unwrap_err();
        let stream = served.connect(&[&old], &[]).await.unwrap();
        assert_eq!(&shown(&stream), old.cert.der());
    }
    fs::remove_file(files(folder).1).unwrap();
    assert!(served.tls.reload_if_changed().unwrap_err().to_string().contains("key.pem"));
    assert!(!served.tls.reload_if_changed().unwrap());
    // Both halves of the new pair are there at last.
    write(folder, &new.cert.pem(), &new.signing_key.serialize_pem());
    assert!(served.tls.reload_if_changed().unwrap());
    assert_eq!(&shown(&served.connect(&[&new], &[]).await.unwrap()), new.cert.der());
    served.tls.reload().unwrap();
}

#[test]
fn unusable_certificates_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |name: &str, content: String| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let certificate = file("cert.pem", made.cert.pem());
    let key = file("key.pem", made.signing_key.serialize_pem());
    let other_key = file("other.pem", other.signing_key.serialize_pem());
    let empty = file("empty.pem", String::new());
    for (certificate, key, says) in [
        (&folder.path().join("none.pem"), &key, "none.pem"),
        (&empty, &key, "holds no certificate"),
        (&key, &key, "holds no certificate"),
        (&certificate, &empty, "holds no private key"),
        (&certificate, &certificate, "holds no private key"),
        (&certificate, &other_key, "cannot be used"),
    ] {
        let error = tls::load(certificate, key).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
