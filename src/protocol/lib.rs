//! The wire: bytes in, messages out.
