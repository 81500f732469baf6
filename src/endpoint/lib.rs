//! One client conversation.
