//! What a pipeline says beside its output.

use crate::{
    Limits, Progress,
    clixml::{self, Objects, Value, Writer},
    command::enumeration,
};

/// An error that a command reported (MS-PSRP 2.2.3.15).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorRecord {
    /// What it says to people.
    pub message: String,
    /// `FullyQualifiedErrorId`, for instance `CommandNotFoundException`.
    pub id: String,
    /// The error's category as a number (`System.Management.Automation.ErrorCategory`).
    pub category: i32,
    /// What the error is about, as text.
    pub target: String,
}

impl ErrorRecord {
    /// Reads the content of an `ErrorRecord` message, or the record inside a failed state. `objects` are those of the
    /// whole message: the exception may stand elsewhere.
    pub(crate) fn from_value<'a>(value: &'a Value, objects: &Objects<'a>) -> Self {
        let text = |name: &str| value.property(name).and_then(Value::text).unwrap_or_default().to_owned();
        let to_string = value.object().and_then(|object| object.to_string.clone());
        let details = value.property("ErrorDetails_Message").and_then(Value::text);
        let exception = value.property("Exception").and_then(|exception| objects.resolve(exception));
        let exception = exception.and_then(|exception| exception.property("Message"));
        let message =
            details.or(exception.and_then(Value::text)).map(str::to_owned).or(to_string).unwrap_or_default();
        Self {
            message,
            id: text("FullyQualifiedErrorId"),
            category: value
                .property("ErrorCategory_Category")
                .and_then(Value::number)
                .and_then(|number| i32::try_from(number).ok())
                .unwrap_or(0),
            target: text("ErrorCategory_TargetName"),
        }
    }

    pub(crate) fn decode(content: &[u8], limits: &Limits) -> Result<Self, clixml::Error> {
        let value = clixml::decode(content, limits)?;
        Ok(Self::from_value(&value, &Objects::of(&value)))
    }

    pub(crate) fn write(&self, w: &mut Writer, name: Option<&str>) {
        w.begin(name);
        w.types(&["System.Management.Automation.ErrorRecord", "System.Object"]);
        w.to_string_element(&self.message);
        w.raw("<MS>");
        w.begin(Some("Exception"));
        w.types(&["System.Exception", "System.Object"]);
        w.to_string_element(&self.message);
        w.raw("<Props>");
        w.text("Message", &self.message);
        w.nil("Data");
        w.nil("InnerException");
        w.nil("TargetSite");
        w.nil("StackTrace");
        w.nil("HelpLink");
        w.nil("Source");
        w.raw("</Props>");
        w.end();
        w.text("TargetObject", &self.target);
        w.text("FullyQualifiedErrorId", &self.id);
        w.nil("InvocationInfo");
        w.number("ErrorCategory_Category", self.category);
        w.text("ErrorCategory_Activity", "");
        w.text("ErrorCategory_Reason", "");
        w.text("ErrorCategory_TargetName", &self.target);
        w.text("ErrorCategory_TargetType", "String");
        w.text("ErrorCategory_Message", &self.message);
        w.boolean("SerializeExtendedInfo", false);
        w.raw("</MS>");
        w.end();
    }
}

/// The content of a warning record's message (MS-PSRP 2.2.3.18).
pub(crate) fn warning(text: &str) -> String {
    let mut w = Writer::default();
    w.begin(None);
    w.types(&[
        "System.Management.Automation.WarningRecord",
        "System.Management.Automation.InformationalRecord",
        "System.Object",
    ]);
    w.to_string_element(text);
    w.raw("<MS>");
    w.text("InformationalRecord_Message", text);
    w.boolean("InformationalRecord_SerializeInvocationInfo", false);
    w.raw("</MS>");
    w.end();
    w.finish()
}

/// The message of an informational record: warning, verbose or debug.
pub(crate) fn informational(content: &[u8], limits: &Limits) -> Result<String, clixml::Error> {
    let value = clixml::decode(content, limits)?;
    let message = value.property("InformationalRecord_Message").and_then(Value::text);
    let to_string = value.object().and_then(|object| object.to_string.as_deref());
    Ok(message.or(to_string).or(value.text()).unwrap_or_default().to_owned())
}

/// The content of a progress record's message.
pub(crate) fn progress(content: &[u8], limits: &Limits) -> Result<Progress, clixml::Error> {
    let value = clixml::decode(content, limits)?;
    let text = |name: &str| value.property(name).and_then(Value::text).unwrap_or_default().to_owned();
    let percent = value.property("PercentComplete").and_then(Value::number);
    Ok(Progress {
        activity: text("Activity"),
        status: text("StatusDescription"),
        percent: percent.and_then(|percent| u8::try_from(percent).ok()).filter(|percent| *percent <= 100),
    })
}

/// States of pools and pipelines carry a number, and an error record if they failed.
pub(crate) fn state(property: &str, number: i32, error: Option<&ErrorRecord>) -> String {
    let mut w = Writer::default();
    w.begin(None);
    w.raw("<MS>");
    w.number(property, number);
    if let Some(error) = error {
        error.write(&mut w, Some("ExceptionAsErrorRecord"));
    }
    w.raw("</MS>");
    w.end();
    w.finish()
}

pub(crate) fn capability() -> String {
    let mut w = Writer::default();
    w.begin(None);
    w.raw("<MS>");
    w.scalar("Version", Some("protocolversion"), "2.3");
    w.scalar("Version", Some("PSVersion"), "2.0");
    w.scalar("Version", Some("SerializationVersion"), "1.1.0.1");
    w.raw("</MS>");
    w.end();
    w.finish()
}

pub(crate) fn init_pool() -> String {
    let mut w = Writer::default();
    w.begin(None);
    w.raw("<MS>");
    w.number("MinRunspaces", 1);
    w.number("MaxRunspaces", 1);
    enumeration(
        &mut w,
        "PSThreadOptions",
        "System.Management.Automation.Runspaces.PSThreadOptions",
        "Default",
        0,
    );
    enumeration(
        &mut w,
        "ApartmentState",
        "System.Management.Automation.Runspaces.ApartmentState",
        "UNKNOWN",
        2,
    );
    crate::command::no_host(&mut w);
    w.nil("ApplicationArguments");
    w.raw("</MS>");
    w.end();
    w.finish()
}

/// The content of `ApplicationPrivateData` without data.
pub(crate) fn private_data() -> String {
    let mut w = Writer::default();
    w.begin(None);
    w.raw("<MS>");
    w.nil("ApplicationPrivateData");
    w.raw("</MS>");
    w.end();
    w.finish()
}
