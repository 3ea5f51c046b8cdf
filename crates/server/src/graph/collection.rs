//! Answers that hold a part of a collection.

use std::marker::PhantomData;

use exconn_model::{
    Timestamp,
    schema::{Entity, Value},
};
use exconn_odata::{
    filter::Context,
    options::{self, Options, Purpose},
    query::{After, Filter, OrderBy, Query},
    render,
    skiptoken::{self, Place},
};
use exconn_store::Page;

use super::{Ask, PREFERENCE_APPLIED};
use crate::{failure::Failure, reply::Reply, wire::Form};

/// The condition of a `$count`.
pub(super) fn count_options<E: Entity>(ask: &Ask<'_>) -> Result<Option<Filter>, Failure> {
    let context = context(ask, ask.service.clock.now());
    let options = options::parse(ask.head.uri.query(), Purpose::Count(context), E::TYPE)?;
    ask.form(&options)?;
    Ok(options.filter)
}

/// What the filters of this request mean if it is `now`.
fn context(ask: &Ask<'_>, now: Timestamp) -> Context {
    Context { now, unknown_members: ask.preferences.unknown_members }
}

/// A request for a part of a collection.
pub(super) struct List<E> {
    options: Options,
    query: Query,
    scope: String,
    /// The moment of the list's first page, if the filter depends on it.
    now: Option<Timestamp>,
    set: &'static str,
    form: Form,
    capped: bool,
    entity: PhantomData<E>,
}

impl<E: Entity> List<E> {
    /// Reads the options of a list of the collection at the path `set`.
    pub(super) fn read(ask: &Ask<'_>, set: &'static str) -> Result<Self, Failure> {
        Self::read_ordered(ask, set, &[])
    }

    /// The same, in this order unless the request names one.
    pub(super) fn read_ordered(
        ask: &Ask<'_>,
        set: &'static str,
        default: &[OrderBy],
    ) -> Result<Self, Failure> {
        let (config, given) = (&ask.service.config, ask.head.uri.query());
        let now = ask.service.clock.now();
        let read = |now| {
            let mut options = options::parse(given, Purpose::List(context(ask, now)), E::TYPE)?;
            if options.order.is_empty() {
                options.order = default.to_vec();
            }
            Ok::<_, Failure>(options)
        };
        let mut options = read(now)?;
        let form = ask.form(&options)?;
        let limit = options.top.unwrap_or(config.default_page);
        let preferred = ask.preferences.page_size.filter(|size| *size < limit);
        let scope = options.scope(ask.tenant(), set);
        let place = options
            .skip_token
            .as_deref()
            .map(|token| skiptoken::open(token, &scope, &config.paging_secret, E::TYPE, &options.order));
        let place = place.transpose()?;
        let first = place.as_ref().and_then(|place| place.now);
        if let Some(first) = first {
            options = read(first)?;
        }
        let now = options.uses_now.then(|| first.unwrap_or(now));
        let after = place.map(|place| place.after);
        let query = Query {
            filter: options.filter.take(),
            order: std::mem::take(&mut options.order),
            skip: if after.is_some() { 0 } else { options.skip },
            limit: preferred.unwrap_or(limit),
            after,
        };
        let capped = preferred.is_some();
        Ok(Self { options, query, scope, now, set, form, capped, entity: PhantomData })
    }

    /// What the store is asked.
    pub(super) fn query(&self) -> &Query {
        &self.query
    }

    /// Whether the number of all that match is wanted.
    pub(super) fn counts(&self) -> bool {
        self.options.count
    }

    /// 200 with a page.
    pub(super) fn reply(&self, ask: &Ask<'_>, page: &Page<E>, count: Option<u64>) -> Result<Reply, Failure> {
        let next = match page.items.last() {
            Some(last) if page.more => Some(self.next(ask, last)),
            _ => None,
        };
        let select = self.options.select.as_deref();
        let view = ask.view(self.set, self.form, select);
        let body = render::collection(view, &page.items, count, next.as_deref());
        let applied = ask.preferences.applied(false, self.capped);
        Ok(ask.odata(self.form, body).with_header(PREFERENCE_APPLIED, applied))
    }

    fn next(&self, ask: &Ask<'_>, last: &E) -> String {
        let keys = self.query.order.iter().map(|by| last.value(by.property).into_owned()).collect();
        let id = match last.value(0) {
            Value::Text(id) => id.into_owned(),
            _ => String::new(),
        };
        let place = Place { after: After { keys, id }, now: self.now };
        let token = skiptoken::seal(&place, &self.scope, &ask.service.config.paging_secret);
        format!("{}/{}?{}", ask.root, self.set, self.options.next(&token))
    }
}
