//! Who answers at the addresses, and what the clocks say.

use super::{CLOCK_DIFFERENCE_MS_MAX, Expected, milliseconds};
use crate::bootstrap::{ClockDifference, PeerAnswer};
use crate::doctor::address::{AddressFound, AddressSource, NodeFound, Reached};
use crate::doctor::finding::{Finding, Level};
use crate::doctor::observations::{CoordinatorFound, MulticastFound};
use std::collections::BTreeMap;

const ADDRESS: &str = "address";
const MULTICAST: &str = "multicast";
const CLOCK: &str = "clock";
const COORDINATOR: &str = "coordinator";

/// Who answers at one address, and whether that is right.
pub fn address_finding(found: &AddressFound, expected: &Expected) -> Finding {
    let AddressFound { address, source, reached } = found;
    let text = format!("{address} {}", reached.words());
    match reached {
        Reached::Node(node) => node_finding(address, *source, node, expected),
        Reached::Foreign => {
            let fix = "stop the embedded member there (hetu.embedded-state-store.enabled=false), \
                       or remove the address";
            Finding::failure(ADDRESS, format!("{text}; a Hazelcast member does so"), fix)
                .coded("SK0011")
        }
        Reached::OtherVersion(_) => {
            Finding::failure(ADDRESS, text, "run releases that work together")
        }
        Reached::NoAddress => Finding::failure(ADDRESS, text, remove(*source)),
        Reached::Refused | Reached::Silent | Reached::Unreachable(_) | Reached::Unresolved => {
            missing(found, text, expected)
        }
    }
}

fn missing(found: &AddressFound, text: String, expected: &Expected) -> Finding {
    let own = found.address.eq_ignore_ascii_case(&expected.own_address);
    let fix = match (&found.reached, own) {
        (_, true) if !expected.own_runs => {
            return Finding::ok(ADDRESS, format!("{text}; it is this node's own"));
        }
        (_, true) => {
            let fix = "correct client.advertise or node.bind: others cannot reach this node either";
            return Finding::failure(ADDRESS, text, fix);
        }
        (Reached::Unresolved, false) => "correct the name, or the name service".to_owned(),
        (Reached::Refused, false) => format!("start the node there, or {}", remove(found.source)),
        (_, false) => {
            format!("start the node there, open the way to its port, or {}", remove(found.source))
        }
    };
    let finding = Finding::failure(ADDRESS, text, fix);
    let level = if expected.cluster_serves { Level::Warning } else { Level::Failure };
    Finding { level, ..finding }
}

fn remove(source: AddressSource) -> &'static str {
    match source {
        AddressSource::List => "correct hazelcast.discovery.tcp-ip.seeds",
        AddressSource::SeedDirectory => {
            "remove its seed with statekeeper seed prune once it is old"
        }
        AddressSource::Multicast => "stop what announces it",
    }
}

fn node_finding(
    address: &str,
    source: AddressSource,
    node: &NodeFound,
    expected: &Expected,
) -> Finding {
    let (answer, time) = (&node.answer, milliseconds(node.round_trip));
    let id = answer.node;
    if answer.cluster_name != expected.cluster_name {
        let text = format!(
            "{address} is node {id} of cluster name {}, not {}",
            answer.cluster_name, expected.cluster_name
        );
        let fix = format!("make state-store.cluster equal, or {}", remove(source));
        // Datagrams carry no cluster name: several clusters may share a group.
        return match source {
            AddressSource::Multicast => Finding::warning(ADDRESS, text, fix),
            AddressSource::List | AddressSource::SeedDirectory => {
                Finding::failure(ADDRESS, text, fix)
            }
        };
    }
    if expected.own_node == Some(id) {
        if answer.client_address == expected.own_address {
            return Finding::ok(ADDRESS, format!("{address} is this node, answers in {time}"));
        }
        let text = format!(
            "{address} has the id of this node, {id}, and advertises {}",
            answer.client_address
        );
        let fix = "a data directory was copied: empty one of the two";
        return Finding::failure(ADDRESS, text, fix);
    }
    match (answer.cluster_id, expected.cluster_id) {
        (Some(theirs), Some(ours)) if theirs != ours => {
            let text = format!("{address} is node {id} of another cluster, {theirs}, not {ours}");
            let fix = "stop the nodes of the wrong one; a node changes its cluster only with an \
                       empty data directory";
            Finding::failure(ADDRESS, text, fix)
        }
        (Some(_), _) => Finding::ok(
            ADDRESS,
            format!("{address} is node {id} of the cluster, answers in {time}"),
        ),
        (None, _) if answer.expect != expected.expect => expect_differs(address, answer, expected),
        (None, _) => {
            let text = format!("{address} is node {id} without a cluster yet, answers in {time}");
            Finding::ok(ADDRESS, text)
        }
    }
}

fn expect_differs(address: &str, answer: &PeerAnswer, expected: &Expected) -> Finding {
    let (here, there) = (expected.expect, answer.expect);
    let text = format!("raft.bootstrap-expect is {here} here and {there} at {address}");
    Finding::failure(ADDRESS, text, "make them equal before the first start")
}

/// A node whose address is not in the list may join a cluster and not found one.
pub(super) fn own_place(addresses: &[AddressFound], expected: &Expected) -> Option<Finding> {
    let listed = addresses.iter().filter(|found| found.source == AddressSource::List);
    let is_own = |found: &AddressFound| {
        let answers = matches!(&found.reached, Reached::Node(node)
            if Some(node.answer.node) == expected.own_node);
        answers || found.address.eq_ignore_ascii_case(&expected.own_address)
    };
    let mut listed = listed.peekable();
    if listed.peek().is_none() || listed.any(is_own) {
        return None;
    }
    let own = &expected.own_address;
    let text = format!("{own}, this node's own, is not in hazelcast.discovery.tcp-ip.seeds");
    let fix = "correct the list or client.advertise: the node may join a cluster, not found one";
    Some(Finding::warning(ADDRESS, text, fix))
}

/// Clocks of the other nodes, each once.
pub(super) fn clocks(addresses: &[AddressFound], expected: &Expected) -> Vec<Finding> {
    let mut nodes: BTreeMap<_, (&str, Option<ClockDifference>)> = BTreeMap::new();
    for found in addresses {
        if let Reached::Node(node) = &found.reached
            && Some(node.answer.node) != expected.own_node
        {
            nodes.entry(node.answer.node).or_insert((&found.address, node.clock));
        }
    }
    let mut findings = Vec::new();
    let (mut told, mut most_ms) = (0_usize, 0);
    for (id, (address, clock)) in &nodes {
        let Some(clock) = clock else { continue };
        told += 1;
        let uncertain_ms = u64::try_from(clock.uncertainty.as_millis()).unwrap_or(u64::MAX);
        let ms = clock.ahead_ms.unsigned_abs();
        most_ms = most_ms.max(ms);
        if ms.saturating_sub(uncertain_ms) >= CLOCK_DIFFERENCE_MS_MAX {
            let side = if clock.ahead_ms > 0 { "ahead of" } else { "behind" };
            let text = format!("node {id} at {address} is {ms} ms {side} this machine's clock");
            let fix =
                "let both follow one time server: seeds and logs are compared by their clocks";
            findings.push(Finding::warning(CLOCK, text, fix));
        }
    }
    if findings.is_empty() && told > 0 {
        let silent = nodes.len() - told;
        let rest = if silent == 0 { String::new() } else { format!("; {silent} do not tell") };
        let text = format!("{told} other nodes, at most {most_ms} ms apart{rest}");
        findings.push(Finding::ok(CLOCK, text));
    }
    findings
}

/// Who was heard on the group.
pub(super) fn multicast(found: &MulticastFound, expected: &Expected) -> Finding {
    let MulticastFound { group, listened, heard } = found;
    let seconds = listened.as_secs();
    let heard = match heard {
        Ok(heard) => heard,
        Err(why) => {
            let text = format!("{group} cannot be listened to: {why}");
            return Finding::failure(MULTICAST, text, "check discovery.multicast.interface");
        }
    };
    let own = heard.iter().any(|address| address.eq_ignore_ascii_case(&expected.own_address));
    let others = heard.len() - usize::from(own);
    let text = format!("{group}: {others} other nodes announced themselves within {seconds} s");
    if expected.own_runs && !own {
        let text = format!("{text}, and not even this node was heard");
        let fix = "allow multicast on discovery.multicast.interface";
        return Finding::failure(MULTICAST, text, fix);
    }
    if others == 0 && expected.expect > 1 {
        let fix = "start the other nodes, and let multicast pass between the machines";
        return Finding::failure(MULTICAST, text, fix);
    }
    Finding::ok(MULTICAST, text)
}

/// The coordinator beside this node.
pub(super) fn coordinator(found: Option<&CoordinatorFound>) -> Finding {
    match found {
        None => Finding::ok(COORDINATOR, "none is configured beside this node"),
        Some(CoordinatorFound { uri, answered: Ok(time) }) => {
            Finding::ok(COORDINATOR, format!("{uri}/v1/info answers in {}", milliseconds(*time)))
        }
        Some(CoordinatorFound { uri, answered: Err(why) }) => {
            let text = format!("{uri}/v1/info does not answer: {why}");
            let fix = "start the coordinator, or correct coordinator.uri; nodes come up without it";
            Finding::warning(COORDINATOR, text, fix)
        }
    }
}
