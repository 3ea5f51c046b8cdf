//! Reading CLIXML that anyone may have written: no panic, no endless work, and nothing accepted that the XML crate refuses.

use exconn_psrp::{
    Limits,
    clixml::{Error, ObjectVisitor, Objects, Property, Value, decode, decode_object},
};
use quick_xml::{Reader, events::Event};

/// Counts what an object consists of.
#[derive(Default)]
struct Counted {
    properties: usize,
}

impl ObjectVisitor for Counted {
    fn property(&mut self, _: &str, _: Property<'_>) -> Result<(), Error> {
        self.properties += 1;
        Ok(())
    }
}

pub(crate) fn check(data: &[u8]) {
    let limits = Limits { message_bytes: 64 * 1024, elements: 2000, ..Limits::default() };
    let tree = decode(data, &limits);
    let mut counted = Counted::default();
    let object = decode_object(data, &limits, &mut counted);
    if tree.is_ok() || object.is_ok() {
        assert!(is_well_formed(data), "accepted though it is not well-formed");
    }
    if let (Ok(tree), Ok(())) = (&tree, &object) {
        let object = tree.object().expect("what was read as an object is one");
        let named = object.adapted.len() + object.extended.len();
        assert!(counted.properties <= named || repeats_a_bag(data), "the tree lost a property");
    }
    if let Ok(tree) = &tree {
        follow(tree, &Objects::of(tree), 70);
    }
}

/// References lead somewhere or nowhere, but following each once comes to an end.
fn follow<'a>(value: &'a Value, objects: &Objects<'a>, depth: u32) {
    assert!(depth > 0, "the tree is deeper than its limit");
    if let Value::Reference(_) = value {
        let _ = objects.resolve(value);
    }
    let Some(object) = value.object() else { return };
    let entries = object.entries.iter().flatten().flat_map(|(key, value)| [key, value]);
    let properties = object.adapted.iter().chain(&object.extended).map(|(_, value)| value);
    for child in properties.chain(object.items.iter().flatten()).chain(entries) {
        follow(child, objects, depth - 1);
    }
}

fn is_well_formed(data: &[u8]) -> bool {
    let mut reader = Reader::from_reader(data);
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// A second `Props` or `MS` of an object replaces the first in the tree.
fn repeats_a_bag(data: &[u8]) -> bool {
    let count = |name: &[u8]| data.windows(name.len()).filter(|part| *part == name).count();
    count(b"<Props") > 1 || count(b"<MS") > 1
}
