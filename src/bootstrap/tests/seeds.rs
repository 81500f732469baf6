//! The seed keeper: what is emptied by hand comes back, what is dead goes.

use super::instance::{Finds, Home, Instance, PATIENCE};
use super::loopback::directory;
use crate::bootstrap::{
    Arbiter, PeerResponder, PeerSource, SeedKeeper, SeedRow, SeedTiming, Terms,
};
use crate::seed::{MARKER, Seed, SeedDirectory, SeedFolder};
use crate::storage::DataDir;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waited).await.is_ok(), "never happened: {what}");
}

/// A keeper and the data directory behind it.
struct Kept {
    keeper: SeedKeeper,
    data_dir: Arc<DataDir>,
}

fn keeper(root: &Path, directory: &Arc<SeedFolder>, timeout: Duration) -> Kept {
    let data_dir = Arc::new(DataDir::open(&root.join("data"), Some(1)).unwrap());
    let terms = Terms { cluster_name: "c".to_owned(), expect: 1, arbiter: Arbiter::SeedDirectory };
    let (raft, client) = ("127.0.0.1:5751".to_owned(), "127.0.0.1:5701".to_owned());
    let responder = PeerResponder::new(Arc::clone(&data_dir), terms, raft, client);
    let timing = SeedTiming {
        look_interval: Duration::from_millis(20),
        ..SeedTiming::new(Duration::from_secs(10), timeout)
    };
    let directory = Arc::<SeedFolder>::clone(directory);
    Kept { keeper: SeedKeeper::new(directory, responder, timing), data_dir }
}

async fn write(directory: &SeedFolder, location: &str, timestamp_ms: i64) {
    let seed = Seed { location: location.to_owned(), timestamp_ms };
    let change = move |mut seeds: Vec<Seed>| {
        seeds.retain(|old| old.location != seed.location);
        seeds.push(seed);
        seeds
    };
    directory.update(Box::new(change)).await.unwrap();
}

async fn locations(directory: &SeedFolder) -> Vec<String> {
    let mut seeds = directory.read().await.unwrap();
    seeds.sort();
    seeds.into_iter().map(|seed| seed.location).collect()
}

#[tokio::test]
async fn a_directory_emptied_by_hand_is_filled_again_by_the_running_nodes() {
    let root = tempfile::tempdir().unwrap();
    let directory = directory(root.path());
    let finds = Finds::Directory(directory.clone());
    let home = Home::new(root.path(), 1).await;
    let mut node = Instance::start(&home, &finds, 1).await;
    node.settle().await;
    let folder = directory.path();
    let PeerSource::SeedDirectory(keeper) = &node.source else { panic!("another source") };
    keeper.look().await;
    let marker = std::fs::read(folder.join(MARKER)).unwrap();
    for name in [MARKER, "seeds.txt"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    until("seed and marker are back", async || {
        let seeds = locations(&directory).await == [home.address.to_string()];
        seeds && std::fs::read(folder.join(MARKER)).is_ok_and(|text| text == marker)
    })
    .await;
}

#[tokio::test]
async fn the_own_seed_goes_with_an_orderly_stop_and_others_stay() {
    let root = tempfile::tempdir().unwrap();
    let directory = directory(root.path());
    write(&directory, "127.0.0.1:9", 1).await;
    let Kept { keeper, .. } = keeper(root.path(), &directory, Duration::from_secs(60));
    let stop = CancellationToken::new();
    let stops = async {
        until("the own seed", async || locations(&directory).await.len() == 2).await;
        // It is in the file a moment before it is known here.
        let is_own = |row: &SeedRow| row.own && row.location == "127.0.0.1:5701";
        until("its row", async || keeper.rows().iter().any(is_own)).await;
        stop.cancel();
    };
    tokio::join!(keeper.run(stop.clone()), stops);
    assert_eq!(locations(&directory).await, ["127.0.0.1:9"]);
}

#[tokio::test]
async fn only_a_leader_prunes_and_only_what_stands_still_and_does_not_answer() {
    let root = tempfile::tempdir().unwrap();
    let directory = directory(root.path());
    let alive = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Closes what it takes, as an embedded member does.
    let member = tokio::spawn({
        let address = alive.local_addr().unwrap().to_string();
        write(&directory, &address, 1).await;
        async move {
            loop {
                drop(alive.accept().await);
            }
        }
    });
    write(&directory, "127.0.0.1:9", 1).await;
    write(&directory, "127.0.0.1:10", 1).await;
    let Kept { keeper, .. } = keeper(root.path(), &directory, Duration::from_millis(150));
    keeper.look().await;
    let mut moved = 1;
    until("two seeds are old", async || {
        moved += 1;
        // This one is refreshed by its node, whose clock is far behind.
        write(&directory, "127.0.0.1:10", moved).await;
        keeper.look().await;
        let old = |row: &&crate::bootstrap::SeedRow| row.unchanged_for.as_millis() > 200;
        keeper.rows().iter().filter(|row| !row.own).filter(old).count() == 2
    })
    .await;
    assert_eq!(locations(&directory).await.len(), 4, "no leader, so nothing goes");
    keeper.set_leading(true);
    keeper.look().await;
    let left = locations(&directory).await;
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(!left.contains(&"127.0.0.1:9".to_owned()), "{left:?}");
    member.abort();
}

#[tokio::test]
async fn the_marker_of_another_cluster_is_left_alone_and_told() {
    let root = tempfile::tempdir().unwrap();
    let directory = directory(root.path());
    let home = Home::new(root.path(), 2).await;
    let mut other = Instance::start(&home, &Finds::Directory(directory.clone()), 1).await;
    let (_, cluster) = other.settle().await;
    other.kill().await;
    let before = directory.read_marker().await.unwrap();
    let Kept { keeper, data_dir } = keeper(root.path(), &directory, Duration::from_secs(60));
    data_dir.set_cluster(uuid::Uuid::from_u128(7)).unwrap();
    keeper.look().await;
    let trouble = keeper.trouble().unwrap();
    assert!(trouble.contains(&cluster.to_string()), "{trouble}");
    assert_eq!(directory.read_marker().await.unwrap(), before);
}
