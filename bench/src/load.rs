use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::median::median;

const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
/// The largest answer that is read.
const MAX_ANSWER: usize = 256 * 1024;

/// A request and where to send it.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) request: String,
}

impl Target {
    /// A `GET`, with further lines of the head, each with its end.
    pub(crate) fn get(address: SocketAddr, path: &str, more: &str) -> Self {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\n{more}\r\n");
        Self { address, request }
    }
}

/// What a load of requests came to.
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) p99: Duration,
}

/// Loads one target after the other, several times around, and returns the medians for each: what disturbs the machine
/// for a while disturbs all of them.
pub(crate) fn alternating(targets: &[&Target], connections: usize) -> Result<Vec<Load>, String> {
    let mut rounds: Vec<Vec<Load>> = targets.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for (target, loads) in targets.iter().zip(&mut rounds) {
            let load = run(target, connections, ROUND)?;
            // The first round warms caches and connections.
            if round > 0 {
                loads.push(load);
            }
        }
    }
    let medians = rounds.into_iter().map(|loads| Load {
        per_second: median(loads.iter().map(|load| load.per_second).collect()),
        p99: Duration::from_secs_f64(median(loads.iter().map(|load| load.p99.as_secs_f64()).collect())),
    });
    Ok(medians.collect())
}

/// Sends the same request over and over, one after the other on each of `connections` connections.
pub(crate) fn run(target: &Target, connections: usize, lasting: Duration) -> Result<Load, String> {
    let began = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| {
            let (address, request) = (target.address, target.request.as_bytes().to_vec());
            thread::spawn(move || client(address, &request, began + lasting))
        })
        .collect();
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.join().map_err(|_| "a client failed")??);
    }
    let seconds = began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().ok_or("no request was answered")?;
    Ok(Load { per_second: latencies.len() as f64 / seconds, p99 })
}

/// Sends the request once and returns the body of the answer.
pub(crate) fn once(target: &Target) -> Result<serde_json::Value, String> {
    let mut stream = connect(target.address)?;
    stream.write_all(target.request.as_bytes()).map_err(failed)?;
    let mut buffer = vec![0; MAX_ANSWER];
    let body = read_answer(&mut stream, &mut buffer)?;
    serde_json::from_slice(buffer.get(body).unwrap_or_default()).map_err(|error| error.to_string())
}

fn failed(error: std::io::Error) -> String {
    format!("the load's connection failed: {error}")
}

fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(failed)?;
    Ok(stream)
}

fn client(address: SocketAddr, request: &[u8], until: Instant) -> Result<Vec<Duration>, String> {
    let mut stream = connect(address)?;
    let mut latencies = Vec::with_capacity(100_000);
    let mut buffer = vec![0; MAX_ANSWER];
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(request).map_err(failed)?;
        read_answer(&mut stream, &mut buffer)?;
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

/// Reads an answer into the buffer and returns where its body lies there.
fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<std::ops::Range<usize>, String> {
    let mut filled = 0;
    let mut body: Option<std::ops::Range<usize>> = None;
    loop {
        let free =
            buffer.get_mut(filled..).filter(|free| !free.is_empty()).ok_or("the answer is too long")?;
        match stream.read(free).map_err(|error| format!("no answer: {error}"))? {
            0 => return Err("the connection was closed".into()),
            read => filled += read,
        }
        let text = buffer.get(..filled).unwrap_or_default();
        if body.is_none() {
            body = find_body(text)?;
        }
        if let Some(body) = body.clone().filter(|body| filled >= body.end) {
            return Ok(body);
        }
    }
}

/// Where the body lies, once the head is whole.
fn find_body(text: &[u8]) -> Result<Option<std::ops::Range<usize>>, String> {
    let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(text.get(..end).unwrap_or_default()).to_ascii_lowercase();
    if !head.starts_with("http/1.1 2") {
        return Err(format!("the request was refused: {}", String::from_utf8_lossy(text)));
    }
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
        .ok_or("the answer has no length")?;
    Ok(Some(end + 4..end + 4 + length))
}
