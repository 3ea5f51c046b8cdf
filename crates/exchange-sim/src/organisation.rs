use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use exconn_model::{ObservedDevice, Timestamp};
use uuid::Uuid;

use crate::{
    catalogue::{CARRIERS, FAMILY, GIVEN, KINDS, LANGUAGES},
    render,
};

/// Changes and removals that are remembered; what is computed needs no memory, what differs does.
const MAX_DIFFERENCES: usize = 100_000;
/// The moment that the organisation's first device came: 2024-01-02T06:00:00Z.
const BEGINNING: i64 = 1_704_175_200;

/// Why the organisation cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrganisationError {
    /// There is no device with this number, or it was removed.
    #[error("there is no device {0}")]
    NoDevice(u64),
    /// Too many devices differ from what the seed says.
    #[error("more than {MAX_DIFFERENCES} devices differ from what the seed says")]
    TooManyDifferences,
}

/// An Exchange organisation. Device `n` follows from the seed and `n` alone; only differences are kept.
#[derive(Debug)]
pub struct Organisation {
    seed: u64,
    name: String,
    domain: String,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// Devices that ever were: numbers below this.
    count: u64,
    removed: BTreeSet<u64>,
    changed: BTreeMap<u64, ObservedDevice>,
}

impl Organisation {
    /// An organisation with `count` devices.
    pub fn new(seed: u64, count: u64, name: &str, domain: &str) -> Self {
        let state = State { count, removed: BTreeSet::new(), changed: BTreeMap::new() };
        Self { seed, name: name.to_owned(), domain: domain.to_owned(), state: RwLock::new(state) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its servers' fully qualified names.
    pub fn servers(&self) -> [String; 2] {
        [format!("ex01.{}", self.domain), format!("ex02.{}", self.domain)]
    }

    /// How many devices there are.
    pub fn len(&self) -> u64 {
        let state = self.read();
        state.count - state.removed.len() as u64
    }

    /// Whether there is no device.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The device with this number; `None` if there is none or it was removed.
    pub fn device(&self, number: u64) -> Option<ObservedDevice> {
        let state = self.read();
        if number >= state.count || state.removed.contains(&number) {
            return None;
        }
        Some(state.changed.get(&number).cloned().unwrap_or_else(|| self.computed(number)))
    }

    /// The object that `Get-MobileDevice` sends for the device with this number.
    pub fn clixml(&self, number: u64) -> Option<String> {
        let device = self.device(number)?;
        Some(render::device(&device, &self.domain, self.language(number)))
    }

    /// The first device with `number` or a greater one, and its number.
    pub(crate) fn device_from(&self, mut number: u64) -> Option<(u64, ObservedDevice)> {
        let end = self.read().count;
        while number < end {
            if let Some(device) = self.device(number) {
                return Some((number, device));
            }
            number += 1;
        }
        None
    }

    /// The devices of a mailbox, which is named by its path or by the last part of it, and their numbers.
    pub(crate) fn devices_of(&self, mailbox: &str) -> Vec<(u64, ObservedDevice)> {
        // A mailbox's name ends in the number of its first device; its second is the next.
        let first = mailbox.rsplit(' ').next().and_then(|number| number.parse::<u64>().ok());
        let candidates = first.into_iter().flat_map(|first| first..=first.saturating_add(1));
        let devices = candidates.filter_map(|number| Some((number, self.device(number)?)));
        let is_meant = |device: &ObservedDevice| {
            let path = device.user_display_name.as_deref().unwrap_or_default();
            path.eq_ignore_ascii_case(mailbox) || path.rsplit('/').next() == Some(mailbox)
        };
        devices.filter(|(_, device)| is_meant(device)).collect()
    }

    /// Adds devices behind the last one.
    pub fn add(&self, count: u64) {
        let mut state = self.write();
        state.count = state.count.saturating_add(count);
    }

    /// Removes a device for good.
    pub fn remove(&self, number: u64) -> Result<(), OrganisationError> {
        self.device(number).ok_or(OrganisationError::NoDevice(number))?;
        let mut state = self.write();
        if state.removed.len() + state.changed.len() >= MAX_DIFFERENCES {
            return Err(OrganisationError::TooManyDifferences);
        }
        state.changed.remove(&number);
        state.removed.insert(number);
        Ok(())
    }

    /// Changes what Exchange says of a device.
    pub fn change(
        &self,
        number: u64,
        change: impl FnOnce(&mut ObservedDevice),
    ) -> Result<(), OrganisationError> {
        let mut device = self.device(number).ok_or(OrganisationError::NoDevice(number))?;
        change(&mut device);
        let mut state = self.write();
        if state.removed.len() + state.changed.len() >= MAX_DIFFERENCES {
            return Err(OrganisationError::TooManyDifferences);
        }
        state.changed.insert(number, device);
        Ok(())
    }

    /// The device as the seed has it.
    fn computed(&self, number: u64) -> ObservedDevice {
        let mut draw = Draw(self.seed ^ number.wrapping_mul(0xa076_1d64_78bd_642f));
        let kind = &KINDS[draw.below(KINDS.len())];
        // Two devices of three belong to a person who has one only.
        let owner = if number % 3 == 2 { number - 1 } else { number };
        let mut person = Draw(self.seed.rotate_left(17) ^ owner.wrapping_mul(0xe703_7ed1_a0b4_28db));
        let (given, family) = (GIVEN[person.below(GIVEN.len())], FAMILY[person.below(FAMILY.len())]);
        let mailbox = format!("{}/Staff/{family}, {given} {owner}", self.domain);
        let device_id = format!("{:016X}{:016X}", draw.next(), draw.next());
        let friendly_name = match number % 5 {
            0 => None,
            1 => Some(format!("{given}'s {}", kind.device_type)),
            2 => Some(format!("{given} & {family} \u{1f4f1}")),
            3 => Some(format!("\"{}\" § {number}", kind.model)),
            _ => Some(format!("{family}-{}", kind.device_type)),
        };
        let first_sync =
            Timestamp::from_unix_seconds(BEGINNING).after(Duration::from_secs(number % 500_000 * 61));
        let (state, reason, rule) = match number % 40 {
            7 => ("Blocked", "Individual", None),
            11 | 12 => ("Allowed", "Individual", None),
            19 => ("Quarantined", "Global", None),
            23 => ("Blocked", "DeviceRule", Some("BlackBerry (DeviceType)")),
            31 => ("DeviceDiscovery", "Unknown", None),
            _ => ("Allowed", "Global", None),
        };
        let some = |text: &str| Some(text.to_owned());
        let digits = draw.next() % 10_000_000_000_000;
        ObservedDevice {
            partnership: self.partnership(number),
            identity: Some(format!("{mailbox}/ExchangeActiveSyncDevices/{}§{device_id}", kind.device_type)),
            device_id,
            device_type: some(kind.device_type),
            model: some(kind.model),
            operating_system: some(kind.system),
            friendly_name,
            imei: kind.imei.then(|| format!("35{digits:013}")),
            mobile_operator: CARRIERS[draw.below(CARRIERS.len())].map(str::to_owned),
            telephone_number: number.is_multiple_of(2).then(|| format!("+49******{:04}", digits % 10_000)),
            user_agent: some(kind.user_agent),
            user_display_name: Some(mailbox),
            access_state: some(state),
            access_state_reason: some(reason),
            access_rule: rule.map(str::to_owned),
            client_type: some(kind.client_type),
            client_version: some(kind.client_version),
            first_sync: Some(first_sync),
            created: Some(first_sync),
            changed: Some(first_sync.after(Duration::from_secs(digits % 5_000_000))),
            ..ObservedDevice::default()
        }
    }

    /// The language that a device's system speaks.
    pub(crate) fn language(&self, number: u64) -> &'static str {
        LANGUAGES[(number % LANGUAGES.len() as u64) as usize]
    }

    /// A version-4 GUID for each number, in no order: a directory's are random too.
    fn partnership(&self, number: u64) -> Uuid {
        let mut draw = Draw(self.seed.rotate_left(41) ^ number);
        uuid::Builder::from_random_bytes(
            (u128::from(draw.next()) << 64 | u128::from(draw.next())).to_be_bytes(),
        )
        .into_uuid()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sequence that follows from its start (SplitMix64).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_seed_decides_everything() {
        let one = Organisation::new(1, 500, "Contoso", "contoso.example");
        let same = Organisation::new(1, 500, "Contoso", "contoso.example");
        let other = Organisation::new(2, 500, "Contoso", "contoso.example");
        for number in 0..500 {
            assert_eq!(one.device(number), same.device(number));
            assert_ne!(one.device(number), other.device(number));
        }
        assert_eq!(one.device(500), None);
    }

    #[test]
    fn partnerships_and_device_ids_do_not_repeat() {
        let organisation = Organisation::new(3, 20_000, "Contoso", "contoso.example");
        let devices: Vec<_> = (0..20_000).filter_map(|number| organisation.device(number)).collect();
        assert_eq!(devices.iter().map(|device| device.partnership).collect::<HashSet<_>>().len(), 20_000);
        assert_eq!(devices.iter().map(|device| &device.device_id).collect::<HashSet<_>>().len(), 20_000);
    }

    #[test]
    fn differences_are_kept() {
        let organisation = Organisation::new(4, 10, "Contoso", "contoso.example");
        organisation.change(3, |device| device.friendly_name = Some("changed".into())).unwrap();
        organisation.remove(4).unwrap();
        organisation.add(2);
        assert_eq!(organisation.len(), 11);
        assert_eq!(organisation.device(3).unwrap().friendly_name.as_deref(), Some("changed"));
        assert_eq!(organisation.device(4), None);
        assert_eq!(organisation.device_from(4).unwrap().0, 5);
        assert_eq!(organisation.remove(4), Err(OrganisationError::NoDevice(4)));
        assert!(organisation.device(11).is_some());
    }
}
