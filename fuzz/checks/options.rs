//! Whole queries that anyone may have written, with their tokens: nothing panics; what is understood is understood again
//! behind its own next link, and only a token of the same query opens there.

use exconn_model::{CONNECTOR, MANAGED_DEVICE, TenantId, Timestamp, schema::Value};
use exconn_odata::{
    filter::Context,
    options::{self, Purpose},
    query::After,
    skiptoken::{self, Place},
};

const KEY: [u8; 32] = [7; 32];

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let tenant = TenantId(uuid::Uuid::nil());
    let context = Context { now: Timestamp::UNSET, unknown_members: false };
    for entity in [&CONNECTOR, &MANAGED_DEVICE] {
        for purpose in [Purpose::Count(context), Purpose::Entity, Purpose::Nothing] {
            let _ = options::parse(Some(text), purpose, entity);
        }
        let Ok(first) = options::parse(Some(text), Purpose::List(context), entity) else { continue };
        let scope = first.scope(tenant, "set");
        if let Some(token) = &first.skip_token {
            let opened = skiptoken::open(token, &scope, &KEY, entity, &first.order);
            assert!(opened.is_err(), "a forged token");
        }
        let keys = first.order.iter().map(|_| Value::Null).collect();
        let place = Place { after: After { keys, id: "id".to_owned() }, now: None };
        let token = skiptoken::seal(&place, &scope, &KEY);
        let again = options::parse(Some(&first.next(&token)), Purpose::List(context), entity);
        // A link is longer than the query that it comes from, where that had characters that links encode.
        let Ok(again) = again else { continue };
        assert_eq!(first.filter, again.filter);
        assert_eq!(first.order, again.order);
        let given = again.skip_token.as_deref().unwrap_or_default();
        let opened = skiptoken::open(given, &again.scope(tenant, "set"), &KEY, entity, &again.order);
        assert_eq!(opened, Ok(place));
    }
}
