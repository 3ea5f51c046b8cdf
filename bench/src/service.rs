//! exconn's API over a store of its own, in this process.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::Router;
use exconn_model::{Clock, Entropy, TenantId};
use exconn_server::{
    App, AppConfig, NoAgents, ThrottleLimits,
    auth::{Authentication, Keyring, Permission, TokenKind, TokenRequest, issue_token},
};
use exconn_store::{SqliteOptions, SqliteStore, Store};
use tokio::net::TcpListener;

use crate::{load::Target, system::System};

pub(crate) struct Service {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) tenant: TenantId,
    address: SocketAddr,
    token: String,
}

impl Service {
    /// Serves what is stored in `folder`, on the current runtime.
    pub(crate) async fn start(folder: &Path) -> Result<Self, String> {
        let shown = |error: &dyn std::fmt::Display| error.to_string();
        let system = Arc::new(System);
        let keyring = Keyring::open_or_create(folder, &*system).map_err(|e| shown(&e))?;
        let tenant = keyring.tenant();
        let store: Arc<dyn Store> =
            Arc::new(SqliteStore::open(folder, SqliteOptions::default()).map_err(|e| shown(&e))?);
        let request = TokenRequest {
            permissions: &[Permission::ServiceConfigReadWrite, Permission::ManagedDevicesRead],
            kind: TokenKind::Application,
            subject: "bench",
            lifetime: Duration::from_secs(3600),
            now: system.now(),
            id: system.uuid(),
        };
        let token = issue_token(&keyring, &request).map_err(|e| shown(&e))?;
        let (listener, address) = listen().await?;
        let mut config = AppConfig::new(tenant, address, *keyring.paging_secret());
        // Requests are counted as they always are, but the load must not be refused.
        config.throttle = Some(ThrottleLimits {
            app_requests: u32::MAX,
            app_changes: u32::MAX,
            tenant_requests: u32::MAX,
            tenant_changes: u32::MAX,
            ..ThrottleLimits::default()
        });
        let authentication = Authentication::built_in(&keyring);
        let app = App::new(store.clone(), system.clone(), system, authentication, config, Arc::new(NoAgents))
            .map_err(|e| shown(&e))?;
        tokio::spawn(exconn_server::serve(listener, None, app, std::future::pending()));
        Ok(Self { store, tenant, address, token })
    }

    /// A `GET` with a path below `/v1.0/deviceManagement`.
    pub(crate) fn get(&self, path: &str) -> Target {
        self.at(&format!("/v1.0/deviceManagement{path}"))
    }

    /// A `GET` of a link that an answer gave.
    pub(crate) fn follow(&self, link: &str) -> Target {
        self.at(link.trim_start_matches(&format!("http://{}", self.address)))
    }

    fn at(&self, path: &str) -> Target {
        Target::get(self.address, path, &format!("Authorization: Bearer {}\r\n", self.token))
    }

    /// A `POST` with a path below `/v1.0/deviceManagement`.
    pub(crate) fn post(&self, path: &str, body: &str) -> Target {
        let request = format!(
            "POST /v1.0/deviceManagement{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        Target { address: self.address, request }
    }
}

/// Serves the routes of a bare comparison, on the current runtime.
pub(crate) async fn serve_bare(router: Router) -> Result<SocketAddr, String> {
    let (listener, address) = listen().await?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

async fn listen() -> Result<(TcpListener, SocketAddr), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok((listener, address))
}
