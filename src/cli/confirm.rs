//! Asks before something is destroyed: whoever answers must write the name of what goes.

use std::io::{self, BufRead, IsTerminal, Write};

use super::error::CliError;

/// Goes on only with the right name from the terminal. Without one nobody can be asked.
pub(super) fn confirm(what: &str, name: &str) -> Result<(), CliError> {
    let refused = || CliError::NotConfirmed { what: what.to_owned() };
    if !io::stdin().is_terminal() {
        return Err(refused());
    }
    let mut terminal = io::stderr().lock();
    write!(terminal, "{what}: write {name} to go on: ")?;
    terminal.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == name { Ok(()) } else { Err(refused()) }
}
