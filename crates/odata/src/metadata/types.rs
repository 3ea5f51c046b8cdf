use exconn_model::schema::{
    Action, ComplexType, EntityContainer, EntityType, EnumType, Property, PropertyType,
};

/// Every type that a service uses, each once, in the order of their names.
#[derive(Debug, Default)]
pub struct Types {
    /// Entities.
    pub entities: Vec<&'static EntityType>,
    /// Structures.
    pub complex: Vec<&'static ComplexType>,
    /// Enumerations.
    pub enums: Vec<&'static EnumType>,
}

impl Types {
    /// The types that can be reached from a container.
    pub fn of(container: &EntityContainer) -> Self {
        let mut types = Self::default();
        container.singletons.iter().for_each(|singleton| types.add_entity(singleton.kind));
        types.entities.sort_by_key(|kind| kind.name);
        types.complex.sort_by_key(|kind| kind.name);
        types.enums.sort_by_key(|kind| kind.name);
        types
    }

    /// The actions with the entities that they are bound to.
    pub fn actions(&self) -> impl Iterator<Item = (&'static Action, &'static EntityType)> {
        self.entities.iter().flat_map(|entity| entity.actions.iter().map(|action| (action, *entity)))
    }

    fn add_entity(&mut self, entity: &'static EntityType) {
        if self.entities.iter().any(|known| known.name == entity.name) {
            return;
        }
        self.entities.push(entity);
        self.add_properties(entity.properties);
        entity.actions.iter().for_each(|action| self.add_properties(action.parameters));
        entity.navigation.iter().for_each(|navigation| self.add_entity(navigation.target));
    }

    fn add_properties(&mut self, properties: &'static [Property]) {
        for property in properties {
            match property.kind {
                PropertyType::Enum(kind) if self.enums.iter().all(|known| known.name != kind.name) => {
                    self.enums.push(kind);
                }
                PropertyType::Complex(kind) if self.complex.iter().all(|known| known.name != kind.name) => {
                    self.complex.push(kind);
                    self.add_properties(kind.properties);
                }
                _ => {}
            }
        }
    }
}

/// The full name of a property's type.
pub(super) fn type_name(kind: PropertyType) -> String {
    match kind {
        PropertyType::Boolean => "Edm.Boolean".to_owned(),
        PropertyType::String => "Edm.String".to_owned(),
        PropertyType::Int32 => "Edm.Int32".to_owned(),
        PropertyType::DateTimeOffset => "Edm.DateTimeOffset".to_owned(),
        PropertyType::Enum(kind) => super::qualified(kind.name),
        PropertyType::Complex(kind) => super::qualified(kind.name),
    }
}

/// The properties that an entity has beside the key that it inherits.
pub(super) fn own_properties(entity: &EntityType) -> impl Iterator<Item = &'static Property> {
    entity.properties.iter().skip(1)
}
