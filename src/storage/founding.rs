//! What a founder has set out to found, kept until the cluster is surely there.
//!
//! Written before the founder's own promise. A founder that dies between naming its cluster and the
//! first entry of the log finds here what it has to do again.

use std::fs;
use std::io;
use std::path::PathBuf;

use uuid::Uuid;

use super::error::{Damage, Place, StorageError};
use super::identity::DataDir;
use super::sealed::{Fields, Seal, put_string, sync_directory};

const SEAL: Seal = Seal { magic: *b"SKFOUND\n", version: 1 };
/// More than any founding has; a larger count is damage.
const MEMBERS_MAX: u32 = 256;

/// A founding as the data directory of its founder keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundingRecord {
    /// The founder's node id.
    pub founder: u64,
    /// The cluster id it has drawn.
    pub cluster_id: Uuid,
    /// The nodes the cluster begins with.
    pub members: Vec<RecordedMember>,
}

/// One node of a recorded founding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMember {
    /// Its node id.
    pub node_id: u64,
    /// `host:port` of its Raft port.
    pub raft_address: String,
    /// `host:port` of its client port.
    pub client_address: String,
}

impl DataDir {
    fn founding_path(&self) -> PathBuf {
        self.path().join("founding")
    }

    /// The founding this directory's node has set out for, if any. Blocks.
    pub fn founding(&self) -> Result<Option<FoundingRecord>, StorageError> {
        let path = self.founding_path();
        let Some(body) = SEAL.read(&path)? else { return Ok(None) };
        let damaged = || StorageError::damaged(&path, Place::File, Damage::Undecodable);
        parse(&body).map(Some).ok_or_else(damaged)
    }

    /// Keeps a founding. Durable on return. Blocks.
    pub fn set_founding(&self, record: &FoundingRecord) -> Result<(), StorageError> {
        let mut body = record.founder.to_le_bytes().to_vec();
        body.extend_from_slice(record.cluster_id.as_bytes());
        // Bounded far below by those who found.
        let count = u32::try_from(record.members.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(&count.to_le_bytes());
        for member in &record.members {
            body.extend_from_slice(&member.node_id.to_le_bytes());
            put_string(&mut body, member.raft_address.as_bytes());
            put_string(&mut body, member.client_address.as_bytes());
        }
        SEAL.replace(&self.founding_path(), &body)
    }

    /// Forgets the founding: its cluster has begun, or it was given up. Blocks.
    pub fn clear_founding(&self) -> Result<(), StorageError> {
        let path = self.founding_path();
        match fs::remove_file(&path) {
            Ok(()) => sync_directory(self.path()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StorageError::io("remove", &path)(error)),
        }
    }
}

fn parse(body: &[u8]) -> Option<FoundingRecord> {
    let mut fields = Fields::new(body);
    let founder = fields.u64()?;
    let cluster_id = Uuid::from_bytes(fields.take()?);
    let count = fields.u32().filter(|count| *count <= MEMBERS_MAX)?;
    let mut members = Vec::new();
    for _ in 0..count {
        let node_id = fields.u64()?;
        let raft_address = text(&mut fields)?;
        let client_address = text(&mut fields)?;
        members.push(RecordedMember { node_id, raft_address, client_address });
    }
    fields.is_empty().then_some(FoundingRecord { founder, cluster_id, members })
}

fn text(fields: &mut Fields<'_>) -> Option<String> {
    String::from_utf8(fields.string()?.to_vec()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_founding_is_kept_over_a_restart_until_it_is_cleared() {
        let path = tempfile::tempdir().unwrap();
        let directory = DataDir::open(path.path(), Some(7)).unwrap();
        assert_eq!(directory.founding().unwrap(), None);
        let member = |node_id: u64| RecordedMember {
            node_id,
            raft_address: format!("10.0.0.{node_id}:5751"),
            client_address: format!("10.0.0.{node_id}:5701"),
        };
        let record = FoundingRecord {
            founder: 7,
            cluster_id: Uuid::new_v4(),
            members: vec![member(7), member(8)],
        };
        directory.set_founding(&record).unwrap();
        drop(directory);
        let directory = DataDir::open(path.path(), None).unwrap();
        assert_eq!(directory.founding().unwrap(), Some(record));
        directory.clear_founding().unwrap();
        directory.clear_founding().unwrap();
        assert_eq!(directory.founding().unwrap(), None);
    }

    #[test]
    fn every_flipped_bit_of_a_founding_is_seen() {
        let path = tempfile::tempdir().unwrap();
        let directory = DataDir::open(path.path(), Some(7)).unwrap();
        let record = FoundingRecord { founder: 7, cluster_id: Uuid::nil(), members: Vec::new() };
        directory.set_founding(&record).unwrap();
        let sound = fs::read(directory.founding_path()).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(directory.founding_path(), &flipped).unwrap();
            assert!(directory.founding().is_err(), "bit {bit}");
        }
    }
}
