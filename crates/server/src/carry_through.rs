use exconn_store::StoreError;

/// Does a change, and what must follow it, to the end even if the client goes away, whose request ends where it waits: a
/// change that is stored must not go unnoticed in this process.
pub(crate) async fn carry_through<T: Send + 'static>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::spawn(change).await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.into())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::oneshot, time::timeout};

    use super::*;

    #[tokio::test]
    async fn a_change_does_not_end_with_the_request() {
        let (begin, begun) = oneshot::channel();
        let (commit, committed) = oneshot::channel::<()>();
        let (notice, noticed) = oneshot::channel();
        let change = carry_through(async move {
            begin.send(()).unwrap();
            committed.await.unwrap();
            notice.send(()).unwrap();
            Ok(())
        });
        tokio::select! {
            _ = change => panic!("nothing is committed yet"),
            begun = begun => begun.unwrap(),
        }
        commit.send(()).unwrap();
        timeout(Duration::from_secs(20), noticed).await.unwrap().unwrap();
    }
}
