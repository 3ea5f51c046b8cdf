//! Commands of a pipeline (MS-PSRP 2.2.3.11 to 2.2.3.13), written by the client and read by the server.

use crate::{
    Limits,
    clixml::{self, Objects, Value, Writer},
};

const LIST: [&str; 2] = ["System.Object[]", "System.Array"];
const HASHTABLE: [&str; 2] = ["System.Collections.Hashtable", "System.Object"];
const COMMANDS: [&str; 2] = [
    "System.Collections.Generic.List`1[[System.Management.Automation.PSObject, System.Management.Automation, \
     Version=3.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]",
    "System.Object",
];
const MERGES: [&str; 8] = [
    "MergeMyResult",
    "MergeToResult",
    "MergePreviousResults",
    "MergeError",
    "MergeWarning",
    "MergeVerbose",
    "MergeDebug",
    "MergeInformation",
];

/// A value that a parameter takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// `$null`.
    Null,
    /// A string.
    Text(String),
    /// `$true` or `$false`; a switch that is set is `true`.
    Boolean(bool),
    /// A 32-bit number.
    Integer(i32),
    /// A 64-bit number.
    Long(i64),
    /// An array.
    List(Vec<Argument>),
    /// A hashtable, for instance `@{Add = …; Remove = …}`.
    Hashtable(Vec<(String, Argument)>),
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A cmdlet with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The cmdlet's name, or a script's text.
    pub name: String,
    /// Whether it is a script. Exchange's runspaces refuse scripts.
    pub is_script: bool,
    /// Parameters in order; one without a name is positional.
    pub parameters: Vec<(Option<String>, Argument)>,
}

impl Command {
    /// A cmdlet without parameters.
    pub fn new(cmdlet: &str) -> Self {
        Self { name: cmdlet.to_owned(), is_script: false, parameters: Vec::new() }
    }

    /// The same command with one more parameter.
    pub fn with(mut self, name: &str, value: impl Into<Argument>) -> Self {
        self.parameters.push((Some(name.to_owned()), value.into()));
        self
    }
}

/// The content of a `CreatePipeline` message that runs one command without input.
pub(crate) fn create_pipeline(command: &Command) -> String {
    let mut w = Writer::default();
    w.begin(None);
    w.raw("<MS>");
    w.boolean("NoInput", true);
    enumeration(
        &mut w,
        "ApartmentState",
        "System.Management.Automation.Runspaces.ApartmentState",
        "UNKNOWN",
        2,
    );
    enumeration(&mut w, "RemoteStreamOptions", "System.Management.Automation.RemoteStreamOptions", "0", 0);
    w.boolean("AddToHistory", false);
    no_host(&mut w);
    w.begin(Some("PowerShell"));
    w.raw("<MS>");
    w.boolean("IsNested", false);
    w.nil("ExtraCmds");
    w.begin(Some("Cmds"));
    w.types(&COMMANDS);
    w.raw("<LST>");
    w.begin(None);
    w.raw("<MS>");
    w.text("Cmd", &command.name);
    w.boolean("IsScript", command.is_script);
    w.nil("UseLocalScope");
    for merge in MERGES {
        enumeration(&mut w, merge, "System.Management.Automation.Runspaces.PipelineResultTypes", "None", 0);
    }
    w.begin(Some("Args"));
    w.types(&COMMANDS);
    w.raw("<LST>");
    for (name, value) in &command.parameters {
        w.begin(None);
        w.raw("<MS>");
        match name {
            Some(name) => w.text("N", &format!("-{name}")),
            None => w.nil("N"),
        }
        argument(&mut w, Some("V"), value);
        w.raw("</MS>");
        w.end();
    }
    w.raw("</LST>");
    w.end();
    w.raw("</MS>");
    w.end();
    w.raw("</LST>");
    w.end();
    w.nil("History");
    w.boolean("RedirectShellErrorOutputPipe", false);
    w.raw("</MS>");
    w.end();
    w.boolean("IsNested", false);
    w.raw("</MS>");
    w.end();
    w.finish()
}

/// The information that there is no host to ask (MS-PSRP 2.2.3.14).
pub(crate) fn no_host(w: &mut Writer) {
    w.begin(Some("HostInfo"));
    w.raw("<MS>");
    for name in ["_isHostNull", "_isHostUINull", "_isHostRawUINull", "_useRunspaceHost"] {
        w.boolean(name, true);
    }
    w.raw("</MS>");
    w.end();
}

pub(crate) fn enumeration(w: &mut Writer, name: &str, kind: &str, text: &str, number: i32) {
    w.begin(Some(name));
    w.types(&[kind, "System.Enum", "System.ValueType", "System.Object"]);
    w.to_string_element(text);
    w.scalar("I32", None, &number.to_string());
    w.end();
}

fn argument(w: &mut Writer, name: Option<&str>, value: &Argument) {
    match value {
        Argument::Null => match name {
            Some(name) => w.nil(name),
            None => w.raw("<Nil />"),
        },
        Argument::Text(text) => w.scalar("S", name, text),
        Argument::Boolean(value) => w.scalar("B", name, if *value { "true" } else { "false" }),
        Argument::Integer(value) => w.scalar("I32", name, &value.to_string()),
        Argument::Long(value) => w.scalar("I64", name, &value.to_string()),
        Argument::List(items) => {
            w.begin(name);
            w.types(&[LIST[0], LIST[1], "System.Object"]);
            w.raw("<LST>");
            for item in items {
                argument(w, None, item);
            }
            w.raw("</LST>");
            w.end();
        }
        Argument::Hashtable(entries) => {
            w.begin(name);
            w.types(&HASHTABLE);
            w.raw("<DCT>");
            for (key, value) in entries {
                w.raw("<En>");
                w.scalar("S", Some("Key"), key);
                argument(w, Some("Value"), value);
                w.raw("</En>");
            }
            w.raw("</DCT>");
            w.end();
        }
    }
}

/// Reads the commands of a `CreatePipeline` message.
pub(crate) fn commands(content: &[u8], limits: &Limits) -> Result<Vec<Command>, clixml::Error> {
    let message = clixml::decode(content, limits)?;
    let mut reader =
        CommandReader { objects: Objects::of(&message), values_left: limits.elements, limits: *limits };
    let shell = message.property("PowerShell").and_then(|shell| reader.objects.resolve(shell));
    let commands = shell.and_then(|shell| reader.objects.resolve(shell.property("Cmds")?));
    let commands = commands.and_then(|list| list.items.as_ref()).ok_or_else(malformed)?;
    commands.iter().map(|command| reader.command(command)).collect()
}

fn malformed() -> clixml::Error {
    clixml::Error::Malformed("a pipeline without commands".into())
}

/// Reads commands. A client may write an object once and refer to it again, and an object may contain itself; so what a
/// message can grow to is bounded apart from its size.
struct CommandReader<'a> {
    objects: Objects<'a>,
    values_left: usize,
    limits: Limits,
}

impl<'a> CommandReader<'a> {
    fn command(&mut self, value: &'a Value) -> Result<Command, clixml::Error> {
        let command = self.objects.resolve(value).ok_or_else(malformed)?;
        let name = command.property("Cmd").and_then(Value::text).ok_or_else(malformed)?.to_owned();
        let is_script = command.property("IsScript").and_then(Value::text) == Some("true");
        let arguments = command.property("Args").and_then(|list| self.objects.resolve(list));
        let mut parameters = Vec::new();
        for argument in arguments.and_then(|list| list.items.as_ref()).into_iter().flatten() {
            let argument = self.objects.resolve(argument).ok_or_else(malformed)?;
            let name = argument.property("N").and_then(Value::text);
            let name = name.map(|name| name.trim_start_matches('-').trim_end_matches(':').to_owned());
            let value = match argument.property("V") {
                Some(value) => self.argument(value, 0)?,
                None => Argument::Null,
            };
            parameters.push((name, value));
        }
        Ok(Command { name, is_script, parameters })
    }

    fn argument(&mut self, value: &'a Value, depth: usize) -> Result<Argument, clixml::Error> {
        if depth > self.limits.depth {
            return Err(clixml::Error::TooDeep { limit: self.limits.depth });
        }
        self.values_left =
            self.values_left.checked_sub(1).ok_or(clixml::Error::TooMany { limit: self.limits.elements })?;
        if let Value::Scalar { kind, text } = value {
            return Ok(scalar(kind, text));
        }
        let Some(object) = self.objects.resolve(value) else { return Ok(Argument::Null) };
        if let Some(items) = &object.items {
            let items = items.iter().map(|item| self.argument(item, depth + 1));
            return Ok(Argument::List(items.collect::<Result<_, _>>()?));
        }
        if let Some(entries) = &object.entries {
            let entries = entries.iter().map(|(key, value)| {
                Ok((key.text().unwrap_or_default().to_owned(), self.argument(value, depth + 1)?))
            });
            return Ok(Argument::Hashtable(entries.collect::<Result<_, clixml::Error>>()?));
        }
        match &object.value {
            Some(value) => self.argument(value, depth + 1),
            None => Ok(object.to_string.clone().map_or(Argument::Null, Argument::Text)),
        }
    }
}

fn scalar(kind: &str, text: &str) -> Argument {
    let as_text = || Argument::Text(text.to_owned());
    match kind {
        "B" => Argument::Boolean(text.eq_ignore_ascii_case("true")),
        "I32" => text.parse().map_or_else(|_| as_text(), Argument::Integer),
        "I64" => text.parse().map_or_else(|_| as_text(), Argument::Long),
        _ => as_text(),
    }
}
