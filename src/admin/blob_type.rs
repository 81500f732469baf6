//! Numbers and names of the types a client may have stored. spec: client-protocol 7.

/// Partition hash and type id in front of every payload.
pub(super) const HEADER_BYTES: usize = 8;

/// `java.lang.Byte`.
pub(super) const BYTE: i32 = -3;
/// `java.lang.Boolean`.
pub(super) const BOOLEAN: i32 = -4;
/// `java.lang.Character`, one UTF-16 unit.
pub(super) const CHAR: i32 = -5;
/// `java.lang.Short`.
pub(super) const SHORT: i32 = -6;
/// `java.lang.Integer`; what Python's numbers are by default.
pub(super) const INTEGER: i32 = -7;
/// `java.lang.Long`.
pub(super) const LONG: i32 = -8;
/// `java.lang.Float`.
pub(super) const FLOAT: i32 = -9;
/// `java.lang.Double`; what Node's numbers are by default.
pub(super) const DOUBLE: i32 = -10;
/// `java.lang.String`, the same from every language.
pub(super) const STRING: i32 = -11;
/// `byte[]`.
pub(super) const BYTES: i32 = -12;
/// `String[]`.
pub(super) const STRINGS: i32 = -20;
/// `java.util.UUID`.
pub(super) const UUID: i32 = -21;
/// `java.util.Date`, milliseconds since the epoch.
pub(super) const DATE: i32 = -25;
/// An object as Java itself serialises it.
pub(super) const JAVA_SERIALIZABLE: i32 = -100;
/// `HazelcastJsonValue`, and objects of Node.
pub(super) const JSON: i32 = -130;
/// openLooKeng's `Slice`, a `byte[]`.
pub(super) const SLICE: i32 = 1;
/// openLooKeng's `DatabaseEntity`, a `byte[]` of JSON.
pub(super) const DATABASE_ENTITY: i32 = 3;
/// openLooKeng's `TableEntity`, a `byte[]` of JSON.
pub(super) const TABLE_ENTITY: i32 = 4;
/// openLooKeng's `CatalogEntity`, a `byte[]` of JSON.
pub(super) const CATALOG_ENTITY: i32 = 5;

/// The name of a type; `custom` for numbers that users give.
pub(super) fn type_name(type_id: i32) -> &'static str {
    match type_id {
        -1 => "portable",
        -2 => "identified",
        BYTE => "byte",
        BOOLEAN => "boolean",
        CHAR => "char",
        SHORT => "short",
        INTEGER => "int",
        LONG => "long",
        FLOAT => "float",
        DOUBLE => "double",
        STRING => "string",
        BYTES => "byte[]",
        -13 => "boolean[]",
        -14 => "char[]",
        -15 => "short[]",
        -16 => "int[]",
        -17 => "long[]",
        -18 => "float[]",
        -19 => "double[]",
        STRINGS => "string[]",
        UUID => "uuid",
        -23 | -22 => "map-entry",
        -24 => "class",
        DATE => "date",
        -26 => "big-integer",
        -27 => "big-decimal",
        -28 => "object[]",
        -31..=-29 => "list",
        -36..=-32 => "map",
        -41..=-37 => "set",
        -49..=-42 => "queue",
        -50 => "optional",
        -51 => "local-date",
        -52 => "local-time",
        -53 => "local-date-time",
        -54 => "offset-date-time",
        -56 | -55 => "compact",
        JAVA_SERIALIZABLE => "java",
        -101 => "java-externalizable",
        -110 => "csharp",
        -120 => "pickle",
        JSON => "json",
        -140 => "gob",
        SLICE => "slice",
        DATABASE_ENTITY => "database",
        TABLE_ENTITY => "table",
        CATALOG_ENTITY => "catalog",
        _ => "custom",
    }
}
