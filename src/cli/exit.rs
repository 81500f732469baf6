//! How the program ends; scripts rely on these numbers.

use std::process::ExitCode;

/// The end of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// What was asked is done.
    Done,
    /// It is not done.
    Failed,
    /// It was asked in a wrong way.
    Usage,
    /// No node answered.
    Unreachable,
    /// A rule of safety refused it.
    Refused,
    /// It may be done.
    Unknown,
    /// A check found problems.
    CheckFailed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::Refused => 4,
            Exit::Unknown => 5,
            Exit::CheckFailed => 6,
        })
    }
}
