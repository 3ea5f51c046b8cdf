//! Writing CLIXML.

use std::fmt::Write;

use super::escape::escape_into;

/// Text as character data of CLIXML.
pub fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    escape_into(&mut result, text);
    result
}

/// Writes one document; it gives objects their ids.
#[derive(Debug, Default)]
pub struct Writer {
    xml: String,
    next_id: u32,
}

impl Writer {
    /// Begins `<Obj>`, a property if it has a name.
    pub fn begin(&mut self, name: Option<&str>) {
        self.open("Obj", name);
        let id = self.next_id;
        self.next_id += 1;
        self.write(format_args!(" RefId=\"{id}\">"));
    }

    /// Ends `<Obj>`.
    pub fn end(&mut self) {
        self.xml.push_str("</Obj>");
    }

    /// The object's type names, most derived first.
    pub fn types(&mut self, names: &[&str]) {
        let id = self.next_id;
        self.next_id += 1;
        self.write(format_args!("<TN RefId=\"{id}\">"));
        for name in names {
            self.scalar("T", None, name);
        }
        self.xml.push_str("</TN>");
    }

    /// A primitive value in an element of this name.
    pub fn scalar(&mut self, element: &str, name: Option<&str>, text: &str) {
        self.open(element, name);
        self.xml.push('>');
        escape_into(&mut self.xml, text);
        self.write(format_args!("</{element}>"));
    }

    /// A string property.
    pub fn text(&mut self, name: &str, text: &str) {
        self.scalar("S", Some(name), text);
    }

    /// A Boolean property.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.scalar("B", Some(name), if value { "true" } else { "false" });
    }

    /// A 32-bit number property.
    pub fn number(&mut self, name: &str, value: i32) {
        self.scalar("I32", Some(name), &value.to_string());
    }

    /// A property without a value.
    pub fn nil(&mut self, name: &str) {
        self.open("Nil", Some(name));
        self.xml.push_str(" />");
    }

    /// `<ToString>`.
    pub fn to_string_element(&mut self, text: &str) {
        self.scalar("ToString", None, text);
    }

    /// A tag as it stands, for instance `<MS>`.
    pub fn raw(&mut self, tag: &str) {
        self.xml.push_str(tag);
    }

    /// The document.
    pub fn finish(self) -> String {
        self.xml
    }

    fn open(&mut self, element: &str, name: Option<&str>) {
        self.xml.push('<');
        self.xml.push_str(element);
        if let Some(name) = name {
            self.xml.push_str(" N=\"");
            escape_into(&mut self.xml, name);
            self.xml.push('"');
        }
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = self.xml.write_fmt(arguments);
    }
}
