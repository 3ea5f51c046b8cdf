//! What the account may run, and what comes of it, one step at a time.

use exconn_psrp::{Argument, Command, ErrorRecord};
use uuid::Uuid;

use crate::{Organisation, condition::Condition, render};

/// Objects that `Get-MobileDevice` returns without a `ResultSize`.
const DEFAULT_RESULT_SIZE: u64 = 1000;
/// `System.Management.Automation.ErrorCategory`
const INVALID_ARGUMENT: i32 = 5;
const OBJECT_NOT_FOUND: i32 = 13;

/// What a command sends next.
pub(crate) enum Step {
    Object(String),
    Warning(String),
    Error(ErrorRecord),
    End,
}

/// A command under way. It keeps a position, not results.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Objects or errors that are ready.
    Ready(Vec<Result<String, ErrorRecord>>),
    /// A listing of devices.
    Devices {
        next: u64,
        left: Option<u64>,
        wanted: Wanted,
    },
    Ended,
}

/// Which devices a listing is about.
#[derive(Debug)]
pub(crate) enum Wanted {
    All,
    Where(Condition),
    Identity(String),
}

impl Wanted {
    fn takes(&self, device: &exconn_model::ObservedDevice) -> bool {
        match self {
            Self::All => true,
            Self::Where(condition) => condition.holds(device),
            Self::Identity(identity) => match Uuid::try_parse(identity) {
                Ok(guid) => device.partnership == guid,
                Err(_) => device.identity.as_deref() == Some(identity),
            },
        }
    }
}

impl Progress {
    /// Starts a command.
    pub(crate) fn start(commands: &[Command], organisation: &Organisation) -> Self {
        let [command] = commands else { return Self::failed(no_language()) };
        if command.is_script {
            return Self::failed(no_language());
        }
        let known: &[&str] = match command.name.to_ascii_lowercase().as_str() {
            "get-organizationconfig" => &["Identity"],
            "get-exchangeserver" => &["Identity", "Status"],
            "get-mobiledevice" => &["ResultSize", "Identity", "Filter", "ActiveSync"],
            _ => return Self::failed(unknown_command(&command.name)),
        };
        let common = ["ErrorAction", "WarningAction", "DomainController"];
        let stranger = command.parameters.iter().find_map(|(name, _)| {
            let name = name.as_deref().unwrap_or("Identity");
            let is_known = known.iter().chain(&common).any(|known| known.eq_ignore_ascii_case(name));
            (!is_known).then_some(name)
        });
        if let Some(name) = stranger {
            return Self::failed(unknown_parameter(name, &command.name));
        }
        match known.len() {
            1 => Self::Ready(vec![Ok(render::organization(organisation.name()))]),
            2 => Self::Ready(
                organisation.servers().iter().rev().map(|fqdn| Ok(render::server(fqdn))).collect(),
            ),
            _ => Self::devices(command),
        }
    }

    fn devices(command: &Command) -> Self {
        let left = match text_of(command, "ResultSize") {
            None => Some(DEFAULT_RESULT_SIZE),
            Some(text) if text.eq_ignore_ascii_case("unlimited") => None,
            Some(text) => match text.parse() {
                Ok(count) => Some(count),
                Err(_) => return Self::failed(bad_value("ResultSize", &text)),
            },
        };
        let wanted = match (text_of(command, "Identity"), text_of(command, "Filter")) {
            (Some(identity), _) => Wanted::Identity(identity),
            (None, None) => Wanted::All,
            (None, Some(filter)) => match Condition::parse(&filter) {
                Some(condition) => Wanted::Where(condition),
                None => return Self::failed(bad_value("Filter", &filter)),
            },
        };
        Self::Devices { next: 0, left, wanted }
    }

    fn failed(error: ErrorRecord) -> Self {
        Self::Ready(vec![Err(error)])
    }

    /// The next step.
    pub(crate) fn step(&mut self, organisation: &Organisation, domain: &str) -> Step {
        match self {
            Self::Ready(results) => match results.pop() {
                Some(Ok(object)) => Step::Object(object),
                Some(Err(error)) => Step::Error(error),
                None => Step::End,
            },
            Self::Ended => Step::End,
            Self::Devices { next, left, wanted } => {
                while let Some((number, device)) = organisation.device_from(*next) {
                    *next = number + 1;
                    if !wanted.takes(&device) {
                        continue;
                    }
                    if *left == Some(0) {
                        *self = Self::Ended;
                        return Step::Warning(
                            "There are more results available than are currently displayed. To view them, increase the \
                             value for the ResultSize parameter."
                                .into(),
                        );
                    }
                    *left = left.map(|left| left - 1);
                    return Step::Object(render::device(&device, domain, organisation.language(number)));
                }
                *self = Self::Ended;
                Step::End
            }
        }
    }
}

fn text_of(command: &Command, name: &str) -> Option<String> {
    let found = command
        .parameters
        .iter()
        .find(|(given, _)| given.as_deref().unwrap_or("Identity").eq_ignore_ascii_case(name));
    match &found?.1 {
        Argument::Text(text) => Some(text.clone()),
        Argument::Integer(number) => Some(number.to_string()),
        Argument::Long(number) => Some(number.to_string()),
        _ => None,
    }
}

fn no_language() -> ErrorRecord {
    ErrorRecord {
        message: "The syntax is not supported by this runspace, which runs in no-language mode.".into(),
        id: "ScriptsNotAllowed".into(),
        category: 0,
        target: String::new(),
    }
}

fn unknown_command(name: &str) -> ErrorRecord {
    ErrorRecord {
        message: format!("The term '{name}' is not recognized as the name of a cmdlet."),
        id: "CommandNotFoundException".into(),
        category: OBJECT_NOT_FOUND,
        target: name.to_owned(),
    }
}

fn unknown_parameter(name: &str, cmdlet: &str) -> ErrorRecord {
    ErrorRecord {
        message: format!("A parameter cannot be found that matches parameter name '{name}'."),
        id: format!("NamedParameterNotFound,{cmdlet}"),
        category: INVALID_ARGUMENT,
        target: name.to_owned(),
    }
}

fn bad_value(parameter: &str, value: &str) -> ErrorRecord {
    ErrorRecord {
        message: format!("Cannot bind parameter '{parameter}' to the value '{value}'."),
        id: format!("ParameterBindingFailed,{parameter}"),
        category: INVALID_ARGUMENT,
        target: parameter.to_owned(),
    }
}
