//! The faults, each with the proof that it took hold.
