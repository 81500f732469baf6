//! `Tickets`: the commands that this node accepted and has not answered.
//!
//! A ticket is answered when the entry with its origin is applied *here*: then its events are
//! published here and its effect is seen by reads here, whoever leads. What the leader says about
//! an attempt only decides whether to try again. A ticket whose command waits in the state is
//! answered by the end of that wait, which every node applies.
//!
//! Invariant: `answered_below` of what is sent never exceeds the sequence of a ticket that may
//! still be sent again; waits do not hold it back, since the state remembers them by themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use parking_lot::Mutex;
use statekeeper_machine::{
    Command, Event, Machine, Name, NodeId, Origin, Outcome, Rejection, Reply, SubmitError, WaitKey,
    WaitState,
};
use tokio::sync::{Notify, oneshot};

use super::limits;
use super::message::{Forwarded, Refusal};

/// What a ticket's holder is told.
pub(crate) type Answered = Result<Outcome, SubmitError>;

/// The open commands of this node.
#[derive(Debug)]
pub(crate) struct Tickets {
    state: Mutex<State>,
    /// Something waits to be sent.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    node: NodeId,
    start: u64,
    next: u64,
    rows: BTreeMap<u64, Row>,
    /// Sequences that hold `answered_below` back: all that do not wait in the state.
    unanswered: BTreeSet<u64>,
    to_send: BTreeSet<u64>,
    waits: HashMap<WaitKey, BTreeSet<u64>>,
    bytes: u64,
    closed: bool,
}

#[derive(Debug)]
struct Row {
    command: Command,
    bytes: u64,
    answer: oneshot::Sender<Answered>,
    deadline: Instant,
    stage: Stage,
    /// Attempts of which nobody knows whether they got into the log.
    uncertain: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To be sent.
    Queued,
    /// On its way, by this batch.
    Sent { batch: u64 },
    /// It waits in the state.
    Waiting,
}

impl Tickets {
    pub(crate) fn new(node: NodeId, start: u64) -> Self {
        let state = State {
            node,
            start,
            next: 1,
            rows: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            to_send: BTreeSet::new(),
            waits: HashMap::new(),
            bytes: 0,
            closed: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Queues a command. The order of the calls is the order of the sequences.
    pub(crate) fn open(
        &self,
        command: Command,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Answered>, SubmitError> {
        let bytes = command.payload_bytes();
        if bytes > limits::COMMAND_BYTES_MAX {
            return Err(overloaded("limits.request-bytes-max"));
        }
        let (answer, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if state.closed {
            return Err(SubmitError::ShuttingDown);
        }
        let too_many = state.rows.len() >= limits::OPEN_COMMANDS_MAX;
        if too_many || state.bytes + bytes > limits::OPEN_COMMAND_BYTES_MAX {
            return Err(overloaded("limits.client-in-flight-max"));
        }
        let sequence = state.next;
        state.next += 1;
        state.bytes += bytes;
        let stage = Stage::Queued;
        state.rows.insert(sequence, Row { command, bytes, answer, deadline, stage, uncertain: 0 });
        state.unanswered.insert(sequence);
        state.to_send.insert(sequence);
        drop(state);
        self.changed.notify_one();
        Ok(receiver)
    }

    /// Waits until something may be there to be sent.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes the next commands to send, in order, as one batch.
    pub(crate) fn take_batch(&self, batch: u64) -> Vec<Forwarded> {
        let mut state = self.state.lock();
        let answered_below = state.answered_below();
        let (node, start) = (state.node, state.start);
        let State { rows, to_send, .. } = &mut *state;
        let mut commands = Vec::new();
        let mut bytes = 0;
        while commands.len() < limits::BATCH_COMMANDS_MAX
            && (bytes < limits::BATCH_BYTES_MAX || commands.is_empty())
            && let Some(sequence) = to_send.pop_first()
        {
            let Some(row) = rows.get_mut(&sequence) else { continue };
            row.stage = Stage::Sent { batch };
            row.uncertain += 1;
            bytes += row.bytes;
            let origin = Origin { node, start, sequence, answered_below };
            commands.push(Forwarded { origin, command: row.command.clone() });
        }
        commands
    }

    /// An attempt was refused.
    pub(crate) fn refused(&self, batch: u64, sequence: u64, refusal: &Refusal) {
        let mut state = self.state.lock();
        let Some(row) = state.rows.get_mut(&sequence) else { return };
        match refusal {
            Refusal::NotNow | Refusal::Overloaded { .. } => row.uncertain -= 1,
            Refusal::Unknown => {}
        }
        if row.stage != (Stage::Sent { batch }) {
            return;
        }
        match refusal {
            Refusal::Overloaded { limit } if row.uncertain == 0 => {
                let limit = limit.clone();
                state.answer(sequence, Err(SubmitError::Overloaded { limit }));
            }
            Refusal::NotNow | Refusal::Overloaded { .. } | Refusal::Unknown => {
                state.queue(sequence);
            }
        }
    }

    /// Batches of which nothing more will be heard: the connection is gone, or the leader. What of
    /// them is still open is sent again. Answers how many that are.
    pub(crate) fn lost(&self, is_lost: impl Fn(u64) -> bool) -> u64 {
        let mut state = self.state.lock();
        let lost = |row: &Row| matches!(row.stage, Stage::Sent { batch } if is_lost(batch));
        let lost: Vec<_> =
            state.rows.iter().filter(|(_, row)| lost(row)).map(|(sequence, _)| *sequence).collect();
        for sequence in &lost {
            state.queue(*sequence);
        }
        lost.len() as u64
    }

    /// Whether anything waits to be sent.
    pub(crate) fn has_queued(&self) -> bool {
        !self.state.lock().to_send.is_empty()
    }

    /// Whether anything is open at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().rows.is_empty()
    }

    /// An entry was applied here; its events are published already.
    pub(crate) fn applied(&self, origin: Option<&Origin>, reply: &Reply, events: &[Event]) {
        let mut state = self.state.lock();
        // Ends first: they are of waits that began before this entry.
        for event in events {
            if let Event::WaitEnded { wait, reply } = event {
                state.wait_ended(wait, reply);
            }
        }
        let Some(origin) = origin else { return };
        if origin.node == state.node && origin.start == state.start {
            state.own_applied(origin.sequence, reply);
        }
    }

    /// The state was replaced by a snapshot: entries were skipped, so it is asked about each
    /// ticket.
    pub(crate) fn installed(&self, machine: &Machine) {
        let mut state = self.state.lock();
        let sequences: Vec<_> = state.rows.keys().copied().collect();
        for sequence in sequences {
            state.ask(sequence, machine);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Answers what is past its deadline; answers how many of them are unknown.
    pub(crate) fn expire(&self, now: Instant, leaderless: bool) -> u64 {
        let mut state = self.state.lock();
        let over = |row: &Row| match row.stage {
            Stage::Queued | Stage::Sent { .. } => row.deadline <= now,
            // A wait has no deadline of its own, except where nobody can end it. One that nobody
            // asks for any more need not be remembered.
            Stage::Waiting => leaderless || row.answer.is_closed(),
        };
        let over: Vec<_> =
            state.rows.iter().filter(|(_, row)| over(row)).map(|(sequence, _)| *sequence).collect();
        let mut unknown = 0;
        for sequence in over {
            let error = state.open_error(sequence, SubmitError::NotProposed);
            unknown += u64::from(error == SubmitError::Unknown);
            state.answer(sequence, Err(error));
        }
        unknown
    }

    /// Takes no more commands; those that are open may still be answered.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Answers everything that is left.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let sequences: Vec<_> = state.rows.keys().copied().collect();
        for sequence in sequences {
            let error = state.open_error(sequence, SubmitError::ShuttingDown);
            state.answer(sequence, Err(error));
        }
    }

    /// Whether commands that may be in the log wait for their application.
    pub(crate) fn has_sent(&self) -> bool {
        let state = self.state.lock();
        state.rows.values().any(|row| matches!(row.stage, Stage::Sent { .. }))
    }
}

impl State {
    fn answered_below(&self) -> u64 {
        self.unanswered.first().copied().unwrap_or(self.next)
    }

    fn queue(&mut self, sequence: u64) {
        if let Some(row) = self.rows.get_mut(&sequence) {
            row.stage = Stage::Queued;
            self.unanswered.insert(sequence);
            self.to_send.insert(sequence);
        }
    }

    fn own_applied(&mut self, sequence: u64, reply: &Reply) {
        match reply {
            Ok(Outcome::Waiting) => self.waits(sequence),
            // Only what was answered before is refused as stale. This ticket is open, so whatever
            // the state knew of it is forgotten: it may have been applied.
            Err(Rejection::StaleOrigin) => self.answer(sequence, Err(SubmitError::Unknown)),
            reply => self.answer(sequence, reply.clone().map_err(SubmitError::Rejected)),
        }
    }

    fn waits(&mut self, sequence: u64) {
        let Some(wait) = self.wait_key(sequence) else {
            tracing::error!(sequence, "a command that never waits waits");
            return self.answer(sequence, Err(SubmitError::Unknown));
        };
        self.unanswered.remove(&sequence);
        self.to_send.remove(&sequence);
        self.waits.entry(wait).or_default().insert(sequence);
        if let Some(row) = self.rows.get_mut(&sequence) {
            row.stage = Stage::Waiting;
        }
    }

    fn wait_ended(&mut self, wait: &WaitKey, reply: &Reply) {
        for sequence in self.waits.get(wait).cloned().unwrap_or_default() {
            self.answer(sequence, reply.clone().map_err(SubmitError::Rejected));
        }
    }

    fn ask(&mut self, sequence: u64, machine: &Machine) {
        let Some(row) = self.rows.get(&sequence) else { return };
        let was_waiting = row.stage == Stage::Waiting;
        let origin = self.origin(sequence);
        let known = match self.wait_key(sequence).map(|wait| machine.wait_state(&wait)) {
            Some(WaitState::Waiting) => Some(Ok(Outcome::Waiting)),
            Some(WaitState::Ended(reply)) => Some(reply),
            Some(WaitState::Unknown) | None => machine.reply_of(&origin),
        };
        match known {
            Some(reply) => self.own_applied(sequence, &reply),
            None if was_waiting => self.ask_again(sequence),
            None => {}
        }
    }

    /// A wait of which the state knows nothing any more: the command is sent again. One with an
    /// identity of its own gets a new sequence, since the old one may count as answered.
    fn ask_again(&mut self, sequence: u64) {
        let own_identity = !matches!(self.wait_key(sequence), Some(WaitKey::Origin(_)) | None);
        if !own_identity {
            self.leave_wait(sequence);
            return self.queue(sequence);
        }
        self.leave_wait(sequence);
        let Some(row) = self.rows.remove(&sequence) else { return };
        self.unanswered.remove(&sequence);
        let sequence = self.next;
        self.next += 1;
        self.rows.insert(sequence, row);
        self.queue(sequence);
    }

    fn answer(&mut self, sequence: u64, answer: Answered) {
        self.leave_wait(sequence);
        self.unanswered.remove(&sequence);
        self.to_send.remove(&sequence);
        if let Some(row) = self.rows.remove(&sequence) {
            self.bytes -= row.bytes;
            // Whoever gave up the answer has not given up the command.
            drop(row.answer.send(answer));
        }
    }

    fn leave_wait(&mut self, sequence: u64) {
        let waiting = self.rows.get(&sequence).is_some_and(|row| row.stage == Stage::Waiting);
        if let Some(wait) = self.wait_key(sequence).filter(|_| waiting)
            && let Some(sequences) = self.waits.get_mut(&wait)
        {
            sequences.remove(&sequence);
            if sequences.is_empty() {
                self.waits.remove(&wait);
            }
        }
    }

    fn open_error(&self, sequence: u64, certain: SubmitError) -> SubmitError {
        match self.rows.get(&sequence) {
            Some(row) if row.uncertain > 0 => SubmitError::Unknown,
            Some(_) | None => certain,
        }
    }

    fn origin(&self, sequence: u64) -> Origin {
        Origin { node: self.node, start: self.start, sequence, answered_below: 0 }
    }

    fn wait_key(&self, sequence: u64) -> Option<WaitKey> {
        self.rows.get(&sequence)?.command.wait_key(&self.origin(sequence))
    }
}

fn overloaded(limit: &str) -> SubmitError {
    SubmitError::Overloaded { limit: Name::from(limit) }
}

#[cfg(test)]
mod tests;
