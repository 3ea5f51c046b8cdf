use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

/// What each address of a name has at least before the next is tried.
const SHORTEST_TRY: Duration = Duration::from_secs(2);

/// A connection to the first address of a host that takes one; to this machine alone if told, because a name service must
/// not lead elsewhere what may only go there. An address that does not answer leaves time for those after it.
pub(crate) async fn connect(
    host: &str,
    port: u16,
    to_this_machine: bool,
    bound: Duration,
) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await?;
    let addresses: Vec<_> =
        addresses.filter(|address| !to_this_machine || address.ip().is_loopback()).collect();
    let stream = connect_to_one(&addresses, bound).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connect_to_one(addresses: &[SocketAddr], bound: Duration) -> io::Result<TcpStream> {
    // The last one's share is left for what comes after the connection.
    let shares = u32::try_from(addresses.len() + 1).unwrap_or(u32::MAX);
    let share = (bound / shares).max(SHORTEST_TRY);
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (number, address) in addresses.iter().enumerate() {
        let is_last = number + 1 == addresses.len();
        match timeout(if is_last { bound } else { share }, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
        // A queue that is full takes no further connection, and says nothing.
        let silent = TcpSocket::new_v4().unwrap();
        silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = silent.listen(1).unwrap();
        let address = silent.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(waiting) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            queue.push(waiting.unwrap());
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let bound = Duration::from_secs(20);
        let connected = timeout(bound, connect_to_one(&[address, good], bound)).await;
        assert_eq!(connected.expect("in time").unwrap().peer_addr().unwrap(), good);
    }
}
