//! Who asks what, by seed, and which model judges it.
