//! `probe` on the command line.

use std::process::ExitCode;

use anyhow::Context;
use statekeeper_jepsen::play;

/// One line a part. The exit code is 0 if every part can be had, and 1 otherwise.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let folder = std::env::temp_dir().join(format!("statekeeper-probe-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let parts = play::probe(&folder);
    std::fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut code = ExitCode::SUCCESS;
    for probed in parts {
        match probed.lacking {
            None => println!("ok       {}", probed.part),
            Some(why) => {
                println!("missing  {}: {why:#}", probed.part);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
