//! Each durable step of a founding is followed by a death once; then all come back.

use super::instance::{Finds, Home, Instance, Promises};
use super::loopback::{all_in_one, directory};
use crate::bootstrap::{Decision, Marker};
use crate::seed::{LockInfo, Seed, SeedChange, SeedDirectory, SeedFuture};
use crate::storage::{DataDir, FoundingPromise};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A directory whose marker is created, or not, without anybody hearing of it, and which shows
/// only some of the seeds.
struct Partial {
    inner: Arc<dyn SeedDirectory>,
    hangs: Option<Hang>,
    shows: Option<Vec<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hang {
    BeforeTheMarker,
    AfterTheMarker,
}

impl SeedDirectory for Partial {
    fn read(&self) -> SeedFuture<'_, Vec<Seed>> {
        Box::pin(async {
            let mut seeds = self.inner.read().await?;
            if let Some(shows) = &self.shows {
                seeds.retain(|seed| shows.contains(&seed.location));
            }
            Ok(seeds)
        })
    }
    fn update(&self, change: SeedChange) -> SeedFuture<'_, Vec<Seed>> {
        self.inner.update(change)
    }
    fn create_marker(&self, text: Vec<u8>) -> SeedFuture<'_, bool> {
        Box::pin(async {
            if self.hangs != Some(Hang::BeforeTheMarker) {
                let created = self.inner.create_marker(text).await;
                if self.hangs.is_none() {
                    return created;
                }
            }
            std::future::pending().await
        })
    }
    fn read_marker(&self) -> SeedFuture<'_, Option<Vec<u8>>> {
        self.inner.read_marker()
    }
    fn rewrite_marker(&self, text: Vec<u8>) -> SeedFuture<'_, ()> {
        self.inner.rewrite_marker(text)
    }
    fn lock_info(&self) -> SeedFuture<'_, LockInfo> {
        self.inner.lock_info()
    }

    fn check_writable(&self) -> SeedFuture<'_, ()> {
        self.inner.check_writable()
    }
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(super::instance::PATIENCE, waited).await;
    assert!(waited.is_ok(), "never happened: {what}");
}

async fn three(root: &Path) -> Vec<Home> {
    let mut homes = Vec::new();
    for id in 1..=3 {
        homes.push(Home::new(root, id).await);
    }
    homes
}

fn list(homes: &[Home]) -> Finds {
    Finds::List(homes.iter().map(|home| home.address).collect())
}

fn promise_on_disk(node: &Instance) -> Option<Uuid> {
    node.responder.data_dir().identity().promise.map(|promise| promise.cluster_id)
}

#[tokio::test]
async fn a_founder_that_dies_after_its_own_promise_goes_on_with_the_same_founding() {
    let root = tempfile::tempdir().unwrap();
    let homes = three(root.path()).await;
    let finds = list(&homes);
    let founder = Instance::start(&homes[0], &finds, 3).await;
    let mut others = Vec::new();
    for home in &homes[1..] {
        others.push(Instance::start_losing(home, &finds, 3, Promises::Lost).await);
    }
    founder.says("waiting for promises of node 2").await;
    let promised = promise_on_disk(&founder).unwrap();
    founder.kill().await;
    for other in &others {
        assert_eq!(promise_on_disk(other), None);
        other.set_promises(Promises::Answered);
    }
    others.insert(0, Instance::start(&homes[0], &finds, 3).await);
    let decisions = all_in_one(&mut others).await;
    let Decision::Found(founding) = &decisions[0] else { panic!("{decisions:?}") };
    assert_eq!(founding.cluster_id.0, promised.as_u128());
}

#[tokio::test]
async fn a_promise_whose_answer_was_lost_holds_over_the_death_of_both() {
    let root = tempfile::tempdir().unwrap();
    let homes = three(root.path()).await;
    let finds = list(&homes);
    let founder = Instance::start(&homes[0], &finds, 3).await;
    let lossy = Instance::start_losing(&homes[1], &finds, 3, Promises::Unanswered).await;
    let third = Instance::start(&homes[2], &finds, 3).await;
    until("the promise of node 2", async || promise_on_disk(&lossy).is_some()).await;
    let promised = promise_on_disk(&lossy);
    founder.kill().await;
    lossy.kill().await;
    let lossy = Instance::start(&homes[1], &finds, 3).await;
    // Its founder is away: it waits, and promises nobody else.
    lossy.says("to which this node has promised a founding").await;
    assert_eq!(promise_on_disk(&lossy), promised);
    let founder = Instance::start(&homes[0], &finds, 3).await;
    all_in_one(&mut [founder, lossy, third]).await;
}

#[tokio::test]
async fn a_founder_that_dies_around_the_marker_founds_after_its_return() {
    for hang in [Hang::BeforeTheMarker, Hang::AfterTheMarker] {
        let root = tempfile::tempdir().unwrap();
        let homes = three(root.path()).await;
        let plain = directory(root.path());
        let inner: Arc<dyn SeedDirectory> = plain.clone();
        let hangs = Partial { inner, hangs: Some(hang), shows: None };
        let founder = Instance::start(&homes[0], &Finds::Directory(Arc::new(hangs)), 3).await;
        let finds = Finds::Directory(plain.clone());
        let mut nodes = Vec::new();
        for home in &homes[1..] {
            nodes.push(Instance::start(home, &finds, 3).await);
        }
        until("all promises", async || nodes.iter().all(|n| promise_on_disk(n).is_some())).await;
        if hang == Hang::AfterTheMarker {
            until("the marker", async || plain.read_marker().await.unwrap().is_some()).await;
        }
        founder.kill().await;
        nodes[0].says("bring it back").await;
        nodes.insert(0, Instance::start(&homes[0], &finds, 3).await);
        all_in_one(&mut nodes).await;
    }
}

#[tokio::test]
async fn a_founder_that_dies_before_or_after_it_names_its_cluster_founds_again() {
    let root = tempfile::tempdir().unwrap();
    let homes = three(root.path()).await;
    let finds = list(&homes);
    let mut others = Vec::new();
    for home in &homes[1..] {
        others.push(Instance::start(home, &finds, 3).await);
    }
    // Dies with the decision, before anything came of it.
    let mut founder = Instance::start(&homes[0], &finds, 3).await;
    let Decision::Found(first) = founder.decision().await else { panic!("does not found") };
    founder.kill().await;
    // Dies when its directory names the cluster and its log does not hold it yet.
    let mut founder = Instance::start(&homes[0], &finds, 3).await;
    assert_eq!(founder.decision().await, Decision::Found(first.clone()));
    founder.accept(first.cluster_id);
    founder.kill().await;
    // The third time it completes, and from then on it only returns.
    let mut founder = Instance::start(&homes[0], &finds, 3).await;
    assert_eq!(founder.settle().await.0, Decision::Found(first.clone()));
    for other in &mut others {
        assert_eq!(other.settle().await.1, first.cluster_id);
    }
    founder.kill().await;
    let mut founder = Instance::start(&homes[0], &finds, 3).await;
    assert_eq!(founder.decision().await, Decision::Return);
}

#[tokio::test]
async fn a_promise_that_its_founder_no_longer_knows_is_void() {
    let root = tempfile::tempdir().unwrap();
    let homes = three(root.path()).await;
    // As if node 1 had withdrawn, and died before it told node 3.
    let data_dir = DataDir::open(&homes[2].data_dir, Some(3)).unwrap();
    let promise = FoundingPromise { founder: 1, cluster_id: Uuid::new_v4() };
    data_dir.set_promise(promise).unwrap();
    drop(data_dir);
    let finds = list(&homes);
    let mut nodes = Vec::new();
    for home in &homes {
        nodes.push(Instance::start(home, &finds, 3).await);
    }
    all_in_one(&mut nodes).await;
}

#[tokio::test]
async fn of_two_foundings_that_share_no_node_the_marker_lets_one_succeed() {
    let root = tempfile::tempdir().unwrap();
    let plain = directory(root.path());
    let mut homes = three(root.path()).await;
    homes.push(Home::new(root.path(), 4).await);
    let mut nodes = Vec::new();
    for pair in homes.chunks(2) {
        // Each pair sees only itself, as if its file system were slow to show the others.
        let shows = Some(pair.iter().map(|home| home.address.to_string()).collect());
        let inner: Arc<dyn SeedDirectory> = plain.clone();
        let partial: Arc<dyn SeedDirectory> = Arc::new(Partial { inner, hangs: None, shows });
        for home in pair {
            nodes.push(Instance::start(home, &Finds::Directory(Arc::clone(&partial)), 2).await);
        }
    }
    until("the marker", async || plain.read_marker().await.unwrap().is_some()).await;
    let marker = Marker::decode(&plain.read_marker().await.unwrap().unwrap()).unwrap();
    let (winner, loser) = if marker.founding.founder.0 == 1 { (0, 2) } else { (2, 0) };
    for loser in [loser, loser + 1] {
        nodes[loser].says("of which none answers").await;
        assert_eq!(promise_on_disk(&nodes[loser]), None);
    }
    assert!(matches!(nodes[winner].settle().await.0, Decision::Found(_)));
    assert!(matches!(nodes[winner + 1].settle().await.0, Decision::Member { .. }));
}
