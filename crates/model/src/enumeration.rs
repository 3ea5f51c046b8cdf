use crate::schema::{EnumType, SENTINEL};

/// An enumeration with a name and a number for each member, as the Graph's metadata gives them.
pub trait GraphEnum: Copy + Sized + 'static {
    /// The description of this enumeration.
    const TYPE: &'static EnumType;

    /// The number that the metadata gives this member.
    fn number(self) -> i32;

    /// The member with this number, if it is one that can be stored.
    fn from_number(number: i32) -> Option<Self>;

    /// The member's name on the wire.
    fn name(self) -> &'static str {
        Self::TYPE.name_of(self.number()).unwrap_or(SENTINEL)
    }

    /// The member with this exact name, if it is one that can be stored.
    fn from_name(name: &str) -> Option<Self> {
        Self::from_number(Self::TYPE.number_of(name)?)
    }
}

/// Declares an enumeration whose members carry their wire names and numbers; the doc comments are what `$metadata` says
/// too. A sentinel is a member that can be named in queries but never stored.
macro_rules! graph_enum {
    ($(#[doc = $doc:literal])* $name:ident as $wire:literal $(sentinel $sentinel:literal)? {
        $($(#[doc = $member_doc:literal])* $member:ident = $number:literal $text:literal,)+
    }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $member_doc])* $member = $number,)+
        }

        impl $crate::GraphEnum for $name {
            const TYPE: &'static $crate::schema::EnumType = &$crate::schema::EnumType {
                name: $wire,
                documentation: concat!($($doc),*).trim_ascii_start(),
                members: &[
                    $($crate::schema::EnumMember {
                        name: $text,
                        number: $number,
                        documentation: concat!($($member_doc),*).trim_ascii_start(),
                    },)+
                    $($crate::schema::EnumMember {
                        name: $crate::schema::SENTINEL,
                        number: $sentinel,
                        documentation: "Stands for members that were added later. Never stored, and refused in new entities.",
                    },)?
                ],
                has_sentinel: !<[i32]>::is_empty(&[$($sentinel,)?]),
            };

            fn number(self) -> i32 {
                self as i32
            }

            fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$member),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use graph_enum;
