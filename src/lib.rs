//! The map of the modules.
