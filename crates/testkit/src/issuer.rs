//! An OpenID Connect issuer on loopback that can be told to change its keys, to fail and to lie.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::{
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair,
    },
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::wait_until;

/// The keys that an issuer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKey {
    /// RSA, 2048 bits.
    Rsa1,
    /// Another RSA key of 2048 bits.
    Rsa2,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// Ed25519.
    Ed25519,
}

/// How an issuer answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// As it should.
    Right,
    /// It closes connections without an answer.
    Down,
    /// It takes connections and never answers.
    Silent,
    /// It holds answers back until it behaves in another way.
    Held,
    /// It answers with this status.
    Status(u16),
    /// It sends clients elsewhere, to where the right documents are.
    Redirect,
    /// Its documents have no end.
    Endless,
    /// Its documents are not JSON.
    Garbage,
    /// It says that it is somebody else.
    Named(String),
    /// It says that its keys are at this address.
    KeysAt(String),
}

/// The longest that an answer is held back.
const HELD: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct State {
    behaviour: Behaviour,
    keys: Vec<(String, SigningKey)>,
    more_keys: Vec<Value>,
    discoveries: usize,
    key_sets: usize,
}

/// A running issuer; it ends with this value.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Issuer {
    /// Starts an issuer with these keys and their ids.
    pub async fn start(keys: &[(&str, SigningKey)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback listener");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(Mutex::new(State {
            behaviour: Behaviour::Right,
            keys: Vec::new(),
            more_keys: Vec::new(),
            discoveries: 0,
            key_sets: 0,
        }));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(answer(stream, shared.clone(), address));
            }
        });
        let issuer = Self { address, state, task };
        issuer.set_keys(keys);
        issuer
    }

    /// `iss` of its tokens.
    pub fn name(&self) -> String {
        format!("http://{}/tenant/v2.0", self.address)
    }

    /// Publishes these keys from now on, and no others.
    pub fn set_keys(&self, keys: &[(&str, SigningKey)]) {
        let keys = keys.iter().map(|(id, key)| ((*id).to_owned(), *key)).collect();
        self.state.lock().expect("the state").keys = keys;
    }

    /// Publishes these members of the key set besides.
    pub fn add_to_key_set(&self, keys: &[Value]) {
        self.state.lock().expect("the state").more_keys = keys.to_vec();
    }

    /// Answers like this from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.state.lock().expect("the state").behaviour = behaviour;
    }

    /// How often its configuration and its keys were asked for.
    pub fn fetches(&self) -> (usize, usize) {
        let state = self.state.lock().expect("the state");
        (state.discoveries, state.key_sets)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SigningKey {
    fn pem(self) -> &'static str {
        match self {
            Self::Rsa1 => include_str!("../keys/rsa-1.pem"),
            Self::Rsa2 => include_str!("../keys/rsa-2.pem"),
            Self::P256 => include_str!("../keys/p256.pem"),
            Self::P384 => include_str!("../keys/p384.pem"),
            Self::Ed25519 => include_str!("../keys/ed25519.pem"),
        }
    }

    /// Signs claims under a head.
    pub fn sign(self, header: &Header, claims: &Value) -> String {
        let pem = self.pem().as_bytes();
        let key = match self {
            Self::Rsa1 | Self::Rsa2 => EncodingKey::from_rsa_pem(pem),
            Self::P256 | Self::P384 => EncodingKey::from_ec_pem(pem),
            Self::Ed25519 => EncodingKey::from_ed_pem(pem),
        };
        jsonwebtoken::encode(header, claims, &key.expect("a key")).expect("a token")
    }

    /// Signs claims as its issuer would: with the key's id and this algorithm.
    pub fn token(self, id: &str, algorithm: Algorithm, claims: &Value) -> String {
        self.sign(&Header { kid: Some(id.to_owned()), ..Header::new(algorithm) }, claims)
    }

    /// The public half as a JSON Web Key.
    pub fn jwk(self, id: &str) -> Value {
        let der = self.der();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = |algorithm, size: usize| {
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, &der, &SystemRandom::new()).expect("an EC key");
            let point = pair.public_key().as_ref().to_vec();
            (text(&point[1..=size]), text(&point[size + 1..]))
        };
        match self {
            Self::Rsa1 | Self::Rsa2 => {
                let pair = rsa::KeyPair::from_pkcs8(&der).expect("an RSA key");
                let public: rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
                json!({"kty": "RSA", "kid": id, "use": "sig", "n": text(&public.n), "e": text(&public.e)})
            }
            Self::P256 => {
                let (x, y) = point(&ECDSA_P256_SHA256_FIXED_SIGNING, 32);
                json!({"kty": "EC", "kid": id, "crv": "P-256", "x": x, "y": y})
            }
            Self::P384 => {
                let (x, y) = point(&ECDSA_P384_SHA384_FIXED_SIGNING, 48);
                json!({"kty": "EC", "kid": id, "crv": "P-384", "x": x, "y": y})
            }
            Self::Ed25519 => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).expect("an Ed25519 key");
                json!({"kty": "OKP", "kid": id, "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
            }
        }
    }

    fn der(self) -> Vec<u8> {
        let body: String = self.pem().lines().filter(|line| !line.starts_with('-')).collect();
        base64::engine::general_purpose::STANDARD.decode(body).expect("a PEM file")
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>, address: SocketAddr) {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(read @ 1..) => head.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let document = state.lock().expect("the state").document(&path, address);
    let behaviour = || state.lock().expect("the state").behaviour.clone();
    wait_until(HELD, || async { behaviour() != Behaviour::Held }).await;
    let behaviour = behaviour();
    let (status, more) = match &behaviour {
        Behaviour::Down => return,
        Behaviour::Silent => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            return;
        }
        Behaviour::Status(status) => (*status, String::new()),
        Behaviour::Redirect if !path.ends_with("?again") => (302, format!("Location: {path}?again\r\n")),
        _ if document.is_none() => (404, String::new()),
        _ => (200, String::new()),
    };
    let body = match behaviour {
        Behaviour::Garbage => "<html>".to_owned(),
        _ => document.unwrap_or(Value::Null).to_string(),
    };
    let length = if behaviour == Behaviour::Endless { usize::MAX / 2 } else { body.len() };
    let text =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n{body}");
    // A client that has gone away is none of the issuer's business.
    let _ = stream.write_all(text.as_bytes()).await;
    while behaviour == Behaviour::Endless && stream.write_all(&[b' '; 65_536]).await.is_ok() {}
}

impl State {
    fn document(&mut self, path: &str, address: SocketAddr) -> Option<Value> {
        let name = format!("http://{address}/tenant/v2.0");
        match path.trim_end_matches("?again") {
            "/tenant/v2.0/.well-known/openid-configuration" => {
                self.discoveries += 1;
                let issuer = match &self.behaviour {
                    Behaviour::Named(other) => other.clone(),
                    _ => name,
                };
                let keys = match &self.behaviour {
                    Behaviour::KeysAt(other) => other.clone(),
                    _ => format!("http://{address}/keys"),
                };
                Some(json!({"issuer": issuer, "jwks_uri": keys}))
            }
            "/keys" => {
                self.key_sets += 1;
                let keys: Vec<Value> = self
                    .keys
                    .iter()
                    .map(|(id, key)| key.jwk(id))
                    .chain(self.more_keys.iter().cloned())
                    .collect();
                Some(json!({"keys": keys}))
            }
            _ => None,
        }
    }
}
