use std::collections::HashMap;

use super::{
    connection::Connection,
    device::cut,
    message::Entry,
    names,
    search::{Query, Scope, any_of, equal},
};
use crate::ExchangeError;

/// How many users are asked for in one search. A controller compares each object with the whole filter, so the work grows with
/// the square: 16 are near the best of what was measured, 200 take half as long again.
const AT_ONCE: usize = 16;
/// How many users are remembered at most, in two generations.
const REMEMBERED: usize = 16_384;

const ATTRIBUTES: [&str; 2] = ["userPrincipalName", "mail"];

/// What is told of the user whose mailbox holds a partnership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MailboxUser {
    pub(super) principal_name: Option<String>,
    pub(super) mail: Option<String>,
}

/// The users of one domain that were seen lately. A user's partnerships do not stand together in a listing, so the same
/// users come again and again.
#[derive(Debug, Default)]
pub(super) struct Users {
    young: HashMap<String, MailboxUser>,
    old: HashMap<String, MailboxUser>,
}

impl Users {
    /// Makes sure that the users whose mailboxes hold these partnerships are remembered, as far as they can be seen.
    pub(super) async fn fetch(
        &mut self,
        connection: &mut Connection,
        domain: &str,
        devices: &[Entry],
    ) -> Result<(), ExchangeError> {
        let mut wanted: Vec<String> = Vec::new();
        for device in devices {
            let dn = device.dn();
            let Some(user) = names::mailbox_of(&dn) else { continue };
            if !self.keep(user) {
                self.remember(user.to_owned(), MailboxUser::default());
                wanted.push(user.to_owned());
            }
        }
        for some in wanted.chunks(AT_ONCE) {
            let names = some.iter().map(|user| equal("distinguishedName", user.as_bytes())).collect();
            let query = Query {
                purpose: "users of mailboxes",
                base: domain.to_owned(),
                scope: Scope::WholeSubtree,
                filter: any_of(names),
                attributes: &ATTRIBUTES,
                deleted: false,
                base_may_be_missing: false,
            };
            for found in connection.search(&query, some.len()).await? {
                let dn = found.dn();
                // The name as the partnership's own has it, should the two be written in different ways.
                let known = some.iter().find(|name| **name == dn);
                let known = known.or_else(|| some.iter().find(|name| names::same(name, &dn)));
                if let Some(name) = known {
                    let user = MailboxUser {
                        principal_name: found.text("userPrincipalName").map(cut),
                        mail: found.text("mail").map(cut),
                    };
                    self.young.insert(name.clone(), user);
                }
            }
        }
        Ok(())
    }

    /// The user whose mailbox holds the partnership with this name.
    pub(super) fn of(&self, device: &str) -> Option<&MailboxUser> {
        let user = names::mailbox_of(device)?;
        self.young.get(user).or_else(|| self.old.get(user))
    }

    /// Keeps a user in memory who is there.
    fn keep(&mut self, user: &str) -> bool {
        if self.young.contains_key(user) {
            return true;
        }
        let Some((name, known)) = self.old.remove_entry(user) else { return false };
        self.remember(name, known);
        true
    }

    fn remember(&mut self, name: String, user: MailboxUser) {
        if self.young.len() >= REMEMBERED / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_seen_lately_are_kept_and_their_number_has_a_bound() {
        let mut users = Users::default();
        let someone = MailboxUser { mail: Some("a@b".into()), ..MailboxUser::default() };
        users.remember("CN=often".into(), someone.clone());
        for number in 0..3 * REMEMBERED {
            users.remember(format!("CN={number}"), MailboxUser::default());
            assert!(users.keep("CN=often") && users.young.len() + users.old.len() <= REMEMBERED);
        }
        assert_eq!(users.of("CN=d,CN=ExchangeActiveSyncDevices,CN=often"), Some(&someone));
        assert!(!users.keep("CN=0"));
    }
}
