//! Single decisions: what a node does with one view, and what it says while it waits.

use crate::bootstrap::{
    Arbiter, Decider, DeciderSettings, Founding, FoundingMember, Heard, HeardAt, Marker,
    MarkerView, PeerAnswer, Promise, Step, Terms, View, Waiting,
};
use statekeeper_machine::{ClusterId, NodeId};
use std::time::Duration;

const QUIET: Duration = Duration::from_secs(3);
const FRESH: ClusterId = ClusterId(99);

fn member(node: u64) -> FoundingMember {
    FoundingMember {
        node: NodeId(node),
        raft_address: format!("r{node}:5751"),
        client_address: format!("c{node}:5701"),
    }
}

fn decider(arbiter: Arbiter, node: u64, expect: u16) -> Decider {
    let terms = Terms { cluster_name: "c".to_owned(), expect, arbiter };
    Decider::new(DeciderSettings { own: member(node), terms, quiet: QUIET }, None)
}

fn answer(node: u64) -> PeerAnswer {
    let FoundingMember { node, raft_address, client_address } = member(node);
    PeerAnswer {
        cluster_name: "c".to_owned(),
        cluster_id: None,
        node,
        raft_address,
        client_address,
        promise: None,
        expect: 3,
    }
}

fn of_cluster(node: u64, cluster: u128) -> PeerAnswer {
    PeerAnswer { cluster_id: Some(ClusterId(cluster)), ..answer(node) }
}

/// A view of these nodes, each at the place of the list that its id names.
fn view(answers: Vec<PeerAnswer>) -> View {
    let at = |answer: PeerAnswer| HeardAt {
        address: answer.client_address.clone(),
        place: u16::try_from(answer.node.0).ok(),
        heard: Heard::Node(answer),
    };
    let heard = answers.into_iter().map(at).collect();
    View { heard, marker: MarkerView::Unused, own_address_listed: None }
}

fn marked(answers: Vec<PeerAnswer>, marker: MarkerView) -> View {
    View { marker, ..view(answers) }
}

fn marker(founder: u64, cluster: u128) -> MarkerView {
    let (founder, cluster_id) = (NodeId(founder), ClusterId(cluster));
    let members = vec![member(founder.0), member(5)];
    let founding = Founding { founder, cluster_id, members };
    MarkerView::Present(Marker { cluster_name: "c".to_owned(), founding })
}

fn step(decider: &mut Decider, view: &View) -> Step {
    decider.next(Duration::ZERO, None, view, FRESH)
}

fn line(step: &Step) -> String {
    match step {
        Step::Wait(waiting) => waiting.to_string(),
        other => panic!("does not wait: {other:?}"),
    }
}

const LIST: Arbiter = Arbiter::StaticList { places: 3 };

#[test]
fn the_lowest_of_the_expected_nodes_sets_out_and_the_others_leave_it_to_it() {
    let all = view(vec![answer(1), answer(2), answer(3)]);
    let Step::Promise(founding) = step(&mut decider(LIST, 1, 3), &all) else { panic!("waits") };
    assert_eq!(founding.members, [member(1), member(2), member(3)]);
    assert_eq!((founding.founder, founding.cluster_id), (NodeId(1), FRESH));
    for other in [2, 3] {
        let waits = step(&mut decider(LIST, other, 3), &all);
        assert!(line(&waits).contains("waiting for node 1 at c1:5701 to found"), "{waits:?}");
    }
}

#[test]
fn a_node_whose_address_is_not_in_the_list_founds_nothing_and_joins_what_it_hears() {
    let mut outside = decider(LIST, 9, 2);
    let waits = step(&mut outside, &view(vec![answer(10), answer(11)]));
    assert!(line(&waits).contains("c9:5701 is not in hazelcast.discovery.tcp-ip.seeds"));
    let joins = step(&mut outside, &view(vec![of_cluster(1, 7), of_cluster(2, 7)]));
    let raft_addresses = vec!["r1:5751".to_owned(), "r2:5751".to_owned()];
    assert_eq!(joins, Step::Join { cluster_id: ClusterId(7), raft_addresses });
}

#[test]
fn half_of_a_list_is_not_enough_to_found() {
    let mut decider = decider(Arbiter::StaticList { places: 4 }, 1, 2);
    let waits = step(&mut decider, &view(vec![answer(1), answer(2), answer(3), answer(4)]));
    assert!(line(&waits).contains("raft.bootstrap-expect=2 is not more than half of the 4 places"));
}

#[test]
fn one_node_behind_two_places_counts_once() {
    let mut twice = view(vec![answer(1), answer(2), answer(2)]);
    twice.heard[2].place = Some(3);
    let waits = step(&mut decider(LIST, 1, 3), &twice);
    assert!(matches!(waits, Step::Wait(Waiting::Nodes { have: 2, expect: 3, .. })), "{waits:?}");
}

#[test]
fn nodes_of_another_name_or_expectation_are_named() {
    let strangers = PeerAnswer { cluster_name: "d".to_owned(), ..answer(2) };
    let waits = step(&mut decider(LIST, 1, 3), &view(vec![answer(1), strangers, answer(3)]));
    assert!(line(&waits).contains("c2:5701 belongs to cluster name \"d\""), "{waits:?}");
    let five = PeerAnswer { expect: 5, ..answer(2) };
    let waits = step(&mut decider(LIST, 1, 3), &view(vec![answer(1), five, answer(3)]));
    assert!(line(&waits).contains("is 3 here and 5 at c2:5701"), "{waits:?}");
    let twin = PeerAnswer { client_address: "copy:5701".to_owned(), ..answer(1) };
    let waits = step(&mut decider(LIST, 1, 3), &view(vec![twin, answer(2), answer(3)]));
    assert!(line(&waits).contains("has this node's id"), "{waits:?}");
}

#[test]
fn a_seed_directory_is_listened_to_before_a_founding_and_again_after_every_sign() {
    let mut decider = decider(Arbiter::SeedDirectory, 1, 3);
    let empty = marked(vec![answer(2), answer(3)], MarkerView::Absent);
    let at = |decider: &mut Decider, seconds: u64, view: &View| {
        decider.next(Duration::from_secs(seconds), None, view, FRESH)
    };
    assert_eq!(at(&mut decider, 0, &empty), Step::Wait(Waiting::Quiet));
    assert_eq!(at(&mut decider, 2, &empty), Step::Wait(Waiting::Quiet));
    let unreadable = marked(Vec::new(), MarkerView::Unreadable("no such host".to_owned()));
    assert!(line(&at(&mut decider, 3, &unreadable)).contains("seed directory: no such host"));
    assert_eq!(at(&mut decider, 4, &empty), Step::Wait(Waiting::Quiet));
    assert_eq!(at(&mut decider, 6, &empty), Step::Wait(Waiting::Quiet));
    assert!(matches!(at(&mut decider, 7, &empty), Step::Promise(_)));
}

#[test]
fn a_marker_of_another_founder_binds_and_its_silence_names_both_ways_out() {
    let mut decider = decider(Arbiter::SeedDirectory, 1, 1);
    let silent = step(&mut decider, &marked(vec![answer(2)], marker(8, 7)));
    let said = line(&silent);
    assert!(said.contains("none answers at c8:5701, c5:5701: bring one back, or stop"), "{said}");
    let away = step(&mut decider, &marked(vec![answer(5)], marker(8, 7)));
    assert!(line(&away).contains("node 8, which was to found"), "{away:?}");
    let there = step(&mut decider, &marked(vec![answer(8)], marker(8, 7)));
    assert!(line(&there).ends_with("node 8 to found cluster 00000000-0000-0000-0000-000000000007"));
    let joins = step(&mut decider, &marked(vec![of_cluster(4, 7)], marker(8, 7)));
    assert!(matches!(joins, Step::Join { .. }), "{joins:?}");
    let two = step(&mut decider, &marked(vec![of_cluster(4, 6)], marker(8, 7)));
    let said = line(&two);
    assert!(said.contains("00000006 (c4:5701)") && said.contains("00000007 (the marker"), "{said}");
}

#[test]
fn a_founder_takes_up_the_marker_it_wrote_and_replaces_one_it_gave_up() {
    let promise = Promise { founder: NodeId(1), cluster_id: ClusterId(7) };
    let mut returned = decider(Arbiter::SeedDirectory, 1, 2);
    let lower = marked(vec![answer(0), answer(5)], marker(1, 7));
    let asks = returned.next(Duration::ZERO, Some(promise), &lower, FRESH);
    let from = vec![(NodeId(5), "c5:5701".to_owned())];
    assert_eq!(asks, Step::Request { promise, from }, "and leaves it to nobody");
    returned.granted(NodeId(5), promise);
    let founds = returned.next(Duration::ZERO, Some(promise), &lower, FRESH);
    assert!(matches!(founds, Step::Found(founding) if founding.cluster_id == ClusterId(7)));

    let mut anew = decider(Arbiter::SeedDirectory, 1, 1);
    let own = Promise { founder: NodeId(1), cluster_id: FRESH };
    let abandoned = marked(Vec::new(), marker(1, 7));
    anew.next(Duration::ZERO, None, &abandoned, FRESH);
    let sets_out = anew.next(QUIET, None, &abandoned, FRESH);
    assert!(matches!(sets_out, Step::Promise(_)), "{sets_out:?}");
    let writes = anew.next(QUIET, Some(own), &abandoned, FRESH);
    assert!(matches!(writes, Step::WriteMarker { replace: true, .. }), "{writes:?}");
}

#[test]
fn by_multicast_a_node_waits_where_two_clusters_could_form() {
    let mut decider = decider(Arbiter::Multicast, 1, 3);
    let heard = (2..=6).map(answer).collect();
    let waits = decider.next(Duration::from_secs(9), None, &view(heard), FRESH);
    assert!(line(&waits).contains("6 empty nodes are heard"), "{waits:?}");
}

#[test]
fn a_founder_withdraws_when_it_hears_of_a_cluster_or_of_a_lower_node() {
    for sign in [of_cluster(3, 7), answer(0)] {
        let mut decider = decider(LIST, 1, 3);
        let all = view(vec![answer(1), answer(2), answer(3)]);
        let Step::Promise(founding) = step(&mut decider, &all) else { panic!("waits") };
        let promise = founding.promise();
        let heard = view(vec![answer(1), answer(2), sign]);
        let withdraws = decider.next(Duration::ZERO, Some(promise), &heard, FRESH);
        let tell = vec![(NodeId(2), "c2:5701".to_owned()), (NodeId(3), "c3:5701".to_owned())];
        assert_eq!(withdraws, Step::Withdraw { promise, tell });
    }
}

#[test]
fn a_promise_holds_until_its_own_founder_no_longer_stands_by_it() {
    let promise = Promise { founder: NodeId(1), cluster_id: ClusterId(7) };
    let next = |answers: Vec<PeerAnswer>| {
        decider(LIST, 2, 2).next(Duration::ZERO, Some(promise), &view(answers), FRESH)
    };
    let stands = PeerAnswer { promise: Some(promise), ..answer(1) };
    assert_eq!(next(vec![stands.clone()]), Step::Wait(Waiting::Founder { promise }));
    assert_eq!(next(vec![answer(3)]), Step::Wait(Waiting::LostFounder { promise }));
    assert_eq!(next(vec![answer(1)]), Step::Release(promise));
    assert_eq!(next(vec![of_cluster(1, 8)]), Step::Release(promise));
    assert_eq!(next(vec![of_cluster(3, 7)]), Step::Member(ClusterId(7)));
    let other = of_cluster(3, 8);
    assert_eq!(next(vec![stands, other.clone()]), Step::Wait(Waiting::Founder { promise }));
    assert!(matches!(next(vec![other]), Step::Join { .. }), "the founder is gone for good");
}
