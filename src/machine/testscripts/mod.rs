//! Golden scripts: commands in, outcomes, events and state out, one behaviour a file.
//!
//! A script is read line by line. `> map.put m k v` applies one entry at the script's clock (`> at
//! 5000` moves it) or asks one query; the lines below it, up to the next blank one, are what came
//! out. `#` is a comment. Words of the form `by=a/1` are options: `by` the caller (client and
//! thread), `origin` the proposal's origin (node.start.sequence/answered-below), times in
//! milliseconds. Each script begins with a founded cluster of one node at 1000 (unless it says `>
//! new`). `UPDATE_TESTSCRIPTS=1 cargo test -p statekeeper-machine` writes what came out; read the
//! difference.

#![allow(clippy::disallowed_methods, reason = "scripts are files beside the source")]

mod parse;
mod show;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::command::{ClusterCommand, Command, SessionSettings};
use crate::ids::{ClusterId, ClusterTime, Name, NodeId};
use crate::machine::Machine;
use crate::proposal::{LogEntry, Origin};
use parse::{Act, Line};

const SERVICES: [&str; 9] = [
    "cluster",
    "cp_session",
    "fenced_lock",
    "flake_id_generator",
    "map",
    "map_lock",
    "object",
    "origin",
    "set",
];

macro_rules! scripts {
    ($($test:ident $service:literal)*) => {
        $(#[test]
        fn $test() {
            check($service);
        })*
    };
}

scripts! {
    the_cluster_follows_its_scripts "cluster"
    sessions_follow_their_scripts "cp_session"
    fenced_locks_follow_their_scripts "fenced_lock"
    id_generators_follow_their_scripts "flake_id_generator"
    maps_follow_their_scripts "map"
    map_locks_follow_their_scripts "map_lock"
    objects_follow_their_scripts "object"
    origins_follow_their_scripts "origin"
    sets_follow_their_scripts "set"
}

#[test]
fn every_folder_of_scripts_is_run() {
    let found = entries(&root()).into_iter().filter(|path| path.is_dir());
    let found: Vec<String> =
        found.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    assert_eq!(found, SERVICES);
}

/// Runs all scripts of a folder and compares what comes out with what they say.
fn check(service: &str) {
    let scripts = entries(&root().join(service));
    assert!(!scripts.is_empty(), "{service} has no scripts");
    let mut differences = String::new();
    for path in scripts {
        let said = std::fs::read_to_string(&path).expect("the script was listed");
        let got = run(&path, &said);
        if said == got {
            continue;
        }
        if std::env::var_os("UPDATE_TESTSCRIPTS").is_some() {
            std::fs::write(&path, got).expect("the source tree is writable");
        } else {
            differ(&mut differences, &path, &said, &got);
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testscripts")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).expect("the folder is part of the source");
    let mut paths: Vec<PathBuf> =
        listed.map(|entry| entry.expect("the folder is readable").path()).collect();
    paths.sort();
    paths
}

fn differ(out: &mut String, path: &Path, said: &str, got: &str) {
    let first = said.lines().zip(got.lines()).take_while(|(said, got)| said == got).count();
    let part = |text: &str| {
        let lines = text.lines().skip(first.saturating_sub(3)).take(10);
        lines.fold(String::new(), |all, line| all + "    " + line + "\n")
    };
    let _ = write!(
        out,
        "\n{}:{}\n  the script says\n{}  what came out\n{}",
        path.display(),
        first + 1,
        part(said),
        part(got)
    );
}

/// One run of a script.
struct Run {
    machine: Machine,
    clock: u64,
    shows_near_caches: bool,
}

fn run(path: &Path, script: &str) -> String {
    let mut run = Run::founded();
    let mut out = String::new();
    let mut of_command = false;
    for (index, text) in script.lines().enumerate() {
        let Some(command) = text.strip_prefix("> ") else {
            // What came out is written anew: comments and blank lines stay.
            if !of_command || text.is_empty() || text.starts_with('#') {
                out.push_str(text);
                out.push('\n');
                of_command = false;
            }
            continue;
        };
        of_command = true;
        out.push_str(text);
        out.push('\n');
        let line = Line::read(command);
        let printed = line.and_then(|line| run.act(&line));
        match printed {
            Ok(printed) => out.push_str(&printed),
            Err(why) => panic!("{}:{}: {why}", path.display(), index + 1),
        }
        run.hold_invariants();
    }
    out
}

impl Run {
    fn founded() -> Self {
        let mut run = Self { machine: Machine::new(), clock: 1000, shows_near_caches: false };
        let found = ClusterCommand::Found {
            cluster_id: ClusterId(1),
            cluster_name: Name::from("dev"),
            sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
            maps: parse::built_in_maps(),
        };
        run.apply(None, Command::Cluster(found));
        let node = parse::node(1, "host1");
        run.apply(None, Command::Cluster(ClusterCommand::DescribeNode(node)));
        let office = ClusterCommand::Office { leader: NodeId(1), leaderless_ms: 0 };
        run.apply(None, Command::Cluster(office));
        run
    }

    fn act(&mut self, line: &Line<'_>) -> Result<String, String> {
        match line.act()? {
            Act::At(clock) => {
                self.clock = clock;
                Ok(String::new())
            }
            Act::New => {
                self.machine = Machine::new();
                Ok(String::new())
            }
            Act::ShowNearCaches => {
                self.shows_near_caches = true;
                Ok(String::new())
            }
            Act::Restart => {
                let image: Vec<_> = self.machine.freeze().blocks().collect();
                self.machine = Machine::restore(image).map_err(|error| error.to_string())?;
                Ok(String::new())
            }
            Act::Deadlines => {
                let next = show::maybe_time(self.machine.next_deadline());
                let idle = show::maybe_time(self.machine.next_idle_deadline());
                Ok(format!("-> next {next}, next idle {idle}\n"))
            }
            Act::View => Ok(show::view(&self.machine.view())),
            Act::WaitState(wait) => Ok(show::wait_state(&self.machine.wait_state(&wait))),
            Act::ReplyOf(origin) => Ok(show::known_reply(self.machine.reply_of(&origin).as_ref())),
            Act::MapLockHolders => Ok(show::clients(&self.machine.map_lock_holders())),
            Act::Apply(command) => Ok(self.apply(line.origin()?, *command)),
            Act::Ask(query) => Ok(show::answer(&self.machine.query(&query))),
        }
    }

    fn apply(&mut self, origin: Option<Origin>, command: Command) -> String {
        let at = ClusterTime(self.clock);
        let entry = LogEntry { at, proposer: NodeId(1), origin, command };
        let applied = self.machine.apply(entry);
        let mut out = format!("-> {}\n", show::reply(&applied.reply));
        for event in &applied.events {
            if let Some(text) = show::event(event, self.shows_near_caches) {
                let _ = writeln!(out, "   {text}");
            }
        }
        out
    }

    /// What holds after every line of every script.
    fn hold_invariants(&self) {
        assert_eq!(self.machine.state_bytes(), self.machine.recounted_bytes());
    }
}
