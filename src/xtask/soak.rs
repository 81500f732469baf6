//! `cargo xtask soak`: plays ever more seeds of both simulations, those that no run of the tests
//! plays, and says how a failing one is played again.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};

use crate::repository::cargo;

/// Begins the line by which a simulation says how a seed is played again.
const REPLAY: &str = "replay: ";
/// Lines of a failed batch that are shown.
const SHOWN_LINES: usize = 160;
/// A soak without counts ends after this, minutes.
const MINUTES: u64 = 10;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Seeds of the simulation of the whole cluster, then stop; 0 leaves it out.
    #[arg(long, value_name = "N")]
    whole: Option<u64>,
    /// Seeds of the fast simulation, then stop; 0 leaves it out.
    #[arg(long, value_name = "N")]
    fast: Option<u64>,
    /// The first seed; by default one that grows with the wall clock.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Stop after so many minutes. Without counts, 10.
    #[arg(long, value_name = "M")]
    minutes: Option<u64>,
}

/// One of the two simulations.
struct Simulation {
    suite: &'static str,
    /// What its environment variables begin with.
    variables: &'static str,
    /// Seeds played by one process: half a minute, so that the end of the time is met.
    batch: u64,
    next: u64,
    end: u64,
}

impl Simulation {
    /// Plays a batch; false when none is left.
    fn play(&mut self) -> anyhow::Result<bool> {
        let count = self.batch.min(self.end - self.next);
        if count == 0 {
            return Ok(false);
        }
        let (suite, first) = (self.suite, self.next);
        self.next += count;
        let begin = Instant::now();
        let output = self.command(first, count).output().context("cannot start cargo test")?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        if output.status.success() {
            let seconds = begin.elapsed().as_secs_f64();
            println!("{suite:<6} {first}..{}  {seconds:.1} s", first + count);
            return Ok(true);
        }
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
            println!("{line}");
        }
        match lines.iter().find_map(|line| line.trim_start().strip_prefix(REPLAY)) {
            Some(command) => {
                bail!("{suite}: a promise is broken; it is played again by\n{command}")
            }
            None => bail!("{suite}: {} within the seeds {first}..{}", output.status, self.next),
        }
    }

    fn command(&self, first: u64, count: u64) -> Command {
        let test = "many_seeds_keep_every_promise";
        let arguments = ["--workspace", "--test", self.suite, test, "--", "--exact", "--nocapture"];
        let mut command = cargo("test", &arguments);
        command.env(format!("{}_FIRST_SEED", self.variables), first.to_string());
        command.env(format!("{}_SEEDS", self.variables), count.to_string());
        command
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let counted = arguments.whole.is_some() || arguments.fast.is_some();
    let minutes = arguments.minutes.or((!counted).then_some(MINUTES));
    let limit = minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let first = match arguments.seed {
        Some(seed) => seed,
        None => fresh_seed()?,
    };
    // With one of the two counted, the other is left out; with none, both go on.
    let end = |count: Option<u64>| match count {
        Some(count) => first.saturating_add(count),
        None if counted => first,
        None => u64::MAX,
    };
    let simulation = |suite, variables, batch, count| Simulation {
        suite,
        variables,
        batch,
        next: first,
        end: end(count),
    };
    let mut simulations = [
        simulation("whole", "STATEKEEPER_WHOLE", 200, arguments.whole),
        simulation("sim", "STATEKEEPER_SIM", 10_000, arguments.fast),
    ];
    println!("from seed {first} on");
    let begin = Instant::now();
    loop {
        let mut played = false;
        for simulation in &mut simulations {
            if limit.is_some_and(|limit| begin.elapsed() >= limit) {
                return Ok(());
            }
            played |= simulation.play()?;
        }
        if !played {
            return Ok(());
        }
    }
}

/// Beyond those of the tests, and beyond those of every earlier soak: a second's worth is never
/// played within a second.
fn fresh_seed() -> anyhow::Result<u64> {
    const SEEDS_A_SECOND: u64 = 10_000;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(now.as_secs() * SEEDS_A_SECOND)
}
