//! When the operating system asks the service to end.

use tokio::signal;

/// Ready at the first SIGINT or SIGTERM.
pub(crate) async fn requested() {
    #[cfg(unix)]
    {
        let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) else {
            tracing::error!("SIGTERM cannot be watched; only SIGINT ends the service in order");
            return interrupted().await;
        };
        tokio::select! {
            () = interrupted() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    interrupted().await;
}

async fn interrupted() {
    if signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
