//! The sync shim.
