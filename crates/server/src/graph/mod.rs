//! The Graph's routes.

mod address;
mod audit;
mod batch;
mod collection;
mod device_management;
mod document;
mod entity;
mod etag;
mod exchange_connectors;
mod managed_devices;
mod metadata;
mod openapi;
mod service_document;

use std::sync::Arc;

use bytes::Bytes;
use exconn_model::{AuditEntry, CONNECTOR, TenantId};
use exconn_odata::{
    options::{self, Options, Purpose},
    render::View,
};
use http::{HeaderName, StatusCode, request::Parts};

use crate::{
    answer::{Call, Target},
    app::Service,
    audit::Asked,
    auth::Caller,
    failure::Failure,
    reply::Reply,
    routes::Operation,
    wire::{Acceptable, Form, Preferences, RequestBody, check_odata_version, read_json},
};

pub(crate) use address::{Version, resolve};
pub(crate) use metadata::get_metadata;
pub(crate) use openapi::get_description;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// A request to the Graph whose caller may make it.
pub(crate) struct Ask<'a> {
    service: &'a Service,
    caller: &'a Caller,
    operation: Operation,
    asked: Asked<'a>,
    head: &'a Parts,
    /// The version's root, the base of every link.
    root: &'a str,
    /// The id in the path; empty where there is none.
    id: &'a str,
    /// The form that `Accept` asks for; none if it allows none that there is.
    accepted: Option<Form>,
    preferences: Preferences,
}

pub(crate) async fn answer(
    service: &Service,
    operation: Operation,
    caller: &Arc<Caller>,
    target: &Target<'_>,
    call: Call<'_>,
) -> Result<Reply, Failure> {
    if operation == Operation::Batch {
        return batch::answer(service, caller, target, call).await;
    }
    let asked = call.asked();
    let Call { head, mut body, connection, .. } = call;
    check_odata_version(&head.headers)?;
    let acceptable = match operation {
        Operation::CountConnectors | Operation::CountDevices => Acceptable::Text,
        _ => Acceptable::Json,
    };
    let ask = Ask {
        service,
        caller,
        operation,
        asked,
        head,
        root: match target.version {
            None => &connection.origin.own,
            Some(Version::Beta) => &connection.origin.beta,
            Some(_) => &connection.origin.v1,
        },
        id: target.id.as_deref().unwrap_or_default(),
        accepted: acceptable.negotiate(&head.headers),
        preferences: Preferences::read(&head.headers),
    };
    match operation {
        Operation::ListConnectors => exchange_connectors::list(&ask).await,
        Operation::CreateConnector => exchange_connectors::create(&ask, &mut body).await,
        Operation::CountConnectors => exchange_connectors::count(&ask).await,
        Operation::GetConnector => exchange_connectors::get(&ask).await,
        Operation::UpdateConnector => exchange_connectors::update(&ask, &mut body).await,
        Operation::DeleteConnector => exchange_connectors::delete(&ask).await,
        Operation::SyncConnector => exchange_connectors::sync(&ask, &mut body).await,
        Operation::ListDevices => managed_devices::list(&ask).await,
        Operation::CountDevices => managed_devices::count(&ask).await,
        Operation::GetDevice => managed_devices::get(&ask).await,
        Operation::GetDeviceOverview => managed_devices::overview(&ask).await,
        Operation::GetDeviceManagement => device_management::get(&ask),
        Operation::GetServiceDocument => service_document::get(&ask),
        Operation::ListAudit => audit::list(&ask).await,
        _ => Err(Failure::NotFound),
    }
}

impl Ask<'_> {
    fn tenant(&self) -> TenantId {
        self.caller.tenant
    }

    /// The audit's entry of this request, answered with this status.
    fn audit(&self, status: StatusCode) -> AuditEntry {
        self.asked.entry(self.service, Some(self.caller), Some(self.operation), status)
    }

    /// The body, which must be JSON.
    async fn json(&self, body: &mut RequestBody) -> Result<Bytes, Failure> {
        let config = &self.service.config;
        Ok(read_json(&self.head.headers, body, config.body_limit, config.body_timeout).await?)
    }

    /// Refuses query options: they are for reading.
    fn no_options(&self) -> Result<(), Failure> {
        options::parse(self.head.uri.query(), Purpose::Nothing, &CONNECTOR)?;
        Ok(())
    }

    /// The form of the answer. `$format` wins over `Accept` (OData 4.0 URL conventions, 5.1.8).
    fn form(&self, options: &Options) -> Result<Form, Failure> {
        let form = match &options.format {
            Some(name) => Form::named(name),
            None => self.accepted,
        };
        form.ok_or(Failure::NotAcceptable)
    }

    /// Refuses before a change what could not be answered after it.
    fn can_show_entity(&self) -> Result<(), Failure> {
        if self.preferences.minimal { Ok(()) } else { self.form(&Options::default()).map(drop) }
    }

    /// What an answer from the path `set` shows.
    fn view<'v>(&'v self, set: &'v str, form: Form, select: Option<&'v [usize]>) -> View<'v> {
        View {
            root: self.root,
            set,
            metadata: form.metadata,
            select,
            unknown_members: self.preferences.unknown_members,
            ieee754_compatible: form.ieee754_compatible,
        }
    }

    /// 200 with an OData body.
    fn odata(&self, form: Form, body: impl Into<Bytes>) -> Reply {
        Reply::typed(form.content_type(), body)
    }
}
