//! Finds out what an account may run, without changing anything.

use exconn_psrp::{
    ErrorRecord, Sink,
    clixml::{self, Objects, Value},
};

use super::{
    cmdlets::{self, Cmdlet},
    failure::{self, Setback},
    shell::{LIMITS, Shell},
};
use crate::{ExchangeError, shorten::shortened};

/// A cmdlet that exconn runs.
pub(super) struct Need {
    pub(super) cmdlet: &'static str,
    /// The parameters that it is run with.
    pub(super) parameters: &'static [&'static str],
    /// The same with an object that does not exist, if that changes nothing.
    pub(super) harmless: Option<Cmdlet>,
}

/// What was found out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// It may be run.
    Given,
    /// It may not be run at all, or not with these parameters.
    Missing(String),
    /// Nothing could be found out harmlessly.
    Unknown(String),
}

impl Need {
    /// Asks for the cmdlet by its name, and runs it where that tells too little.
    pub(super) async fn probe(&self, shell: &mut Shell) -> Result<Permission, Setback> {
        let mut listed = Listed { wanted: self.cmdlet, ..Listed::default() };
        run(shell, &cmdlets::get_command(self.cmdlet), &mut listed).await?;
        if let Some(parameters) = listed.parameters.filter(|parameters| !parameters.is_empty()) {
            return Ok(self.compare(&parameters));
        }
        // Get-Command may be hidden itself; what it says of others is an answer.
        let hidden = listed.failed.as_ref().is_some_and(|record| {
            record.target.eq_ignore_ascii_case("Get-Command") || record.message.contains("'Get-Command'")
        });
        if !listed.found && !hidden {
            return Ok(Permission::Missing(format!("the account's roles do not hold {}", self.cmdlet)));
        }
        let Some(harmless) = &self.harmless else {
            return Ok(Permission::Unknown("the account may not run Get-Command, which would tell".into()));
        };
        let mut tried = Listed::default();
        run(shell, harmless, &mut tried).await?;
        Ok(match tried.failed {
            None => Permission::Given,
            Some(record) if failure::is_not_found(&record) => Permission::Given,
            Some(record) => match failure::of_record(self.cmdlet, &record) {
                ExchangeError::NotPermitted { reason, .. } => Permission::Missing(reason),
                _ => Permission::Unknown(shortened(&record.message)),
            },
        })
    }

    fn compare(&self, given: &[String]) -> Permission {
        let is_given = |name: &str| given.iter().any(|given| given.eq_ignore_ascii_case(name));
        let missing: Vec<_> = self.parameters.iter().copied().filter(|name| !is_given(name)).collect();
        if missing.is_empty() {
            Permission::Given
        } else {
            let (cmdlet, missing) = (self.cmdlet, missing.join(", "));
            Permission::Missing(format!("the account's roles hold {cmdlet} without {missing}"))
        }
    }
}

async fn run(shell: &mut Shell, cmdlet: &Cmdlet, sink: &mut Listed) -> Result<(), Setback> {
    shell.invoke(cmdlet)?;
    while !shell.has_ended() {
        shell.step(sink).await?;
    }
    if let Some(record) = shell.failure() {
        sink.error_record(record.clone());
    }
    // Makes room for the next.
    shell.step(sink).await
}

/// What came of one command.
#[derive(Default)]
struct Listed {
    wanted: &'static str,
    found: bool,
    /// The parameters of what was found, if they were told.
    parameters: Option<Vec<String>>,
    failed: Option<ErrorRecord>,
}

impl Sink for Listed {
    fn output(&mut self, clixml: &[u8]) -> Result<(), clixml::Error> {
        let value = clixml::decode(clixml, &LIMITS)?;
        let name = value.property("Name").and_then(Value::text).unwrap_or_default();
        if name.eq_ignore_ascii_case(self.wanted) {
            self.found = true;
            let parameters = value.property("Parameters");
            self.parameters = parameters.and_then(|parameters| names(parameters, &Objects::of(&value)));
        }
        Ok(())
    }

    fn error_record(&mut self, record: ErrorRecord) {
        self.failed.get_or_insert(record);
    }

    fn warning(&mut self, _: String) {}
}

/// The names in a list, or the keys of a dictionary, which is what PowerShell sends.
fn names<'a>(value: &'a Value, objects: &Objects<'a>) -> Option<Vec<String>> {
    let object = objects.resolve(value)?;
    let text = |value: &Value| value.text().map(str::to_owned);
    match (&object.entries, &object.items) {
        (Some(entries), _) => Some(entries.iter().filter_map(|(key, _)| text(key)).collect()),
        (None, Some(items)) => Some(items.iter().filter_map(text).collect()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(parameters: &str) -> Listed {
        let xml = format!("<Obj RefId=\"0\"><Props><S N=\"Name\">get-x</S>{parameters}</Props></Obj>");
        let mut listed = Listed { wanted: "Get-X", ..Listed::default() };
        listed.output(xml.as_bytes()).unwrap();
        listed
    }

    #[test]
    fn parameters_are_read_from_lists_and_dictionaries() {
        let list = listed("<Obj N=\"Parameters\" RefId=\"1\"><LST><S>a</S><S>b</S></LST></Obj>");
        let dictionary = listed(
            "<Obj N=\"Parameters\" RefId=\"1\"><DCT><En><S N=\"Key\">a</S><S N=\"Value\">x</S></En>\
             <En><S N=\"Key\">b</S><Nil N=\"Value\" /></En></DCT></Obj>",
        );
        for found in [list, dictionary] {
            assert!(found.found);
            assert_eq!(found.parameters.unwrap(), ["a", "b"]);
        }
        assert_eq!(listed("<S N=\"Parameters\">System.Collections.Generic.Dictionary</S>").parameters, None);
        assert_eq!(listed("").parameters, None);
    }

    #[test]
    fn a_missing_parameter_is_named() {
        let need = Need { cmdlet: "Get-X", parameters: &["ResultSize", "Filter"], harmless: None };
        assert_eq!(need.compare(&["filter".into(), "RESULTSIZE".into()]), Permission::Given);
        let Permission::Missing(what) = need.compare(&["Filter".into()]) else { panic!("it is missing") };
        assert_eq!(what, "the account's roles hold Get-X without ResultSize");
    }
}
