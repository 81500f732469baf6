//! The responder: what it answers is on disk, and a release and a grant cannot cross.

use crate::bootstrap::peer_protocol::{decode, encode};
use crate::bootstrap::{
    Answer, Arbiter, Founding, PeerResponder, Promise, PromiseRequest, Question, Refusal, Terms,
};
use crate::storage::DataDir;
use statekeeper_machine::{ClusterId, NodeId};
use std::path::Path;
use std::sync::Arc;
use uuid::Uuid;

fn terms() -> Terms {
    Terms { cluster_name: "c".to_owned(), expect: 3, arbiter: Arbiter::SeedDirectory }
}

fn responder(path: &Path) -> PeerResponder {
    let data_dir = Arc::new(DataDir::open(path, Some(2)).unwrap());
    PeerResponder::new(data_dir, terms(), "b:5751".to_owned(), "b:5701".to_owned())
}

fn promise(cluster: u128) -> Promise {
    Promise { founder: NodeId(1), cluster_id: ClusterId(cluster) }
}

async fn answer(responder: &PeerResponder, question: &Question) -> Answer {
    let frame = encode(question);
    let answer = responder.answer(&frame[4..]).await.unwrap();
    decode(&answer[4..]).unwrap()
}

fn asks_for(promise: Promise) -> Question {
    Question::Promise(PromiseRequest { target: NodeId(2), promise, terms: terms() })
}

#[tokio::test]
async fn a_promise_is_on_disk_when_it_is_answered_and_so_is_its_release() {
    let path = tempfile::tempdir().unwrap();
    let first = responder(path.path());
    assert_eq!(answer(&first, &asks_for(promise(7))).await, Answer::Granted);
    drop(first);
    let second = responder(path.path());
    assert_eq!(second.standing().promise, Some(promise(7)));
    let refused = Answer::Refused(Refusal::Promised(promise(7)));
    assert_eq!(answer(&second, &asks_for(promise(8))).await, refused);
    assert_eq!(answer(&second, &Question::Release(promise(8))).await, refused);
    assert_eq!(answer(&second, &Question::Release(promise(7))).await, Answer::Granted);
    drop(second);
    assert_eq!(responder(path.path()).standing().promise, None);
}

#[tokio::test]
async fn a_void_promise_is_kept_when_it_was_given_again_since_the_question() {
    let path = tempfile::tempdir().unwrap();
    let responder = responder(path.path());
    let before = responder.grants();
    answer(&responder, &asks_for(promise(7))).await;
    responder.drop_void(promise(7), before).await.unwrap();
    assert_eq!(responder.standing().promise, Some(promise(7)), "asked for after the question");
    let between = responder.grants();
    answer(&responder, &asks_for(promise(7))).await;
    responder.drop_void(promise(7), between).await.unwrap();
    assert_eq!(responder.standing().promise, Some(promise(7)), "repeated after the question");
    responder.drop_void(promise(7), responder.grants()).await.unwrap();
    assert_eq!(responder.standing().promise, None);
}

#[tokio::test]
async fn a_node_that_has_promised_does_not_set_out_itself_and_the_other_way_round() {
    let path = tempfile::tempdir().unwrap();
    let responder = responder(path.path());
    let founding = Founding {
        founder: NodeId(2),
        cluster_id: ClusterId(9),
        members: vec![responder.own().clone()],
    };
    answer(&responder, &asks_for(promise(7))).await;
    assert!(!responder.set_out(&founding).await.unwrap());
    answer(&responder, &Question::Release(promise(7))).await;
    assert!(responder.set_out(&founding).await.unwrap());
    let refused = Answer::Refused(Refusal::Promised(founding.promise()));
    assert_eq!(answer(&responder, &asks_for(promise(7))).await, refused);
    assert_eq!(answer(&responder, &Question::Release(founding.promise())).await, refused);
}

#[tokio::test]
async fn only_the_cluster_that_was_promised_is_accepted_by_hearsay() {
    let path = tempfile::tempdir().unwrap();
    let responder = responder(path.path());
    assert!(!responder.hears_of_cluster(ClusterId(7)), "nothing promised");
    answer(&responder, &asks_for(promise(7))).await;
    assert!(!responder.hears_of_cluster(ClusterId(8)));
    assert_eq!(responder.founded(), None);
    assert!(responder.hears_of_cluster(ClusterId(7)));
    assert_eq!(responder.founded(), Some(ClusterId(7)));
    responder.data_dir().set_cluster(Uuid::from_u128(7)).unwrap();
    assert!(responder.hears_of_cluster(ClusterId(7)));
    assert_eq!(responder.describe().cluster_id, Some(ClusterId(7)));
}

#[tokio::test]
async fn garbage_is_closed_without_an_answer() {
    let path = tempfile::tempdir().unwrap();
    let responder = responder(path.path());
    assert_eq!(responder.answer(b"").await, None);
    assert_eq!(responder.answer(&[0xff; 100]).await, None);
}
