//! One client connection: drives one endpoint, the only place where its bytes meet the socket.
//!
//! Events are always given to the endpoint before the completion of the command that caused them:
//! `Consensus` publishes them first, and the queue of events is emptied before a completion is.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::BytesMut;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use statekeeper_endpoint::{ClientEndpoint, CloseReason, EndpointSettings, Input, Output, Ticket};
use statekeeper_machine::{Answer, ClusterView, EventBatch, Outcome, SubmitError};
use statekeeper_protocol::FrameDecoder;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::accept::Shared;
use super::clients::{Gauges, Registration};
use super::greeting::FirstCall;
use super::limits::{
    EVENT_BATCHES_MAX, LAST_WORDS_TIMEOUT, MESSAGES_PER_TURN, READ_BYTES, SEND_HIGH_WATER_BYTES,
    STRANGER_READ_BYTES,
};
use super::outbound::Outbound;
use crate::consensus::{Consistency, PortFuture};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// The client closed it.
    #[error("the client closed the connection")]
    ByClient,
    /// The socket failed.
    #[error("the socket failed")]
    Socket(#[from] io::Error),
    /// The endpoint or a limit ended it.
    #[error(transparent)]
    Reason(#[from] CloseReason),
    /// The operator or the end of the node closed it.
    #[error("closed by the node")]
    ByNode,
    /// The process fell so far behind that events of a listener were dropped.
    #[error("the connection fell {EVENT_BATCHES_MAX} batches of events behind")]
    Lagging,
}

/// One client connection.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    id: u64,
    address: SocketAddr,
    started: Instant,
    socket: TcpStream,
    endpoint: ClientEndpoint,
    settings: Arc<EndpointSettings>,
    decoder: FrameDecoder,
    received: BytesMut,
    /// Bytes are left in `received` that may hold a whole message.
    unread: bool,
    outbound: Outbound,
    pending: FuturesUnordered<Pending>,
    events: Option<mpsc::Receiver<Arc<EventBatch>>>,
    view: watch::Receiver<Arc<ClusterView>>,
    timer: Pin<Box<Sleep>>,
    gauges: Arc<Gauges>,
    registration: Option<Registration>,
    stranger: Option<OwnedSemaphorePermit>,
    stop: CancellationToken,
    draining: CancellationToken,
}

/// A command or query on its way.
struct Pending {
    ticket: Ticket,
    answer: PendingAnswer,
}

enum PendingAnswer {
    Outcome(PortFuture<Result<Outcome, SubmitError>>),
    Answer(PortFuture<Result<Answer, SubmitError>>),
}

impl Future for Pending {
    type Output = Input;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Input> {
        let ticket = self.ticket;
        match &mut self.answer {
            PendingAnswer::Outcome(future) => {
                future.as_mut().poll(context).map(|result| Input::Completed { ticket, result })
            }
            PendingAnswer::Answer(future) => {
                future.as_mut().poll(context).map(|result| Input::Answered { ticket, result })
            }
        }
    }
}

impl Connection {
    pub(crate) fn new(
        shared: Arc<Shared>,
        settings: Arc<EndpointSettings>,
        socket: TcpStream,
        address: SocketAddr,
        stranger: OwnedSemaphorePermit,
    ) -> Self {
        let started = Instant::now();
        let id = shared.clients.draw_id();
        let endpoint = ClientEndpoint::new(settings.clone(), id, started);
        let view = shared.consensus.view();
        let (stop, draining) = (shared.stop.child_token(), shared.draining.clone());
        Self {
            id,
            address,
            started,
            socket,
            endpoint,
            settings,
            decoder: FrameDecoder::new(),
            received: BytesMut::new(),
            unread: false,
            outbound: Outbound::default(),
            pending: FuturesUnordered::new(),
            events: None,
            view,
            timer: Box::pin(sleep_until(started.into())),
            gauges: Arc::default(),
            registration: None,
            stranger: Some(stranger),
            stop,
            draining,
            shared,
        }
    }

    /// Serves, from the first call on, until somebody ends it; then says what is left to say.
    pub(crate) async fn run(mut self, first: FirstCall) -> Ended {
        let ended = self.serve(first).await;
        if matches!(ended, Ended::Reason(_) | Ended::ByNode) {
            let _ = timeout(LAST_WORDS_TIMEOUT, self.send_rest()).await;
        }
        if self.registration.is_some() {
            self.shared.counters.disconnects.fetch_add(1, Ordering::Relaxed);
        }
        ended
    }

    async fn serve(&mut self, first: FirstCall) -> Ended {
        if let Err(ended) = self.begin(first) {
            return ended;
        }
        loop {
            if let Err(ended) = self.flush() {
                return ended;
            }
            if self.draining.is_cancelled() && self.pending.is_empty() {
                return Ended::ByNode;
            }
            if let Err(ended) = self.turn().await {
                return ended;
            }
        }
    }

    fn begin(&mut self, first: FirstCall) -> Result<(), Ended> {
        let view = self.view.borrow_and_update().clone();
        self.handle(Input::View(view))?;
        self.shared.counters.bytes_in.fetch_add(first.bytes() as u64, Ordering::Relaxed);
        self.shared.counters.count_request(first.message.message_type());
        self.handle(Input::Message(first.message))?;
        self.unread = !first.rest.is_empty();
        self.received = first.rest;
        Ok(())
    }

    /// Waits for one thing to happen and handles it.
    async fn turn(&mut self) -> Result<(), Ended> {
        let draining = self.draining.is_cancelled();
        let may_ask = !draining && self.outbound.bytes() < SEND_HIGH_WATER_BYTES;
        if let Some(deadline) = self.endpoint.deadline()
            && tokio::time::Instant::from(deadline) < self.timer.deadline()
        {
            self.timer.as_mut().reset(deadline.into());
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Ended::ByNode),
            () = self.draining.cancelled(), if !draining => Ok(()),
            batch = next_batch(&mut self.events) => {
                self.handle(Input::Events(batch.ok_or(Ended::Lagging)?))
            }
            changed = self.view.changed() => {
                changed.map_err(|_| Ended::ByNode)?;
                let view = self.view.borrow_and_update().clone();
                self.handle(Input::View(view))
            }
            Some(done) = self.pending.next(), if !self.pending.is_empty() => self.complete(done),
            ready = self.socket.writable(), if !self.outbound.is_empty() => Ok(ready?),
            () = std::future::ready(()), if self.unread && may_ask => self.take_messages(),
            ready = self.socket.readable(), if !self.unread && may_ask => {
                ready?;
                self.read()
            }
            () = self.timer.as_mut() => self.time_out(),
        }
    }

    fn time_out(&mut self) -> Result<(), Ended> {
        let now = Instant::now();
        match self.endpoint.deadline() {
            Some(deadline) if deadline > now => {
                self.timer.as_mut().reset(deadline.into());
                Ok(())
            }
            deadline => {
                // Far away: a nearer deadline pulls the timer forward.
                self.timer.as_mut().reset((now + self.settings.silence_max).into());
                if deadline.is_some() { self.handle(Input::Timeout) } else { Ok(()) }
            }
        }
    }

    /// Handles a completion and all others that are ready, so that their answers leave together.
    fn complete(&mut self, done: Input) -> Result<(), Ended> {
        let mut next = Some(done);
        while let Some(done) = next {
            self.take_events()?;
            self.handle(done)?;
            next = self.pending.next().now_or_never().flatten();
        }
        Ok(())
    }

    fn take_events(&mut self) -> Result<(), Ended> {
        while let Some(events) = &mut self.events {
            match events.try_recv() {
                Ok(batch) => self.handle(Input::Events(batch))?,
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(Ended::Lagging),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Ended> {
        let room = if self.stranger.is_some() { STRANGER_READ_BYTES } else { READ_BYTES };
        self.received.reserve(room);
        match self.socket.try_read_buf(&mut self.received) {
            Ok(0) => return Err(Ended::ByClient),
            Ok(bytes) => {
                self.gauges.heard(self.started.elapsed());
                self.shared.counters.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.take_messages()
    }

    fn take_messages(&mut self) -> Result<(), Ended> {
        for _ in 0..MESSAGES_PER_TURN {
            let message = self
                .decoder
                .feed(&mut self.received)
                .map_err(|error| CloseReason::Decode(error.to_string()))?;
            let Some(message) = message else {
                self.unread = false;
                return Ok(());
            };
            self.shared.counters.count_request(message.message_type());
            self.handle(Input::Message(message))?;
        }
        self.unread = true;
        Ok(())
    }

    /// Gives the endpoint one input and does all it asks for.
    fn handle(&mut self, input: Input) -> Result<(), Ended> {
        self.endpoint.handle(input, Instant::now());
        if self.events.is_none() && self.endpoint.wants_events() {
            // Before the answer to the registration is written.
            self.events = Some(self.shared.consensus.subscribe(EVENT_BATCHES_MAX));
        }
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send(message) => self.outbound.push(message),
                Output::Submit { ticket, command } => {
                    let outcome = self.shared.consensus.submit(command);
                    self.pending.push(Pending { ticket, answer: PendingAnswer::Outcome(outcome) });
                }
                Output::Read { ticket, query } => {
                    let answer = self.shared.consensus.read(query, Consistency::Linearizable);
                    self.pending.push(Pending { ticket, answer: PendingAnswer::Answer(answer) });
                }
                Output::Authenticated(info) => self.authenticated(info),
                Output::Close(reason) => return Err(reason.into()),
            }
        }
        Ok(())
    }

    fn authenticated(&mut self, info: statekeeper_endpoint::ClientInfo) {
        self.decoder.set_authenticated(self.settings.limits.request_bytes_max);
        self.stranger = None;
        self.shared.counters.authenticated.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(client = %info.client, name = %info.name, language = %info.language,
            version = %info.version, address = %self.address, "client connected");
        self.registration = Some(self.shared.clients.enter(
            self.id,
            info,
            self.address,
            self.started,
            self.gauges.clone(),
            self.stop.clone(),
        ));
    }

    fn flush(&mut self) -> Result<(), Ended> {
        if !self.outbound.is_empty() {
            let written = self.outbound.write_to(&self.socket)?;
            self.shared.counters.bytes_out.fetch_add(written as u64, Ordering::Relaxed);
        }
        self.gauges.set(self.endpoint.summary(), self.outbound.bytes());
        if self.outbound.bytes() > self.shared.send_buffer_bytes_max {
            let limit = "limits.client-send-buffer-max";
            return Err(CloseReason::LimitReached { limit }.into());
        }
        Ok(())
    }

    async fn send_rest(&mut self) -> io::Result<()> {
        while !self.outbound.is_empty() {
            self.socket.writable().await?;
            self.outbound.write_to(&self.socket)?;
        }
        Ok(())
    }
}

async fn next_batch(
    events: &mut Option<mpsc::Receiver<Arc<EventBatch>>>,
) -> Option<Arc<EventBatch>> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}
