//! Reading and writing CLIXML.

use exconn_psrp::{
    Limits,
    clixml::{Error, Object, ObjectVisitor, Objects, Property, Value, Writer, decode, decode_object},
};
use proptest::prelude::*;

const DEVICE: &str = concat!(
    r#"<Obj RefId="0"><TN RefId="0"><T>A.Device</T><T>System.Object</T></TN><ToString>iPhone§1</ToString><Props>"#,
    r#"<S N="Name">a_x000A_b &amp; &#x263a;</S><Nil N="Rule" /><B N="Managed">false</B><S N="Empty"></S><S N="None"/>"#,
    r#"<G N="Guid">10000000-0000-4000-8000-000000000001</G><DT N="When">2024-01-01T06:00:11Z</DT>"#,
    r#"<Obj N="Class" RefId="1"><TN RefId="1"><T>List</T></TN><LST><S>top</S><Nil /><I32>3</I32></LST></Obj>"#,
    r#"<Obj N="Other" RefId="2"><TNRef RefId="1" /><LST /></Obj>"#,
    r#"<Obj N="State" RefId="3"><ToString>Allowed</ToString><I32>1</I32></Obj>"#,
    r#"<Obj N="Table" RefId="4"><DCT><En><S N="Key">k</S><I32 N="Value">1</I32></En></DCT></Obj>"#,
    r#"<Ref N="Self" RefId="0" /><Weird N="Unheard">of</Weird></Props><MS><S N="Server">ex01</S></MS></Obj>"#,
);

fn read(xml: &str) -> Result<Value, Error> {
    decode(xml.as_bytes(), &Limits::default())
}

fn scalar(kind: &str, text: &str) -> Value {
    Value::Scalar { kind: kind.into(), text: text.into() }
}

/// What a visitor is told, line by line.
#[derive(Default)]
struct Lines(Vec<String>);

impl ObjectVisitor for Lines {
    fn property(&mut self, name: &str, value: Property<'_>) -> Result<(), Error> {
        self.0.push(format!("{name} = {value:?}"));
        Ok(())
    }

    fn item(&mut self, name: &str, value: Property<'_>) -> Result<(), Error> {
        self.0.push(format!("{name} += {value:?}"));
        Ok(())
    }

    fn type_name(&mut self, name: &str) -> Result<(), Error> {
        self.0.push(format!("type {name}"));
        Ok(())
    }

    fn to_string(&mut self, text: &str) -> Result<(), Error> {
        self.0.push(format!("to string {text}"));
        Ok(())
    }
}

fn visit(xml: &[u8], limits: &Limits) -> Result<Vec<String>, Error> {
    let mut lines = Lines::default();
    decode_object(xml, limits, &mut lines).map(|()| lines.0)
}

#[test]
fn an_object_is_read_property_by_property() {
    assert_eq!(
        visit(DEVICE.as_bytes(), &Limits::default()).unwrap(),
        [
            "type A.Device",
            "type System.Object",
            "to string iPhone§1",
            "Name = Scalar(\"S\", \"a\\nb & ☺\")",
            "Rule = Null",
            "Managed = Scalar(\"B\", \"false\")",
            "Empty = Scalar(\"S\", \"\")",
            "None = Scalar(\"S\", \"\")",
            "Guid = Scalar(\"G\", \"10000000-0000-4000-8000-000000000001\")",
            "When = Scalar(\"DT\", \"2024-01-01T06:00:11Z\")",
            "Class += Scalar(\"S\", \"top\")",
            "Class += Null",
            "Class += Scalar(\"I32\", \"3\")",
            "Class = Composite(None)",
            "Other = Composite(None)",
            "State = Composite(Some(\"Allowed\"))",
            "Table = Composite(None)",
            "Self = Composite(None)",
            "Unheard = Scalar(\"Weird\", \"of\")",
            "Server = Scalar(\"S\", \"ex01\")",
        ]
    );
}

#[test]
fn an_object_is_read_as_a_tree() {
    let tree = read(DEVICE).unwrap();
    let object = tree.object().unwrap();
    assert_eq!(*object.types, ["A.Device", "System.Object"]);
    assert_eq!(object.to_string.as_deref(), Some("iPhone§1"));
    assert_eq!(tree.property("name").and_then(Value::text), Some("a\nb & ☺"));
    assert_eq!(tree.property("Rule"), Some(&Value::Null));
    assert_eq!(tree.property("State").and_then(Value::number), Some(1));
    let property = |name: &str| tree.property(name).and_then(Value::object).unwrap();
    assert_eq!(property("State").to_string.as_deref(), Some("Allowed"));
    let items = [scalar("S", "top"), Value::Null, scalar("I32", "3")];
    assert_eq!(property("Class").items.as_deref(), Some(&items[..]));
    assert_eq!(property("Other").items.as_deref(), Some(&[][..]));
    assert_eq!(property("Other").types, property("Class").types);
    assert_eq!(property("Table").entries.as_deref(), Some(&[(scalar("S", "k"), scalar("I32", "1"))][..]));
    assert_eq!(tree.property("Self"), Some(&Value::Reference(0)));
    assert_eq!(Objects::of(&tree).resolve(tree.property("Self").unwrap()), Some(object));
    assert_eq!(object.extended, [("Server".to_owned(), scalar("S", "ex01"))]);
}

#[test]
fn every_kind_of_collection_is_kept() {
    for element in ["LST", "IE", "QUE", "STK"] {
        let tree = read(&format!("<Obj RefId='1'><{element}><S>a</S></{element}></Obj>")).unwrap();
        assert_eq!(tree.object().unwrap().items.as_deref(), Some(&[scalar("S", "a")][..]), "{element}");
    }
}

#[test]
fn values_that_are_no_objects_are_read() {
    for (xml, value) in [
        ("<S>x</S>", scalar("S", "x")),
        ("<S/>", scalar("S", "")),
        ("\u{feff}<?xml version='1.0'?>\n<!-- x --><I64> 1 </I64>\n", scalar("I64", " 1 ")),
        ("<Nil/>", Value::Null),
        ("<S><![CDATA[<a>]]>&lt;<!-- x -->b</S>", scalar("S", "<a><b")),
        ("<Objs Version='1.1' xmlns='u'><B>true</B></Objs>", scalar("B", "true")),
        ("<Ref RefId='7'/>", Value::Reference(7)),
        ("<TS>PT9.0269026S</TS>", scalar("TS", "PT9.0269026S")),
    ] {
        assert_eq!(read(xml).unwrap(), value, "{xml}");
    }
}

#[test]
fn what_is_malformed_is_an_error() {
    for xml in [
        "",
        " ",
        "x",
        "<",
        "<>",
        "</S>",
        "<S",
        "<S>",
        "<S></",
        "<S></S",
        "<S></T>",
        "<S></SS>",
        "<SS></S>",
        "<S>a</S>b",
        "<S>a</S><S>b</S>",
        "<S>a</S></S>",
        "<Obj><Props></Obj></Props>",
        "<S a>x</S>",
        "<S a=b>x</S>",
        "<S a='b>x</S>",
        "<S a='b'c='d'>x</S>",
        "<S a b='c'>x</S>",
        "<S a='<'>x</S>",
        "<S>&bogus;</S>",
        "<S>&#x110000;</S>",
        "<S>& </S>",
        "<S>&amp</S>",
        "<1/>",
        "< S/>",
        "<!DOCTYPE a><S/>",
        "<S><!-- </S>",
        "<S><![CDATA[ </S>",
        "<? ?><S/>",
        "<?xml <S/>",
        "<Ref/>",
        "<Ref RefId='x'/>",
        "<S></S\x0c>",
        "\x0c<S/>",
        "<Obj><Props><S N='&bogus;'>a</S></Props></Obj>",
    ] {
        assert!(matches!(read(xml), Err(Error::Malformed(_))), "{xml}: {:?}", read(xml));
        assert!(matches!(visit(xml.as_bytes(), &Limits::default()), Err(Error::Malformed(_))), "{xml}");
    }
    for xml in [&b"<S>\xff</S>"[..], b"<Obj><Props><S N='\xc3'>a</S></Props></Obj>"] {
        assert_eq!(decode(xml, &Limits::default()), Err(Error::NotUtf8));
        assert_eq!(visit(xml, &Limits::default()), Err(Error::NotUtf8));
    }
    assert!(visit(b"<S>x</S>", &Limits::default()).is_err(), "a string has no properties");
}

#[test]
fn an_object_cut_anywhere_is_an_error() {
    for end in 0..DEVICE.len() {
        let cut = &DEVICE.as_bytes()[..end];
        assert!(decode(cut, &Limits::default()).is_err(), "{end}");
        assert!(visit(cut, &Limits::default()).is_err(), "{end}");
    }
}

#[test]
fn bounds_hold() {
    let nested =
        |depth: usize| format!("<Obj>{}{}</Obj>", "<MS><Obj>".repeat(depth), "</Obj></MS>".repeat(depth));
    let wide = |count: usize| format!("<Obj><Props>{}</Props></Obj>", "<S N='a'>b</S>".repeat(count));
    let long = |length: usize| format!("<Obj><Props><S N='a'>{}</S></Props></Obj>", "x".repeat(length));
    let limits = Limits { elements: 1000, message_bytes: 6_000_000, ..Limits::default() };
    for (xml, expected) in [
        (nested(31), None),
        (nested(500), Some(Error::TooDeep { limit: 64 })),
        (wide(998), None),
        (wide(999), Some(Error::TooMany { limit: 1000 })),
        (long(5_000_000), None),
        (long(6_000_000), Some(Error::TooLarge { limit: 6_000_000 })),
    ] {
        assert_eq!(decode(xml.as_bytes(), &limits).err(), expected);
        assert_eq!(visit(xml.as_bytes(), &limits).err(), expected);
    }
}

#[test]
fn a_visitor_can_refuse() {
    struct Picky;
    impl ObjectVisitor for Picky {
        fn property(&mut self, name: &str, _: Property<'_>) -> Result<(), Error> {
            if name == "Managed" { Err(Error::Refused("no".into())) } else { Ok(()) }
        }
    }
    let refused = decode_object(DEVICE.as_bytes(), &Limits::default(), &mut Picky);
    assert_eq!(refused, Err(Error::Refused("no".into())));
}

/// Text with what needs escaping in it.
fn text() -> impl Strategy<Value = String> {
    "(_x[0-9A-F]{0,4}_?|[ -~]|[\\x00-\\x1f]|[&<>\"'\\]]|\\PC){0,12}"
}

fn value() -> impl Strategy<Value = Value> {
    let kinds = prop::sample::select(vec!["S", "I32", "B", "DT", "G", "Version"]);
    let leaf = prop_oneof![
        Just(Value::Null),
        (kinds, text()).prop_map(|(kind, text)| Value::Scalar { kind: kind.into(), text })
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let properties = || prop::collection::vec((text(), inner.clone()), 0..4);
        let types = prop::collection::vec(text(), 0..3);
        let items = prop::option::of(prop::collection::vec(inner.clone(), 0..4));
        (types, prop::option::of(text()), properties(), properties(), items).prop_map(
            |(types, to_string, adapted, extended, items)| {
                Value::Object(Box::new(Object {
                    types: types.into(),
                    to_string,
                    adapted,
                    extended,
                    items,
                    ..Object::default()
                }))
            },
        )
    })
}

fn write(w: &mut Writer, name: Option<&str>, value: &Value) {
    match value {
        Value::Null => match name {
            Some(name) => w.nil(name),
            None => w.raw("<Nil />"),
        },
        Value::Scalar { kind, text } => w.scalar(kind, name, text),
        Value::Reference(_) => unreachable!("none is generated"),
        Value::Object(object) => {
            w.begin(name);
            if !object.types.is_empty() {
                w.types(&object.types.iter().map(String::as_str).collect::<Vec<_>>());
            }
            if let Some(text) = &object.to_string {
                w.to_string_element(text);
            }
            for (tag, properties) in [("Props", &object.adapted), ("MS", &object.extended)] {
                if !properties.is_empty() {
                    w.raw(&format!("<{tag}>"));
                    properties.iter().for_each(|(name, value)| write(w, Some(name), value));
                    w.raw(&format!("</{tag}>"));
                }
            }
            if let Some(items) = &object.items {
                w.raw("<LST>");
                items.iter().for_each(|item| write(w, None, item));
                w.raw("</LST>");
            }
            w.end();
        }
    }
}

/// The ids that the writer gave are not part of what was meant.
fn without_ids(value: &mut Value) {
    if let Value::Object(object) = value {
        object.id = None;
        let properties = object.adapted.iter_mut().chain(&mut object.extended).map(|(_, value)| value);
        properties.chain(object.items.iter_mut().flatten()).for_each(without_ids);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in value()) {
        let mut w = Writer::default();
        write(&mut w, None, &value);
        let xml = w.finish();
        let mut back = read(&xml).unwrap();
        without_ids(&mut back);
        prop_assert_eq!(&back, &value);
        if let Value::Object(object) = &value {
            let lines = visit(xml.as_bytes(), &Limits::default()).unwrap();
            let properties = lines.iter().filter(|line| line.contains(" = ")).count();
            prop_assert!(properties >= object.adapted.len() + object.extended.len());
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes, &Limits::default());
        let _ = visit(&bytes, &Limits::default());
    }

    #[test]
    fn a_changed_object_is_read_only_if_it_is_well_formed(
        at in 0..DEVICE.len(), by in prop::sample::select(b"<>/\"'&;= NaO\x00\xff".to_vec()), cut in 0_usize..3,
    ) {
        let mut bytes = DEVICE.as_bytes().to_vec();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, [by]);
        let read = decode(&bytes, &Limits::default()).is_ok() || visit(&bytes, &Limits::default()).is_ok();
        if read {
            let mut reader = quick_xml::Reader::from_reader(&bytes[..]);
            while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
        }
    }
}
