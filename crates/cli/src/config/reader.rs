//! Values of keys in the types that they are used in.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{
    ConfigError, duration, keys,
    source::{Given, Values},
};

/// What was given, by key.
pub(super) struct Reader {
    pub(super) values: Values,
}

impl Reader {
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.values.get(path).map(|given| given.text.clone())
    }

    pub(super) fn path(&self, path: &str) -> Option<PathBuf> {
        self.text(path).map(PathBuf::from)
    }

    pub(super) fn required(&self, path: &str) -> Result<String, ConfigError> {
        let about = keys::find(path).map_or("", |key| key.about);
        let text = self.text(path).filter(|text| !text.is_empty());
        text.ok_or_else(|| ConfigError::Missing { key: path.to_owned(), about })
    }

    /// The texts of a list; `None` if it is not given.
    pub(super) fn list(&self, path: &str) -> Option<Vec<String>> {
        let texts = self.values.get(path)?.text.split(',').map(str::trim);
        Some(texts.filter(|text| !text.is_empty()).map(str::to_owned).collect())
    }

    /// The texts of a list that must have one at least.
    pub(super) fn required_list(&self, path: &str) -> Result<Vec<String>, ConfigError> {
        self.required(path)?;
        let texts = self.list(path).unwrap_or_default();
        if texts.is_empty() {
            let about = keys::find(path).map_or("", |key| key.about);
            return Err(ConfigError::Missing { key: path.to_owned(), about });
        }
        Ok(texts)
    }

    /// What is wrong with an entry of a list.
    pub(super) fn refused_entry(&self, key: &str, given: &str, accepted: &str) -> ConfigError {
        ConfigError::Value {
            place: self.values.get(key).map_or_else(String::new, |given| given.place.clone()),
            key: key.to_owned(),
            given: given.to_owned(),
            accepted: accepted.to_owned(),
        }
    }

    pub(super) fn address(&self, path: &str) -> Result<Option<SocketAddr>, ConfigError> {
        self.parsed(path, |text| text.parse().ok())
    }

    pub(super) fn choice(&self, path: &str) -> Result<Option<String>, ConfigError> {
        let keys::Kind::Choice(choices) = keys::find(path).map_or(keys::Kind::Text, |key| key.kind) else {
            return Ok(self.text(path));
        };
        self.parsed(path, |text| choices.contains(&text).then(|| text.to_owned()))
    }

    pub(super) fn duration(
        &self,
        path: &str,
        default: Duration,
        least: Duration,
    ) -> Result<Duration, ConfigError> {
        let given = self.parsed(path, |text| duration(text).ok().filter(|given| *given >= least))?;
        Ok(given.unwrap_or(default))
    }

    pub(super) fn flag(&self, path: &str, default: bool) -> Result<bool, ConfigError> {
        Ok(self.parsed(path, |text| text.parse().ok())?.unwrap_or(default))
    }

    pub(super) fn number(&self, path: &str, default: u64, least: u64, most: u64) -> Result<u64, ConfigError> {
        Ok(self
            .parsed(path, |text| text.parse().ok().filter(|given| (least..=most).contains(given)))?
            .unwrap_or(default))
    }

    pub(super) fn parsed<T>(
        &self,
        path: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(given) = self.values.get(path) else { return Ok(None) };
        parse(&given.text).map(Some).ok_or_else(|| refused(path, given))
    }

    /// Keys of the contract that this version does not act on are errors: silence would look like success.
    pub(super) fn refuse_what_comes_later(&self) -> Result<(), ConfigError> {
        let entries = self.values.entries("exchange").max(1);
        for key in keys::all().filter(|key| !key.refused.is_empty()) {
            for number in 0..entries {
                let path = key.path.replace('*', &number.to_string());
                if let Some(given) = self.values.get(&path) {
                    return Err(ConfigError::NotYet {
                        place: given.place.clone(),
                        key: path,
                        reason: key.refused,
                    });
                }
            }
        }
        Ok(())
    }
}

fn refused(path: &str, given: &Given) -> ConfigError {
    ConfigError::Value {
        place: given.place.clone(),
        key: path.to_owned(),
        given: given.text.clone(),
        accepted: keys::find(path)
            .map(|key| format!("{} ({})", key.kind.accepted(), key.about))
            .unwrap_or_default(),
    }
}
