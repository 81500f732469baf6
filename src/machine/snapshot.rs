//! The image of the whole machine: everything that decides about its future, in one order.
//!
//! Layout: the first block begins with `SKMI` and a u32 version; then, over all blocks, items of a
//! u32 length and a postcard encoding (integers little-endian); no item spans blocks. The last item
//! holds count and digest of those before. Indexes and sums are not part of it: `restore` builds
//! them again. How records are spread over chunks is not part of it either, so equal states have
//! equal images.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::blob::Blob;
use crate::cluster::Cluster;
use crate::command::MapSettings;
use crate::cow_map::FrozenEntries;
use crate::cp_session::{Cp, GroupState, Session};
use crate::distributed_object::Objects;
use crate::event::WaitKey;
use crate::expiry::Step;
use crate::fenced_lock::FencedLock;
use crate::flake_id_generator::IdGenerators;
use crate::ids::{ClientUuid, ClusterTime, Fence, Name, NodeId, SessionId};
use crate::machine::Machine;
use crate::map::Map;
use crate::map_lock::{KeyLock, LockCall, MapLocks};
use crate::origins::{NodeOrigins, Origins};
use crate::outcome::Reply;
use crate::record::Record;

const MAGIC: &[u8; 4] = b"SKMI";
/// Raised with every change of what an item holds.
const VERSION: u32 = 1;
/// Blocks end before they reach this, unless a single item is larger.
const BLOCK_BYTES: usize = 256 * 1024;
const LENGTH_BYTES: usize = 4;

/// One row of the image. The order of the variants is part of the format.
#[derive(Serialize, Deserialize)]
enum Item {
    Clock {
        time: ClusterTime,
        version: u64,
        sequence_floor: i64,
        last_fence: Fence,
    },
    Cluster(Cluster),
    Origins {
        node: NodeId,
        start: u64,
        answered_below: u64,
    },
    Reply {
        node: NodeId,
        sequence: u64,
        reply: Reply,
    },
    Object(Name, Name),
    Schema(i64, Bytes),
    IdGenerator(Name, i64),
    Group(Name, GroupState),
    Session(Name, SessionId, Session),
    Lock(Name, Name, FencedLock),
    Destroyed(Name, Name, Name),
    Settings(Name, MapSettings),
    Map {
        name: Name,
        settings: MapSettings,
        expirations: u64,
        evictions: u64,
        sequence: i64,
    },
    /// Belongs to the map before it, like those that follow.
    Record(Blob, Record),
    KeyLock {
        map: Name,
        key: Blob,
        lock: KeyLock,
    },
    LockMemo {
        at: ClusterTime,
        wait: WaitKey,
        call: LockCall,
        reply: Reply,
    },
    Set(Name),
    /// Belongs to the set before it.
    Element(Blob),
    End {
        items: u64,
        digest: u64,
    },
}

/// Why an image cannot be restored.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The bytes are no image at all.
    #[error("this is not a machine image")]
    NotAnImage,
    /// The image was written by another version of the format.
    #[error("machine image has version {found}, this program reads version {known}")]
    Version {
        /// What the image says.
        found: u32,
        /// What this program reads.
        known: u32,
    },
    /// An item does not decode.
    #[error("machine image does not decode at item {item}")]
    Damaged {
        /// Items read before.
        item: u64,
    },
    /// The image ends before its last item.
    #[error("machine image ends after {items} items without its end mark")]
    CutShort {
        /// Items read.
        items: u64,
    },
    /// The image holds other content than its end mark says.
    #[error("machine image does not match the digest at its end")]
    Mismatch,
}

/// A view of the state at one moment. It shares everything with the machine it was taken from; a
/// later change of the machine copies what it touches.
#[derive(Debug)]
pub struct Frozen {
    time: ClusterTime,
    version: u64,
    sequence_floor: i64,
    cluster: Arc<Cluster>,
    objects: Arc<Objects>,
    cp: Arc<Cp>,
    ids: Arc<IdGenerators>,
    origins: Arc<Origins>,
    settings: Arc<BTreeMap<Name, MapSettings>>,
    locks: Arc<MapLocks>,
    maps: Vec<FrozenMap>,
    sets: Vec<(Name, FrozenEntries<Blob, ()>)>,
}

#[derive(Debug)]
struct FrozenMap {
    name: Name,
    settings: MapSettings,
    expirations: u64,
    evictions: u64,
    sequence: i64,
    records: FrozenEntries<Blob, Record>,
}

impl Machine {
    /// A cheap view of the state at this moment, for a snapshot; writes go on meanwhile.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        let maps = self.maps.maps.iter().map(|(name, map)| FrozenMap {
            name: name.clone(),
            settings: map.settings,
            expirations: map.expirations,
            evictions: map.evictions,
            sequence: map.sequence,
            records: map.records.freeze(),
        });
        let sets = self.sets.sets.iter().map(|(name, set)| (name.clone(), set.items.freeze()));
        Frozen {
            time: self.time,
            version: self.maps.version,
            sequence_floor: self.maps.sequence_floor,
            cluster: self.cluster.clone(),
            objects: self.objects.clone(),
            cp: self.cp.clone(),
            ids: self.ids.clone(),
            origins: self.origins.clone(),
            settings: self.maps.settings.clone(),
            locks: self.maps.locks.clone(),
            maps: maps.collect(),
            sets: sets.collect(),
        }
    }

    /// Hash of the whole state: equal states, equal digests, on all nodes. Reads everything.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        for item in self.freeze().items() {
            digest.add(&encode(&item));
        }
        digest.value()
    }

    /// Reads an image that `Frozen::blocks` wrote.
    ///
    /// # Errors
    /// When the image is damaged, cut short or of another version.
    pub fn restore<I, B>(blocks: I) -> Result<Self, SnapshotError>
    where
        I: IntoIterator<Item = B>,
        B: AsRef<[u8]>,
    {
        let mut reader = Reader::default();
        for (index, block) in blocks.into_iter().enumerate() {
            let block = block.as_ref();
            let block = if index == 0 { after_header(block)? } else { block };
            reader.read(block)?;
        }
        if !reader.ended {
            return Err(SnapshotError::CutShort { items: reader.items });
        }
        Ok(reader.machine)
    }
}

impl Frozen {
    /// The image in blocks of at most 256 KiB, unless one record is larger.
    pub fn blocks(self) -> impl Iterator<Item = Vec<u8>> + Send {
        let mut block = MAGIC.to_vec();
        block.extend_from_slice(&VERSION.to_le_bytes());
        Blocks { items: Some(Box::new(self.items())), digest: Digest::default(), count: 0, block }
    }

    fn items(self) -> impl Iterator<Item = Item> + Send {
        let Self { time, version, sequence_floor, cluster, objects, cp, ids, .. } = self;
        let Self { origins, settings, locks, maps, sets, .. } = self;
        let last_fence = cp.last_fence;
        let clock = Item::Clock { time, version, sequence_floor, last_fence };
        let cluster = Item::Cluster((*cluster).clone());
        [clock, cluster]
            .into_iter()
            .chain(later(move || origin_items(&origins)))
            .chain(later(move || object_items(&objects, &ids)))
            .chain(later(move || cp_items(&cp)))
            .chain(later(move || {
                settings.iter().map(|(name, row)| Item::Settings(name.clone(), *row)).collect()
            }))
            .chain(maps.into_iter().flat_map(map_items))
            .chain(later(move || lock_items(&locks)))
            .chain(sets.into_iter().flat_map(|(name, items)| {
                let items = items.into_entries().map(|(item, ())| Item::Element(item));
                std::iter::once(Item::Set(name)).chain(items)
            }))
    }
}

/// Rows of a small part of the state, made when it is their turn.
fn later(rows: impl FnOnce() -> Vec<Item> + Send) -> impl Iterator<Item = Item> + Send {
    std::iter::once_with(rows).flatten()
}

fn map_items(map: FrozenMap) -> impl Iterator<Item = Item> + Send {
    let FrozenMap { name, settings, expirations, evictions, sequence, records } = map;
    let head = Item::Map { name, settings, expirations, evictions, sequence };
    let records = records.into_entries().map(|(key, record)| Item::Record(key, record));
    std::iter::once(head).chain(records)
}

fn origin_items(origins: &Origins) -> Vec<Item> {
    let mut items = Vec::new();
    for (node, row) in &origins.nodes {
        let (node, start, answered_below) = (*node, row.start, row.answered_below);
        items.push(Item::Origins { node, start, answered_below });
        items.extend(row.replies.iter().map(|(sequence, reply)| Item::Reply {
            node,
            sequence: *sequence,
            reply: reply.clone(),
        }));
    }
    items
}

fn object_items(objects: &Objects, ids: &IdGenerators) -> Vec<Item> {
    let names = objects.objects.iter();
    let names = names.map(|(service, name)| Item::Object(service.clone(), name.clone()));
    let schemas = objects.schemas.iter().map(|(id, schema)| Item::Schema(*id, schema.clone()));
    let ids = ids.next.iter().map(|(name, next)| Item::IdGenerator(name.clone(), *next));
    names.chain(schemas).chain(ids).collect()
}

fn cp_items(cp: &Cp) -> Vec<Item> {
    let groups = cp.groups.iter().map(|(name, group)| Item::Group(name.clone(), *group));
    let sessions = cp.sessions.iter();
    let sessions = sessions.map(|((g, id), row)| Item::Session(g.clone(), *id, row.clone()));
    let locks = cp.locks.iter();
    let locks = locks.map(|((g, name), lock)| Item::Lock(g.clone(), name.clone(), lock.clone()));
    let destroyed = cp.destroyed.iter();
    let destroyed = destroyed
        .map(|(g, service, name)| Item::Destroyed(g.clone(), service.clone(), name.clone()));
    groups.chain(sessions).chain(locks).chain(destroyed).collect()
}

fn lock_items(locks: &MapLocks) -> Vec<Item> {
    let keys = locks.rows().map(|(map, key, lock)| Item::KeyLock {
        map: map.clone(),
        key: key.clone(),
        lock: lock.clone(),
    });
    let memos = locks.memo_rows().map(|(at, wait, call, reply)| Item::LockMemo {
        at,
        wait: wait.clone(),
        call,
        reply: reply.clone(),
    });
    keys.chain(memos).collect()
}

/// Gathers items into blocks.
struct Blocks {
    items: Option<Box<dyn Iterator<Item = Item> + Send>>,
    digest: Digest,
    count: u64,
    block: Vec<u8>,
}

impl Iterator for Blocks {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let Some(items) = &mut self.items else {
                return (!self.block.is_empty()).then(|| std::mem::take(&mut self.block));
            };
            let encoded = match items.next() {
                Some(item) => {
                    let encoded = encode(&item);
                    self.digest.add(&encoded);
                    self.count += 1;
                    encoded
                }
                None => {
                    self.items = None;
                    encode(&Item::End { items: self.count, digest: self.digest.value() })
                }
            };
            let full = self.block.len() + LENGTH_BYTES + encoded.len() > BLOCK_BYTES;
            let done = (full && !self.block.is_empty()).then(|| std::mem::take(&mut self.block));
            let length = u32::try_from(encoded.len()).expect("an item is far below 4 GiB");
            self.block.extend_from_slice(&length.to_le_bytes());
            self.block.extend_from_slice(&encoded);
            if done.is_some() {
                return done;
            }
        }
    }
}

fn encode(item: &Item) -> Vec<u8> {
    postcard::to_stdvec(item).expect("plain data always encodes to memory")
}

fn after_header(block: &[u8]) -> Result<&[u8], SnapshotError> {
    let rest = block.strip_prefix(MAGIC).ok_or(SnapshotError::NotAnImage)?;
    let (version, rest) = rest.split_first_chunk().ok_or(SnapshotError::NotAnImage)?;
    let found = u32::from_le_bytes(*version);
    if found != VERSION {
        return Err(SnapshotError::Version { found, known: VERSION });
    }
    Ok(rest)
}

/// Reads items into a machine.
#[derive(Default)]
struct Reader {
    machine: Machine,
    digest: Digest,
    items: u64,
    ended: bool,
    map: Option<Name>,
    set: Option<Name>,
}

impl Reader {
    fn read(&mut self, mut block: &[u8]) -> Result<(), SnapshotError> {
        while !block.is_empty() {
            let damaged = SnapshotError::Damaged { item: self.items };
            if self.ended {
                return Err(damaged);
            }
            let Some((length, rest)) = block.split_first_chunk::<LENGTH_BYTES>() else {
                return Err(damaged);
            };
            let length = u32::from_le_bytes(*length) as usize;
            let Some((encoded, rest)) = rest.split_at_checked(length) else {
                return Err(damaged);
            };
            let Ok(item) = postcard::from_bytes::<Item>(encoded) else { return Err(damaged) };
            if let Item::End { items, digest } = item {
                if (items, digest) != (self.items, self.digest.value()) {
                    return Err(SnapshotError::Mismatch);
                }
                self.end();
            } else {
                self.digest.add(encoded);
                self.take(item).ok_or(damaged)?;
                self.items += 1;
            }
            block = rest;
        }
        Ok(())
    }

    /// Puts one row where it belongs; `None` if there is no such place.
    fn take(&mut self, item: Item) -> Option<()> {
        let machine = &mut self.machine;
        let cp = Arc::make_mut(&mut machine.cp);
        let objects = Arc::make_mut(&mut machine.objects);
        let origins = Arc::make_mut(&mut machine.origins);
        match item {
            Item::Clock { time, version, sequence_floor, last_fence } => {
                machine.time = time;
                machine.maps.version = version;
                machine.maps.sequence_floor = sequence_floor;
                cp.last_fence = last_fence;
            }
            Item::Cluster(cluster) => machine.cluster = Arc::new(cluster),
            Item::Origins { node, start, answered_below } => {
                let row = NodeOrigins { start, answered_below, ..NodeOrigins::default() };
                origins.nodes.insert(node, row);
            }
            Item::Reply { node, sequence, reply } => {
                origins.nodes.get_mut(&node)?.replies.insert(sequence, reply);
            }
            Item::Object(service, name) => {
                objects.objects.insert((service, name));
            }
            Item::Schema(id, schema) => {
                objects.schemas.insert(id, schema);
            }
            Item::IdGenerator(name, next) => {
                Arc::make_mut(&mut machine.ids).restore(name, next);
            }
            Item::Group(name, group) => {
                cp.groups.insert(name, group);
            }
            Item::Session(group, id, session) => {
                cp.sessions.insert((group, id), session);
            }
            Item::Lock(group, name, lock) => {
                cp.locks.insert((group, name), lock);
            }
            Item::Destroyed(group, service, name) => {
                cp.destroyed.insert((group, service, name));
            }
            data => return self.take_data(data),
        }
        Some(())
    }

    fn take_data(&mut self, item: Item) -> Option<()> {
        let mut events = Vec::new();
        let machine = &mut self.machine;
        let now = machine.time;
        let step = &mut Step { now, deadlines: &mut machine.deadlines, events: &mut events };
        match item {
            Item::Settings(name, settings) => {
                Arc::make_mut(&mut machine.maps.settings).insert(name, settings);
            }
            Item::Map { name, settings, expirations, evictions, sequence } => {
                let mut map = Map::new(&name, settings, sequence);
                map.expirations = expirations;
                map.evictions = evictions;
                machine.maps.restore(name.clone(), map);
                self.map = Some(name);
            }
            Item::Record(key, record) => {
                let name = self.map.as_ref()?;
                let nobody = ClientUuid(0);
                machine
                    .maps
                    .on_map(step, name, nobody, |map, cx| map.restore_record(cx, key, record))?;
            }
            Item::KeyLock { map, key, lock } => {
                Arc::make_mut(&mut machine.maps.locks).restore(step, &map, &key, lock);
            }
            Item::LockMemo { at, wait, call, reply } => {
                let locks = Arc::make_mut(&mut machine.maps.locks);
                locks.restore_memo(at, wait, call, reply);
            }
            Item::Set(name) => {
                machine.sets.ensure(&name).ok()?;
                self.set = Some(name);
            }
            Item::Element(item) => machine.sets.restore_item(self.set.as_ref()?, item),
            _ => return None,
        }
        Some(())
    }

    /// Builds what is derived.
    fn end(&mut self) {
        self.ended = true;
        let machine = &mut self.machine;
        let now = machine.time;
        let mut events = Vec::new();
        let step = &mut Step { now, deadlines: &mut machine.deadlines, events: &mut events };
        Arc::make_mut(&mut machine.cp).rebuild(step);
        Arc::make_mut(&mut machine.objects).rebuild();
        Arc::make_mut(&mut machine.origins).rebuild();
    }
}

/// A hash of items in order; not against an adversary, who could change the state itself.
#[derive(Default)]
struct Digest(u64);

impl Digest {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    fn add(&mut self, item: &[u8]) {
        self.mix(item.len() as u64);
        for chunk in item.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(29) ^ word).wrapping_mul(Self::FACTOR);
    }

    fn value(&self) -> u64 {
        let folded = (self.0 ^ (self.0 >> 32)).wrapping_mul(Self::FACTOR);
        folded ^ (folded >> 29)
    }
}

#[cfg(test)]
mod tests;
