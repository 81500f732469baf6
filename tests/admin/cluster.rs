//! The cluster, its nodes, and changes of the membership.

use std::time::Duration;

use serde_json::json;
use statekeeper::consensus::{MembershipChange, Role};
use statekeeper_machine::NodeId;

use crate::sequencer::{node, peer};
use crate::server::Server;

/// Three voters, all well.
async fn three() -> Server {
    let server = Server::start().await;
    server.sequencer.change_status(|status| {
        for id in [2, 3] {
            let mut peer = peer(&node(id), true);
            peer.matched_index = Some(status.last_log_index);
            status.peers.push(peer);
        }
    });
    server
}

#[tokio::test]
async fn the_cluster_is_shown_with_its_quorum_in_words() {
    let server = three().await;
    let mut cluster = server.read("/v1/cluster").await;
    assert!(cluster["state_bytes"].take().as_u64() > Some(0));
    insta::assert_json_snapshot!(cluster);
    server.sequencer.change_status(|status| {
        status.peers[2].silent_for = Some(Duration::from_secs(60));
    });
    let cluster = server.read("/v1/cluster").await;
    assert_eq!(cluster["summary"], "2 of 3 nodes, none may fail");
    assert_eq!(cluster["quorum_margin"], 0);
    assert_eq!(cluster["alarms"][0]["alarm"], "no-failure-tolerated");
    server.sequencer.change_status(|status| status.role = Role::Follower);
    let cluster = server.read("/v1/cluster").await;
    assert!(cluster["quorum_margin"].is_null(), "only a leader knows who answers: {cluster}");
}

#[tokio::test]
async fn the_leader_is_named_as_it_names_itself() {
    let server = three().await;
    let cluster = server.read("/v1/cluster?consistency=local").await;
    assert_eq!(cluster["leader"], server.read("/v1/info").await["node_id"]);
    assert_eq!(cluster["leader_admin_address"], "127.0.0.1:5781");
}

#[tokio::test]
async fn nodes_are_listed_and_shown_alone() {
    let server = three().await;
    let nodes = server.read("/v1/nodes").await;
    assert_eq!(nodes["items"].as_array().unwrap().len(), 3);
    insta::assert_json_snapshot!(nodes["items"][1]);
    assert_eq!(server.read("/v1/nodes/2").await, nodes["items"][1]);
    assert_eq!(server.get("/v1/nodes/9").await.problem(), (404, "SK0104".to_owned()));
}

#[tokio::test]
async fn a_node_is_added_as_learner_and_promoted_when_it_has_caught_up() {
    let server = three().await;
    let add = json!({ "node_id": "4", "raft_address": "127.0.0.1:5754" });
    let plan = server.post("/v1/nodes?dry_run=true", add.clone()).await.json();
    assert_eq!((&plan["done"], &plan["learners_after"]), (&json!(false), &json!(["4"])));
    assert_eq!(server.sequencer.changes(), []);
    let done = server.post("/v1/nodes", add.clone()).await.json();
    assert_eq!(done["done"], true);
    assert_eq!(server.post("/v1/nodes", add).await.problem(), (409, "SK0110".to_owned()));
    let early = server.patch("/v1/nodes/4", json!({ "voter": true })).await;
    assert_eq!(early.problem(), (409, "SK0110".to_owned()));
    assert!(early.json()["rule"].as_str().unwrap().contains("has not answered"));
    server.sequencer.change_status(|status| {
        status.peers[3].silent_for = Some(Duration::ZERO);
        status.peers[3].matched_index = Some(status.last_log_index);
    });
    let promoted = server.patch("/v1/nodes/4", json!({ "voter": true })).await.json();
    assert_eq!(promoted["voters_after"], json!(["1", "2", "3", "4"]));
    assert_eq!(promoted["warnings"].as_array().unwrap().len(), 1, "even: {promoted}");
    let node = NodeId(4);
    let added = MembershipChange::AddLearner { node, raft_address: "127.0.0.1:5754".into() };
    assert_eq!(server.sequencer.changes(), [added, MembershipChange::Promote { node }]);
    assert_eq!(server.patch("/v1/nodes/4", json!({ "voter": false })).await.problem().0, 400);
}

#[tokio::test]
async fn a_removal_that_leaves_too_few_is_refused_also_as_a_dry_run() {
    let server = three().await;
    server.sequencer.change_status(|status| {
        status.peers[2].silent_for = Some(Duration::from_secs(60));
    });
    for path in ["/v1/nodes/2?dry_run=true", "/v1/nodes/2"] {
        let refused = server.delete(path).await;
        assert_eq!(refused.problem(), (409, "SK0110".to_owned()));
        assert!(refused.json()["rule"].as_str().unwrap().starts_with("1 of the 2 voters left"));
    }
    assert_eq!(server.delete("/v1/nodes/3?dry_run").await.json()["done"], false);
    assert_eq!(server.sequencer.changes(), []);
    assert_eq!(server.delete("/v1/nodes/3").await.json()["voters_after"], json!(["1", "2"]));
    assert_eq!(server.delete("/v1/nodes/3").await.problem(), (404, "SK0104".to_owned()));
}

#[tokio::test]
async fn a_rule_of_raft_itself_is_passed_on() {
    let server = three().await;
    server.sequencer.refuse_changes(Some("another change is in flight"));
    let refused = server.delete("/v1/nodes/3").await;
    assert_eq!(refused.problem(), (409, "SK0110".to_owned()));
    assert_eq!(refused.json()["rule"], "another change is in flight");
}

#[tokio::test]
async fn leadership_goes_to_the_voter_that_is_named_or_nearest() {
    let server = three().await;
    server.sequencer.change_status(|status| status.peers[1].matched_index = Some(0));
    let plan = server.post("/v1/leader:transfer?dry_run=true", json!({})).await.json();
    assert_eq!(plan["node_id"], "3");
    let done = server.post("/v1/leader:transfer", json!({ "to": "2" })).await.json();
    assert_eq!(done["done"], true);
    let to = NodeId(2);
    assert_eq!(server.sequencer.changes(), [MembershipChange::TransferLeader { to }]);
    assert_eq!(server.read("/v1/cluster").await["leader"], "2");
}
