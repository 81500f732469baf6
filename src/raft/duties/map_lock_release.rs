//! Map locks of clients that are gone: released when no answering node has had a connection of the
//! client for 60 s.
//!
//! A node that falls silent vouches for its clients up to its last report and no longer. It can
//! neither be asked nor pass on a call of theirs; a client that lives leaves it for a listed node
//! as soon as the silent one is off the list, and is reported from there long before the 60 s are
//! over. Counting its last word until it is unlisted would only add `client.member-timeout` to the
//! wait of those who want the lock. A node that comes back within the 60 s and still has the client
//! keeps the lock.
//!
//! A client is held to be connected when its lock is first seen here, so a new leader counts anew.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use statekeeper_machine::{ClientUuid, ClusterCommand};

use super::duty::DutyId;
use super::round::Round;

/// How long a client may be without any connection: what a real cluster allows.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// How often to look: listing the holders costs a walk over all locks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Releases in one round; the next one has the rest.
const RELEASES_MAX: usize = 64;

/// When each client that holds or waits for a map lock was last seen.
#[derive(Debug, Default)]
pub(super) struct MapLockRelease {
    seen: BTreeMap<ClientUuid, Instant>,
    looked_at: Option<Instant>,
}

impl MapLockRelease {
    /// Takes in that a node has connections of these clients. Others than holders are not kept.
    pub(super) fn saw(&mut self, now: Instant, clients: &[ClientUuid]) {
        for client in clients {
            if let Some(seen) = self.seen.get_mut(client) {
                *seen = now;
            }
        }
    }

    /// Proposes the release of what clients that are gone hold and wait for.
    pub(super) fn propose(&mut self, round: &mut Round<'_>) {
        let now = round.view.now;
        if self.looked_at.is_some_and(|at| now.saturating_duration_since(at) < LOOK_INTERVAL) {
            return;
        }
        self.looked_at = Some(now);
        let known = std::mem::take(&mut self.seen);
        for client in round.view.machine.map_lock_holders() {
            let seen = known.get(&client).copied().unwrap_or(now);
            self.seen.insert(client, seen);
        }
        let gone =
            self.seen.iter().filter(|(_, seen)| round.silence_since(Some(**seen)) >= GONE_AFTER);
        let gone: Vec<ClientUuid> = gone.map(|(client, _)| *client).take(RELEASES_MAX).collect();
        for client in gone {
            round.propose(DutyId::MapLocks(client), ClusterCommand::ReleaseMapLocks { client });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::{Trial, client, node};

    #[test]
    fn locks_of_a_client_without_a_connection_are_released_after_60_s() {
        let mut trial = Trial::new(3);
        trial.connect(node(2), client(7));
        trial.lock("m", "k", client(7));
        trial.run_ms(120_000);
        assert!(trial.is_locked("m", "k"), "it is connected");
        trial.disconnect(node(2), client(7));
        trial.run_ms(58_000);
        assert!(trial.is_locked("m", "k"));
        trial.run_ms(4_000);
        assert!(!trial.is_locked("m", "k"));
    }

    #[test]
    fn a_connection_at_any_answering_node_keeps_the_lock() {
        let mut trial = Trial::new(3);
        trial.connect(node(2), client(7));
        trial.lock("m", "k", client(7));
        trial.run_ms(10_000);
        trial.disconnect(node(2), client(7));
        trial.run_ms(50_000);
        trial.connect(node(3), client(7));
        trial.run_ms(120_000);
        assert!(trial.is_locked("m", "k"));
    }

    #[test]
    fn a_silent_node_keeps_the_lock_up_to_its_last_report_and_no_longer() {
        let mut trial = Trial::new(3);
        trial.connect(node(2), client(7));
        trial.lock("m", "k", client(7));
        trial.run_ms(10_000);
        trial.kill(node(2));
        trial.run_ms(50_000);
        trial.revive(node(2));
        trial.run_ms(20_000);
        assert!(trial.is_locked("m", "k"), "the node came back and still has the client");
        trial.kill(node(2));
        trial.run_ms(58_000);
        assert!(trial.is_locked("m", "k"));
        trial.run_ms(4_000);
        assert!(!trial.is_locked("m", "k"));
    }

    #[test]
    fn a_new_leader_counts_the_60_s_anew() {
        let mut trial = Trial::new(3);
        trial.lock("m", "k", client(7));
        trial.run_ms(50_000);
        trial.take_office();
        trial.run_ms(58_000);
        assert!(trial.is_locked("m", "k"));
        trial.run_ms(4_000);
        assert!(!trial.is_locked("m", "k"));
    }

    #[test]
    fn waits_of_a_gone_client_end_too() {
        let mut trial = Trial::new(3);
        trial.connect(node(1), client(1));
        trial.lock("m", "k", client(1));
        trial.lock("m", "k", client(2));
        trial.run_ms(62_000);
        assert_eq!(trial.machine.map_lock_holders(), vec![client(1)]);
    }

    #[test]
    fn the_time_of_an_earlier_lock_does_not_count_for_a_later_one() {
        let mut trial = Trial::new(1);
        trial.lock("m", "k", client(7));
        trial.run_ms(50_000);
        trial.unlock("m", "k", client(7));
        trial.run_ms(2_000);
        trial.lock("m", "k", client(7));
        trial.run_ms(58_000);
        assert!(trial.is_locked("m", "k"));
    }

    #[test]
    fn one_round_releases_a_bounded_number() {
        let mut trial = Trial::new(1);
        for n in 0..200 {
            trial.lock("m", &format!("k{n}"), client(n));
        }
        trial.run_ms(61_000);
        let first = trial.handed_out();
        assert!(first > 0 && first.is_multiple_of(super::RELEASES_MAX), "{first}");
        trial.run_ms(5_000);
        assert!(trial.machine.map_lock_holders().is_empty());
    }
}
