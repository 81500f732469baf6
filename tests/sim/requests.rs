//! What clients ask, as bytes of the protocol, and what they read in the answers.

use statekeeper_protocol::custom::RaftGroupId;
use statekeeper_protocol::messages::{
    client, cp_group, cp_session, error, fenced_lock, flake_id_generator, map, set,
};
use statekeeper_protocol::{
    ClientMessage, CorrelationId, Data, EncodedMessage, ExceptionCode, MessageType, PartitionId,
    ProtocolUuid,
};

/// Maps and sets are few, so that clients meet.
pub(crate) const MAP: &str = "map";
const SET: &str = "set";
pub(crate) const LOCK: &str = "lock";
const GENERATOR: &str = "ids";
pub(crate) const CLUSTER: &str = "sim";
/// Ids asked for at a time.
pub(crate) const BATCH: i32 = 7;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Put { key: u8, value: u64 },
    Set { key: u8, value: u64 },
    PutIfAbsent { key: u8, value: u64 },
    Replace { key: u8, value: u64 },
    CompareAndSet { key: u8, expected: u64, value: u64 },
    Remove { key: u8 },
    Get { key: u8 },
    Size,
    SetAdd { item: u8 },
    SetRemove { item: u8 },
    SetContains { item: u8 },
    NewIds,
    CreateGroup,
    CreateSession,
    Heartbeat { session: i64 },
    Lock { session: i64, uid: u128 },
    TryLock { session: i64, uid: u128, timeout_ms: i64 },
    Unlock { session: i64, uid: u128 },
}

/// What a client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Value(Option<u64>),
    Flag(bool),
    Count(i32),
    Nothing,
    Ids { base: i64 },
    Session(i64),
    Fence(i64),
    Failed(ExceptionCode),
}

impl Ask {
    /// Whether the call may be made again after a lost connection or a retryable code.
    pub(crate) fn repeats_safely(self) -> bool {
        match self {
            Self::Put { .. }
            | Self::Set { .. }
            | Self::PutIfAbsent { .. }
            | Self::Replace { .. }
            | Self::CompareAndSet { .. }
            | Self::Remove { .. }
            | Self::SetAdd { .. }
            | Self::SetRemove { .. } => false,
            Self::Get { .. }
            | Self::Size
            | Self::SetContains { .. }
            | Self::NewIds
            | Self::CreateGroup
            | Self::CreateSession
            | Self::Heartbeat { .. }
            | Self::Lock { .. }
            | Self::TryLock { .. }
            | Self::Unlock { .. } => true,
        }
    }

    /// The request as a client writes it.
    pub(crate) fn encode(self, correlation: CorrelationId) -> ClientMessage {
        let name = || MAP.to_owned();
        let (anywhere, thread_id, ttl) = (PartitionId::NONE, 1, -1);
        let partition = PartitionId(0);
        let message = match self {
            Self::Put { key, value } => {
                let (key, value) = (number(key.into()), number(value));
                map::put::Request { name: name(), key, value, thread_id, ttl }
                    .encode(correlation, partition)
            }
            Self::Set { key, value } => {
                let (key, value) = (number(key.into()), number(value));
                map::set::Request { name: name(), key, value, thread_id, ttl }
                    .encode(correlation, partition)
            }
            Self::PutIfAbsent { key, value } => {
                let (key, value) = (number(key.into()), number(value));
                map::put_if_absent::Request { name: name(), key, value, thread_id, ttl }
                    .encode(correlation, partition)
            }
            Self::Replace { key, value } => {
                let (key, value) = (number(key.into()), number(value));
                map::replace::Request { name: name(), key, value, thread_id }
                    .encode(correlation, partition)
            }
            Self::CompareAndSet { key, expected, value } => map::replace_if_same::Request {
                name: name(),
                key: number(key.into()),
                test_value: number(expected),
                value: number(value),
                thread_id,
            }
            .encode(correlation, partition),
            Self::Remove { key } => {
                map::remove::Request { name: name(), key: number(key.into()), thread_id }
                    .encode(correlation, partition)
            }
            Self::Get { key } => {
                map::get::Request { name: name(), key: number(key.into()), thread_id }
                    .encode(correlation, partition)
            }
            Self::Size => map::size::Request { name: name() }.encode(correlation, anywhere),
            Self::SetAdd { item } => {
                set::add::Request { name: SET.to_owned(), value: number(item.into()) }
                    .encode(correlation, partition)
            }
            Self::SetRemove { item } => {
                set::remove::Request { name: SET.to_owned(), value: number(item.into()) }
                    .encode(correlation, partition)
            }
            Self::SetContains { item } => {
                set::contains::Request { name: SET.to_owned(), value: number(item.into()) }
                    .encode(correlation, partition)
            }
            Self::NewIds => {
                let name = GENERATOR.to_owned();
                flake_id_generator::new_id_batch::Request { name, batch_size: BATCH }
                    .encode(correlation, anywhere)
            }
            Self::CreateGroup
            | Self::CreateSession
            | Self::Heartbeat { .. }
            | Self::Lock { .. }
            | Self::TryLock { .. }
            | Self::Unlock { .. } => return self.encode_cp(correlation),
        };
        parse(message)
    }

    fn encode_cp(self, correlation: CorrelationId) -> ClientMessage {
        let (group_id, name, thread_id) = (group(), LOCK.to_owned(), 1);
        let anywhere = PartitionId::NONE;
        let message = match self {
            Self::CreateGroup => cp_group::create_cp_group::Request { proxy_name: name }
                .encode(correlation, anywhere),
            Self::CreateSession => {
                let endpoint_name = "client".to_owned();
                cp_session::create_session::Request { group_id, endpoint_name }
                    .encode(correlation, anywhere)
            }
            Self::Heartbeat { session } => {
                cp_session::heartbeat_session::Request { group_id, session_id: session }
                    .encode(correlation, anywhere)
            }
            Self::Lock { session, uid } => fenced_lock::lock::Request {
                group_id,
                name,
                session_id: session,
                thread_id,
                invocation_uid: ProtocolUuid::from_u128(uid),
            }
            .encode(correlation, anywhere),
            Self::TryLock { session, uid, timeout_ms } => fenced_lock::try_lock::Request {
                group_id,
                name,
                session_id: session,
                thread_id,
                invocation_uid: ProtocolUuid::from_u128(uid),
                timeout_ms,
            }
            .encode(correlation, anywhere),
            Self::Unlock { session, uid } => fenced_lock::unlock::Request {
                group_id,
                name,
                session_id: session,
                thread_id,
                invocation_uid: ProtocolUuid::from_u128(uid),
            }
            .encode(correlation, anywhere),
            other => panic!("{other:?} is no CP call"),
        };
        parse(message)
    }

    /// What the answer says, as the client that asked this reads it.
    pub(crate) fn decode(self, message: &ClientMessage) -> Told {
        if message.message_type() == MessageType::ERROR {
            let error = error::ErrorResponse::decode(message).unwrap();
            let code = error.errors[0].error_code;
            return Told::Failed(ExceptionCode::from_number(code).unwrap());
        }
        let value = |data: Option<Data>| Told::Value(data.map(|data| number_of(&data)));
        match self {
            Self::Put { .. } => value(map::put::Response::decode(message).unwrap().response),
            Self::PutIfAbsent { .. } => {
                value(map::put_if_absent::Response::decode(message).unwrap().response)
            }
            Self::Replace { .. } => {
                value(map::replace::Response::decode(message).unwrap().response)
            }
            Self::Remove { .. } => value(map::remove::Response::decode(message).unwrap().response),
            Self::Get { .. } => value(map::get::Response::decode(message).unwrap().response),
            Self::CompareAndSet { .. } => {
                Told::Flag(map::replace_if_same::Response::decode(message).unwrap().response)
            }
            Self::SetAdd { .. } => {
                Told::Flag(set::add::Response::decode(message).unwrap().response)
            }
            Self::SetRemove { .. } => {
                Told::Flag(set::remove::Response::decode(message).unwrap().response)
            }
            Self::SetContains { .. } => {
                Told::Flag(set::contains::Response::decode(message).unwrap().response)
            }
            Self::Size => Told::Count(map::size::Response::decode(message).unwrap().response),
            Self::Set { .. } | Self::Heartbeat { .. } | Self::CreateGroup => Told::Nothing,
            Self::NewIds => {
                let ids = flake_id_generator::new_id_batch::Response::decode(message).unwrap();
                assert_eq!((ids.increment, ids.batch_size), (1, BATCH));
                Told::Ids { base: ids.base }
            }
            Self::CreateSession => {
                let response = cp_session::create_session::Response::decode(message).unwrap();
                Told::Session(response.session_id)
            }
            Self::Lock { .. } => {
                Told::Fence(fenced_lock::lock::Response::decode(message).unwrap().response)
            }
            Self::TryLock { .. } => {
                Told::Fence(fenced_lock::try_lock::Response::decode(message).unwrap().response)
            }
            Self::Unlock { .. } => {
                Told::Flag(fenced_lock::unlock::Response::decode(message).unwrap().response)
            }
        }
    }
}

/// The first message of every connection.
pub(crate) fn authentication(client: u128, correlation: CorrelationId) -> ClientMessage {
    let request = client::authentication::Request {
        cluster_name: CLUSTER.to_owned(),
        uuid: Some(ProtocolUuid::from_u128(client)),
        client_type: "SIM".to_owned(),
        serialization_version: 1,
        client_hazelcast_version: "5.1".to_owned(),
        client_name: format!("client-{client}"),
        ..Default::default()
    };
    parse(request.encode(correlation, PartitionId::NONE))
}

/// Received bytes as a message.
pub(crate) fn parse(message: EncodedMessage) -> ClientMessage {
    ClientMessage::parse(message.into_contiguous()).unwrap()
}

fn group() -> RaftGroupId {
    RaftGroupId { name: "default".to_owned(), seed: 0, id: 0 }
}

fn number(value: u64) -> Data {
    const LONG: i32 = -8;
    Data::from_parts(LONG, &value.to_be_bytes())
}

fn number_of(data: &Data) -> u64 {
    u64::from_be_bytes(data.payload().try_into().unwrap())
}
