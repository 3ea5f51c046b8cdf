//! HTTP/1.1 and HTTP/2 over one connection, until one side ends it.

use std::{convert::Infallible, pin::pin, sync::Arc};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};

use crate::{
    app::App,
    wire::{Activity, Connection, Outgoing, Protocol},
};

/// The head of a request may have so many bytes, its buffer included.
const MAX_HEAD: u32 = 64 * 1024;
/// Requests at once on an HTTP/2 connection; RFC 9113, section 6.5.2, advises no fewer than 100.
const MAX_STREAMS: u32 = 100;
/// Streams that a client reset before they were looked at, and streams that were reset for its errors: beyond so many
/// the connection ends, or one client could keep the service busy by beginning requests and giving them up.
const MAX_RESETS: usize = 32;
/// Bytes of a body that may come before they are asked for, of one request and of all on a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Answers requests until the client goes or `ending` says so.
pub(crate) async fn talk<S>(
    stream: S,
    protocol: Protocol,
    connection: Connection,
    app: App,
    ending: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = connection.peer;
    let result = match protocol {
        Protocol::Http1 => talk_http1(stream, connection, app, ending).await,
        Protocol::Http2 => talk_http2(stream, connection, app, ending).await,
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Ready when the service ends.
async fn ended(mut ending: watch::Receiver<bool>) {
    // An error means that the service has ended already.
    let _ = ending.wait_for(|ending| *ending).await;
}

async fn talk_http1<S>(
    stream: S,
    connection: Connection,
    app: App,
    ending: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let header_timeout = app.0.config.header_timeout;
    let connection = Arc::new(connection);
    let service = service_fn(move |request: Request<Incoming>| {
        let (app, connection) = (app.clone(), connection.clone());
        async move {
            let answer = app.answer(request, &connection).await;
            Ok::<_, Infallible>(answer.map(|body| Outgoing::new(body, None)))
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(2 * MAX_HEAD as usize)
        .max_header_size(MAX_HEAD as usize)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    tokio::select! {
        result = &mut served => result,
        () = ended(ending) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    }
}

async fn talk_http2<S>(
    stream: S,
    connection: Connection,
    app: App,
    ending: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (idle, unread) = (app.0.config.header_timeout, app.0.config.write_timeout);
    let peer = connection.peer;
    let connection = Arc::new(connection);
    let activity = Activity::default();
    let watched = activity.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (app, connection, activity) = (app.clone(), connection.clone(), watched.clone());
        async move {
            let _under_way = activity.request();
            let answer = app.answer(request, &connection).await;
            Ok::<_, Infallible>(answer.map(|body| Outgoing::new(body, Some(activity.clone()))))
        }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(idle)
        .keep_alive_timeout(unread)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    tokio::select! {
        result = &mut served => result,
        () = ended(ending) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
        () = activity.idle(idle) => {
            served.as_mut().graceful_shutdown();
            timeout(idle, served).await.unwrap_or(Ok(()))
        }
        () = activity.stalled(unread) => {
            tracing::debug!(%peer, "cut off a client that does not read its answers");
            Ok(())
        }
    }
}
