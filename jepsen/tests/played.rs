//! Every workload, played against the reference server: right, and spoilt in each way.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde_json::json;
use statekeeper_jepsen::check::{Budget, Judgement, Verdict, judge};
use statekeeper_jepsen::client::reference::{Reference, Spoil, Wrong};
use statekeeper_jepsen::client::{Client, Op};
use statekeeper_jepsen::history::{Header, Recorder};
use statekeeper_jepsen::run::{Run, Ways};
use statekeeper_jepsen::workload::{self, NAMES};
use tokio_util::sync::CancellationToken;

/// Long enough for records and sessions to end.
const TIME: Duration = Duration::from_secs(4);
const LAST: Duration = Duration::from_secs(10);
const SEED: u64 = 1;

struct OneServer(Reference);

impl Ways for OneServer {
    fn nodes(&self) -> usize {
        3
    }

    fn connect(
        &self,
        _process: u64,
        _node: usize,
        _within: Duration,
    ) -> BoxFuture<'_, Result<Box<dyn Client>, String>> {
        let client: Box<dyn Client> = Box::new(self.0.client());
        async move { Ok(client) }.boxed()
    }
}

struct Played {
    judgement: Judgement,
    operations: usize,
    wrong_answers: u64,
}

/// What servers do by themselves for the coordinators beside them: one record, which moves.
async fn register(server: &Reference, stop: &CancellationToken) {
    let mut client = server.client();
    for port in 8080.. {
        let op = Op {
            object: "map".to_owned(),
            name: "discovery-service".to_owned(),
            f: "set".to_owned(),
            key: Some(json!("10.0.0.1")),
            value: Some(json!(port.to_string())),
            ttl: None,
        };
        client.call(&op, LAST).await;
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn play(name: &str, spoil: Option<Spoil>) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let workload = workload::by_name(name).unwrap();
    let (model, params) = workload.model();
    let header = Header { history: 1, name: name.to_owned(), model: model.to_owned(), params };
    let recorder = Recorder::begin(&folder.path().join("history.jsonl"), header).unwrap();
    let server = Reference::new(SEED, spoil);
    let run = Run::new(Arc::new(OneServer(server.clone())), recorder, workload, SEED);
    let stop = CancellationToken::new();
    let timer = async {
        tokio::time::sleep(TIME).await;
        stop.cancel();
    };
    let registrar = async {
        if name == workload::DISCOVERY_RECORD {
            register(&server, &stop).await;
        }
    };
    tokio::join!(run.work(&stop), run.listen(&stop), registrar, timer);
    run.last(LAST).await.unwrap();
    assert_eq!(run.violations(), [""; 0], "{name}");
    let history = run.end().unwrap();
    let judging =
        tokio::task::spawn_blocking(move || (judge(&history, &Budget::default()), history));
    let (judgement, history) = judging.await.unwrap();
    Played {
        judgement,
        operations: history.entries.len() / 2,
        wrong_answers: server.wrong_answers(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_right_is_never_accused() {
    for (name, played) in NAMES.iter().zip(join_all(NAMES.map(|name| play(name, None))).await) {
        let Played { judgement, operations, .. } = played;
        println!("{name}: {operations} operations, judged in {} ms", judgement.took_ms);
        assert_eq!(judgement.verdict, Verdict::Valid, "{name}: {judgement:?}");
        assert!(operations > 50, "{name}: {operations}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_be_wrong_is_found_by_a_workload() {
    let pairs = [
        ("register", Wrong::StaleRead),
        ("mix-openlookeng", Wrong::LostWrite),
        ("map-entry", Wrong::RefusedAndDone),
        ("register", Wrong::WrongMatch),
        ("set-full", Wrong::LostItem),
        ("map-whole", Wrong::ShortRead),
        ("map-whole", Wrong::TornPutAll),
        ("discovery-record", Wrong::ShortRead),
        ("seed-directory", Wrong::StaleRead),
        ("lock", Wrong::DoubleGrant),
        ("lock-session", Wrong::RepeatedFence),
        ("ids", Wrong::RepeatedIds),
        ("ttl", Wrong::EarlyEnd),
        ("ttl", Wrong::LateEnd),
        ("events", Wrong::LostEvent),
        ("events", Wrong::RepeatedEvent),
    ];
    assert!(Wrong::ALL.iter().all(|wrong| pairs.iter().any(|(_, spoilt)| spoilt == wrong)));
    let plays = pairs.map(|(name, wrong)| play(name, Some(Spoil { wrong, one_in: 3 })));
    for ((name, wrong), played) in pairs.iter().zip(join_all(plays).await) {
        assert!(played.wrong_answers > 0, "{name}, {wrong:?}: nothing was wrong");
        let verdict = played.judgement.verdict;
        assert_eq!(verdict, Verdict::Invalid, "{name}, {wrong:?}: {} wrong", played.wrong_answers);
    }
}
