//! How outcomes, events and state look in a script.

use std::fmt::Write as _;

use crate::blob::Blob;
use crate::command::{Caller, LockEndpoint};
use crate::event::{EntryEventKind, Event, WaitKey};
use crate::ids::{ClientUuid, ClusterTime};
use crate::outcome::{Answer, LockView, MapView, Outcome, RecordView, Reply};
use crate::view::{ClusterView, WaitState};

/// The first bytes of a string blob: hash, type, length.
const STRING_HEADER_BYTES: usize = 12;

pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Err(rejection) => format!("refused: {rejection:?}"),
        Ok(Outcome::Done) => "done".into(),
        Ok(Outcome::Flag(flag)) => flag.to_string(),
        Ok(Outcome::Value(value)) => maybe_blob(value.as_ref()),
        Ok(Outcome::Count(count)) => format!("count {count}"),
        Ok(Outcome::Waiting) => "waiting".into(),
        Ok(Outcome::Fence(fence)) => format!("fence {fence}"),
        Ok(Outcome::Session { session, time_to_live_ms, heartbeat_interval_ms }) => {
            format!("session {session}, ttl {time_to_live_ms}, heartbeat {heartbeat_interval_ms}")
        }
        Ok(Outcome::UnknownSessions(sessions)) => {
            let ids: Vec<String> = sessions.iter().map(|(g, s)| format!("{g}/{s}")).collect();
            format!("unknown sessions [{}]", ids.join(" "))
        }
        Ok(Outcome::ThreadId(id)) => format!("thread {id}"),
        Ok(Outcome::Group(group)) => {
            format!("group {} seed {} id {}", group.name, group.seed, group.id)
        }
        Ok(Outcome::IdBatch { base }) => format!("ids from {base}"),
    }
}

pub(super) fn event(event: &Event, near_caches: bool) -> Option<String> {
    Some(match event {
        Event::MapEntry { map, key, value, old_value, kind } => {
            let mut text = format!("{} {map} {}", entry_kind(*kind), blob(key));
            if let Some(value) = value {
                let _ = write!(text, " = {}", blob(value));
            }
            if let Some(old) = old_value {
                let _ = write!(text, " (was {})", blob(old));
            }
            text
        }
        Event::MapWide { map, kind, count } => format!("{} {map}: {count}", entry_kind(*kind)),
        Event::NearCache { map, key, source, sequence } => {
            if !near_caches {
                return None;
            }
            let key = key.as_ref().map_or("all".into(), blob);
            format!("invalidated {map} {key} by {}, sequence {sequence}", client(*source))
        }
        Event::SetItem { set, item, added } => {
            format!("item {} {set} {}", if *added { "added" } else { "removed" }, blob(item))
        }
        Event::Object { service, name, client: by, created } => {
            let what = if *created { "created" } else { "destroyed" };
            format!("{what} {service} {name} by {}", client(*by))
        }
        Event::WaitEnded { wait, reply: end } => {
            format!("answered {} -> {}", wait_key(wait), reply(end))
        }
        Event::ViewChanged => "view changed".into(),
        Event::SessionEnded { group, session, expired } => {
            format!("session {group}/{session} {}", if *expired { "expired" } else { "closed" })
        }
        Event::OfficeTaken { leader } => format!("office taken by {leader}"),
    })
}

pub(super) fn answer(answer: &Answer) -> String {
    let rows: Vec<String> = match answer {
        Answer::Nothing => return "-> nothing\n".into(),
        Answer::Flag(flag) => return format!("-> {flag}\n"),
        Answer::Count(count) => return format!("-> count {count}\n"),
        Answer::Value(value) => return format!("-> {}\n", maybe_blob(value.as_ref())),
        Answer::Record(None) | Answer::Group(None) | Answer::Schema(None) => {
            return "-> none\n".into();
        }
        Answer::Ownership(own) => {
            let (fence, count, by) = (own.fence, own.count, endpoint(own.endpoint));
            return format!("-> fence {fence}, count {count}, by {by}\n");
        }
        Answer::Refused(rejection) => return format!("-> refused: {rejection:?}\n"),
        Answer::Values(values) => values.iter().map(blob).collect(),
        Answer::Entries(rows) => {
            rows.iter().map(|(k, v)| format!("{} = {}", blob(k), blob(v))).collect()
        }
        Answer::Record(Some(row)) => vec![record(row)],
        Answer::Records { records, more } => {
            let mut rows: Vec<String> = records.iter().map(record).collect();
            rows.extend(more.then(|| "more".to_owned()));
            rows
        }
        Answer::Sequences(rows) => {
            rows.iter().map(|(map, sequence)| format!("{map}: sequence {sequence}")).collect()
        }
        Answer::Maps(maps) => maps.iter().map(map).collect(),
        Answer::Sets(sets) => sets
            .iter()
            .map(|s| format!("{}: {} items, {} bytes", s.name, s.items, s.bytes))
            .collect(),
        Answer::Locks(locks) => locks.iter().map(lock).collect(),
        Answer::Sessions(rows) => rows
            .iter()
            .map(|row| {
                let holds = row.locks.join(" ");
                let (group, by) = (&row.group, client(row.client));
                format!("{group}/{} by {by} until {}, holds [{holds}]", row.session, row.expires_at)
            })
            .collect(),
        Answer::Group(Some(group)) => {
            vec![format!("group {} seed {} id {}", group.name, group.seed, group.id)]
        }
        Answer::Objects(rows) => rows.iter().map(|(s, name)| format!("{s} {name}")).collect(),
        Answer::Schema(Some(schema)) => vec![String::from_utf8_lossy(schema).into_owned()],
        Answer::IdGenerators(rows) => {
            rows.iter().map(|(name, next)| format!("{name}: next {next}")).collect()
        }
    };
    if rows.is_empty() {
        return "-> none\n".into();
    }
    rows.iter().fold(String::new(), |all, row| all + "-> " + row + "\n")
}

pub(super) fn view(view: &ClusterView) -> String {
    let members: Vec<String> = view
        .members
        .iter()
        .map(|node| format!("{}={}:{}", node.node, node.client_host, node.client_port))
        .collect();
    let owner = view.owner.map_or("nobody".into(), |owner| format!("member {}", owner.0));
    let (members_version, partitions) = (view.members_version, view.partitions_version);
    let list = members.join(" ");
    format!("-> members {members_version} [{list}]\n-> partitions {partitions} of {owner}\n")
}

pub(super) fn wait_state(state: &WaitState) -> String {
    match state {
        WaitState::Waiting => "-> waiting\n".into(),
        WaitState::Ended(end) => format!("-> ended: {}\n", reply(end)),
        WaitState::Unknown => "-> unknown\n".into(),
    }
}

pub(super) fn known_reply(known: Option<&Reply>) -> String {
    known.map_or("-> unknown\n".into(), |known| format!("-> {}\n", reply(known)))
}

pub(super) fn clients(clients: &[ClientUuid]) -> String {
    let names: Vec<String> = clients.iter().map(|uuid| client(*uuid)).collect();
    format!("-> clients [{}]\n", names.join(" "))
}

pub(super) fn maybe_time(time: Option<ClusterTime>) -> String {
    time.map_or("none".into(), |time| time.to_string())
}

fn entry_kind(kind: EntryEventKind) -> &'static str {
    match kind {
        EntryEventKind::Added => "added",
        EntryEventKind::Removed => "removed",
        EntryEventKind::Updated => "updated",
        EntryEventKind::Evicted => "evicted",
        EntryEventKind::Expired => "expired",
        EntryEventKind::EvictAll => "evicted-all",
        EntryEventKind::ClearAll => "cleared-all",
    }
}

fn record(row: &RecordView) -> String {
    let limit = |ms: Option<u64>| ms.map_or("none".into(), |ms| ms.to_string());
    format!(
        "{} = {}: version {}, created {}, updated {}, read {}, hits {}, ttl {}, idle {}, ends {}",
        blob(&row.key),
        blob(&row.value),
        row.version,
        row.created_at,
        row.updated_at,
        maybe_time(row.accessed_at),
        row.hits,
        limit(row.time_to_live_ms),
        limit(row.max_idle_ms),
        maybe_time(row.expires_at),
    )
}

fn map(row: &MapView) -> String {
    let MapView { name, records, expirations, evictions, locked_keys, .. } = row;
    let set = row.settings;
    format!(
        "{name}: {records} records, {expirations} expired, {evictions} evicted, \
         {locked_keys} locked; ttl {}, idle {}, max {} {:?}",
        set.time_to_live_ms, set.max_idle_ms, set.max_entries, set.eviction
    )
}

fn lock(row: &LockView) -> String {
    let own = row.ownership;
    let waiters: Vec<String> = row
        .waiters
        .iter()
        .map(|(who, until)| format!("{} until {}", endpoint(*who), maybe_time(*until)))
        .collect();
    let (fence, count, by) = (own.fence, own.count, endpoint(own.endpoint));
    format!("{}: fence {fence}, count {count}, by {by}, waits [{}]", row.name, waiters.join(", "))
}

fn wait_key(key: &WaitKey) -> String {
    match key {
        WaitKey::Lock { name, endpoint: who, uid, .. } => {
            format!("lock {name} by {} uid {}", endpoint(*who), uid.0)
        }
        WaitKey::MapLock { map, key, caller: who, reference } => {
            format!("map lock {map} {} by {} ref {reference}", blob(key), caller(*who))
        }
        WaitKey::Origin(origin) => {
            format!("write {}.{}.{}", origin.node, origin.start, origin.sequence)
        }
    }
}

fn endpoint(who: LockEndpoint) -> String {
    format!("{}/{}", who.session, who.thread)
}

fn caller(who: Caller) -> String {
    format!("{}/{}", client(who.client), who.thread)
}

fn client(uuid: ClientUuid) -> String {
    match u8::try_from(uuid.0) {
        Ok(0) => "nobody".into(),
        Ok(letter @ 1..=26) => char::from(b'a' + letter - 1).to_string(),
        _ => uuid.to_string(),
    }
}

fn maybe_blob(value: Option<&Blob>) -> String {
    value.map_or("null".into(), blob)
}

fn blob(blob: &Blob) -> String {
    let bytes = blob.bytes();
    let text = String::from_utf8_lossy(&bytes[STRING_HEADER_BYTES.min(bytes.len())..]);
    match bytes[..4] {
        [0, 0, 0, 0] => text.into_owned(),
        [a, b, c, d] => format!("{}|{text}", i32::from_be_bytes([a, b, c, d])),
        _ => "not a blob".into(),
    }
}
