//! What answers look like, told by the same lines that define them: `api_object!` makes a struct
//! that serialises and a JSON schema of its fields with their documentation.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

/// Schemas that others refer to by name.
#[derive(Debug, Default)]
pub(super) struct Components(pub(super) BTreeMap<&'static str, Value>);

/// A Rust type with a JSON schema.
pub(super) trait Schema {
    /// The schema; objects enter themselves into the components and answer a reference.
    fn schema(components: &mut Components) -> Value;
}

/// One page of a list.
#[derive(Debug, Serialize)]
pub(super) struct Page<T> {
    /// The rows.
    pub(super) items: Vec<T>,
    /// Given as `cursor`, it continues the list; null at the end.
    pub(super) next_cursor: Option<String>,
}

impl Components {
    /// Enters an object once and answers the reference to it.
    pub(super) fn object(
        &mut self,
        name: &'static str,
        doc: &str,
        fields: fn(&mut Components) -> Vec<(&'static str, &'static str, Value)>,
    ) -> Value {
        if !self.0.contains_key(name) {
            // Entered first, so that an object may hold its own kind.
            self.0.insert(name, Value::Null);
            let fields = fields(self);
            let required: Vec<&str> = fields.iter().map(|(name, ..)| *name).collect();
            let properties: serde_json::Map<String, Value> = fields
                .iter()
                .map(|(name, doc, schema)| ((*name).to_owned(), described(schema, doc)))
                .collect();
            let object = json!({
                "type": "object",
                "description": doc.trim(),
                "required": required,
                "properties": properties,
            });
            self.0.insert(name, object);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

fn described(schema: &Value, doc: &str) -> Value {
    let mut schema = schema.clone();
    if let Value::Object(fields) = &mut schema {
        fields.insert("description".to_owned(), doc.trim().into());
    }
    schema
}

macro_rules! simple_schema {
    ($($type:ty => $schema:tt),* $(,)?) => {
        $(impl Schema for $type {
            fn schema(_: &mut Components) -> Value {
                json!($schema)
            }
        })*
    };
}

simple_schema! {
    String => { "type": "string" },
    &'static str => { "type": "string" },
    bool => { "type": "boolean" },
    u32 => { "type": "integer", "minimum": 0 },
    u64 => { "type": "integer", "minimum": 0 },
    i32 => { "type": "integer" },
    Value => {},
}

impl<T: Schema> Schema for Vec<T> {
    fn schema(components: &mut Components) -> Value {
        json!({ "type": "array", "items": T::schema(components) })
    }
}

impl<T: Schema> Schema for Option<T> {
    fn schema(components: &mut Components) -> Value {
        let mut schema = T::schema(components);
        match schema.get_mut("type") {
            Some(kind) => {
                *kind = json!([kind.clone(), "null"]);
                schema
            }
            None => json!({ "anyOf": [schema, { "type": "null" }] }),
        }
    }
}

impl<T: Schema> Schema for Page<T> {
    fn schema(components: &mut Components) -> Value {
        let cursor = described(
            &Option::<String>::schema(components),
            "Given as `cursor`, it continues the list; null at the end.",
        );
        json!({
            "type": "object",
            "required": ["items", "next_cursor"],
            "properties": { "items": Vec::<T>::schema(components), "next_cursor": cursor },
        })
    }
}

/// Defines an object of the API: a struct that serialises, and its schema.
macro_rules! api_object {
    (
        $(#[doc = $doc:literal])+
        pub(super) struct $name:ident {
            $( $(#[doc = $field_doc:literal])+ $field:ident: $type:ty, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, serde::Serialize)]
        pub(super) struct $name {
            $( $(#[doc = $field_doc])+ pub(super) $field: $type, )+
        }

        impl $crate::admin::schema::Schema for $name {
            fn schema(
                components: &mut $crate::admin::schema::Components,
            ) -> serde_json::Value {
                components.object(stringify!($name), concat!($($doc),+), |components| {
                    vec![$( (
                        stringify!($field).trim_start_matches("r#"),
                        concat!($($field_doc),+),
                        <$type as $crate::admin::schema::Schema>::schema(components),
                    ) ),+]
                })
            }
        }
    };
}
pub(super) use api_object;
