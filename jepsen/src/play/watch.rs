//! What must hold of every node whatever the workload is: terms and indexes do not go back, there
//! is one cluster, nobody ends by himself, nobody panics, handles do not leak.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, Status, name};

/// How often each node is asked.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Files and threads that a node may have more at the end than soon after its start: connections
/// of clients and of nodes that are on their way.
const HANDLES_MORE: usize = 400;

/// Looks at all nodes while a run goes on.
pub(super) struct Watch {
    cluster: Arc<Cluster>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// By node: process, and what was seen of it last.
    last: BTreeMap<usize, (u32, Status)>,
    cluster_id: Option<String>,
    /// By process: open files and threads when it was first seen.
    handles: BTreeMap<u32, (usize, usize)>,
    wrong: Vec<String>,
}

impl Watch {
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, seen: Mutex::default() }
    }

    /// Looks until the token ends.
    pub(super) async fn look(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            for node in 0..self.cluster.nodes().len() {
                self.look_at(node).await;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn look_at(&self, node: usize) {
        let one = self.cluster.node(node);
        if let Ok(Some(status)) = one.ended()
            && !one.may_end()
        {
            let words = one.last_words();
            self.seen.lock().say(format!("{} ended by itself ({status}): {words}", name(node)));
        }
        let Some(pid) = one.pid().filter(|_| !one.is_paused()) else { return };
        let Some(status) = self.cluster.status(node).await else { return };
        // It may have been killed meanwhile: what was asked belongs to the process before.
        if one.pid() != Some(pid) {
            return;
        }
        self.seen.lock().take(node, pid, status, one.handles());
    }

    /// What is wrong, in sentences.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.seen.lock().wrong.clone()
    }

    /// Lines of panics in the nodes' logs.
    pub(super) fn panics(&self) -> Vec<String> {
        let mut found = Vec::new();
        for node in self.cluster.nodes() {
            let log = std::fs::read(node.log()).unwrap_or_default();
            let text = String::from_utf8_lossy(&log);
            let panics = text.lines().filter(|line| line.contains("panicked at"));
            found.extend(panics.map(|line| format!("{}: {line}", node.name())));
        }
        found
    }
}

impl Seen {
    fn say(&mut self, what: String) {
        if !self.wrong.contains(&what) {
            self.wrong.push(what);
        }
    }

    fn take(&mut self, node: usize, pid: u32, status: Status, handles: Option<(usize, usize)>) {
        let called = name(node);
        if let Some(id) = &status.cluster_id {
            let first = self.cluster_id.get_or_insert_with(|| id.clone()).clone();
            if first != *id {
                self.say(format!("{called} is of the cluster {id}, others are of {first}"));
            }
        }
        if let Some((before_pid, before)) = self.last.get(&node).cloned()
            && before.node_id == status.node_id
        {
            // Of a node that has only just started, its term is not known yet.
            if status.term < before.term && status.term > 0 {
                let (from, to) = (before.term, status.term);
                self.say(format!("the term of {called} went back from {from} to {to}"));
            }
            // After a restart entries are applied anew from the last snapshot.
            if before_pid == pid && status.applied_index < before.applied_index {
                let (from, to) = (before.applied_index, status.applied_index);
                self.say(format!("the applied index of {called} went back from {from} to {to}"));
            }
        }
        if let Some((files, threads)) = handles {
            let (first_files, first_threads) = *self.handles.entry(pid).or_insert((files, threads));
            if files > first_files + HANDLES_MORE || threads > first_threads + HANDLES_MORE {
                self.say(format!("{called} leaks: {files} files and {threads} threads"));
            }
        }
        self.last.insert(node, (pid, status));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(term: u64, applied_index: u64, cluster: &str) -> Status {
        Status {
            cluster_id: Some(cluster.to_owned()),
            node_id: "1".to_owned(),
            role: "follower".to_owned(),
            term,
            voters: Vec::new(),
            learners: Vec::new(),
            applied_index,
            snapshot_index: 0,
            last_log_index: applied_index,
        }
    }

    fn wrong(looks: &[(u32, Status)]) -> Vec<String> {
        let mut seen = Seen::default();
        for (pid, status) in looks {
            seen.take(0, *pid, status.clone(), Some((20, 8)));
        }
        seen.wrong
    }

    #[test]
    fn what_rises_is_right_and_a_restart_may_apply_anew() {
        let looks = [(1, status(1, 5, "c")), (1, status(2, 9, "c")), (2, status(2, 4, "c"))];
        assert_eq!(wrong(&looks), [""; 0]);
    }

    #[test]
    fn terms_indexes_and_clusters_that_change_back_are_told() {
        let term = wrong(&[(1, status(3, 5, "c")), (2, status(2, 9, "c"))]);
        assert!(term[0].contains("term of n1 went back from 3 to 2"), "{term:?}");
        let applied = wrong(&[(1, status(3, 5, "c")), (1, status(3, 4, "c"))]);
        assert!(applied[0].contains("applied index"), "{applied:?}");
        let cluster = wrong(&[(1, status(3, 5, "c")), (2, status(3, 6, "d"))]);
        assert!(cluster[0].contains("of the cluster d"), "{cluster:?}");
    }

    #[test]
    fn a_leak_of_handles_is_told() {
        let mut seen = Seen::default();
        seen.take(0, 1, status(1, 1, "c"), Some((20, 8)));
        seen.take(0, 1, status(1, 2, "c"), Some((900, 8)));
        assert!(seen.wrong[0].contains("900 files"), "{:?}", seen.wrong);
    }
}
