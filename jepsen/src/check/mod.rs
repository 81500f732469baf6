//! The judges: they see histories only.
