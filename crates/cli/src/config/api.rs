//! What the configuration says of the API: who may call it, from where and how often.

use std::{num::NonZeroU32, time::Duration};

use exconn_server::{Cors, ThrottleLimits, TrustedProxies, auth::TrustedIssuer};

use super::{ConfigError, reader::Reader};

impl Reader {
    pub(super) fn cors(&self) -> Result<Cors, ConfigError> {
        let Some(origins) = self.list("cors.origins") else { return Ok(Cors::default()) };
        Cors::parse(origins.iter().map(String::as_str)).map_err(|origin| {
            let accepted = "origins such as \"https://portal.contoso.com\", or \"*\" for all";
            self.refused_entry("cors.origins", origin, accepted)
        })
    }

    pub(super) fn trusted_proxies(&self) -> Result<TrustedProxies, ConfigError> {
        let proxies = self.list("trusted_proxies").unwrap_or_default();
        TrustedProxies::parse(proxies.iter().map(String::as_str)).map_err(|proxy| {
            let accepted = "addresses such as \"10.0.0.5\" and networks such as \"10.0.0.0/8\"";
            self.refused_entry("trusted_proxies", proxy, accepted)
        })
    }

    pub(super) fn throttle(&self) -> Result<Option<ThrottleLimits>, ConfigError> {
        if self.choice("throttle.mode")?.is_some_and(|mode| mode == "off") {
            return Ok(None);
        }
        let default = ThrottleLimits::default();
        let limit = |key: &str, default: u32| {
            let given = self.parsed(&format!("throttle.{key}"), |text| text.parse::<NonZeroU32>().ok());
            given.map(|given| given.map_or(default, NonZeroU32::get))
        };
        Ok(Some(ThrottleLimits {
            window: self.duration("throttle.window", default.window, Duration::from_secs(1))?,
            app_requests: limit("app_requests", default.app_requests)?,
            app_changes: limit("app_changes", default.app_changes)?,
            tenant_requests: limit("tenant_requests", default.tenant_requests)?,
            tenant_changes: limit("tenant_changes", default.tenant_changes)?,
        }))
    }

    pub(super) fn audit_entries(&self) -> Result<u64, ConfigError> {
        const DEFAULT: u64 = 100_000;
        Ok(self
            .parsed("audit.keep", |text| text.parse().ok().filter(|keep| *keep >= 1000))?
            .unwrap_or(DEFAULT))
    }

    pub(super) fn issuer(&self, number: usize) -> Result<TrustedIssuer, ConfigError> {
        let path = |key: &str| format!("auth.issuers.{number}.{key}");
        let audiences = self.required(&path("audience"))?;
        Ok(TrustedIssuer {
            issuer: self.required(&path("issuer"))?,
            audiences: audiences
                .split(',')
                .map(|one| one.trim().to_owned())
                .filter(|one| !one.is_empty())
                .collect(),
            tid: self.text(&path("tid")),
            tenant: self.parsed(&path("tenant"), |text| text.to_ascii_lowercase().parse().ok())?,
            ca_file: self.path(&path("ca_file")),
        })
    }
}
