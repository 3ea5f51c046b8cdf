use exconn_model::ObservedDevice;
use exconn_psrp::{
    ErrorRecord, Sink,
    clixml::{Error, ObjectVisitor, Property, decode_object},
};

use super::{failure, shell::LIMITS};
use crate::{
    ExchangeError,
    rows::{DeviceMapper, Mapper},
    shorten::shortened,
};

/// Most objects that are kept at a time. A listing hands them on as they come.
const MOST_ROWS: usize = 100_000;

/// What the answers of one cmdlet brought so far.
#[derive(Debug)]
pub(super) struct Rows<M: Mapper> {
    /// Objects, in order.
    pub(super) rows: Vec<M::Row>,
    /// Objects that were ever taken.
    pub(super) taken: u64,
    failed: Option<ErrorRecord>,
    truncated: Option<String>,
}

impl<M: Mapper> Default for Rows<M> {
    fn default() -> Self {
        Self { rows: Vec::new(), taken: 0, failed: None, truncated: None }
    }
}

impl<M: Mapper> Rows<M> {
    /// Whether what was asked about does not exist.
    pub(super) fn is_not_found(&self) -> bool {
        self.failed.as_ref().is_some_and(failure::is_not_found)
    }

    /// Fails if Exchange reported anything for which the rows cannot be all: an error, or a cut.
    pub(super) fn check(&self, cmdlet: &str) -> Result<(), ExchangeError> {
        if let Some(record) = &self.failed {
            return Err(failure::of_record(cmdlet, record));
        }
        if let Some(warning) = &self.truncated {
            return Err(ExchangeError::EndedEarly {
                reason: format!("{cmdlet} left something out: {warning}"),
            });
        }
        Ok(())
    }
}

struct Visitor<M>(M);

impl<M: Mapper> ObjectVisitor for Visitor<M> {
    fn property(&mut self, name: &str, value: Property<'_>) -> Result<(), Error> {
        if let Property::Scalar(_, text) | Property::Composite(Some(text)) = value {
            self.0.property(name, &text);
        }
        Ok(())
    }
}

/// The device that one object of `Get-MobileDevice` describes.
///
/// # Errors
/// If the document is no object, or the object is no device: without `Guid` or `DeviceId`, or with a value that is not of
/// its property's form.
pub fn read_device(clixml: &[u8]) -> Result<ObservedDevice, exconn_psrp::clixml::Error> {
    read::<DeviceMapper>(clixml)?.map_err(failure::refused)
}

/// The row that an object becomes, or what is wrong with the object.
pub(super) fn read<M: Mapper>(clixml: &[u8]) -> Result<Result<M::Row, String>, Error> {
    let mut visitor = Visitor(M::default());
    decode_object(clixml, &LIMITS, &mut visitor)?;
    Ok(visitor.0.finish())
}

impl<M: Mapper> Sink for Rows<M> {
    fn output(&mut self, clixml: &[u8]) -> Result<(), Error> {
        self.taken += 1;
        if self.rows.len() >= MOST_ROWS {
            return Err(failure::refused(format!("there are more than {MOST_ROWS} objects")));
        }
        let row = read::<M>(clixml)?;
        self.rows.push(row.map_err(|reason| failure::refused(format!("object {}: {reason}", self.taken)))?);
        Ok(())
    }

    fn error_record(&mut self, record: ErrorRecord) {
        self.failed.get_or_insert(record);
    }

    fn warning(&mut self, text: String) {
        let text = shortened(&text);
        // The parameter's name stands in this warning in every language.
        let compact = text.replace(' ', "").to_lowercase();
        if compact.contains("resultsize") || compact.contains("moreresults") {
            self.truncated.get_or_insert(text);
        } else {
            tracing::debug!(warning = text, "Exchange warns");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Names(String);

    impl Mapper for Names {
        type Row = String;

        fn property(&mut self, name: &str, text: &str) {
            if name == "Name" {
                text.clone_into(&mut self.0);
            }
        }

        fn finish(self) -> Result<String, String> {
            if self.0.is_empty() { Err("no name".into()) } else { Ok(self.0) }
        }
    }

    #[test]
    fn a_warning_that_something_was_left_out_is_an_early_end() {
        for (text, cut) in [
            ("There are more results available than are currently displayed. (1000 shown)", true),
            (
                "Es wurden nur die ersten 1000 Elemente zurückgegeben. Verwenden Sie \"-ResultSize Unlimited\".",
                true,
            ),
            ("Increase the value for the Result Size parameter.", true),
            ("The object contoso.com/x has been corrupted, and it's in an inconsistent state.", false),
        ] {
            let mut rows = Rows::<Names>::default();
            rows.warning(text.to_owned());
            let result = rows.check("Get-X");
            assert_eq!(matches!(result, Err(ExchangeError::EndedEarly { .. })), cut, "{text}");
            assert_eq!(result.is_ok(), !cut);
        }
    }

    #[test]
    fn an_error_record_fails_though_the_command_ran_to_its_end() {
        for (id, category, permitted) in [
            ("CommandNotFoundException", 13, false),
            ("NamedParameterNotFound,Get-MobileDevice", 5, false),
            ("whatever", 18, false),
            ("[FailureCategory=Cmdlet-ADTransientException]", 7, true),
        ] {
            let mut rows = Rows::<Names>::default();
            let record =
                ErrorRecord { message: "no".into(), id: id.into(), category, ..ErrorRecord::default() };
            rows.error_record(record);
            let error = rows.check("Get-X").unwrap_err();
            assert_eq!(matches!(error, ExchangeError::EndedEarly { .. }), permitted, "{id}: {error}");
            assert_eq!(matches!(error, ExchangeError::NotPermitted { .. }), !permitted, "{id}: {error}");
        }
    }

    #[test]
    fn objects_become_rows_and_a_bad_one_is_counted() {
        let mut rows = Rows::<Names>::default();
        let object = |inner: &str| format!("<Obj RefId=\"0\"><Props>{inner}</Props></Obj>");
        rows.output(object("<S N=\"Name\">a &amp; b</S>").as_bytes()).unwrap();
        rows.output(object("<Obj N=\"Name\" RefId=\"1\"><ToString>c</ToString></Obj>").as_bytes()).unwrap();
        assert_eq!(rows.rows, ["a & b", "c"]);
        let error = rows.output(object("<Nil N=\"Name\" />").as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "object 3: no name");
    }
}
