//! The judgement, from made-up observations to the lines an operator reads.

use super::*;
use crate::bootstrap::{ClockDifference, Founding, Marker, PeerAnswer};
use crate::node::{PortState, Process};
use crate::seed::Seed;
use statekeeper_machine::{ClusterId, NodeId};
use std::time::Duration;

const OURS: ClusterId = ClusterId(0xa);
const THEIRS: ClusterId = ClusterId(0xb);

fn process(id: u32, name: &str) -> Process {
    Process { id, name: name.to_owned() }
}

fn answer(node: u64) -> PeerAnswer {
    PeerAnswer {
        cluster_name: "hetu".to_owned(),
        cluster_id: Some(OURS),
        node: NodeId(node),
        raft_address: format!("10.0.0.{node}:5751"),
        client_address: format!("10.0.0.{node}:5701"),
        promise: None,
        expect: 3,
    }
}

fn found(address: &str, reached: Reached) -> AddressFound {
    AddressFound { address: address.to_owned(), source: AddressSource::List, reached }
}

fn node(answer: PeerAnswer) -> Reached {
    let clock = ClockDifference { ahead_ms: 2, uncertainty: Duration::from_millis(1) };
    Reached::Node(NodeFound {
        answer,
        round_trip: Duration::from_micros(1_234),
        clock: Some(clock),
    })
}

fn up() -> NodeUp {
    NodeUp {
        address: "127.0.0.1:5780".to_owned(),
        node_id: "1".to_owned(),
        cluster_name: "hetu".to_owned(),
        cluster_id: Some(OURS.to_string()),
        role: "follower".to_owned(),
        ready: true,
        leader: Some("2".to_owned()),
        isolated: false,
        summary: "3 of 3 nodes, one may fail".to_owned(),
        quorum_margin: Some(1),
        voters: 3,
        waiting_for: None,
        alarms: Vec::new(),
    }
}

/// Three nodes that all serve, seen from the first.
fn healthy() -> Observations {
    let own = process(7, "statekeeper");
    let port = |key, port| PortFound { key, port, state: PortState::Held(Some(own.clone())) };
    Observations {
        cluster_name: "hetu".to_owned(),
        expect: 3,
        own_address: "10.0.0.1:5701".to_owned(),
        configuration: Vec::new(),
        data: DataFound {
            path: "/data".into(),
            state: DataState::There {
                node: Some(NodeId(1)),
                cluster_id: Some(OURS),
                holder: Some(Some(own.clone())),
            },
            free_bytes: Some(4 << 30),
            free_bytes_min: 1 << 30,
            configured_node: None,
        },
        ports: vec![
            port("hazelcast.discovery.port", 5701),
            port("raft.port", 5751),
            port("admin.port", 5780),
        ],
        node: NodeState::Up(Box::new(up())),
        seeds: None,
        multicast: None,
        addresses: (1..=3).map(|n| found(&format!("10.0.0.{n}:5701"), node(answer(n)))).collect(),
        coordinator: None,
    }
}

/// The same while the node is down.
fn down() -> Observations {
    let mut seen = healthy();
    seen.node = NodeState::Down { address: "127.0.0.1:5780".to_owned() };
    seen.ports.iter_mut().for_each(|port| port.state = PortState::Free);
    let DataState::There { holder, .. } = &mut seen.data.state else { return seen };
    *holder = None;
    seen.addresses[0].reached = Reached::Refused;
    seen
}

/// The lines that are not as they should be: level, check, text, code, what to do.
fn complaints(seen: &Observations) -> Vec<String> {
    let odd = findings(seen).into_iter().filter(|finding| finding.level != Level::Ok);
    odd.map(|finding| {
        let code = finding.code.map_or(String::new(), |code| format!(" ({code})"));
        let fix = finding.fix.expect("whoever complains says what to do");
        format!("{} {}: {}{code}; do: {fix}", finding.level.word(), finding.check, finding.text)
    })
    .collect()
}

fn one_complaint(seen: &Observations) -> String {
    let mut lines = complaints(seen);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.remove(0)
}

fn with_seeds(look: SeedLook, lock: LockFound) -> Observations {
    let state = SeedsState::There { look: Box::new(look), unwritable: None, lock };
    let mut seen = healthy();
    seen.seeds = Some(SeedsFound { directory: "/seeds/hetu".to_owned(), state });
    seen
}

fn look(marker: MarkerFound) -> SeedLook {
    let seed = |location: &str, timestamp_ms| {
        let seed = Seed { location: location.to_owned(), timestamp_ms };
        SeedFound::at(seed, 100_000, Duration::from_secs(60))
    };
    SeedLook {
        directory: "/seeds/hetu".to_owned(),
        cluster_name: "hetu".to_owned(),
        heartbeat_timeout: Duration::from_secs(60),
        marker,
        lock: LockFound::Free,
        seeds: vec![seed("10.0.0.1:5701", 95_000)],
    }
}

fn marker(cluster_id: ClusterId) -> MarkerFound {
    let founding = Founding { founder: NodeId(1), cluster_id, members: Vec::new() };
    MarkerFound::Present(Marker { cluster_name: "hetu".to_owned(), founding })
}

#[test]
fn a_healthy_cluster_gives_no_complaint_and_a_line_for_everything() {
    let lines: Vec<String> = findings(&healthy())
        .into_iter()
        .map(|finding| format!("{} {}: {}", finding.level.word(), finding.check, finding.text))
        .collect();
    let expected = [
        "ok config: no errors, no warnings; cluster name hetu",
        "ok data: /data of node 1, cluster 00000000-0000-0000-0000-00000000000a, in use by process \
         7 (statekeeper)",
        "ok data: 4096 MB free on its disk, storage.disk-free-min is 1024 MB",
        "ok port: hazelcast.discovery.port=5701 is held by this node, process 7 (statekeeper)",
        "ok port: raft.port=5751 is held by this node, process 7 (statekeeper)",
        "ok port: admin.port=5780 is held by this node, process 7 (statekeeper)",
        "ok node: node 1 runs as follower, 2 leads; 3 of 3 nodes, one may fail",
        "ok address: 10.0.0.1:5701 is this node, answers in 1.2 ms",
        "ok address: 10.0.0.2:5701 is node 2 of the cluster, answers in 1.2 ms",
        "ok address: 10.0.0.3:5701 is node 3 of the cluster, answers in 1.2 ms",
        "ok clock: 2 other nodes, at most 2 ms apart",
        "ok coordinator: none is configured beside this node",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_node_that_is_down_is_a_warning_when_nothing_stands_in_its_way() {
    let expected = "warning node: does not run: nobody listens at 127.0.0.1:5780; do: start it; \
                    the findings here say what would stand in its way";
    assert_eq!(one_complaint(&down()), expected);
}

#[test]
fn a_port_that_another_process_holds_is_a_failure_with_its_name() {
    let mut seen = down();
    seen.ports[1].state = PortState::Held(Some(process(99, "nginx")));
    let lines = complaints(&seen);
    let expected = "failure port: raft.port=5751 is held by process 99 (nginx); do: end what \
                    holds it, or choose another port";
    assert_eq!(lines[0], expected);
    let mut running = healthy();
    running.ports[1].state = PortState::Held(Some(process(99, "nginx")));
    assert_eq!(one_complaint(&running), expected, "beside a node that runs");
    running.ports[1].state = PortState::Held(None);
    assert_eq!(complaints(&running), [""; 0], "this user may not know who it is");
}

#[test]
fn a_node_that_hangs_is_told_from_a_stranger_on_its_admin_port() {
    let mut seen = healthy();
    seen.node = NodeState::Mute { address: "127.0.0.1:5780".to_owned(), why: "late".to_owned() };
    let hangs = "failure node: runs, and does not answer at 127.0.0.1:5780: late; do: look";
    assert!(complaints(&seen).iter().any(|line| line.starts_with(hangs)));
    seen.ports[2].state = PortState::Held(Some(process(99, "nginx")));
    let lines = complaints(&seen);
    let stranger = "failure node: whoever listens at 127.0.0.1:5780 does not answer as a node";
    assert!(lines.iter().any(|line| line.starts_with(stranger)), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("failure port: admin.port=5780 is held")));
}

#[test]
fn the_data_directory_is_judged() {
    let mut seen = down();
    let why = "could not use /data: Permission denied (os error 13)";
    seen.data.state = DataState::Refused(why.to_owned());
    assert!(complaints(&seen)[0].starts_with("failure data: could not use /data: Perm"));
    seen.data.state = DataState::Absent;
    assert_eq!(complaints(&seen).len(), 1, "only that the node does not run");

    let mut other = down();
    other.data.configured_node = Some(NodeId(9));
    assert!(complaints(&other)[0].contains("belongs to node 1, node.id names node 9"));

    let mut held = down();
    let DataState::There { holder, .. } = &mut held.data.state else { unreachable!() };
    *holder = Some(Some(process(5, "statekeeper")));
    assert!(
        complaints(&held)[0].contains("in use by process 5 (statekeeper), but no node answers")
    );

    let mut short = healthy();
    short.data.free_bytes = Some(1 << 20);
    assert!(one_complaint(&short).contains("failure data: 1 MB free on its disk"));
    assert!(one_complaint(&short).contains("(SK0113)"));
}

#[test]
fn a_missing_node_is_a_failure_only_where_the_cluster_does_not_serve() {
    let mut seen = healthy();
    seen.addresses[2].reached = Reached::Refused;
    let line = one_complaint(&seen);
    let text = "address: 10.0.0.3:5701 refuses connections: nobody listens there; do: start the \
                node there, or correct hazelcast.discovery.tcp-ip.seeds";
    assert_eq!(line, format!("warning {text}"));
    if let NodeState::Up(node) = &mut seen.node {
        node.leader = None;
    }
    let lines = complaints(&seen);
    assert_eq!(lines[1], format!("failure {text}"));
    assert!(
        lines[0].starts_with("failure node: node 1 knows no leader") && lines[0].contains("SK0112")
    );

    let mut seen = healthy();
    seen.addresses[2].reached = Reached::Refused;
    if let NodeState::Up(node) = &mut seen.node {
        node.quorum_margin = Some(-1);
    }
    assert_eq!(complaints(&seen)[1], format!("failure {text}"), "a leader without its quorum");

    // The node is down, and two of three say that the cluster is there.
    let mut seen = down();
    seen.addresses.push(found("10.0.0.4:5701", Reached::Silent));
    assert!(complaints(&seen)[1].starts_with("warning address: 10.0.0.4:5701 did not answer"));
    seen.addresses.remove(2);
    assert!(complaints(&seen)[1].starts_with("failure address: 10.0.0.4:5701 did not answer"));
}

#[test]
fn whoever_does_not_belong_to_the_cluster_is_named() {
    let complaint = |reached| {
        let mut seen = healthy();
        seen.addresses[2].reached = reached;
        one_complaint(&seen)
    };
    let named = PeerAnswer { cluster_name: "test".to_owned(), ..answer(3) };
    let line = complaint(node(named));
    let start = "failure address: 10.0.0.3:5701 is node 3 of cluster name test, not hetu";
    assert!(line.starts_with(start), "{line}");
    let line = complaint(node(PeerAnswer { cluster_id: Some(THEIRS), ..answer(3) }));
    assert!(line.contains("is node 3 of another cluster, 00000000-0000-0000-0000-00000000000b"));
    let line = complaint(node(PeerAnswer { node: NodeId(1), ..answer(3) }));
    assert!(line.contains("has the id of this node, 1, and advertises 10.0.0.3:5701"), "{line}");
    let line = complaint(node(PeerAnswer { cluster_id: None, expect: 5, ..answer(3) }));
    assert!(line.contains("raft.bootstrap-expect is 3 here and 5 at 10.0.0.3:5701"), "{line}");
    let line = complaint(Reached::Foreign);
    assert!(line.contains("answers, but not as a node of statekeeper; a Hazelcast member does so"));
    assert!(line.contains("(SK0011); do: stop the embedded member"), "{line}");
    let line = complaint(Reached::OtherVersion(9));
    assert!(line.contains("is a node of another release, with answers of version 9"), "{line}");
}

#[test]
fn a_datagram_of_another_cluster_name_is_no_failure() {
    let mut seen = healthy();
    let other = PeerAnswer { cluster_name: "test".to_owned(), ..answer(9) };
    let source = AddressSource::Multicast;
    let at = AddressFound { source, ..found("10.0.0.9:5701", node(other)) };
    seen.addresses.push(at);
    assert!(one_complaint(&seen).starts_with("warning address: 10.0.0.9:5701 is node 9 of"));
}

#[test]
fn clocks_that_differ_by_half_a_second_are_warned_about() {
    let complaint = |ahead_ms, uncertainty_ms| {
        let mut seen = healthy();
        let Reached::Node(node) = &mut seen.addresses[1].reached else { unreachable!() };
        let uncertainty = Duration::from_millis(uncertainty_ms);
        node.clock = Some(ClockDifference { ahead_ms, uncertainty });
        complaints(&seen)
    };
    assert_eq!(complaint(499, 0), [""; 0]);
    let ahead = "warning clock: node 2 at 10.0.0.2:5701 is 500 ms ahead of this machine's clock";
    assert!(complaint(500, 0)[0].starts_with(ahead));
    assert!(complaint(-1_200, 0)[0].contains("is 1200 ms behind this machine's clock"));
    assert_eq!(complaint(600, 200), [""; 0], "the way there may have taken the difference");
    let mut seen = healthy();
    let Reached::Node(node) = &mut seen.addresses[1].reached else { unreachable!() };
    node.clock = None;
    let clock = findings(&seen).into_iter().find(|finding| finding.check == "clock");
    let text = clock.map(|finding| finding.text);
    assert_eq!(text.as_deref(), Some("1 other nodes, at most 2 ms apart; 1 do not tell"));
}

#[test]
fn a_node_that_waits_says_for_what() {
    let mut seen = healthy();
    let waiting_for = Some("waiting for nodes: 2 of 3, 10.0.0.3:5701 refuses".to_owned());
    let node = NodeUp { cluster_id: None, leader: None, waiting_for, ..up() };
    seen.node = NodeState::Up(Box::new(node));
    let line = one_complaint(&seen);
    let start = "failure node: node 1 has no cluster yet: waiting for nodes: 2 of 3, 10.0.0.3:5701 \
                 refuses (SK0115); do: ";
    assert!(line.starts_with(start), "{line}");
}

#[test]
fn what_the_node_says_is_compared_with_the_files_and_its_alarms_are_passed_on() {
    let complaint = |node: NodeUp| {
        let mut seen = healthy();
        seen.node = NodeState::Up(Box::new(node));
        one_complaint(&seen)
    };
    let other = complaint(NodeUp { node_id: "8".to_owned(), ..up() });
    assert!(
        other.contains("node 8 answers at 127.0.0.1:5780, the data directory belongs to node 1")
    );
    let renamed = complaint(NodeUp { cluster_name: "old".to_owned(), ..up() });
    assert!(renamed.contains("runs with cluster name old, the files say hetu"));
    let no_quorum = complaint(NodeUp { quorum_margin: Some(-1), ..up() });
    assert!(no_quorum.starts_with("failure node: node 1 is follower, but there is no quorum"));
    let alarm = AlarmFound {
        name: "no-failure-tolerated".to_owned(),
        detail: "one more failure stops the cluster: bring nodes back, or add one".to_owned(),
    };
    let warned = complaint(NodeUp { alarms: vec![alarm], ..up() });
    let expected = "warning alarm: no-failure-tolerated: one more failure stops the cluster; do: \
                    bring nodes back, or add one";
    assert_eq!(warned, expected);
}

#[test]
fn the_marker_and_the_lock_of_a_seed_directory_are_judged() {
    assert_eq!(complaints(&with_seeds(look(marker(OURS)), LockFound::Free)), [""; 0]);
    let other = one_complaint(&with_seeds(look(marker(THEIRS)), LockFound::Free));
    assert!(other.starts_with("failure seeds: the marker names cluster 00000000-0000-0000-0000-"));
    let damaged = MarkerFound::Unusable("its marker is cut off".to_owned());
    let damaged = one_complaint(&with_seeds(look(damaged), LockFound::Free));
    assert!(damaged.starts_with("failure seeds: /seeds/hetu: its marker is cut off"), "{damaged}");
    let held = LockFound::Held { holder: "x".to_owned(), age: Some(Duration::ZERO) };
    let held = one_complaint(&with_seeds(look(marker(OURS)), held));
    assert!(held.contains("the lock is kept by x without a pause") && held.contains("SK0022"));
    let left = LockFound::LeftBehind { holder: "x".to_owned() };
    assert_eq!(complaints(&with_seeds(look(marker(OURS)), left)), [""; 0]);
}

#[test]
fn a_seed_is_old_beyond_the_time_out_and_never_when_it_is_of_the_future() {
    let limit = Duration::from_secs(60);
    let old = |timestamp_ms| {
        let seed = Seed { location: "a:1".to_owned(), timestamp_ms };
        SeedFound::at(seed, 100_000, limit).old
    };
    assert!(!old(40_000) && old(39_999));
    assert!(!old(100_001) && !old(i64::MAX));
    assert!(old(i64::MIN));
}

#[test]
fn nobody_on_the_group_is_a_failure_where_others_are_expected() {
    let heard = |heard: Result<&[&str], &str>, mut seen: Observations| {
        let heard = heard.map(|all| all.iter().map(|at| (*at).to_owned()).collect());
        seen.multicast = Some(MulticastFound {
            group: "224.2.2.3:54327 on 10.0.0.1".to_owned(),
            listened: Duration::from_secs(5),
            heard: heard.map_err(str::to_owned),
        });
        complaints(&seen).into_iter().filter(|line| line.contains("multicast:")).collect::<Vec<_>>()
    };
    let (own, other) = ("10.0.0.1:5701", "10.0.0.2:5701");
    assert_eq!(heard(Ok(&[own, other]), healthy()), [""; 0]);
    let alone = heard(Ok(&[own]), healthy());
    assert!(alone[0].contains(": 0 other nodes announced themselves within 5 s; do: start the"));
    assert!(heard(Ok(&[other]), healthy())[0].contains("not even this node was heard"));
    assert_eq!(heard(Ok(&[other]), down()), [""; 0]);
    assert!(heard(Ok(&[]), down())[0].contains("0 other nodes announced themselves within 5 s"));
    assert!(heard(Err("no such device"), down())[0].contains("cannot be listened to: no such"));
}

#[test]
fn a_node_outside_of_the_list_is_told_that_it_may_not_found() {
    let mut seen = healthy();
    seen.addresses.remove(0);
    let line = one_complaint(&seen);
    let start = "warning address: 10.0.0.1:5701, this node's own, is not in hazelcast.discovery";
    assert!(line.starts_with(start), "{line}");
}

#[test]
fn messages_of_the_house_are_taken_apart() {
    let finding = Finding::from_message("seeds", "SK0021 a does not decode; repair it", &[]);
    assert_eq!(finding.code.as_deref(), Some("SK0021"));
    assert_eq!(
        (finding.text.as_str(), finding.fix.as_deref()),
        ("a does not decode", Some("repair it"))
    );
    let causes = ["entry 2 is not base64".to_owned()];
    let finding = Finding::from_message("seeds", "no code here", &causes);
    assert_eq!(
        (finding.code, finding.text.as_str()),
        (None, "no code here: entry 2 is not base64")
    );
}
