//! What the lines of a script mean.

use crate::blob::Blob;
use crate::command::{
    Caller, ClusterCommand, Command, CpCommand, Eviction, Lifetime, LockEndpoint, MapChange,
    MapSettings, NodeDescription, ObjectCommand, PutMode, SessionSettings, SetChange, Touch,
};
use crate::event::WaitKey;
use crate::ids::{
    ClientUuid, ClusterId, ClusterTime, Fence, InvocationUid, MemberUuid, Name, NodeId, SessionId,
    ThreadId,
};
use crate::proposal::Origin;
use crate::query::Query;

/// Words before a `=` that make an option; others are keys of `map.putAll`.
const OPTIONS: [&str; 17] = [
    "by", "origin", "ttl", "idle", "lease", "timeout", "ref", "uid", "version", "max", "evict",
    "at", "reads", "fence", "ms", "after", "limit",
];
/// The group of CP calls.
const GROUP: &str = "default";
const LOCK_SERVICE: &str = crate::cp_session::LOCK_SERVICE;

/// One line of a script.
pub(super) struct Line<'a> {
    verb: &'a str,
    words: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
}

/// What a line asks for.
pub(super) enum Act {
    Apply(Box<Command>),
    Ask(Query),
    At(u64),
    New,
    ShowNearCaches,
    Restart,
    Deadlines,
    View,
    WaitState(WaitKey),
    ReplyOf(Origin),
    MapLockHolders,
}

impl<'a> Line<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        let mut parts = text.split_whitespace();
        let verb = parts.next().ok_or("an empty command")?;
        let (mut words, mut options) = (Vec::new(), Vec::new());
        for part in parts {
            match part.split_once('=') {
                Some((name, value)) if OPTIONS.contains(&name) => options.push((name, value)),
                _ => words.push(part),
            }
        }
        Ok(Self { verb, words, options })
    }

    pub(super) fn act(&self) -> Result<Act, String> {
        Ok(match self.verb {
            "at" => Act::At(self.integer(0)?),
            "new" => Act::New,
            "show-near-caches" => Act::ShowNearCaches,
            "restart" => Act::Restart,
            "deadlines" => Act::Deadlines,
            "cluster.view" => Act::View,
            "lock.wait" => Act::WaitState(self.lock_wait()?),
            "map.wait" => Act::WaitState(self.map_wait()?),
            "reply-of" => Act::ReplyOf(self.origin()?.ok_or("which origin?")?),
            "map.lock-holders" => Act::MapLockHolders,
            _ => match self.query()? {
                Some(query) => Act::Ask(query),
                None => Act::Apply(Box::new(self.command()?)),
            },
        })
    }

    pub(super) fn origin(&self) -> Result<Option<Origin>, String> {
        let Some(text) = self.option("origin") else { return Ok(None) };
        let (numbers, below) = text.split_once('/').unwrap_or((text, "0"));
        let mut numbers = numbers.split('.');
        let mut next = || number(numbers.next().unwrap_or(""));
        Ok(Some(Origin {
            node: NodeId(next()?),
            start: next()?,
            sequence: next()?,
            answered_below: number(below)?,
        }))
    }

    fn command(&self) -> Result<Command, String> {
        let (service, verb) = self.verb.split_once('.').unwrap_or(("cluster", self.verb));
        Ok(match service {
            "map" => Command::Map {
                map: self.name(0)?,
                caller: self.caller()?,
                change: self.map_change(verb)?,
            },
            "set" => Command::Set { set: self.name(0)?, change: self.set_change(verb)? },
            "session" | "lock" | "cp" => Command::Cp(self.cp_command()?),
            "ids" => Command::NewIdBatch { generator: self.name(0)?, size: self.integer(1)? },
            "object" => Command::Object(self.object_command(verb)?),
            "cluster" => Command::Cluster(self.cluster_command(verb)?),
            _ => return Err(format!("no command {}", self.verb)),
        })
    }

    fn map_change(&self, verb: &str) -> Result<MapChange, String> {
        let timeout_ms = self.maybe("timeout")?;
        let mode = match verb {
            "put" => Some(PutMode::Put),
            "set" => Some(PutMode::Set),
            "putIfAbsent" => Some(PutMode::IfAbsent),
            "replace" => Some(PutMode::IfPresent),
            "tryPut" => Some(PutMode::Try { timeout_ms: timeout_ms.unwrap_or(0) }),
            _ => None,
        };
        if let Some(mode) = mode {
            let (key, value) = (self.blob(1)?, self.blob(2)?);
            let (ttl, max_idle) = (self.lifetime("ttl")?, self.lifetime("idle")?);
            return Ok(MapChange::Put { key, value, ttl, max_idle, mode });
        }
        let reference = self.maybe("ref")?.unwrap_or(0);
        Ok(match verb {
            "putAll" => {
                let pairs = self.words[1..].iter().map(|word| {
                    let (key, value) = word.split_once('=').ok_or("key=value")?;
                    Ok((blob(key), blob(value)))
                });
                MapChange::PutAll { entries: pairs.collect::<Result<_, &str>>()? }
            }
            "replaceIfSame" => MapChange::ReplaceIfSame {
                key: self.blob(1)?,
                expected: self.blob(2)?,
                value: self.blob(3)?,
            },
            "remove" => MapChange::Remove { key: self.blob(1)? },
            "tryRemove" => {
                MapChange::TryRemove { key: self.blob(1)?, timeout_ms: timeout_ms.unwrap_or(0) }
            }
            "removeIfSame" => {
                MapChange::RemoveIfSame { key: self.blob(1)?, expected: self.blob(2)? }
            }
            "removeAll" => MapChange::RemoveAll,
            "clear" => MapChange::Clear,
            "evict" => MapChange::Evict { key: self.blob(1)? },
            "evictAll" => MapChange::EvictAll,
            "setTtl" => MapChange::SetTtl { key: self.blob(1)?, ttl: self.lifetime("ttl")? },
            "putIfVersion" => MapChange::PutIfVersion {
                key: self.blob(1)?,
                value: self.blob(2)?,
                ttl: self.lifetime("ttl")?,
                expected: self.maybe("version")?,
            },
            "removeIfVersion" => MapChange::RemoveIfVersion {
                key: self.blob(1)?,
                expected: self.maybe("version")?.unwrap_or(0),
            },
            "lock" => MapChange::Lock {
                key: self.blob(1)?,
                lease_ms: self.maybe("lease")?,
                timeout_ms,
                reference,
            },
            "unlock" => MapChange::Unlock { key: self.blob(1)?, reference },
            "forceUnlock" => MapChange::ForceUnlock { key: self.blob(1)?, reference },
            "configure" => MapChange::Configure(self.settings()?),
            _ => return Err(format!("no command map.{verb}")),
        })
    }

    fn set_change(&self, verb: &str) -> Result<SetChange, String> {
        let items = self.blobs(1);
        Ok(match verb {
            "addAll" => SetChange::AddAll(items),
            "removeAll" => SetChange::RemoveAll(items),
            "retainAll" => SetChange::RetainAll(items),
            "clear" => SetChange::Clear,
            _ => return Err(format!("no command set.{verb}")),
        })
    }

    fn cp_command(&self) -> Result<CpCommand, String> {
        let group = Name::from(GROUP);
        Ok(match self.verb {
            "cp.createGroup" => CpCommand::CreateGroup { group: self.name(0)? },
            "cp.destroyObject" => {
                let service = Name::from(LOCK_SERVICE);
                CpCommand::DestroyObject { group, service, name: self.name(0)? }
            }
            "session.create" => CpCommand::CreateSession {
                group: self.words.first().map_or(group, |word| Name::from(*word)),
                endpoint_name: Name::from("client"),
                client: self.caller()?.client,
            },
            "session.close" => {
                CpCommand::CloseSession { group, session: SessionId(self.integer(0)?) }
            }
            "session.heartbeat" => {
                let ids =
                    self.words.iter().map(|word| Ok((group.clone(), SessionId(number(word)?))));
                CpCommand::Heartbeat { sessions: ids.collect::<Result<_, String>>()? }
            }
            "session.generateThreadId" => CpCommand::GenerateThreadId { group },
            "lock.lock" => CpCommand::Lock {
                group,
                name: self.name(0)?,
                endpoint: self.endpoint()?,
                uid: self.uid()?,
                timeout_ms: self.maybe("timeout")?,
            },
            "lock.unlock" => CpCommand::Unlock {
                group,
                name: self.name(0)?,
                endpoint: self.endpoint()?,
                uid: self.uid()?,
            },
            "lock.forceRelease" => CpCommand::ForceRelease {
                group,
                name: self.name(0)?,
                fence: Fence(self.maybe("fence")?.unwrap_or(0)),
            },
            verb => return Err(format!("no command {verb}")),
        })
    }

    fn object_command(&self, verb: &str) -> Result<ObjectCommand, String> {
        let client = self.caller()?.client;
        Ok(match verb {
            "create" => {
                let pairs = self.words.chunks_exact(2);
                let objects = pairs.map(|pair| (service(pair[0]), Name::from(pair[1]))).collect();
                ObjectCommand::Create { objects, client }
            }
            "destroy" => ObjectCommand::Destroy {
                service: service(self.word(0)?),
                name: self.name(1)?,
                client,
            },
            "putSchemas" => {
                let pairs = self.words.chunks_exact(2);
                let schemas =
                    pairs.map(|pair| Ok((number(pair[0])?, pair[1].as_bytes().to_vec().into())));
                ObjectCommand::PutSchemas { schemas: schemas.collect::<Result<_, String>>()? }
            }
            _ => return Err(format!("no command object.{verb}")),
        })
    }

    fn cluster_command(&self, verb: &str) -> Result<ClusterCommand, String> {
        let node = || self.integer(0).map(NodeId);
        Ok(match verb {
            "found" => ClusterCommand::Found {
                cluster_id: ClusterId(1),
                cluster_name: self.name(0)?,
                sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
                maps: built_in_maps(),
            },
            "office" => ClusterCommand::Office {
                leader: node()?,
                leaderless_ms: self.maybe("ms")?.unwrap_or(0),
            },
            "describe" => ClusterCommand::DescribeNode(self::node(node()?.0, self.word(1)?)),
            "unlist" => ClusterCommand::UnlistMember { node: node()? },
            "list" => ClusterCommand::ListMember { node: node()? },
            "forget" => ClusterCommand::ForgetNode { node: node()? },
            "expire" => ClusterCommand::Expire,
            "touch" => ClusterCommand::Touch {
                touches: vec![Touch {
                    map: self.name(0)?,
                    key: self.blob(1)?,
                    at: ClusterTime(self.maybe("at")?.unwrap_or(0)),
                    reads: self.maybe("reads")?.unwrap_or(1),
                }],
            },
            "releaseMapLocks" => ClusterCommand::ReleaseMapLocks { client: client(self.word(0)?)? },
            "registerCoordinator" => {
                ClusterCommand::RegisterCoordinator { host: self.blob(0)?, port: self.blob(1)? }
            }
            _ => return Err(format!("no command {verb}")),
        })
    }

    fn query(&self) -> Result<Option<Query>, String> {
        let map = || self.name(0);
        Ok(Some(match self.verb {
            "map.get" => Query::MapGet { map: map()?, key: self.blob(1)? },
            "map.getAll" => Query::MapGetAll { map: map()?, keys: self.blobs(1) },
            "map.containsKey" => Query::MapContainsKey { map: map()?, key: self.blob(1)? },
            "map.containsValue" => Query::MapContainsValue { map: map()?, value: self.blob(1)? },
            "map.size" => Query::MapSize { map: map()? },
            "map.entries" => Query::MapEntries { map: map()? },
            "map.page" => Query::MapPage {
                map: map()?,
                after: self.option("after").map(blob),
                limit: self.maybe("limit")?.unwrap_or(usize::MAX),
            },
            "map.record" => Query::MapRecord { map: map()?, key: self.blob(1)? },
            "map.isLocked" => Query::MapIsLocked { map: map()?, key: self.blob(1)? },
            "map.sequences" => Query::NearCacheSequences {
                maps: self.words.iter().map(|word| Name::from(*word)).collect(),
            },
            "map.summary" => Query::MapSummary { map: map()? },
            "maps" => Query::Maps,
            "set.containsAll" => Query::SetContainsAll { set: map()?, items: self.blobs(1) },
            "set.items" => Query::SetItems { set: map()? },
            "set.size" => Query::SetSize { set: map()? },
            "sets" => Query::Sets,
            "lock.ownership" => Query::LockOwnership { group: Name::from(GROUP), name: map()? },
            "locks" => Query::Locks,
            "sessions" => Query::Sessions,
            "cp.group" => Query::Group { group: map()? },
            "objects" => Query::Objects,
            "schema" => Query::Schema { id: self.integer(0)? },
            "id-generators" => Query::IdGenerators,
            _ => return Ok(None),
        }))
    }

    fn lock_wait(&self) -> Result<WaitKey, String> {
        Ok(WaitKey::Lock {
            group: Name::from(GROUP),
            name: self.name(0)?,
            endpoint: self.endpoint()?,
            uid: self.uid()?,
        })
    }

    fn map_wait(&self) -> Result<WaitKey, String> {
        Ok(WaitKey::MapLock {
            map: self.name(0)?,
            key: self.blob(1)?,
            caller: self.caller()?,
            reference: self.maybe("ref")?.unwrap_or(0),
        })
    }

    fn settings(&self) -> Result<MapSettings, String> {
        Ok(MapSettings {
            time_to_live_ms: self.maybe("ttl")?.unwrap_or(0),
            max_idle_ms: self.maybe("idle")?.unwrap_or(0),
            max_entries: self.maybe("max")?.unwrap_or(0),
            eviction: match self.option("evict") {
                None => Eviction::None,
                Some("lru") => Eviction::Lru,
                Some("lfu") => Eviction::Lfu,
                Some(other) => return Err(format!("no eviction {other}")),
            },
        })
    }

    /// `by=a/1`: client a, thread 1.
    fn caller(&self) -> Result<Caller, String> {
        let Some(text) = self.option("by") else { return Ok(Caller::default()) };
        let (name, thread) = text.split_once('/').unwrap_or((text, "0"));
        Ok(Caller { client: client(name)?, thread: ThreadId(number(thread)?) })
    }

    /// `by=2/1`: session 2, thread 1.
    fn endpoint(&self) -> Result<LockEndpoint, String> {
        let text = self.option("by").ok_or("by=session/thread is missing")?;
        let (session, thread) = text.split_once('/').unwrap_or((text, "0"));
        Ok(LockEndpoint { session: SessionId(number(session)?), thread: ThreadId(number(thread)?) })
    }

    fn uid(&self) -> Result<InvocationUid, String> {
        Ok(InvocationUid(self.maybe("uid")?.ok_or("uid= is missing")?))
    }

    /// The protocol's form: negative for the map's setting, zero without end.
    fn lifetime(&self, option: &str) -> Result<Lifetime, String> {
        Ok(Lifetime::from_wire_ms(self.maybe(option)?.unwrap_or(-1)))
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(own, _)| *own == name).map(|(_, value)| *value)
    }

    fn maybe<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        self.option(name).map(number).transpose()
    }

    fn word(&self, index: usize) -> Result<&'a str, String> {
        self.words.get(index).copied().ok_or(format!("{} wants more words", self.verb))
    }

    fn name(&self, index: usize) -> Result<Name, String> {
        self.word(index).map(Name::from)
    }

    fn integer<T: std::str::FromStr>(&self, index: usize) -> Result<T, String> {
        number(self.word(index)?)
    }

    fn blob(&self, index: usize) -> Result<Blob, String> {
        self.word(index).map(blob)
    }

    fn blobs(&self, from: usize) -> Vec<Blob> {
        self.words.iter().skip(from).map(|word| blob(word)).collect()
    }
}

/// What `config` builds in for openLooKeng.
pub(super) fn built_in_maps() -> Vec<(Name, MapSettings)> {
    let settings = MapSettings {
        time_to_live_ms: 3_000_000,
        max_idle_ms: 30_000,
        max_entries: 10_000,
        eviction: Eviction::Lfu,
    };
    vec![(Name::from("merged-dynamic-filters"), settings)]
}

pub(super) fn node(id: u64, host: &str) -> NodeDescription {
    NodeDescription {
        node: NodeId(id),
        member: MemberUuid(u128::from(id)),
        client_host: Name::from(host),
        client_port: 5701,
        raft_address: Name::from(format!("{host}:5711")),
        admin_address: Name::from(format!("{host}:8701")),
        version: Name::from("0.1.0"),
    }
}

/// `text`, or `7|text` for a blob that carries the partition hash 7.
fn blob(text: &str) -> Blob {
    let Some((hash, text)) = text.split_once('|') else { return Blob::string(text) };
    let hash: i32 = hash.parse().expect("a partition hash is a number");
    let mut bytes = Blob::string(text).bytes().to_vec();
    bytes[..4].copy_from_slice(&hash.to_be_bytes());
    Blob::new(bytes.into()).expect("it was a blob before")
}

fn client(name: &str) -> Result<ClientUuid, String> {
    match name.as_bytes() {
        [letter @ b'a'..=b'z'] => Ok(ClientUuid(u128::from(letter - b'a') + 1)),
        _ => Err(format!("a client is one letter, not {name}")),
    }
}

fn service(word: &str) -> Name {
    match word {
        "map" => Name::from("hz:impl:mapService"),
        "set" => Name::from("hz:impl:setService"),
        other => Name::from(other),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is not the number wanted here"))
}
