//! One connection: authenticated, with a thread that hands answers and events to who waits.

use crate::support::cluster::CLUSTER_NAME;
use bytes::BytesMut;
use statekeeper_protocol::messages::{client, error::ErrorResponse};
use statekeeper_protocol::{
    Call, ClientMessage, CorrelationId, FrameDecoder, Message, MessageType, PartitionId,
    ProtocolUuid,
};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What opens a connection of the client protocol.
pub(crate) const PREAMBLE: &[u8] = b"CP2";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any promise of the server to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
const MESSAGE_BYTES_MAX: usize = 128 * 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// The server answered with this exception.
    Refused { code: i32, message: String },
    /// The connection ended.
    Lost,
    /// The server said nothing, which is always an error.
    Silent,
}

impl CallError {
    /// Whether the call certainly did not happen: code 46, which every client repeats.
    pub(crate) fn is_not_applied(&self) -> bool {
        matches!(self, CallError::Refused { code: 46 | 19 | 90, .. })
    }

    /// The exception's number, if the server answered one.
    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            CallError::Refused { code, .. } => Some(*code),
            CallError::Lost | CallError::Silent => None,
        }
    }
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<HashMap<i64, SyncSender<ClientMessage>>>,
    events: Mutex<Vec<ClientMessage>>,
    closed: AtomicBool,
}

/// An authenticated connection.
pub(crate) struct RawClient {
    socket: TcpStream,
    writing: Mutex<()>,
    shared: Arc<Shared>,
    next: AtomicI64,
    address: SocketAddr,
    member: ProtocolUuid,
    cluster_id: ProtocolUuid,
}

/// A call whose answer has not been waited for.
pub(crate) struct Pending<A> {
    answer: Receiver<ClientMessage>,
    of: PhantomData<A>,
}

impl RawClient {
    /// Connects and authenticates as a client that is new.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<RawClient> {
        let uuid = uuid::Uuid::new_v4().as_u128();
        RawClient::connect_as(address, uuid)
    }

    /// Connects and authenticates as the client with this uuid, which may have other connections.
    pub(crate) fn connect_as(address: SocketAddr, uuid: u128) -> io::Result<RawClient> {
        let socket = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        let mut client = RawClient::over(socket, address)?;
        let answer = client
            .authenticate(CLUSTER_NAME, uuid)
            .map_err(|error| io::Error::other(format!("authentication at {address}: {error:?}")))?;
        if answer.status != 0 {
            return Err(io::Error::other(format!("refused with status {}", answer.status)));
        }
        client.member = answer.member_uuid.expect("a member's uuid");
        client.cluster_id = answer.cluster_id.expect("a cluster's id");
        Ok(client)
    }

    /// A connection on which nothing but the preamble was sent.
    pub(crate) fn stranger(address: SocketAddr) -> io::Result<RawClient> {
        RawClient::over(TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?, address)
    }

    fn over(mut socket: TcpStream, address: SocketAddr) -> io::Result<RawClient> {
        socket.set_nodelay(true)?;
        socket.write_all(PREAMBLE)?;
        let shared = Arc::new(Shared::default());
        let (reading, reader) = (socket.try_clone()?, Arc::clone(&shared));
        std::thread::spawn(move || read(reading, &reader));
        let nobody = ProtocolUuid::default();
        Ok(RawClient {
            socket,
            writing: Mutex::new(()),
            shared,
            next: AtomicI64::new(1),
            address,
            member: nobody,
            cluster_id: nobody,
        })
    }

    /// Says who we are.
    pub(crate) fn authenticate(
        &self,
        cluster: &str,
        uuid: u128,
    ) -> Result<client::authentication::Response, CallError> {
        self.call(&client::authentication::Request {
            cluster_name: cluster.to_owned(),
            uuid: Some(ProtocolUuid::from_u128(uuid)),
            client_type: "TST".to_owned(),
            serialization_version: 1,
            client_hazelcast_version: "5.3.8".to_owned(),
            client_name: "raw".to_owned(),
            ..client::authentication::Request::default()
        })
    }

    /// Where it is connected to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The member it is connected to.
    pub(crate) fn member(&self) -> ProtocolUuid {
        self.member
    }

    /// The cluster it is connected to.
    pub(crate) fn cluster_id(&self) -> ProtocolUuid {
        self.cluster_id
    }

    /// Sends a request and waits for its answer.
    pub(crate) fn call<Q: Call>(&self, request: &Q) -> Result<Q::Answer, CallError> {
        self.begin(request)?.wait(ANSWER_TIMEOUT)
    }

    /// Sends a request and expects it to work.
    pub(crate) fn ok<Q: Call>(&self, request: &Q) -> Q::Answer {
        self.call(request).unwrap_or_else(|error| panic!("{request:.200?}: {error:?}"))
    }

    /// Sends a request without waiting.
    pub(crate) fn begin<Q: Call>(&self, request: &Q) -> Result<Pending<Q::Answer>, CallError> {
        self.begin_listening(request).map(|(_, pending)| pending)
    }

    /// Registers a listener; its events carry the id given back.
    pub(crate) fn listen<Q: Call>(&self, request: &Q) -> Result<CorrelationId, CallError> {
        let (id, pending) = self.begin_listening(request)?;
        pending.wait(ANSWER_TIMEOUT).map(|_| id)
    }

    fn begin_listening<Q: Call>(
        &self,
        request: &Q,
    ) -> Result<(CorrelationId, Pending<Q::Answer>), CallError> {
        let id = CorrelationId(self.next.fetch_add(1, Ordering::Relaxed));
        let bytes = request.encode_with(id, PartitionId::NONE).into_contiguous();
        let answer = self.expect(id);
        self.send(&bytes)?;
        Ok((id, Pending { answer, of: PhantomData }))
    }

    /// Sends a request of which only the number is known; its answer as it came.
    pub(crate) fn call_number(&self, number: MessageType) -> Result<ClientMessage, CallError> {
        let id = CorrelationId(self.next.fetch_add(1, Ordering::Relaxed));
        let mut bytes = 22i32.to_le_bytes().to_vec();
        bytes.extend_from_slice(&0xe000u16.to_le_bytes());
        bytes.extend_from_slice(&number.0.to_le_bytes());
        bytes.extend_from_slice(&id.0.to_le_bytes());
        bytes.extend_from_slice(&(-1i32).to_le_bytes());
        let answer = self.expect(id);
        self.send(&bytes)?;
        receive(&answer, ANSWER_TIMEOUT)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), CallError> {
        let _one_at_a_time = self.writing.lock().unwrap();
        (&self.socket).write_all(bytes).map_err(|_| CallError::Lost)
    }

    /// The events that came so far for a listener, those of one kind.
    pub(crate) fn events<E: Message>(&self, listener: CorrelationId) -> Vec<E> {
        let events = self.shared.events.lock().unwrap();
        let ours = events
            .iter()
            .filter(|event| event.correlation_id() == listener && event.message_type() == E::TYPE);
        ours.map(|event| E::decode(event).unwrap()).collect()
    }

    /// Whether the server, or a fault, ended the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    /// Ends the connection without a word.
    pub(crate) fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn expect(&self, id: CorrelationId) -> Receiver<ClientMessage> {
        let (sender, answer) = sync_channel(1);
        self.shared.waiting.lock().unwrap().insert(id.0, sender);
        if self.is_closed() {
            // The reader has gone and clears nothing any more.
            self.shared.waiting.lock().unwrap().clear();
        }
        answer
    }
}

impl Drop for RawClient {
    fn drop(&mut self) {
        self.close();
    }
}

impl<A: Message> Pending<A> {
    /// Waits for the answer.
    pub(crate) fn wait(self, timeout: Duration) -> Result<A, CallError> {
        let answer = receive(&self.answer, timeout)?;
        Ok(A::decode(&answer).unwrap_or_else(|error| panic!("an answer of another type: {error}")))
    }

    /// Waits without limit, and does something at each interval meanwhile.
    pub(crate) fn keep_alive(self, interval: Duration, sign: impl Fn()) -> Result<A, CallError> {
        loop {
            match receive(&self.answer, interval) {
                Err(CallError::Silent) => sign(),
                answer => return answer.map(|answer| A::decode(&answer).unwrap()),
            }
        }
    }

    /// The answer if it came already.
    pub(crate) fn peek(&self) -> Option<Result<A, CallError>> {
        match receive(&self.answer, Duration::ZERO) {
            Err(CallError::Silent) => None,
            answer => Some(answer.map(|answer| A::decode(&answer).unwrap())),
        }
    }

    /// Expects that no answer comes within this time: the call waits on the server.
    pub(crate) fn keeps_waiting(&self, window: Duration) {
        match receive(&self.answer, window) {
            Err(CallError::Silent) => {}
            early => panic!("the call did not wait: {early:?}"),
        }
    }
}

fn receive(
    answer: &Receiver<ClientMessage>,
    timeout: Duration,
) -> Result<ClientMessage, CallError> {
    let message = answer.recv_timeout(timeout).map_err(|error| match error {
        RecvTimeoutError::Timeout => CallError::Silent,
        RecvTimeoutError::Disconnected => CallError::Lost,
    })?;
    if message.message_type() != MessageType::ERROR {
        return Ok(message);
    }
    let error = ErrorResponse::decode(&message).unwrap();
    let first = error.errors.into_iter().next().expect("an error that says something");
    Err(CallError::Refused { code: first.error_code, message: first.message.unwrap_or_default() })
}

fn read(mut socket: TcpStream, shared: &Shared) {
    let mut decoder = FrameDecoder::new();
    decoder.set_authenticated(MESSAGE_BYTES_MAX);
    let mut received = BytesMut::new();
    let mut chunk = vec![0; READ_BYTES];
    'connection: loop {
        match socket.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(bytes) => received.extend_from_slice(&chunk[..bytes]),
        }
        loop {
            match decoder.feed(&mut received) {
                Ok(Some(message)) => hand_over(message, shared),
                Ok(None) => break,
                Err(error) => {
                    eprintln!("the server sent what is no message: {error}");
                    break 'connection;
                }
            }
        }
    }
    shared.closed.store(true, Ordering::Release);
    // Whoever still waits learns at once that the connection is gone.
    shared.waiting.lock().unwrap().clear();
}

fn hand_over(message: ClientMessage, shared: &Shared) {
    if message.is_event() {
        shared.events.lock().unwrap().push(message);
    } else if let Some(sender) = shared.waiting.lock().unwrap().remove(&message.correlation_id().0)
    {
        // Nobody waits any more for an answer that came too late.
        let _ = sender.send(message);
    }
}
