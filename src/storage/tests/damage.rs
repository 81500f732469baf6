//! A flipped byte anywhere is either harmless or named; never a silently shorter or other log.
