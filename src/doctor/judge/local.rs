//! What lies on this machine, and what the node itself says.

use super::Expected;
use crate::doctor::finding::{Finding, Level};
use crate::doctor::observations::{
    DataFound, DataState, NodeState, NodeUp, Observations, PortFound, SeedsFound, SeedsState,
};
use crate::doctor::seeds::{LockFound, MarkerFound, SeedLook};
use crate::node::{PortState, Process};

const CONFIG: &str = "config";
const DATA: &str = "data";
const PORT: &str = "port";
const NODE: &str = "node";
const SEEDS: &str = "seeds";
const START_THE_MISSING: &str = "start the missing nodes, and check the way to their Raft ports";
/// Alarms that the findings about the node tell in other words.
const TOLD_OTHERWISE: [&str; 1] = ["no-leader"];

/// The configuration's warnings, or that there are none.
pub(super) fn configuration(seen: &Observations) -> Vec<Finding> {
    if seen.configuration.is_empty() {
        let text = format!("no errors, no warnings; cluster name {}", seen.cluster_name);
        return vec![Finding::ok(CONFIG, text)];
    }
    seen.configuration.clone()
}

/// The data directory and its disk.
pub(super) fn data(data: &DataFound, node: &NodeState) -> Vec<Finding> {
    let path = data.path.display();
    let place = match &data.state {
        DataState::Absent => {
            Finding::ok(DATA, format!("{path} is absent; the first start makes it"))
        }
        DataState::Refused(why) => {
            let (text, fix) = why
                .split_once("; ")
                .unwrap_or((why, "make it a directory that this user owns and may write"));
            Finding::failure(DATA, text, fix)
        }
        DataState::There { node: there, .. }
            if data.configured_node.is_some_and(|own| there.is_some_and(|there| there != own)) =>
        {
            let (own, there) = (shown(data.configured_node), shown(*there));
            let text = format!("{path} belongs to node {there}, node.id names node {own}");
            Finding::failure(DATA, text, "correct node.id, or use another storage.data-dir")
        }
        DataState::There { node: None, holder, .. } => {
            Finding::ok(DATA, format!("{path} belongs to no node yet, {}", used(holder)))
        }
        DataState::There { node: Some(there), cluster_id, holder } => {
            let cluster =
                cluster_id.map_or("no cluster yet".to_owned(), |id| format!("cluster {id}"));
            let text = format!("{path} of node {there}, {cluster}, {}", used(holder));
            match (holder, node) {
                (Some(_), NodeState::Down { .. }) => {
                    let fix = "end that process, or look into its log: it answers nobody";
                    Finding::failure(DATA, format!("{text}, but no node answers"), fix)
                }
                _ => Finding::ok(DATA, text),
            }
        }
    };
    let mut findings = vec![place];
    findings.extend(disk(data));
    findings
}

fn shown(node: Option<statekeeper_machine::NodeId>) -> String {
    node.map_or_else(|| "none".to_owned(), |node| node.to_string())
}

fn used(holder: &Option<Option<Process>>) -> String {
    match holder {
        None => "not in use".to_owned(),
        Some(None) => "in use".to_owned(),
        Some(Some(process)) => format!("in use by {process}"),
    }
}

fn disk(data: &DataFound) -> Option<Finding> {
    let (free, min) = (data.free_bytes?, data.free_bytes_min);
    let text = format!("{} MB free on its disk, storage.disk-free-min is {} MB", mb(free), mb(min));
    Some(if free < min {
        let fix = "free space, or lower storage.disk-free-min: new data is refused until then";
        Finding::failure(DATA, text, fix).coded("SK0113")
    } else {
        Finding::ok(DATA, text)
    })
}

fn mb(bytes: u64) -> u64 {
    bytes >> 20
}

/// One port: free, held by this node, or in the way.
pub(super) fn port(found: &PortFound, seen: &Observations) -> Finding {
    let PortFound { key, port, state } = found;
    match state {
        PortState::Free => match &seen.node {
            NodeState::Up(_) => {
                let text = format!("{key}={port} is not listened on, although the node runs");
                Finding::failure(PORT, text, "it was started with other settings: start it again")
            }
            NodeState::Down { .. } | NodeState::Mute { .. } => {
                Finding::ok(PORT, format!("{key}={port} is free"))
            }
        },
        PortState::Held(holder) => {
            let words = holder.as_ref().map_or("somebody".to_owned(), Process::to_string);
            if is_own(holder.as_ref(), seen) {
                return Finding::ok(PORT, format!("{key}={port} is held by this node, {words}"));
            }
            let text = format!("{key}={port} is held by {words}");
            Finding::failure(PORT, text, "end what holds it, or choose another port")
        }
        PortState::Refused(why) => {
            let text = format!("{key}={port} cannot be opened: {why}");
            Finding::failure(PORT, text, "check node.bind, admin.bind and the port")
        }
    }
}

/// Whoever holds the data directory is the node; where the system does not tell, a node that
/// answers is taken for it.
fn is_own(holder: Option<&Process>, seen: &Observations) -> bool {
    let of_data = match &seen.data.state {
        DataState::There { holder: Some(Some(process)), .. } => Some(process),
        DataState::There { .. } | DataState::Absent | DataState::Refused(_) => None,
    };
    match (holder, of_data) {
        (Some(holder), Some(of_data)) => holder.id == of_data.id,
        (None, _) | (_, None) => matches!(seen.node, NodeState::Up(_)),
    }
}

/// Whether the process that uses the data directory is the one that listens for the admin API.
fn holds_admin_port(seen: &Observations) -> bool {
    seen.ports.iter().any(|port| match &port.state {
        PortState::Held(holder) => port.key == "admin.port" && is_own(holder.as_ref(), seen),
        PortState::Free | PortState::Refused(_) => false,
    })
}

/// What the node says of itself and its cluster.
pub(super) fn node(seen: &Observations) -> Vec<Finding> {
    match &seen.node {
        NodeState::Down { address } => {
            let text = format!("does not run: nobody listens at {address}");
            let fix = "start it; the findings here say what would stand in its way";
            vec![Finding::warning(NODE, text, fix)]
        }
        NodeState::Mute { address, why } if holds_admin_port(seen) => {
            let text = format!("runs, and does not answer at {address}: {why}");
            vec![Finding::failure(NODE, text, "look into its log; start it again if it hangs")]
        }
        NodeState::Mute { address, why } => {
            let text = format!("whoever listens at {address} does not answer as a node: {why}");
            vec![Finding::failure(NODE, text, "end it, or choose another admin.port")]
        }
        NodeState::Up(node) => running(node, seen),
    }
}

fn running(node: &NodeUp, seen: &Observations) -> Vec<Finding> {
    let of_data = match &seen.data.state {
        DataState::There { node, .. } => node.map(|node| node.to_string()),
        DataState::Absent | DataState::Refused(_) => None,
    };
    if of_data.as_ref().is_some_and(|own| *own != node.node_id) {
        let own = of_data.unwrap_or_default();
        let text = format!(
            "node {} answers at {}, the data directory belongs to node {own}",
            node.node_id, node.address
        );
        let fix = "name the folder of that node's files with --etc, or choose another admin.port";
        return vec![Finding::failure(NODE, text, fix)];
    }
    if node.cluster_name != seen.cluster_name {
        let text = format!(
            "runs with cluster name {}, the files say {}",
            node.cluster_name, seen.cluster_name
        );
        let fix = "start it again, or correct state-store.cluster";
        return vec![Finding::failure(NODE, text, fix)];
    }
    let mut findings = vec![standing(node)];
    let single = node.voters == 1 && seen.expect == 1;
    let told =
        |name: &str| TOLD_OTHERWISE.contains(&name) || (single && name == "no-failure-tolerated");
    for alarm in node.alarms.iter().filter(|alarm| !told(&alarm.name)) {
        let (what, fix) = alarm.detail.split_once(": ").unwrap_or((&alarm.detail, "look at it"));
        findings.push(Finding::warning("alarm", format!("{}: {what}", alarm.name), fix));
    }
    findings
}

fn standing(node: &NodeUp) -> Finding {
    let NodeUp { node_id, role, summary, .. } = node;
    if node.cluster_id.is_none() {
        let waits = node.waiting_for.as_deref().unwrap_or("it looks for its cluster");
        let text = format!("node {node_id} has no cluster yet: {waits}");
        let fix = "see \"What a node says while it waits\" in bootstrap.md, and the addresses here";
        return Finding::failure(NODE, text, fix).coded("SK0115");
    }
    let Some(leader) = node.leader.as_ref().filter(|_| !node.isolated) else {
        let text = format!("node {node_id} knows no leader: {summary}");
        return Finding::failure(NODE, text, START_THE_MISSING).coded("SK0112");
    };
    if node.quorum_margin.is_some_and(|margin| margin < 0) {
        let text = format!("node {node_id} is {role}, but there is no quorum: {summary}");
        return Finding::failure(NODE, text, START_THE_MISSING).coded("SK0112");
    }
    let leads = if leader == node_id { "it leads".to_owned() } else { format!("{leader} leads") };
    let text = format!("node {node_id} runs as {role}, {leads}; {summary}");
    if node.ready {
        Finding::ok(NODE, text)
    } else {
        Finding::warning(NODE, format!("{text}; it is not ready"), "wait until it has caught up")
    }
}

/// The seed directory, its marker and its lock.
pub(super) fn seeds(found: &SeedsFound, expected: &Expected) -> Vec<Finding> {
    let directory = &found.directory;
    match &found.state {
        SeedsState::Absent => {
            let text = format!("{directory} is absent; the first node to start makes it");
            vec![Finding::ok(SEEDS, text)]
        }
        SeedsState::Refused(finding) => vec![finding.clone()],
        SeedsState::There { look, unwritable, lock } => {
            let old = look.seeds.iter().filter(|seed| seed.old).count();
            let limit = look.heartbeat_timeout.as_secs();
            let count = look.seeds.len();
            let text = format!("{directory} holds {count} seeds, {old} older than {limit} s");
            let mut findings = vec![if old == 0 {
                Finding::ok(SEEDS, text)
            } else {
                let fix = "statekeeper seed probe shows who answers; the leader removes dead ones";
                Finding::warning(SEEDS, text, fix)
            }];
            findings.extend(unwritable.clone());
            findings.push(marker(look, expected));
            findings.push(lock_finding(lock));
            findings
        }
    }
}

/// The marker beside the seeds.
pub(super) fn marker(look: &SeedLook, expected: &Expected) -> Finding {
    match &look.marker {
        MarkerFound::Absent if expected.own_runs && expected.cluster_id.is_some() => {
            let text = "there is no marker, although the cluster runs";
            let fix = "running nodes write it again within a second: check owner and mode";
            Finding::warning(SEEDS, text, fix)
        }
        MarkerFound::Absent => Finding::ok(SEEDS, "no marker: no cluster was founded here yet"),
        MarkerFound::Unusable(why) => {
            let fix = "stop all nodes of this folder, remove the marker, start them again";
            Finding::failure(SEEDS, format!("{}: {why}", look.directory), fix)
        }
        MarkerFound::Present(marker) if marker.cluster_name != expected.cluster_name => {
            let text = format!("the marker belongs to cluster name {}", marker.cluster_name);
            Finding::failure(SEEDS, text, "give each cluster name a seed directory of its own")
        }
        MarkerFound::Present(marker) => {
            let of_marker = marker.founding.cluster_id;
            match expected.cluster_id.filter(|own| *own != of_marker) {
                Some(own) => {
                    let text = format!(
                        "the marker names cluster {of_marker}, the data directory cluster {own}"
                    );
                    let fix = "stop one of the two clusters; a node changes its cluster only with \
                               an empty data directory";
                    Finding::failure(SEEDS, text, fix)
                }
                None => Finding::ok(SEEDS, format!("the marker names cluster {of_marker}")),
            }
        }
    }
}

fn lock_finding(lock: &LockFound) -> Finding {
    match lock {
        LockFound::Free => Finding::ok(SEEDS, "the lock is free"),
        LockFound::Held { holder, .. } => {
            let text =
                format!("the lock is kept by {holder} without a pause: nobody else can write");
            Finding::failure(SEEDS, text, "find and stop that process").coded("SK0022")
        }
        LockFound::LeftBehind { holder } => {
            let text =
                format!("the lock was left behind by {holder}; the next writer takes it over");
            Finding::ok(SEEDS, text)
        }
        LockFound::Unknown(why) => {
            let finding = Finding::from_message(SEEDS, why, &[]);
            let text = format!("the lock cannot be looked at: {}", finding.text);
            Finding { level: Level::Warning, text, ..finding }
        }
    }
}
