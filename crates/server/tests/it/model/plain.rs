use std::{cmp::Ordering, collections::BTreeMap};

use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::operation::{Body, Condition, List, MOMENTS, Tag};

/// Connectors by id, as JSON, and the numbers of their entity tags.
#[derive(Debug, Default)]
pub(super) struct Plain {
    rows: BTreeMap<String, (Map<String, Value>, u64)>,
    /// Every id that there ever was.
    ids: Vec<String>,
}

/// What the service should answer.
#[derive(Debug)]
pub(super) enum Expected {
    Entity(u16, Value, String),
    Nothing,
    Error(u16),
}

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";
const MEMBERS: [(&str, [&str; 4]); 2] = [
    ("status", ["none", "connectionPending", "connected", "disconnected"]),
    ("exchangeConnectorType", ["onPremises", "hosted", "serviceToService", "dedicated"]),
];

impl Plain {
    /// An id that there is, was, or never was.
    pub(super) fn id(&self, which: Index) -> String {
        let at = which.index(self.ids.len() + 1);
        self.ids.get(at).cloned().unwrap_or_else(|| UNKNOWN.to_owned())
    }

    /// The text for `If-Match`.
    pub(super) fn tag(&self, id: &str, tag: Tag) -> Option<String> {
        let current = self.rows.get(id).map_or(1, |(_, revision)| *revision);
        match tag {
            Tag::Absent => None,
            Tag::Any => Some("*".to_owned()),
            Tag::Current => Some(written(current)),
            Tag::Stale => Some(format!("{}, {}", written(current + 1), written(current + 2))),
            Tag::Foreign => Some("\"of another service\"".to_owned()),
        }
    }

    pub(super) fn create(&mut self, given: Option<String>, body: &Body) -> Expected {
        let mut row = json!({
            "id": null, "lastSyncDateTime": "0001-01-01T00:00:00Z", "status": "connectionPending",
            "primarySmtpAddress": null, "serverName": null, "connectorServerName": null,
            "exchangeConnectorType": "onPremises", "version": null, "exchangeAlias": null,
            "exchangeOrganization": null,
        });
        let row = row.as_object_mut().unwrap();
        let id_given = body.0.iter().any(|(name, _)| *name == "id");
        if id_given || change(row, body, false).is_err() {
            return Expected::Error(400);
        }
        let id = given.unwrap_or_default();
        row.insert("id".to_owned(), id.clone().into());
        self.rows.insert(id.clone(), (row.clone(), 1));
        self.ids.push(id.clone());
        self.entity(201, &id)
    }

    pub(super) fn get(&self, id: &str) -> Expected {
        if self.rows.contains_key(id) { self.entity(200, id) } else { Expected::Error(404) }
    }

    pub(super) fn update(&mut self, id: &str, body: &Body, tag: Option<&str>) -> Expected {
        let mut changed = self.rows.get(id).map(|(row, _)| row.clone()).unwrap_or_default();
        let id_given = body.0.iter().any(|(name, _)| *name == "id");
        match change(&mut changed, body, true) {
            Ok(1..) if !id_given => {}
            _ => return Expected::Error(400),
        }
        let Some((row, revision)) = self.rows.get_mut(id) else { return Expected::Error(404) };
        if !matches(tag, *revision) {
            return Expected::Error(412);
        }
        if *row != changed {
            *row = changed;
            *revision += 1;
        }
        self.entity(200, id)
    }

    pub(super) fn delete(&mut self, id: &str, tag: Option<&str>) -> Expected {
        match self.rows.get(id) {
            None => Expected::Error(404),
            Some((_, revision)) if !matches(tag, *revision) => Expected::Error(412),
            Some(_) => {
                self.rows.remove(id);
                Expected::Nothing
            }
        }
    }

    pub(super) fn sync(&self, id: &str, body: &str) -> Expected {
        match body {
            r#"{"syncType":"fullSync"}"# | r#"{"syncType":"deltaSync"}"# if self.rows.contains_key(id) => {
                Expected::Nothing
            }
            r#"{"syncType":"fullSync"}"# | r#"{"syncType":"deltaSync"}"# => Expected::Error(404),
            _ => Expected::Error(400),
        }
    }

    pub(super) fn matching(&self, condition: &Condition) -> Vec<&Map<String, Value>> {
        let rows = self.rows.values().map(|(row, _)| row);
        rows.filter(|row| holds(condition, row) == Some(true)).collect()
    }

    /// How many match, and the rows of all pages.
    pub(super) fn list(&self, list: &List) -> (usize, Vec<Value>) {
        let mut rows: Vec<_> = match &list.filter {
            Some(condition) => self.matching(condition),
            None => self.rows.values().map(|(row, _)| row).collect(),
        };
        rows.sort_by(|a, b| {
            let criteria = list.order.iter().map(|(name, descending)| {
                let order = compare(name, &a[*name], &b[*name]);
                if *descending { order.reverse() } else { order }
            });
            let by_id = compare("id", &a["id"], &b["id"]);
            // Ties are broken in the direction of the last criterion.
            let descending = list.order.last().is_some_and(|(_, descending)| *descending);
            let by_id = if descending { by_id.reverse() } else { by_id };
            criteria.fold(Ordering::Equal, Ordering::then).then(by_id)
        });
        let total = rows.len();
        let shown = rows.into_iter().skip(list.skip).map(|row| {
            let members =
                row.iter().filter(|(name, _)| list.select.is_empty() || list.select.contains(&name.as_str()));
            Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect())
        });
        (total, shown.collect())
    }

    fn entity(&self, status: u16, id: &str) -> Expected {
        let (row, revision) = &self.rows[id];
        Expected::Entity(status, Value::Object(row.clone()), written(*revision))
    }
}

fn written(revision: u64) -> String {
    format!("W/\"{revision}\"")
}

fn matches(tag: Option<&str>, revision: u64) -> bool {
    tag.is_none_or(|tag| tag == "*" || tag == written(revision))
}

/// Changes a row and says how many properties were given a value.
fn change(row: &mut Map<String, Value>, body: &Body, keeps_sentinel: bool) -> Result<usize, ()> {
    let mut set = 0;
    for (name, value) in &body.0 {
        match (*name, value) {
            ("@odata.type", kind) if kind == "#microsoft.graph.deviceManagementExchangeConnector" => {}
            ("@odata.type", _) => return Err(()),
            (name, _) if name.contains("@odata.") => {}
            ("id", _) => {}
            ("status" | "exchangeConnectorType", value) => {
                if value == "unknownFutureValue" && keeps_sentinel {
                    continue;
                }
                let (_, members) = MEMBERS.iter().find(|(property, _)| property == name).ok_or(())?;
                value.as_str().filter(|value| members.contains(value)).ok_or(())?;
                row.insert((*name).to_owned(), value.clone());
                set += 1;
            }
            ("lastSyncDateTime", value) => {
                let (_, moment) = MOMENTS.iter().find(|(given, _)| value == given).ok_or(())?;
                row.insert((*name).to_owned(), (*moment).into());
                set += 1;
            }
            (
                "primarySmtpAddress" | "serverName" | "connectorServerName" | "exchangeAlias" | "version",
                Value::String(_) | Value::Null,
            ) => {
                row.insert((*name).to_owned(), value.clone());
                set += 1;
            }
            _ => return Err(()),
        }
    }
    Ok(set)
}

/// Null first; members by number; moments are written so that their texts sort alike, but for the fraction.
fn compare(name: &str, a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| {
        let (_, members) = MEMBERS.iter().find(|(property, _)| *property == name)?;
        members.iter().position(|member| value == member)
    };
    let text = |value: &Value| value.as_str().map(|text| text.trim_end_matches('Z').to_owned());
    match number(a) {
        Some(_) => number(a).cmp(&number(b)),
        None => text(a).cmp(&text(b)),
    }
}

/// `None` is neither true nor false.
fn holds(condition: &Condition, row: &Map<String, Value>) -> Option<bool> {
    match condition {
        Condition::Text(name, operator, None) => Some(row[*name].is_null() == (*operator == "eq")),
        Condition::Text(name, operator, Some(text)) => Some(compared(name, &row[*name], operator, text)),
        Condition::Member(name, operator, member) => Some(compared(name, &row[*name], operator, member)),
        Condition::Moment(operator, given) => {
            let (_, moment) = MOMENTS.iter().find(|(text, _)| text == given)?;
            Some(compared("lastSyncDateTime", &row["lastSyncDateTime"], operator, moment))
        }
        Condition::Function(function, name, sought) => row[*name].as_str().map(|text| match *function {
            "contains" => text.contains(sought),
            "startswith" => text.starts_with(sought),
            _ => text.ends_with(sought),
        }),
        Condition::Length(name, operator, number) => Some(match row[*name].as_str() {
            None => *operator == "ne",
            Some(text) => {
                let length = i64::try_from(text.chars().count()).unwrap();
                in_order(length.cmp(number), operator)
            }
        }),
        Condition::Lower(name, wanted) => {
            Some(row[*name].as_str().is_some_and(|text| text.to_lowercase() == **wanted))
        }
        Condition::Not(inner) => holds(inner, row).map(|holds| !holds),
        Condition::And(a, b) => match (holds(a, row), holds(b, row)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Condition::Or(a, b) => match (holds(a, row), holds(b, row)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
    }
}

/// A comparison with a value that is not null: null is only different.
fn compared(name: &str, value: &Value, operator: &str, other: &str) -> bool {
    if value.is_null() {
        return operator == "ne";
    }
    in_order(compare(name, value, &other.into()), operator)
}

fn in_order(order: Ordering, operator: &str) -> bool {
    match operator {
        "eq" => order.is_eq(),
        "ne" => order.is_ne(),
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        "gt" => order.is_gt(),
        _ => order.is_ge(),
    }
}
