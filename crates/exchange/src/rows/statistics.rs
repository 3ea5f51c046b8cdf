use exconn_model::{DeviceStatistics, Timestamp};

use super::{Mapper, moment};

/// Longest text of a property, in bytes.
const MAX_TEXT: usize = 4096;

/// Makes statistics of the properties of a `Get-MobileDeviceStatistics` object, as they come.
#[derive(Debug, Default)]
pub(crate) struct StatisticsMapper {
    statistics: DeviceStatistics,
    problem: Option<String>,
}

enum Slot<'a> {
    Text(&'a mut Option<String>),
    Moment(&'a mut Option<Timestamp>),
}

type Place = fn(&mut DeviceStatistics) -> Slot<'_>;

const PROPERTIES: [(&str, Place); 8] = [
    ("LastSuccessSync", |s| Slot::Moment(&mut s.last_success)),
    ("LastSyncAttemptTime", |s| Slot::Moment(&mut s.last_attempt)),
    ("DeviceWipeRequestTime", |s| Slot::Moment(&mut s.wipe_requested)),
    ("DeviceWipeSentTime", |s| Slot::Moment(&mut s.wipe_sent)),
    ("DeviceWipeAckTime", |s| Slot::Moment(&mut s.wipe_acknowledged)),
    ("Status", |s| Slot::Text(&mut s.status)),
    ("DeviceAccessState", |s| Slot::Text(&mut s.access_state)),
    ("DeviceAccessStateReason", |s| Slot::Text(&mut s.access_state_reason)),
];

impl Mapper for StatisticsMapper {
    type Row = DeviceStatistics;

    fn property(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let problem = if name.eq_ignore_ascii_case("Guid") {
            match text.parse() {
                Ok(guid) => {
                    self.statistics.partnership = guid;
                    None
                }
                Err(_) => Some("it is no GUID"),
            }
        } else if let Some((_, place)) = PROPERTIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
        {
            fill(place(&mut self.statistics), text)
        } else {
            None
        };
        if let Some(reason) = problem {
            self.problem.get_or_insert(format!("{name}: {reason}"));
        }
    }

    fn finish(self) -> Result<DeviceStatistics, String> {
        match self.problem {
            Some(problem) => Err(problem),
            None if self.statistics.partnership.is_nil() => Err("Guid is missing".into()),
            None => Ok(self.statistics),
        }
    }
}

/// Puts a value in its place; says what is wrong with it otherwise.
fn fill(slot: Slot<'_>, text: &str) -> Option<&'static str> {
    match slot {
        Slot::Text(_) if text.len() > MAX_TEXT => return Some("it is too long"),
        Slot::Text(value) => *value = Some(text.to_owned()),
        Slot::Moment(value) => match moment(text) {
            Ok(moment) => *value = moment,
            Err(_) => return Some("it is no date and time"),
        },
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "10000000-0000-4000-8000-000000000001";

    fn map(properties: &[(&str, &str)]) -> Result<DeviceStatistics, String> {
        let mut mapper = StatisticsMapper::default();
        for (name, text) in properties {
            mapper.property(name, text);
        }
        mapper.finish()
    }

    #[test]
    fn what_is_known_is_kept() {
        let statistics = map(&[
            ("guid", GUID),
            ("LastSuccessSync", "2026-11-01T08:00:00+01:00"),
            ("DeviceWipeSentTime", ""),
            ("Status", "DeviceWipePending"),
            ("NumberOfFoldersSynced", "7"),
        ]);
        let expected = DeviceStatistics {
            partnership: GUID.parse().unwrap(),
            last_success: Some(Timestamp::parse("2026-11-01T07:00:00Z").unwrap()),
            status: Some("DeviceWipePending".into()),
            ..DeviceStatistics::default()
        };
        assert_eq!(statistics, Ok(expected));
    }

    #[test]
    fn what_is_no_statistics_is_named() {
        assert_eq!(map(&[("Status", "DeviceOk")]), Err("Guid is missing".into()));
        assert_eq!(map(&[("Guid", "1")]), Err("Guid: it is no GUID".into()));
        let late = map(&[("Guid", GUID), ("LastSuccessSync", "late")]);
        assert_eq!(late, Err("LastSuccessSync: it is no date and time".into()));
    }
}
