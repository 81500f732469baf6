//! One connection: authenticated, with a task that hands answers and events to who waits.
//!
//! Invariant: an answer goes to the request it belongs to, once. An answer that nobody ever asked
//! for, or a second one, is outside the protocol and marks the whole connection.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::BytesMut;
use parking_lot::Mutex;
use statekeeper_protocol::messages::{client, error::ErrorResponse};
use statekeeper_protocol::{
    Call, ClientMessage, CorrelationId, FrameDecoder, Message, MessageType, PartitionId,
    ProtocolUuid,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::client::Failure;

/// What opens a connection of the client protocol.
const PREAMBLE: &[u8] = b"CP2";
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
const READ_BYTES: usize = 64 * 1024;
const AUTHENTICATED: i8 = 0;

/// Takes the events of one registration; false when nobody takes another one.
pub(super) type EventSink = Box<dyn FnMut(&ClientMessage) -> Result<bool, Failure> + Send>;

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    next: AtomicI64,
}

#[derive(Default)]
struct State {
    waiting: HashMap<i64, oneshot::Sender<ClientMessage>>,
    /// Requests whose answer nobody waits for any more.
    given_up: HashSet<i64>,
    listeners: HashMap<i64, EventSink>,
    closed: Option<String>,
    /// The first thing that was outside the protocol.
    fault: Option<String>,
}

/// An authenticated connection.
pub(super) struct Connection {
    shared: Arc<Shared>,
    writing: tokio::sync::Mutex<OwnedWriteHalf>,
    /// Ends with the connection.
    _reading: JoinSet<()>,
}

impl Connection {
    /// Connects, from `local` if it is given, and says who we are.
    pub(super) async fn open(
        address: SocketAddr,
        local: Option<IpAddr>,
        cluster_name: &str,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let connecting = connect(address, local);
        let mut stream = timeout_at(deadline, connecting)
            .await
            .map_err(|_| Failure::NotSent(format!("{address} did not accept in time")))?
            .map_err(|error| Failure::NotSent(format!("{address}: {error}")))?;
        let greeted = timeout_at(deadline, stream.write_all(PREAMBLE)).await;
        if !matches!(greeted, Ok(Ok(()))) {
            return Err(Failure::NotSent(format!("{address} took no greeting")));
        }
        let (reader, writer) = stream.into_split();
        let shared = Arc::new(Shared::default());
        let mut reading = JoinSet::new();
        reading.spawn(read(reader, Arc::clone(&shared)));
        let writing = tokio::sync::Mutex::new(writer);
        let connection = Self { shared, writing, _reading: reading };
        connection.authenticate(cluster_name, deadline).await?;
        Ok(connection)
    }

    async fn authenticate(&self, cluster_name: &str, deadline: Instant) -> Result<(), Failure> {
        let request = client::authentication::Request {
            cluster_name: cluster_name.to_owned(),
            uuid: Some(ProtocolUuid::from_u128(uuid::Uuid::new_v4().as_u128())),
            client_type: "JEP".to_owned(),
            serialization_version: 1,
            client_hazelcast_version: "5.3.8".to_owned(),
            client_name: "jepsen".to_owned(),
            ..client::authentication::Request::default()
        };
        let answer = self.call(&request, deadline).await.map_err(|failure| match failure {
            outside @ Failure::OutsideProtocol(_) => outside,
            other => Failure::NotSent(format!("authentication: {other}")),
        })?;
        if answer.status != AUTHENTICATED {
            let status = answer.status;
            return Err(Failure::NotSent(format!("authentication refused with status {status}")));
        }
        Ok(())
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn call<Q: Call>(
        &self,
        request: &Q,
        deadline: Instant,
    ) -> Result<Q::Answer, Failure> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.exchange(id, request, deadline).await
    }

    /// Registers a listener whose events go to the sink, from the first one on.
    pub(super) async fn listen<Q: Call>(
        &self,
        request: &Q,
        sink: EventSink,
        deadline: Instant,
    ) -> Result<Q::Answer, Failure> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.state.lock().listeners.insert(id, sink);
        let answer = self.exchange(id, request, deadline).await;
        if answer.is_err() {
            self.shared.state.lock().listeners.remove(&id);
        }
        answer
    }

    /// Why it ended, if it has.
    pub(super) fn closed(&self) -> Option<String> {
        self.shared.state.lock().closed.clone()
    }

    async fn exchange<Q: Call>(
        &self,
        id: i64,
        request: &Q,
        deadline: Instant,
    ) -> Result<Q::Answer, Failure> {
        let bytes = request.encode_with(CorrelationId(id), PartitionId::NONE).into_contiguous();
        let answer = self.expect(id)?;
        self.send(id, &bytes, deadline).await?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(message)) => understand::<Q>(&message),
            Ok(Err(_ended)) => Err(self.ended()),
            Err(_elapsed) => {
                let mut state = self.shared.state.lock();
                state.waiting.remove(&id);
                state.given_up.insert(id);
                Err(Failure::TimedOut)
            }
        }
    }

    fn expect(&self, id: i64) -> Result<oneshot::Receiver<ClientMessage>, Failure> {
        let mut state = self.shared.state.lock();
        if let Some(fault) = &state.fault {
            return Err(Failure::OutsideProtocol(fault.clone()));
        }
        if let Some(why) = &state.closed {
            return Err(Failure::NotSent(why.clone()));
        }
        let (sender, answer) = oneshot::channel();
        state.waiting.insert(id, sender);
        Ok(answer)
    }

    async fn send(&self, id: i64, bytes: &[u8], deadline: Instant) -> Result<(), Failure> {
        let give_up = || self.shared.state.lock().waiting.remove(&id);
        let Ok(mut socket) = timeout_at(deadline, self.writing.lock()).await else {
            give_up();
            return Err(Failure::NotSent("other requests filled the connection".to_owned()));
        };
        if let Some(why) = self.closed() {
            give_up();
            return Err(Failure::NotSent(why));
        }
        match timeout_at(deadline, socket.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                self.shared.close(&error.to_string());
                Err(Failure::ConnectionLost(error.to_string()))
            }
            Err(_elapsed) => {
                // A part of it may be in the stream: nothing can follow it.
                self.shared.close("a request was sent in part");
                Err(Failure::TimedOut)
            }
        }
    }

    fn ended(&self) -> Failure {
        let state = self.shared.state.lock();
        match (&state.fault, &state.closed) {
            (Some(fault), _) => Failure::OutsideProtocol(fault.clone()),
            (None, Some(why)) => Failure::ConnectionLost(why.clone()),
            (None, None) => Failure::ConnectionLost("the reader ended".to_owned()),
        }
    }
}

impl Shared {
    /// Whoever still waits learns at once that the connection is gone.
    fn close(&self, why: &str) {
        let mut state = self.state.lock();
        state.closed.get_or_insert_with(|| why.to_owned());
        state.waiting.clear();
        state.listeners.clear();
    }

    fn outside_protocol(&self, what: String) {
        self.state.lock().fault.get_or_insert(what);
        self.close("something outside the protocol");
    }

    /// Gives a message to who it is for; false when it is for nobody.
    fn hand_over(&self, message: ClientMessage) -> Result<bool, Failure> {
        let id = message.correlation_id().0;
        let mut state = self.state.lock();
        if message.is_event() {
            let Some(sink) = state.listeners.get_mut(&id) else {
                // Of a listener that was dropped, whose registration ends with the connection.
                return Ok(id > 0 && id <= self.next.load(Ordering::Relaxed));
            };
            if !sink(&message)? {
                state.listeners.remove(&id);
            }
            return Ok(true);
        }
        if let Some(waiting) = state.waiting.remove(&id) {
            // The caller may have given up this moment.
            let _ = waiting.send(message);
            return Ok(true);
        }
        Ok(state.given_up.remove(&id))
    }
}

async fn connect(address: SocketAddr, local: Option<IpAddr>) -> std::io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = local {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn understand<Q: Call>(message: &ClientMessage) -> Result<Q::Answer, Failure> {
    let undecodable = |error| Failure::OutsideProtocol(format!("an answer: {error}"));
    if message.message_type() != MessageType::ERROR {
        return Q::Answer::decode(message).map_err(undecodable);
    }
    let error = ErrorResponse::decode(message).map_err(undecodable)?;
    match error.errors.first() {
        Some(first) => {
            let message = first.message.as_deref().unwrap_or(&first.class_name);
            Err(Failure::of_number(first.error_code, message))
        }
        None => Err(Failure::OutsideProtocol("an error that says nothing".to_owned())),
    }
}

async fn read(mut socket: OwnedReadHalf, shared: Arc<Shared>) {
    let mut decoder = FrameDecoder::new();
    decoder.set_authenticated(MESSAGE_BYTES_MAX);
    let mut received = BytesMut::with_capacity(READ_BYTES);
    loop {
        match socket.read_buf(&mut received).await {
            Ok(0) => return shared.close("closed by the server"),
            Ok(_) => {}
            Err(error) => return shared.close(&error.to_string()),
        }
        loop {
            match decoder.feed(&mut received) {
                Ok(Some(message)) => {
                    let (id, number) = (message.correlation_id(), message.message_type());
                    match shared.hand_over(message) {
                        Ok(true) => {}
                        Ok(false) => {
                            let what = format!("{number} for {id:?}, which nobody asked");
                            return shared.outside_protocol(what);
                        }
                        Err(failure) => return shared.outside_protocol(failure.to_string()),
                    }
                }
                Ok(None) => break,
                Err(error) => return shared.outside_protocol(error.to_string()),
            }
        }
    }
}
