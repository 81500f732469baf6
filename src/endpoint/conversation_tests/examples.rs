//! One good request of every message of the table, and what the cluster answers it in the snapshot.

use bytes::Bytes;
use statekeeper_machine::{
    Answer, ClusterTime, Fence, Group, LockEndpoint, Name, Outcome, Ownership, RecordView,
    SessionId, ThreadId,
};
use statekeeper_protocol::custom::{FieldDescriptor, RaftGroupId, Schema};
use statekeeper_protocol::messages::{
    client, cp_group, cp_session, fenced_lock, flake_id_generator, map, set,
};
use statekeeper_protocol::{
    ClientMessage, CorrelationId, Data, Entries, Message, PartitionId, ProtocolUuid,
};

use super::talk::authentication_request;
use super::{blob, parse, text};

/// What the cluster answers, step by step.
pub(crate) enum Reply {
    Outcome(Outcome),
    Answer(Answer),
}

/// A request and the answers its steps get.
pub(crate) struct Example {
    pub(crate) request: ClientMessage,
    /// The same, as it is on the wire.
    pub(crate) bytes: Vec<u8>,
    pub(crate) replies: Vec<Reply>,
}

fn example(request: impl Message, replies: Vec<Reply>) -> Example {
    let encoded = request.encode_with(CorrelationId(77), PartitionId::NONE);
    let bytes = encoded.clone().into_contiguous().to_vec();
    Example { request: parse(encoded), bytes, replies }
}

/// Answered without the cluster.
fn at_once(request: impl Message) -> Example {
    example(request, Vec::new())
}

fn command(request: impl Message, outcome: Outcome) -> Example {
    example(request, vec![Reply::Outcome(outcome)])
}

fn query(request: impl Message, answer: Answer) -> Example {
    example(request, vec![Reply::Answer(answer)])
}

/// A request with the usual name, key, value and so on: `good!(module { other: fields })`.
macro_rules! good {
    ($($module:ident)::+ { $($field:ident $(: $value:expr)?),* $(,)? }) => {
        $($module)::+::Request { $($field: good!(@ $field $($value)?)),* }
    };
    (@ $field:ident $value:expr) => { $value };
    (@ name) => { "things".to_owned() };
    (@ service_name) => { "hz:impl:mapService".to_owned() };
    (@ key) => { text("key") };
    (@ value) => { text("value") };
    (@ thread_id) => { 5 };
    (@ reference_id) => { 9 };
    (@ group_id) => { group() };
    (@ session_id) => { 3 };
    (@ invocation_uid) => { ProtocolUuid::from_u128(0x1d) };
    (@ registration_id) => { ProtocolUuid::from_u128(0x1d) };
    (@ local_only) => { true };
    (@ include_value) => { true };
    (@ listener_flags) => { 127 };
    (@ iteration_pointers) => { Entries(vec![(i32::MAX, -1)]) };
}

/// Every message of the table.
pub(crate) fn all() -> Vec<Example> {
    [clients(), map_writes(), map_reads(), map_rest(), sets(), cps()]
        .into_iter()
        .flatten()
        .collect()
}

fn clients() -> Vec<Example> {
    let plain = authentication_request();
    let token = client::authentication_custom::Request {
        cluster_name: plain.cluster_name.clone(),
        credentials: Bytes::from_static(b"token"),
        uuid: plain.uuid,
        serialization_version: 1,
        ..Default::default()
    };
    let object = || (Name::from("hz:impl:mapService"), Name::from("things"));
    let proxies = Entries(vec![("things".to_owned(), "hz:impl:setService".to_owned())]);
    let created = || vec![Reply::Answer(Answer::Flag(false)), Reply::Outcome(Outcome::Done)];
    vec![
        at_once(plain),
        at_once(token),
        at_once(client::add_cluster_view_listener::Request {}),
        example(good!(client::create_proxy { name, service_name }), created()),
        command(good!(client::destroy_proxy { name, service_name }), Outcome::Done),
        query(
            client::get_distributed_objects::Request {},
            Answer::Objects(vec![object(), object()]),
        ),
        at_once(good!(client::add_distributed_object_listener { local_only })),
        at_once(good!(client::remove_distributed_object_listener { registration_id })),
        at_once(client::ping::Request {}),
        at_once(client::statistics::Request {
            timestamp: 1,
            client_attributes: "a=b".to_owned(),
            metrics_blob: Bytes::from_static(b"metrics"),
        }),
        example(client::create_proxies::Request { proxies }, created()),
        at_once(client::local_backup_listener::Request {}),
        command(client::send_schema::Request { schema: schema() }, Outcome::Done),
        query(client::fetch_schema::Request { schema_id: 4 }, Answer::Schema(None)),
        command(client::send_all_schemas::Request { schemas: vec![schema()] }, Outcome::Done),
    ]
}

fn map_writes() -> Vec<Example> {
    let old = || Outcome::Value(Some(blob("old")));
    let yes = || Outcome::Flag(true);
    let (ttl, max_idle, timeout) = (2_000, 0, 1_500);
    let entries = Entries(vec![(text("a"), text("1")), (text("b"), text("2"))]);
    let predicate = Data::from_parts(-2, &[1, 0xff, 0xff, 0xff, 0xec, 0, 0, 0, 14]);
    vec![
        command(good!(map::put { name, key, value, thread_id, ttl: -1 }), old()),
        command(good!(map::remove { name, key, thread_id }), old()),
        command(good!(map::replace { name, key, value, thread_id }), old()),
        command(
            good!(map::replace_if_same { name, key, test_value: text("old"), value, thread_id }),
            yes(),
        ),
        command(good!(map::remove_if_same { name, key, value, thread_id }), yes()),
        command(good!(map::delete { name, key, thread_id }), old()),
        at_once(good!(map::flush { name })),
        command(good!(map::try_remove { name, key, thread_id, timeout: timeout }), yes()),
        command(good!(map::try_put { name, key, value, thread_id, timeout: timeout }), yes()),
        command(good!(map::put_transient { name, key, value, thread_id, ttl: ttl }), Outcome::Done),
        command(good!(map::put_if_absent { name, key, value, thread_id, ttl: ttl }), old()),
        command(good!(map::set { name, key, value, thread_id, ttl: ttl }), Outcome::Done),
        command(good!(map::evict { name, key, thread_id }), yes()),
        command(good!(map::evict_all { name }), Outcome::Count(3)),
        command(
            good!(map::put_all { name, entries: entries, trigger_map_loader: Some(true) }),
            Outcome::Done,
        ),
        command(good!(map::clear { name }), Outcome::Done),
        command(good!(map::remove_all { name, predicate: predicate }), Outcome::Done),
        command(good!(map::set_ttl { name, key, ttl: ttl }), yes()),
        command(
            good!(map::put_with_max_idle { name, key, value, thread_id, ttl: ttl, max_idle: 1 }),
            old(),
        ),
        command(
            good!(map::put_transient_with_max_idle {
                name,
                key,
                value,
                thread_id,
                ttl: ttl,
                max_idle: max_idle
            }),
            Outcome::Done,
        ),
        command(
            good!(map::put_if_absent_with_max_idle {
                name,
                key,
                value,
                thread_id,
                ttl: ttl,
                max_idle: max_idle
            }),
            Outcome::Value(None),
        ),
        command(
            good!(map::set_with_max_idle {
                name,
                key,
                value,
                thread_id,
                ttl: ttl,
                max_idle: max_idle
            }),
            Outcome::Done,
        ),
    ]
}

fn map_reads() -> Vec<Example> {
    let entries = || Answer::Entries(vec![(blob("a"), blob("1")), (blob("b"), blob("2"))]);
    let record = RecordView {
        key: blob("key"),
        value: blob("value"),
        cost_bytes: 90,
        created_at: ClusterTime(1_000),
        updated_at: ClusterTime(2_000),
        accessed_at: None,
        hits: 0,
        version: 3,
        expires_at: Some(ClusterTime(9_000)),
        time_to_live_ms: Some(7_000),
        max_idle_ms: None,
    };
    let keys = vec![text("a"), text("b"), text("missing")];
    vec![
        query(good!(map::get { name, key, thread_id }), Answer::Value(Some(blob("value")))),
        query(good!(map::contains_key { name, key, thread_id }), Answer::Flag(true)),
        query(good!(map::contains_value { name, value }), Answer::Flag(false)),
        query(good!(map::get_entry_view { name, key, thread_id }), Answer::Record(Some(record))),
        query(good!(map::key_set { name }), entries()),
        query(good!(map::get_all { name, keys: keys }), entries()),
        query(good!(map::values { name }), entries()),
        query(good!(map::entry_set { name }), entries()),
        query(good!(map::size { name }), Answer::Count(2)),
        query(good!(map::is_empty { name }), Answer::Count(0)),
        query(good!(map::fetch_keys { name, iteration_pointers, batch: 100 }), entries()),
        query(good!(map::fetch_entries { name, iteration_pointers, batch: 100 }), entries()),
        query(
            map::fetch_near_cache_invalidation_metadata::Request {
                names: vec!["things".to_owned()],
                uuid: ProtocolUuid::from_u128(1),
            },
            Answer::Sequences(vec![(Name::from("things"), 12)]),
        ),
    ]
}

fn map_rest() -> Vec<Example> {
    vec![
        command(
            good!(map::lock { name, key, thread_id, ttl: -1, reference_id }),
            Outcome::Flag(true),
        ),
        command(
            good!(map::try_lock {
                name,
                key,
                thread_id,
                lease: i64::MAX,
                timeout: 0,
                reference_id
            }),
            Outcome::Flag(false),
        ),
        query(good!(map::is_locked { name, key }), Answer::Flag(true)),
        command(good!(map::unlock { name, key, thread_id, reference_id }), Outcome::Done),
        command(good!(map::force_unlock { name, key, reference_id }), Outcome::Done),
        at_once(good!(map::add_entry_listener_to_key {
            name,
            key,
            include_value,
            listener_flags,
            local_only
        })),
        at_once(good!(map::add_entry_listener { name, include_value, listener_flags, local_only })),
        at_once(good!(map::remove_entry_listener { name, registration_id })),
        at_once(good!(map::add_near_cache_invalidation_listener {
            name,
            listener_flags: 256,
            local_only
        })),
    ]
}

fn sets() -> Vec<Example> {
    let yes = || Outcome::Flag(true);
    let two = || vec![text("a"), text("b")];
    vec![
        query(good!(set::size { name }), Answer::Count(4)),
        query(good!(set::contains { name, value }), Answer::Flag(true)),
        query(good!(set::contains_all { name, items: two() }), Answer::Flag(false)),
        command(good!(set::add { name, value }), yes()),
        command(good!(set::remove { name, value }), Outcome::Flag(false)),
        command(good!(set::add_all { name, value_list: two() }), yes()),
        command(good!(set::compare_and_remove_all { name, values: two() }), yes()),
        command(good!(set::compare_and_retain_all { name, values: two() }), yes()),
        command(good!(set::clear { name }), Outcome::Done),
        query(good!(set::get_all { name }), Answer::Values(vec![blob("a"), blob("b")])),
        at_once(good!(set::add_listener { name, include_value, local_only })),
        at_once(good!(set::remove_listener { name, registration_id })),
        query(good!(set::is_empty { name }), Answer::Count(4)),
    ]
}

fn cps() -> Vec<Example> {
    let session = Outcome::Session {
        session: SessionId(3),
        time_to_live_ms: 30_000,
        heartbeat_interval_ms: 5_000,
    };
    let ownership = Ownership {
        fence: Fence(11),
        count: 2,
        endpoint: LockEndpoint { session: SessionId(3), thread: ThreadId(5) },
    };
    let made = Group { name: Name::from("mygroup"), seed: 0, id: 2 };
    vec![
        command(
            good!(fenced_lock::lock { group_id, name, session_id, thread_id, invocation_uid }),
            Outcome::Fence(Fence(11)),
        ),
        command(
            good!(fenced_lock::try_lock {
                group_id,
                name,
                session_id,
                thread_id,
                invocation_uid,
                timeout_ms: 250
            }),
            Outcome::Fence(Fence(0)),
        ),
        command(
            good!(fenced_lock::unlock { group_id, name, session_id, thread_id, invocation_uid }),
            Outcome::Flag(false),
        ),
        query(
            good!(fenced_lock::get_lock_ownership { group_id, name }),
            Answer::Ownership(ownership),
        ),
        command(
            good!(flake_id_generator::new_id_batch { name, batch_size: 100 }),
            Outcome::IdBatch { base: 5_000 },
        ),
        example(
            cp_group::create_cp_group::Request { proxy_name: "lock@mygroup".to_owned() },
            vec![Reply::Answer(Answer::Group(None)), Reply::Outcome(Outcome::Group(made))],
        ),
        command(
            good!(cp_group::destroy_cp_object {
                group_id,
                service_name: "hz:raft:lockService".to_owned(),
                object_name: "things".to_owned(),
            }),
            Outcome::Done,
        ),
        command(
            good!(cp_session::create_session { group_id, endpoint_name: "hz.client_1".to_owned() }),
            session,
        ),
        command(good!(cp_session::close_session { group_id, session_id }), Outcome::Flag(true)),
        command(
            good!(cp_session::heartbeat_session { group_id, session_id }),
            Outcome::UnknownSessions(Vec::new()),
        ),
        command(good!(cp_session::generate_thread_id { group_id }), Outcome::ThreadId(8)),
    ]
}

pub(crate) fn group() -> RaftGroupId {
    RaftGroupId { name: "default".to_owned(), seed: 0, id: 1 }
}

pub(crate) fn schema() -> Schema {
    let field = FieldDescriptor { field_name: "amount".to_owned(), kind: 9 };
    Schema { type_name: "Order".to_owned(), fields: vec![field] }
}
