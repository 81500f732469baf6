//! Schemas of compact serialisation: opaque to the server, which only keeps them.

use super::custom_type;

custom_type! {
    /// The schema of one class.
    #[since("2.3")]
    Schema {
        /// The type's name.
        type_name: String,
        /// Its fields.
        fields: Vec<FieldDescriptor>,
    }
}

custom_type! {
    /// One field of a schema.
    #[since("2.3")]
    FieldDescriptor {
        /// The field's name.
        field_name: String,
        /// The number of its kind.
        kind: i32,
    }
}
