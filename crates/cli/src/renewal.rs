//! Reads the service's certificate again when it has been renewed.

use std::time::Duration;

use exconn_server::tls::{Tls, TlsError};
use tokio::{task::spawn_blocking, time::sleep};

/// How often the certificate's files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// What watches the certificate. SIGHUP belongs to it as soon as it exists, with TLS or without: it would end the process
/// otherwise.
#[derive(Debug)]
pub(crate) struct Renewal {
    tls: Option<Tls>,
    hangups: Hangups,
}

impl Renewal {
    pub(crate) fn new(tls: Option<Tls>) -> Self {
        Self { tls, hangups: Hangups::new() }
    }

    /// Looks at the files from time to time, and at once when the operating system asks for it. Never ends.
    pub(crate) async fn watch(mut self) {
        loop {
            let asked = tokio::select! {
                () = sleep(LOOK) => false,
                () = self.hangups.next() => true,
            };
            match self.tls.clone() {
                Some(tls) => {
                    let look =
                        move || if asked { tls.reload().map(|()| true) } else { tls.reload_if_changed() };
                    match spawn_blocking(look).await {
                        Ok(outcome) => report(outcome),
                        Err(error) => tracing::error!(%error, "the certificate could not be looked at"),
                    }
                }
                None if asked => tracing::info!("there is no certificate to read again"),
                None => {}
            }
        }
    }
}

fn report(outcome: Result<bool, TlsError>) {
    match outcome {
        Ok(true) => tracing::info!("read the certificate again; new connections get it"),
        Ok(false) => {}
        Err(error) => tracing::warn!(%error, "the certificate was not renewed; the old one stays in use"),
    }
}

/// SIGHUP, where there is such a thing.
#[derive(Debug)]
struct Hangups {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    #[cfg(unix)]
    fn new() -> Self {
        let signals = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        if let Err(error) = &signals {
            tracing::warn!(%error, "SIGHUP cannot be watched; the certificate is looked at from time to time only");
        }
        Self { signals: signals.ok() }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals
            && signals.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
