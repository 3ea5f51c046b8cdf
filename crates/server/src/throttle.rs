//! How much each caller may ask for.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use exconn_model::{TenantId, Timestamp};

use crate::auth::Caller;

/// Callers that are told apart at once. Those beyond share one allowance.
const MAX_CALLERS: usize = 10_000;
/// Ticks of a [`Timestamp`] in a second.
const TICKS: u64 = 10_000_000;

/// How many requests are answered in a window of time. An allowance that was used up comes back evenly, not all at once.
///
/// The defaults are those that the vendor publishes for this resource: 2,000 requests in 20 s for a tenant, of which 200
/// may be changes, and half of either for one application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThrottleLimits {
    /// The window; at least a second.
    pub window: Duration,
    /// Requests of one application (or person) in one tenant.
    pub app_requests: u32,
    /// Of these, requests that change something: POST, PATCH and DELETE.
    pub app_changes: u32,
    /// Requests of all applications in one tenant.
    pub tenant_requests: u32,
    /// Of these, requests that change something.
    pub tenant_changes: u32,
}

impl Default for ThrottleLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(20),
            app_requests: 1000,
            app_changes: 100,
            tenant_requests: 2000,
            tenant_changes: 200,
        }
    }
}

/// A request too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{who} may send {limit} {what} in {window} s. Please retry after {retry_after} s.")]
pub(crate) struct TooMany {
    who: &'static str,
    what: &'static str,
    limit: u32,
    window: u64,
    /// Whole seconds, at least one: the only form that every client honours.
    pub(crate) retry_after: u64,
}

/// The allowances of all callers.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: ThrottleLimits,
    tenants: Mutex<HashMap<TenantId, Tenant>>,
}

#[derive(Debug, Default)]
struct Tenant {
    all: Allowance,
    callers: HashMap<String, Allowance>,
    others: Allowance,
}

/// When the allowance will be whole again, in ticks, for requests and for changes (the generic cell rate algorithm: one
/// number says how much is left).
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    requests: u64,
    changes: u64,
}

impl Throttle {
    pub(crate) fn new(limits: ThrottleLimits) -> Self {
        Self { limits, tenants: Mutex::default() }
    }

    /// Takes one request from the caller's and the tenant's allowances, or nothing from any if one is used up.
    pub(crate) fn admit(&self, caller: &Caller, is_change: bool, now: Timestamp) -> Result<(), TooMany> {
        let now = u64::try_from(now.ticks().saturating_sub(Timestamp::UNSET.ticks())).unwrap_or(0);
        let name = caller.application.as_deref().unwrap_or(&caller.subject);
        let limits = &self.limits;
        let window = limits.window.as_secs().max(1) * TICKS;
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = tenants.entry(caller.tenant).or_default();
        let own = tenant.of(name, now);
        own.settle(now, window);
        let own = *own;
        tenant.all.settle(now, window);
        let who = if caller.delegated { "A user" } else { "An application" };
        let rules = [
            (own.requests, limits.app_requests, who, "requests", true),
            (own.changes, limits.app_changes, who, "changes", is_change),
            (tenant.all.requests, limits.tenant_requests, "A tenant", "requests", true),
            (tenant.all.changes, limits.tenant_changes, "A tenant", "changes", is_change),
        ];
        let mut taken = [0; 4];
        for (taken, (whole_at, limit, who, what, applies)) in taken.iter_mut().zip(rules) {
            *taken = if applies { whole_at + window / u64::from(limit.max(1)) } else { whole_at };
            let late = taken.saturating_sub(now).saturating_sub(window);
            if applies && late > 0 {
                let retry_after = late.div_ceil(TICKS);
                return Err(TooMany { who, what, limit, window: window / TICKS, retry_after });
            }
        }
        let [own_requests, own_changes, all_requests, all_changes] = taken;
        *tenant.of(name, now) = Allowance { requests: own_requests, changes: own_changes };
        tenant.all = Allowance { requests: all_requests, changes: all_changes };
        Ok(())
    }
}

impl Allowance {
    /// What was whole stays whole; beyond the window lies only what a clock that was set back left behind.
    fn settle(&mut self, now: u64, window: u64) {
        self.requests = self.requests.clamp(now, now.saturating_add(window));
        self.changes = self.changes.clamp(now, now.saturating_add(window));
    }
}

impl Tenant {
    /// The caller's allowance; the one that is shared if there are too many callers.
    fn of(&mut self, name: &str, now: u64) -> &mut Allowance {
        if !self.callers.contains_key(name) {
            if self.callers.len() >= MAX_CALLERS {
                // An allowance that is whole says nothing that a new one would not say.
                self.callers.retain(|_, allowance| allowance.requests > now || allowance.changes > now);
            }
            if self.callers.len() >= MAX_CALLERS {
                return &mut self.others;
            }
            self.callers.insert(name.to_owned(), Allowance::default());
        }
        self.callers.get_mut(name).unwrap_or(&mut self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Caller {
        let mut caller = Caller::anonymous(TenantId(uuid::Uuid::nil()));
        caller.application = Some(name.to_owned());
        caller
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_ticks(Timestamp::from_unix_seconds(1_769_846_400).ticks() + milliseconds * 10_000)
    }

    fn throttle() -> Throttle {
        Throttle::new(ThrottleLimits {
            window: Duration::from_secs(20),
            app_requests: 10,
            app_changes: 2,
            tenant_requests: 15,
            tenant_changes: 3,
        })
    }

    #[test]
    fn an_allowance_is_used_up_and_comes_back_evenly() {
        let throttle = throttle();
        let ann = caller("ann");
        for _ in 0..2 {
            throttle.admit(&ann, true, at(0)).unwrap();
        }
        let refused = throttle.admit(&ann, true, at(0)).unwrap_err();
        assert_eq!((refused.what, refused.limit, refused.retry_after), ("changes", 2, 10));
        assert_eq!(throttle.admit(&ann, true, at(9_001)).unwrap_err().retry_after, 1);
        throttle.admit(&ann, true, at(10_000)).unwrap();
        throttle.admit(&ann, true, at(10_000)).unwrap_err();
        // What was refused took nothing: reading goes on.
        for _ in 0..7 {
            throttle.admit(&ann, false, at(10_000)).unwrap();
        }
    }

    #[test]
    fn callers_have_their_own_and_the_tenant_has_one_for_all() {
        let throttle = throttle();
        for _ in 0..10 {
            throttle.admit(&caller("ann"), false, at(0)).unwrap();
        }
        assert_eq!(throttle.admit(&caller("ann"), false, at(0)).unwrap_err().retry_after, 2);
        for _ in 0..5 {
            throttle.admit(&caller("bob"), false, at(0)).unwrap();
        }
        let refused = throttle.admit(&caller("bob"), false, at(0)).unwrap_err();
        assert_eq!((refused.who, refused.what), ("A tenant", "requests"));
        let mut elsewhere = caller("bob");
        elsewhere.tenant = TenantId(uuid::Uuid::max());
        throttle.admit(&elsewhere, false, at(0)).unwrap();
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let throttle = throttle();
        for _ in 0..10 {
            throttle.admit(&caller("ann"), false, at(3_600_000)).unwrap();
        }
        assert!(throttle.admit(&caller("ann"), false, at(0)).unwrap_err().retry_after <= 20);
        throttle.admit(&caller("ann"), false, at(20_000)).unwrap();
    }

    #[test]
    fn a_flood_of_callers_stays_bounded() {
        let limits =
            ThrottleLimits { app_requests: 1, tenant_requests: u32::MAX, ..ThrottleLimits::default() };
        let throttle = Throttle::new(limits);
        for number in 0..=MAX_CALLERS {
            throttle.admit(&caller(&number.to_string()), false, at(0)).unwrap();
        }
        // Those beyond share one allowance, and those before keep their own.
        throttle.admit(&caller("one more"), false, at(0)).unwrap_err();
        throttle.admit(&caller("7"), false, at(0)).unwrap_err();
        let tenants = throttle.tenants.lock().unwrap();
        assert_eq!(tenants.values().map(|tenant| tenant.callers.len()).max(), Some(MAX_CALLERS));
    }
}
