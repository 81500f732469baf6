//! The marker beside `seeds.txt`: a few lines that say which cluster the folder belongs to.
//!
//! Text, because an operator may have to read it; checksummed, because nodes decide by it. It is
//! created exclusively: of all foundings over one folder, one writes it.

use super::founding::{Founding, FoundingMember};
use super::limits::{MEMBERS_MAX, TEXT_BYTES_MAX};
use statekeeper_machine::{ClusterId, NodeId};
use std::fmt::Write;
use uuid::Uuid;

const FIRST_LINE: &str = "statekeeper-cluster 1";

/// Whose folder this is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// `state-store.cluster`.
    pub cluster_name: String,
    /// The founding: cluster id, founder and first voters.
    pub founding: Founding,
}

/// Why a text is no marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// It does not begin with the line of this version.
    #[error("does not begin with {FIRST_LINE:?}")]
    FirstLine,
    /// The checksum line is missing or wrong: cut off or changed.
    #[error("is cut off or was changed: its checksum does not fit")]
    Checksum,
    /// A line is not what it should be.
    #[error("has an unexpected line {0}")]
    Line(usize),
}

impl Marker {
    /// The text.
    pub fn encode(&self) -> Vec<u8> {
        let founding = &self.founding;
        let mut text = format!("{FIRST_LINE}\ncluster-name {}\n", self.cluster_name);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "cluster-id {}", founding.cluster_id);
        let _ = writeln!(text, "founder {}", founding.founder);
        for member in &founding.members {
            let (raft, client) = (&member.raft_address, &member.client_address);
            let _ = writeln!(text, "node {} {raft} {client}", member.node);
        }
        let crc = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, "crc32c {crc:08x}");
        text.into_bytes()
    }

    /// Reads the text, strictly.
    pub fn decode(text: &[u8]) -> Result<Self, MarkerError> {
        let text = std::str::from_utf8(text).map_err(|_| MarkerError::FirstLine)?;
        if text.lines().next() != Some(FIRST_LINE) {
            return Err(MarkerError::FirstLine);
        }
        let body_bytes = text.rfind("crc32c ").ok_or(MarkerError::Checksum)?;
        let (body, sum) = text.split_at(body_bytes);
        if sum != format!("crc32c {:08x}\n", crc32c::crc32c(body.as_bytes())) {
            return Err(MarkerError::Checksum);
        }
        let mut lines = body.lines().enumerate().skip(1);
        let mut field = |key: &str| {
            let (index, line) = lines.next()?;
            let value = line.strip_prefix(key)?.strip_prefix(' ')?;
            Some((index, value.to_owned()))
        };
        let (_, cluster_name) = field("cluster-name").ok_or(MarkerError::Line(2))?;
        let (_, cluster_id) = field("cluster-id").ok_or(MarkerError::Line(3))?;
        let cluster_id = cluster_id.parse::<Uuid>().map_err(|_| MarkerError::Line(3))?;
        let (_, founder) = field("founder").ok_or(MarkerError::Line(4))?;
        let founder = NodeId(founder.parse().map_err(|_| MarkerError::Line(4))?);
        let mut members = Vec::new();
        for (index, line) in lines {
            let member = (members.len() < MEMBERS_MAX).then(|| member(line)).flatten();
            members.push(member.ok_or(MarkerError::Line(index + 1))?);
        }
        let cluster_id = ClusterId(cluster_id.as_u128());
        Ok(Self { cluster_name, founding: Founding { founder, cluster_id, members } })
    }
}

fn member(line: &str) -> Option<FoundingMember> {
    let mut words = line.strip_prefix("node ")?.split(' ');
    let node = NodeId(words.next()?.parse().ok()?);
    let mut address =
        || words.next().filter(|word| word.len() <= TEXT_BYTES_MAX).map(str::to_owned);
    let (raft_address, client_address) = (address()?, address()?);
    words.next().is_none().then_some(FoundingMember { node, raft_address, client_address })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn marker() -> Marker {
        let member = |node: u64| FoundingMember {
            node: NodeId(node),
            raft_address: format!("10.0.0.{node}:5751"),
            client_address: format!("[2001:db8::{node}]:5701"),
        };
        let founding = Founding {
            founder: NodeId(1),
            cluster_id: ClusterId(0xabc),
            members: vec![member(1), member(2)],
        };
        Marker { cluster_name: "hetu".to_owned(), founding }
    }

    #[test]
    fn a_marker_reads_back_as_it_was_written() {
        let text = marker().encode();
        assert_eq!(Marker::decode(&text), Ok(marker()));
        let lines = String::from_utf8(text).unwrap();
        assert!(lines.contains("\ncluster-id 00000000-0000-0000-0000-000000000abc\n"), "{lines}");
    }

    #[test]
    fn a_marker_that_is_cut_or_changed_anywhere_is_refused() {
        let text = marker().encode();
        for end in 0..text.len() {
            assert!(Marker::decode(&text[..end]).is_err(), "cut at {end}");
        }
        for at in 0..text.len() {
            let mut changed = text.clone();
            changed[at] ^= 1;
            assert!(Marker::decode(&changed).is_err(), "changed at {at}");
        }
        assert_eq!(Marker::decode(b"seeds"), Err(MarkerError::FirstLine));
    }
}
