//! CSDL XML 4.0.

use std::io;

use exconn_model::schema::{EntityContainer, EntityType, EnumType, Property, PropertyType};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

use super::{
    BASE_TYPE, BINDING_PARAMETER, MOMENT_PRECISION, NAMESPACE, Types, VOCABULARIES,
    annotations::{self, Annotated, Annotation},
    qualified,
    types::{own_properties, type_name},
};

/// The metadata of all that can be reached from a container, as CSDL XML 4.0.
pub fn xml(container: &EntityContainer) -> Vec<u8> {
    let mut document = Document { writer: Writer::new_with_indent(Vec::new(), b' ', 2) };
    // Writing into a vector cannot fail.
    let _ = document.write(container);
    document.writer.into_inner()
}

type Attributes<'a> = &'a [(&'a str, &'a str)];

struct Document {
    writer: Writer<Vec<u8>>,
}

impl Document {
    fn write(&mut self, container: &EntityContainer) -> io::Result<()> {
        self.writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
        let edmx = [("Version", "4.0"), ("xmlns:edmx", "http://docs.oasis-open.org/odata/ns/edmx")];
        self.element("edmx:Edmx", &edmx, |document| {
            for vocabulary in VOCABULARIES {
                let address = format!("{}.xml", vocabulary.address());
                document.element("edmx:Reference", &[("Uri", &address)], |document| {
                    let names = [("Namespace", vocabulary.namespace), ("Alias", vocabulary.alias)];
                    document.empty("edmx:Include", &names)
                })?;
            }
            document.element("edmx:DataServices", &[], |document| document.schema(container))
        })
    }

    fn schema(&mut self, container: &EntityContainer) -> io::Result<()> {
        let types = Types::of(container);
        let schema = [
            ("Namespace", NAMESPACE),
            ("Alias", "graph"),
            ("xmlns", "http://docs.oasis-open.org/odata/ns/edm"),
        ];
        self.element("Schema", &schema, |document| {
            for kind in &types.enums {
                document.enumeration(kind)?;
            }
            for kind in &types.complex {
                document.element("ComplexType", &[("Name", kind.name)], |document| {
                    kind.properties.iter().try_for_each(|property| document.property(property, false))?;
                    document.annotation(&annotations::description(kind.documentation))
                })?;
            }
            document.base_type(&types)?;
            for kind in &types.entities {
                document.entity(kind)?;
            }
            for (action, entity) in types.actions() {
                document.element("Action", &[("Name", action.name), ("IsBound", "true")], |document| {
                    let bound = qualified(entity.name);
                    let bound = [("Name", BINDING_PARAMETER), ("Type", &*bound), ("Nullable", "false")];
                    document.empty("Parameter", &bound)?;
                    for parameter in action.parameters {
                        let described = [annotations::description(parameter.documentation)];
                        document.typed("Parameter", parameter, &described)?;
                    }
                    document.annotation(&annotations::description(action.documentation))
                })?;
            }
            document.container(container)
        })
    }

    fn enumeration(&mut self, kind: &EnumType) -> io::Result<()> {
        self.element("EnumType", &[("Name", kind.name)], |document| {
            for member in kind.members {
                let attributes = [("Name", member.name), ("Value", &*member.number.to_string())];
                document.element("Member", &attributes, |document| {
                    document.annotation(&annotations::description(member.documentation))
                })?;
            }
            document.annotation(&annotations::description(kind.documentation))
        })
    }

    /// The abstract type that gives every entity its key.
    fn base_type(&mut self, types: &Types) -> io::Result<()> {
        let Some(key) = types.entities.iter().find_map(|entity| entity.properties.first()) else {
            return Ok(());
        };
        self.element("EntityType", &[("Name", BASE_TYPE), ("Abstract", "true")], |document| {
            document.element("Key", &[], |document| document.empty("PropertyRef", &[("Name", key.name)]))?;
            document.property(key, true)
        })
    }

    fn entity(&mut self, kind: &EntityType) -> io::Result<()> {
        let attributes = [("Name", kind.name), ("BaseType", &*qualified(BASE_TYPE))];
        self.element("EntityType", &attributes, |document| {
            for property in own_properties(kind) {
                document.property(property, kind.is_read_only(property))?;
            }
            for navigation in kind.navigation {
                let target = qualified(navigation.target.name);
                let target = if navigation.is_collection { format!("Collection({target})") } else { target };
                let mut attributes =
                    vec![("Name", navigation.name), ("Type", &target), ("ContainsTarget", "true")];
                if !navigation.is_collection {
                    attributes.push(("Nullable", "false"));
                }
                document.element("NavigationProperty", &attributes, |document| {
                    document.annotations(&annotations::of_navigation(navigation))
                })?;
            }
            document.annotation(&annotations::description(kind.documentation))
        })
    }

    fn container(&mut self, container: &EntityContainer) -> io::Result<()> {
        self.element("EntityContainer", &[("Name", container.name)], |document| {
            for singleton in container.singletons {
                let kind = qualified(singleton.kind.name);
                document.empty("Singleton", &[("Name", singleton.name), ("Type", &kind)])?;
            }
            document.annotations(&annotations::of_container())
        })
    }

    fn property(&mut self, property: &Property, is_read_only: bool) -> io::Result<()> {
        self.typed("Property", property, &annotations::of_property(property, is_read_only))
    }

    fn typed(&mut self, element: &str, property: &Property, annotated: &[Annotation]) -> io::Result<()> {
        let (kind, precision) = (type_name(property.kind), MOMENT_PRECISION.to_string());
        let mut attributes = vec![("Name", property.name), ("Type", kind.as_str())];
        if !property.nullable {
            attributes.push(("Nullable", "false"));
        }
        if property.kind == PropertyType::DateTimeOffset {
            attributes.push(("Precision", &precision));
        }
        self.element(element, &attributes, |document| document.annotations(annotated))
    }

    fn annotations(&mut self, annotations: &[Annotation]) -> io::Result<()> {
        annotations.iter().try_for_each(|annotation| self.annotation(annotation))
    }

    fn annotation(&mut self, annotation: &Annotation) -> io::Result<()> {
        self.expression("Annotation", ("Term", annotation.term), &annotation.value)
    }

    /// An element that holds a value: an annotation, or a property of its record.
    fn expression(&mut self, element: &str, name: (&str, &str), value: &Annotated) -> io::Result<()> {
        match value {
            Annotated::Boolean(value) => {
                let value = if *value { "true" } else { "false" };
                self.empty(element, &[name, ("Bool", value)])
            }
            Annotated::Text(text) => self.empty(element, &[name, ("String", text)]),
            Annotated::Member { kind, member } => {
                self.empty(element, &[name, ("EnumMember", &format!("{kind}/{member}"))])
            }
            Annotated::Texts(texts) => self.element(element, &[name], |document| {
                document.element("Collection", &[], |document| {
                    texts.iter().try_for_each(|text| document.text("String", text))
                })
            }),
            Annotated::Record(values) => self.element(element, &[name], |document| {
                document.element("Record", &[], |document| {
                    values.iter().try_for_each(|(name, value)| {
                        document.expression("PropertyValue", ("Property", name), value)
                    })
                })
            }),
        }
    }

    fn empty(&mut self, name: &str, attributes: Attributes<'_>) -> io::Result<()> {
        self.writer.write_event(Event::Empty(start(name, attributes)))
    }

    fn text(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.element(name, &[], |document| document.writer.write_event(Event::Text(BytesText::new(text))))
    }

    fn element(
        &mut self,
        name: &str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.writer.write_event(Event::Start(start(name, attributes)))?;
        inside(self)?;
        self.writer.write_event(Event::End(BytesEnd::new(name)))
    }
}

/// A start tag; the values of the attributes are escaped.
fn start<'a>(name: &'a str, attributes: Attributes<'_>) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    attributes.iter().for_each(|attribute| start.push_attribute(*attribute));
    start
}
