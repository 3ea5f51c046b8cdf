use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    app::{App, AppError},
    protocol::talk,
    tls::{self, Tls},
    wire::{Connection, Origin, Patience, Protocol, Rewound},
};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the last entries of the audit may take.
const LAST_ENTRIES: Duration = Duration::from_secs(10);
/// How long to wait after the system refused a connection, for instance for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the service ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The service must not be reachable at this listener.
    #[error(transparent)]
    App(#[from] AppError),
    /// The listener has no address.
    #[error("the listener failed: {0}")]
    Listener(#[source] io::Error),
}

/// Serves until `shutdown` is ready, then lets the requests under way end, but waits no longer than
/// [`AppConfig::drain`](crate::AppConfig::drain).
pub async fn serve<F>(
    listener: TcpListener,
    tls: Option<Tls>,
    app: App,
    shutdown: F,
) -> Result<(), ServeError>
where
    F: Future<Output = ()> + Send,
{
    app.may_listen_at(listener.local_addr().map_err(ServeError::Listener)?)?;
    let slots = Arc::new(Semaphore::new(app.0.config.max_connections));
    let (ending, watch_ending) = watch::channel(false);
    let (end_recording, recording_ends) = watch::channel(false);
    let mut recording = tokio::spawn({
        let app = app.clone();
        async move { app.0.recorder.run(recording_ends).await }
    });
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = &mut shutdown => break,
            next = next => next,
        };
        match (slot, accepted) {
            (Ok(slot), Ok((stream, peer))) => {
                let (app, tls, ending) = (app.clone(), tls.clone(), watch_ending.clone());
                connections.spawn(async move {
                    accept(stream, peer, tls, app, ending).await;
                    drop(slot);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
            (Err(_), _) => break,
        }
    }
    drop(listener);
    ending.send_replace(true);
    let drained = timeout(app.0.config.drain, async { while connections.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "cut off requests that did not end in time");
        connections.shutdown().await;
    }
    end_recording.send_replace(true);
    if timeout(LAST_ENTRIES, &mut recording).await.is_err() {
        recording.abort();
        tracing::error!("the last audit entries could not be written in time; the log has their lines");
    }
    Ok(())
}

async fn accept(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Tls>,
    app: App,
    mut ending: watch::Receiver<bool>,
) {
    let Ok(local) = stream.local_addr() else { return };
    // Without this, small answers wait for the client's acknowledgement of the last one.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let secure = tls.is_some();
    let origin = app.0.origin.clone().unwrap_or_else(|| Arc::new(Origin::local(local, secure)));
    let connection = Connection { peer, local, secure, tls: tls.clone(), origin };
    let stream = Patience::new(stream, app.0.config.write_timeout);
    match tls {
        None => {
            let begun = timeout(app.0.config.header_timeout, Rewound::sniff(stream));
            let begun = tokio::select! {
                begun = begun => begun,
                // Nothing was asked yet.
                _ = ending.wait_for(|ending| *ending) => return,
            };
            match begun {
                Ok(Ok((stream, protocol))) => talk(stream, protocol, connection, app, ending).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "connection ended"),
                Err(_) => tracing::debug!(%peer, "nothing came in time"),
            }
        }
        Some(tls) => match timeout(HANDSHAKE, TlsAcceptor::from(tls.config.clone()).accept(stream)).await {
            Ok(Ok(stream)) => {
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(tls::HTTP_2) => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                talk(stream, protocol, connection, app, ending).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
        },
    }
}
