use std::{net::IpAddr, time::Duration};

use exconn_model::Timestamp;
use quick_cache::sync::Cache;

/// Refused attempts of one client id from one address that are answered in full within a window.
const ALLOWED: u32 = 20;
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Pairs of client id and address that are remembered; the least used ones are forgotten first.
const REMEMBERED: usize = 4096;
/// Bytes of a client id that tell it from others; the ids of this service are shorter.
const LONGEST_CLIENT: usize = 64;

/// Counts refused attempts. It slows down those who guess and keeps them from filling the audit; it never stands in the
/// way of a right credential, so that nobody can lock a program out by guessing in its name.
pub(crate) struct Attempts(Cache<(String, IpAddr), (u32, Timestamp)>);

impl Attempts {
    pub(super) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    /// Counts a refused attempt; true if there are too many.
    pub(super) fn refused(&self, client: &str, address: IpAddr, now: Timestamp) -> bool {
        let client = client[..client.floor_char_boundary(LONGEST_CLIENT)].to_owned();
        let key = (client, address.to_canonical());
        let (number, since) = match self.0.get(&key) {
            Some((number, since)) if now.since(since) < WINDOW && since <= now => {
                (number.saturating_add(1), since)
            }
            _ => (1, now),
        };
        self.0.insert(key, (number, since));
        number > ALLOWED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_is_counted_by_itself_and_in_windows() {
        let attempts = Attempts::new();
        let start = Timestamp::from_unix_seconds(1_000_000);
        let (here, there) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let last = (0..=ALLOWED).map(|_| attempts.refused("a", here, start)).collect::<Vec<_>>();
        assert_eq!(last.iter().filter(|refused| **refused).count(), 1);
        assert!(!attempts.refused("b", here, start));
        assert!(!attempts.refused("a", there, start));
        assert!(attempts.refused("a", here, start.after(Duration::from_secs(59))));
        assert!(!attempts.refused("a", here, start.after(WINDOW)));
        assert!(!attempts.refused("a", here, start), "a clock that was set back begins anew");
    }

    #[test]
    fn a_long_client_id_is_cut_wherever_its_characters_begin() {
        let attempts = Attempts::new();
        let (now, here) = (Timestamp::from_unix_seconds(1_000_000), IpAddr::from([127, 0, 0, 1]));
        for first in ["", "a", "aa"] {
            let client = format!("{first}{}", "€".repeat(20_000));
            attempts.refused(&client, here, now);
        }
        assert!(attempts.0.iter().all(|((client, _), _)| client.len() <= LONGEST_CLIENT));
        assert_eq!(attempts.0.len(), 3);
    }
}
