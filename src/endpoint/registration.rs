//! `RegistrationIds`: the ids clients are given for their listeners.
//!
//! There is no randomness here, and none is needed: node, client, connection and a counter name a
//! registration; mixing them keeps the ids apart from all other uuids a client sees.

use statekeeper_machine::{ClientUuid, MemberUuid};
use statekeeper_protocol::ProtocolUuid;

/// Draws the ids of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistrationIds {
    member: MemberUuid,
    connection: u64,
    drawn: u64,
}

impl RegistrationIds {
    /// For a connection of a node.
    pub(crate) fn new(member: MemberUuid, connection: u64) -> Self {
        Self { member, connection, drawn: 0 }
    }

    /// The next id.
    pub(crate) fn next(&mut self, client: ClientUuid) -> ProtocolUuid {
        self.drawn += 1;
        let words = [self.member.0, client.0, u128::from(self.connection), u128::from(self.drawn)];
        let mixed = |seed: u64| {
            words.iter().fold(seed, |state, word| {
                // Both halves are cut to what they hold.
                #[allow(clippy::cast_possible_truncation)]
                let halves = [(*word >> 64) as u64, *word as u64];
                halves.iter().fold(state, |state, half| mix(state ^ half))
            })
        };
        // Version 8 of RFC 9562: a uuid whose bits follow a rule of its maker's own.
        ProtocolUuid {
            most_significant: mixed(1) & !0xf000 | 0x8000,
            least_significant: mixed(2) & !(0b11 << 62) | 0b10 << 62,
        }
    }
}

/// The finaliser of splitmix64: every bit of the input changes half of the output's.
fn mix(input: u64) -> u64 {
    let mut state = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ state >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_differ_between_nodes_clients_connections_and_listeners() {
        let mut all = BTreeSet::new();
        for (member, client, connection) in [(1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)] {
            let mut ids = RegistrationIds::new(MemberUuid(member), connection);
            for _ in 0..100 {
                assert!(all.insert(ids.next(ClientUuid(client))));
            }
        }
    }

    #[test]
    fn the_same_conversation_draws_the_same_ids() {
        let ids = || RegistrationIds::new(MemberUuid(7), 3).next(ClientUuid(9));
        assert_eq!(ids(), ids());
        assert_eq!(ids().to_string().as_bytes()[14], b'8');
    }
}
