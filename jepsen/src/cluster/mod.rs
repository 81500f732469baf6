//! What a run's nodes stand on, and how it is broken: disks and clocks.
//!
//! Each fault brings a proof that it took hold; a fault that cannot show one is an error.

pub mod clock;
pub mod disk;
pub mod preload;
