//! Values of keys from a file and from the environment.

use std::{collections::BTreeMap, fs, path::Path};

use toml::de::{DeTable, DeValue};

use super::{
    ConfigError,
    keys::{self, Kind},
};

const MAX_FILE: u64 = 1024 * 1024;
const PREFIX: &str = "EXCONN_";
/// Entries of a list that the environment may add to.
const MAX_ENTRIES: usize = 64;

/// A value, still as text, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) place: String,
}

/// Values by full path, for instance `exchange.0.name`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(BTreeMap<String, Given>);

impl Values {
    /// Reads a file, if there is one, and lets the environment overrule it.
    pub(crate) fn read(
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut values = Self::default();
        if let Some(path) = file {
            values.read_file(path)?;
        }
        values.overlay(environment);
        Ok(values)
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Given> {
        self.0.get(path)
    }

    /// The first key that is given below this path.
    pub(crate) fn first_below(&self, path: &str) -> Option<(&str, &Given)> {
        let below = format!("{path}.");
        let mut found = self.0.range(below.clone()..);
        let (key, given) = found.next()?;
        key.starts_with(&below).then_some((key.as_str(), given))
    }

    /// How many entries of a list there are, for instance of `exchange` or `auth.issuers`.
    pub(crate) fn entries(&self, list: &str) -> usize {
        let number = |path: &String| {
            path.strip_prefix(list)?.strip_prefix('.')?.split('.').next()?.parse::<usize>().ok()
        };
        self.0.keys().filter_map(number).max().map_or(0, |last| last + 1)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let shown = path.display().to_string();
        let failed = |source| ConfigError::File { path: shown.clone(), source };
        if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(failed(std::io::Error::other("it is larger than 1 MiB")));
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let table = DeTable::parse(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            ConfigError::Syntax { place: format!("{shown}:{line}"), reason: error.message().to_owned() }
        })?;
        self.take(&text, &shown, "", table.get_ref())
    }

    fn take(&mut self, text: &str, file: &str, prefix: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            let place = format!("{file}:{}", line_of(text, name.span().start));
            self.take_value(text, file, path, place, value.get_ref())?;
        }
        Ok(())
    }

    fn take_value(
        &mut self,
        text: &str,
        file: &str,
        path: String,
        place: String,
        value: &DeValue<'_>,
    ) -> Result<(), ConfigError> {
        let given = match value {
            DeValue::Table(table) => return self.take(text, file, &format!("{path}."), table),
            DeValue::Array(items) if keys::find(&path).is_some_and(|key| key.kind == Kind::List) => {
                let texts = items.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.as_ref()),
                    _ => None,
                });
                let texts: Option<Vec<&str>> = texts.collect();
                let accepted = Kind::List.accepted();
                let Some(texts) = texts else {
                    return Err(ConfigError::Value { place, key: path, given: "a list".into(), accepted });
                };
                self.0.insert(path, Given { text: texts.join(","), place });
                return Ok(());
            }
            DeValue::Array(items) => {
                for (number, item) in items.iter().enumerate() {
                    let line = line_of(text, item.span().start);
                    self.take_value(
                        text,
                        file,
                        format!("{path}.{number}"),
                        format!("{file}:{line}"),
                        item.get_ref(),
                    )?;
                }
                return Ok(());
            }
            DeValue::String(given) => given.to_string(),
            DeValue::Integer(given) => given.as_str().replace('_', ""),
            DeValue::Boolean(given) => given.to_string(),
            DeValue::Float(given) => given.as_str().to_owned(),
            DeValue::Datetime(given) => given.to_string(),
        };
        let Some(key) = keys::find(&path) else {
            return Err(ConfigError::Unknown { place, key: path.clone(), nearest: keys::nearest(&path) });
        };
        let fits = match key.kind {
            Kind::Number => matches!(value, DeValue::Integer(_)),
            Kind::Flag => matches!(value, DeValue::Boolean(_)),
            _ => matches!(value, DeValue::String(_)),
        };
        if !fits {
            return Err(ConfigError::Value { place, key: path, given, accepted: key.kind.accepted() });
        }
        self.0.insert(path, Given { text: given, place });
        Ok(())
    }

    /// `EXCONN_LISTEN`, `EXCONN_EXCHANGE_0_REMOTING_URL` and so on.
    fn overlay(&mut self, environment: impl Fn(&str) -> Option<String>) {
        for key in keys::all() {
            let paths: Vec<String> = match key.path.contains('*') {
                false => vec![key.path.to_owned()],
                true => (0..MAX_ENTRIES).map(|number| key.path.replace('*', &number.to_string())).collect(),
            };
            for path in paths {
                let variable = format!("{PREFIX}{}", path.to_uppercase().replace('.', "_"));
                if let Some(text) = environment(&variable) {
                    self.0.insert(path, Given { text, place: variable });
                }
            }
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
