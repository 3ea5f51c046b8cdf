//! Messages between client and server (MS-PSRP 2.2.1).

use uuid::Uuid;

const HEADER: usize = 40;
const TO_CLIENT: u32 = 1;
const TO_SERVER: u32 = 2;

macro_rules! message_types {
    ($($name:ident = $number:literal,)+) => {
        /// What a message is about (MS-PSRP 2.2.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum MessageType {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $name = $number,
            )+
        }

        impl MessageType {
            /// The type with this number.
            pub fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

message_types! {
    SessionCapability = 0x0001_0002,
    InitRunspacePool = 0x0001_0004,
    PublicKey = 0x0001_0005,
    EncryptedSessionKey = 0x0001_0006,
    PublicKeyRequest = 0x0001_0007,
    ConnectRunspacePool = 0x0001_0008,
    SetMaxRunspaces = 0x0002_1002,
    SetMinRunspaces = 0x0002_1003,
    RunspaceAvailability = 0x0002_1004,
    RunspacePoolState = 0x0002_1005,
    CreatePipeline = 0x0002_1006,
    GetAvailableRunspaces = 0x0002_1007,
    UserEvent = 0x0002_1008,
    ApplicationPrivateData = 0x0002_1009,
    GetCommandMetadata = 0x0002_100A,
    RunspacePoolInitData = 0x0002_100B,
    ResetRunspaceState = 0x0002_100C,
    RunspacePoolHostCall = 0x0002_1100,
    RunspacePoolHostResponse = 0x0002_1101,
    PipelineInput = 0x0004_1002,
    EndOfPipelineInput = 0x0004_1003,
    PipelineOutput = 0x0004_1004,
    ErrorRecord = 0x0004_1005,
    PipelineState = 0x0004_1006,
    DebugRecord = 0x0004_1007,
    VerboseRecord = 0x0004_1008,
    WarningRecord = 0x0004_1009,
    ProgressRecord = 0x0004_1010,
    InformationRecord = 0x0004_1011,
    PipelineHostCall = 0x0004_1100,
    PipelineHostResponse = 0x0004_1101,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To the client.
    Client,
    /// To the server.
    Server,
}

/// A message whose content is still CLIXML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where it goes.
    pub destination: Destination,
    /// The number of its type.
    pub number: u32,
    /// The runspace pool that it belongs to.
    pub pool: Uuid,
    /// The pipeline that it belongs to; nil for messages of the pool.
    pub pipeline: Uuid,
    /// CLIXML without a byte order mark.
    pub content: &'a [u8],
}

/// A message too short for its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message is shorter than its header")]
pub struct TooShort;

impl<'a> Message<'a> {
    /// Reads a whole message.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TooShort> {
        let (header, content) = bytes.split_at_checked(HEADER).ok_or(TooShort)?;
        let number = |at: usize| {
            header
                .get(at..at + 4)
                .and_then(|four| four.try_into().ok())
                .map(u32::from_le_bytes)
                .ok_or(TooShort)
        };
        let id = |at: usize| {
            header
                .get(at..at + 16)
                .and_then(|bytes| bytes.try_into().ok())
                .map(Uuid::from_bytes_le)
                .ok_or(TooShort)
        };
        Ok(Self {
            destination: if number(0)? == TO_SERVER { Destination::Server } else { Destination::Client },
            number: number(4)?,
            pool: id(8)?,
            pipeline: id(24)?,
            content: content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content),
        })
    }

    /// What it is about, if MS-PSRP knows its type.
    pub fn kind(&self) -> Option<MessageType> {
        MessageType::from_number(self.number)
    }

    /// The bytes of the message.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.content.len());
        let destination = match self.destination {
            Destination::Client => TO_CLIENT,
            Destination::Server => TO_SERVER,
        };
        bytes.extend_from_slice(&destination.to_le_bytes());
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.pool.to_bytes_le());
        bytes.extend_from_slice(&self.pipeline.to_bytes_le());
        bytes.extend_from_slice(self.content);
        bytes
    }
}
