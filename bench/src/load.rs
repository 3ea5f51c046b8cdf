use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// What a load of requests came to.
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) p99: Duration,
}

/// Sends the same request over and over, one after the other on each of `connections` connections.
pub(crate) fn run(
    address: SocketAddr,
    request: &str,
    connections: usize,
    lasting: Duration,
) -> Result<Load, String> {
    let began = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| {
            let request = request.as_bytes().to_vec();
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

fn client(address: SocketAddr, request: &[u8], until: Instant) -> Result<Vec<Duration>, String> {
    let failed = |error: std::io::Error| format!("the load's connection failed: {error}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
    let mut latencies = Vec::with_capacity(100_000);
    let mut buffer = vec![0; 16 * 1024];
    while Instant::now() < until {
        let sent = Instant::now();
        stream.write_all(request).map_err(failed)?;
        read_answer(&mut stream, &mut buffer)?;
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<(), String> {
    let mut filled = 0;
    loop {
        let free =
            buffer.get_mut(filled..).filter(|free| !free.is_empty()).ok_or("the answer is too long")?;
        match stream.read(free).map_err(|error| format!("no answer: {error}"))? {
            0 => return Err("the connection was closed".into()),
            read => filled += read,
        }
        let text = buffer.get(..filled).unwrap_or_default();
        let Some(head) = text.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(text.get(..head).unwrap_or_default()).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200") {
            return Err(format!("the answer is not 200: {head}"));
        }
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .ok_or("the answer has no length")?;
        if filled >= head.len() + 4 + length {
            return Ok(());
        }
    }
}
