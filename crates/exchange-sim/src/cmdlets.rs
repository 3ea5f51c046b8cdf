//! What the account may run, and what comes of it, one step at a time.

use exconn_model::ObservedDevice;
use exconn_psrp::{Argument, Command, ErrorRecord};
use uuid::Uuid;

use crate::{Organisation, condition::Condition, render};

/// Objects that `Get-MobileDevice` returns without a `ResultSize`.
const DEFAULT_RESULT_SIZE: u64 = 1000;
/// `System.Management.Automation.ErrorCategory`
const INVALID_ARGUMENT: i32 = 5;
const OBJECT_NOT_FOUND: i32 = 13;

/// What the account may run, and with which parameters.
const CMDLETS: [(&str, &[&str]); 7] = [
    ("Get-Command", &["Name"]),
    ("Get-ExchangeServer", &["Identity", "Status"]),
    ("Get-MobileDevice", &["ResultSize", "Identity", "Filter", "ActiveSync"]),
    ("Get-MobileDeviceStatistics", &["Mailbox"]),
    ("Get-OrganizationConfig", &["Identity"]),
    ("Set-ADServerSettings", &["ViewEntireForest"]),
    ("Set-CASMailbox", &["Identity", "ActiveSyncAllowedDeviceIDs", "ActiveSyncBlockedDeviceIDs"]),
];
/// Parameters that every cmdlet takes.
const COMMON: [&str; 5] = ["Confirm", "DomainController", "ErrorAction", "WarningAction", "WhatIf"];

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
    fn takes(&self, device: &ObservedDevice) -> bool {
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
        let known = CMDLETS.iter().find(|(name, _)| name.eq_ignore_ascii_case(&command.name));
        let Some((cmdlet, known)) = known else { return Self::failed(unknown_command(&command.name)) };
        let stranger = command.parameters.iter().find_map(|(name, _)| {
            let name = name.as_deref().unwrap_or("Identity");
            let is_known = known.iter().chain(&COMMON).any(|known| known.eq_ignore_ascii_case(name));
            (!is_known).then_some(name)
        });
        if let Some(name) = stranger {
            return Self::failed(unknown_parameter(name, &command.name));
        }
        match *cmdlet {
            "Get-Command" => Self::commands(command),
            "Get-ExchangeServer" => {
                Self::ready(organisation.servers().iter().map(|fqdn| render::server(fqdn)).collect())
            }
            "Get-MobileDeviceStatistics" => Self::statistics(command, organisation),
            "Get-OrganizationConfig" => Self::ready(vec![render::organization(organisation.name())]),
            "Set-ADServerSettings" => Self::ready(Vec::new()),
            "Set-CASMailbox" => Self::exempt(command, organisation),
            _ => Self::devices(command),
        }
    }

    fn ready(mut objects: Vec<String>) -> Self {
        // They are taken from the end.
        objects.reverse();
        Self::Ready(objects.into_iter().map(Ok).collect())
    }

    fn commands(command: &Command) -> Self {
        let name = text_of(command, "Name");
        let wanted = |cmdlet: &str| name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(cmdlet));
        let found = CMDLETS.iter().filter(|(cmdlet, _)| wanted(cmdlet));
        let found: Vec<_> = found
            .map(|(cmdlet, known)| render::command(cmdlet, known.iter().chain(&COMMON).copied()))
            .collect();
        match name {
            Some(name) if found.is_empty() => Self::failed(unknown_command(&name)),
            _ => Self::ready(found),
        }
    }

    fn statistics(command: &Command, organisation: &Organisation) -> Self {
        let mailbox = text_of(command, "Mailbox").unwrap_or_default();
        let devices = organisation.devices_of(&mailbox);
        if devices.is_empty() {
            return Self::failed(unknown_object(&mailbox));
        }
        Self::ready(devices.iter().map(|(_, device)| render::statistics(device)).collect())
    }

    /// Puts devices of a mailbox on its lists of personal exemptions, or takes them off. A device shows on which list it
    /// is, so the lists need no memory of their own.
    fn exempt(command: &Command, organisation: &Organisation) -> Self {
        let mailbox = text_of(command, "Identity").unwrap_or_default();
        let devices = organisation.devices_of(&mailbox);
        if devices.is_empty() {
            return Self::failed(unknown_object(&mailbox));
        }
        for (number, mut device) in devices {
            let before = Exemption::of(&device);
            let mut after = before;
            // A personal block comes before a personal permission, so it is looked at last.
            for (parameter, exemption) in [
                ("ActiveSyncAllowedDeviceIDs", Exemption::Allowed),
                ("ActiveSyncBlockedDeviceIDs", Exemption::Blocked),
            ] {
                match listed(value_of(command, parameter), &device.device_id) {
                    Some(true) => after = Some(exemption),
                    Some(false) if after == Some(exemption) => after = None,
                    _ => {}
                }
            }
            if after == before {
                continue;
            }
            Exemption::put(after, &mut device);
            if organisation.change(number, |changed| *changed = device).is_err() {
                return Self::failed(bad_value("Identity", &mailbox));
            }
        }
        Self::ready(Vec::new())
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

/// On which list of its mailbox a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exemption {
    Allowed,
    Blocked,
}

impl Exemption {
    fn of(device: &ObservedDevice) -> Option<Self> {
        match (device.access_state_reason.as_deref(), device.access_state.as_deref()) {
            (Some("Individual"), Some("Allowed")) => Some(Self::Allowed),
            (Some("Individual"), Some("Blocked")) => Some(Self::Blocked),
            _ => None,
        }
    }

    /// The state that follows; without an exemption the organisation's default.
    fn put(exemption: Option<Self>, device: &mut ObservedDevice) {
        let (state, reason) = match exemption {
            Some(Self::Allowed) => ("Allowed", "Individual"),
            Some(Self::Blocked) => ("Blocked", "Individual"),
            None => ("Allowed", "Global"),
        };
        device.access_state = Some(state.to_owned());
        device.access_state_reason = Some(reason.to_owned());
        device.access_rule = None;
    }
}

/// Whether a list that is given so holds the device afterwards; `None` if it stays as it is. `@{Add=…;Remove=…}` changes a
/// list, everything else replaces it.
fn listed(given: Option<&Argument>, device_id: &str) -> Option<bool> {
    let names = |value: &Argument| match value {
        Argument::Text(text) => text.eq_ignore_ascii_case(device_id),
        Argument::List(items) => items
            .iter()
            .any(|item| matches!(item, Argument::Text(text) if text.eq_ignore_ascii_case(device_id))),
        _ => false,
    };
    match given? {
        Argument::Hashtable(changes) => {
            let last = changes.iter().rfind(|(_, value)| names(value));
            last.map(|(verb, _)| verb.eq_ignore_ascii_case("Add"))
        }
        whole => Some(names(whole)),
    }
}

fn value_of<'a>(command: &'a Command, name: &str) -> Option<&'a Argument> {
    let mut given = command.parameters.iter();
    let found = given.find(|(given, _)| given.as_deref().unwrap_or("Identity").eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

fn text_of(command: &Command, name: &str) -> Option<String> {
    match value_of(command, name)? {
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

fn unknown_object(name: &str) -> ErrorRecord {
    ErrorRecord {
        message: format!("The operation couldn't be performed because object '{name}' couldn't be found."),
        id: "[FailureCategory=Cmdlet-ManagementObjectNotFoundException]".into(),
        category: 0,
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
