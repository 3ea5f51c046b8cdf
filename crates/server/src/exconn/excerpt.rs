/// Most characters of the beginning, which repeats what was sent.
const BEGINNING: usize = 100;
/// Most characters of the end, which says what would be accepted and where the fault is.
const END: usize = 200;

/// What a parser says, short even if it repeats a name or value of a megabyte.
pub(super) fn excerpt(message: &str) -> String {
    let length = message.chars().count();
    if length <= BEGINNING + END {
        return message.to_owned();
    }
    let beginning = message.chars().take(BEGINNING);
    let end = message.chars().skip(length - END);
    beginning.chain(['…']).chain(end).collect()
}
