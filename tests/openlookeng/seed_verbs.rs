//! `statekeeper seed list`, `probe` and `prune` on a real seed directory, beside a real node, a
//! real Hazelcast member and seeds of the dead.

use crate::support::cluster::{CLUSTER_NAME, Cluster, Plan};
use crate::support::peer::Peer;
use crate::support::site::Site;
use crate::support::wait_until;
use crate::verbs::{self, Ran};
use serde_json::json;
use statekeeper::seed::{Seed, SeedDirectory, file, local};
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A real member takes some ten seconds on two busy cores.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(60);
/// Refused by a rule of safety: nobody confirmed.
const REFUSED: i32 = 4;
const PROBLEMS_FOUND: i32 = 6;

/// A real Hazelcast member; ended with the test.
struct Member {
    site: Site,
    process: Child,
}

impl Member {
    fn start(cluster: &Cluster) -> Member {
        let home = cluster.folder().join("member");
        fs::create_dir(&home).unwrap();
        let site = Site::on_loopback(Ipv4Addr::LOCALHOST.into(), home);
        let mut command = Peer::Hazelcast.command("embedded", &site, std::slice::from_ref(&site));
        let log = File::create(site.log()).unwrap();
        let (out, err) = (log.try_clone().unwrap(), log);
        let process = command.stdin(Stdio::piped()).stdout(out).stderr(err).spawn().unwrap();
        let member = Member { site, process };
        wait_until("the member", MEMBER_TIMEOUT, || Peer::Hazelcast.is_ready(&member.site));
        member
    }

    fn location(&self) -> String {
        self.site.client_address().to_string()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Adds seeds under the lock, so that the node that refreshes its own loses none.
fn add(cluster: &Cluster, seeds: &[(&str, i64)]) {
    let folder = cluster.seed_directory();
    let directory = local::open(folder.parent().unwrap(), CLUSTER_NAME).unwrap();
    let new: Vec<Seed> = seeds
        .iter()
        .map(|(location, timestamp_ms)| Seed {
            location: (*location).to_owned(),
            timestamp_ms: *timestamp_ms,
        })
        .collect();
    let change = Box::new(move |mut seeds: Vec<Seed>| {
        seeds.extend(new);
        seeds
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(directory.update(change)).unwrap();
}

fn locations(cluster: &Cluster) -> Vec<String> {
    let text = fs::read(cluster.seed_directory().join("seeds.txt")).unwrap();
    let mut locations: Vec<String> =
        file::decode(&text).unwrap().into_iter().map(|seed| seed.location).collect();
    locations.sort();
    locations
}

fn row<'a>(ran: &'a Ran, lines: &'a [String], location: &str) -> &'a str {
    let row = lines.iter().find(|line| line.starts_with(location));
    row.unwrap_or_else(|| panic!("{location}: {ran:?}"))
}

#[test]
fn seeds_are_listed_asked_and_only_dead_old_ones_are_removed() {
    let cluster = Plan::of(1).with_seed_directory().start();
    let member = Member::start(&cluster);
    let node = cluster.client_address(0).to_string();
    let (embedded, dead, fresh) = (member.location(), "127.0.0.1:9", "127.0.0.1:10");
    let long_ago = now_ms() - 3_600_000;
    add(&cluster, &[(&embedded, long_ago), (dead, long_ago), (fresh, now_ms())]);

    let list = verbs::table(&cluster, 0, &["seed", "list"]);
    assert_eq!(list.code, 0, "{list:?}");
    let id = cluster.admin(0, "/v1/info")["cluster_id"].as_str().unwrap().to_owned();
    let lines = list.lines();
    assert_eq!(lines[0], format!("directory {}", cluster.seed_directory().display()));
    assert_eq!(lines[1], format!("marker cluster {CLUSTER_NAME} {id}"));
    assert_eq!(lines[3], "time-out 60 s");
    assert!(row(&list, &lines, &node).ends_with(" s no"), "{list:?}");
    let old = row(&list, &lines, &format!("{dead} "));
    assert!(old.starts_with("127.0.0.1:9 36") && old.ends_with(" s yes"), "{list:?}");
    let json = verbs::json(&cluster, 0, &["seed", "list"]).json();
    assert_eq!(json["items"].as_array().unwrap().len(), 4, "{json}");
    assert_eq!(json["marker"]["cluster_id"], json!(id));

    let probe = verbs::table(&cluster, 0, &["seed", "probe"]);
    assert_eq!(probe.code, PROBLEMS_FOUND, "{probe:?}");
    let lines = probe.lines();
    let well = " of the cluster, answers in ";
    assert!(row(&probe, &lines, &node).contains(well), "{probe:?}");
    let foreign = "failure answers, but not as a node of statekeeper; a Hazelcast member does so \
                   (SK0011)";
    assert!(row(&probe, &lines, &embedded).ends_with(foreign), "{probe:?}");
    let refuses = "failure refuses connections: nobody listens there";
    assert!(row(&probe, &lines, &format!("{dead} ")).ends_with(refuses), "{probe:?}");
    let prune = "do: start the node there, or remove its seed with statekeeper seed prune once it \
                 is old";
    assert_eq!(lines.iter().filter(|line| *line == prune).count(), 2, "{probe:?}");

    let before = locations(&cluster);
    let asked = verbs::table(&cluster, 0, &["seed", "prune"]);
    assert_eq!(asked.code, REFUSED, "nobody can be asked: {asked:?}");
    assert!(asked.err.contains("removing 1 seeds from "), "{asked:?}");
    let tried = verbs::json(&cluster, 0, &["seed", "prune", "--dry-run"]).json();
    assert_eq!((&tried["done"], &tried["removed"]), (&json!(false), &json!(1)), "{tried}");
    assert_eq!(locations(&cluster), before, "nothing was changed");

    let done = verbs::table(&cluster, 0, &["seed", "prune", "--yes"]);
    assert_eq!(done.code, 0, "{done:?}");
    let lines = done.lines();
    let removed = row(&done, &lines, &format!("{dead} removed it is "));
    assert!(removed.ends_with(" s old and nobody answers there"), "{done:?}");
    let kept = row(&done, &lines, &embedded);
    assert!(kept.ends_with(" s old, but somebody answers there"), "{done:?}");
    assert!(row(&done, &lines, fresh).contains("kept it is "), "{done:?}");
    let mut left: Vec<String> = before.into_iter().filter(|location| location != dead).collect();
    left.sort();
    assert_eq!(locations(&cluster), left);
}

#[test]
fn a_damaged_seed_file_is_named_with_its_entry_and_never_touched() {
    let cluster = Plan::of(1).with_seed_directory().prepare();
    let folder = cluster.seed_directory();
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("seeds.txt");
    let sound = Seed { location: "127.0.0.1:9".to_owned(), timestamp_ms: 1 };
    let mut damaged = file::encode(&[sound]).unwrap();
    damaged.extend_from_slice(b",???");
    fs::write(&path, &damaged).unwrap();
    let expected = format!("{} does not decode: entry 2 is not base64", path.display());
    let fix = "repair it, or remove it and let nodes write it again";
    for verb in ["list", "probe", "prune"] {
        let ran = verbs::table(&cluster, 0, &["seed", verb, "--yes"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        let lines: Vec<&str> = ran.err.lines().collect();
        assert_eq!(lines[0], format!("error: {expected} (SK0021)"));
        assert_eq!(lines[1], format!("do:    {fix}"));
        assert_eq!(fs::read(&path).unwrap(), damaged, "{verb} leaves it alone");
    }
    let seen = verbs::table(&cluster, 0, &["doctor"]);
    assert_eq!(seen.code, PROBLEMS_FOUND);
    let (line, told) = seen.complaint("failure seeds");
    assert_eq!(line, format!("failure seeds {expected} (SK0021)"));
    assert_eq!(told, format!("do: {fix}"));
    assert_eq!(fs::read(&path).unwrap(), damaged, "doctor leaves it alone");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "and makes nothing beside it");
}

#[test]
fn without_a_seed_directory_the_verbs_say_so() {
    let cluster = Plan::of(1).prepare();
    let ran = verbs::table(&cluster, 0, &["seed", "list"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.starts_with("error: the configuration names no seed directory"), "{ran:?}");
    let cluster = Plan::of(1).with_seed_directory().prepare();
    let ran = verbs::table(&cluster, 0, &["seed", "list"]);
    assert!(ran.err.contains(" is absent\ndo:    start a node"), "{ran:?}");
    assert!(!cluster.seed_directory().exists());
}
