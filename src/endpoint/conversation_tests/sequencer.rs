//! A cluster of one node that applies commands and answers queries at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use statekeeper_machine::{
    Answer, Applied, ClusterCommand, ClusterTime, Command, CpCommand, Event, EventBatch, LogEntry,
    Machine, NodeId, Origin, Outcome, Query, Reply, SessionSettings, SessionView, SubmitError,
    WaitKey,
};
use statekeeper_protocol::{ClientMessage, Message};

use super::talk::{Talk, sent};
use super::{CLIENT, CLUSTER, CLUSTER_ID, description};
use crate::{Input, Output, Ticket};

const NODE: NodeId = NodeId(1);

/// The state, and the calls that wait in it.
pub(crate) struct Sequencer {
    machine: Machine,
    /// Cluster time, milliseconds.
    pub(crate) now: u64,
    index: u64,
    waiting: BTreeMap<WaitKey, Vec<Ticket>>,
}

impl Sequencer {
    /// A founded cluster whose one node leads.
    pub(crate) fn new() -> Self {
        let mut sequencer = Self {
            machine: Machine::new(),
            now: 1_700_000_000_000,
            index: 0,
            waiting: BTreeMap::new(),
        };
        let found = ClusterCommand::Found {
            cluster_id: CLUSTER_ID,
            cluster_name: CLUSTER.into(),
            sessions: SessionSettings { time_to_live_ms: 30_000, heartbeat_interval_ms: 5_000 },
            maps: Vec::new(),
        };
        let describe = ClusterCommand::DescribeNode(description(1));
        let office = ClusterCommand::Office { leader: NODE, leaderless_ms: 0 };
        for command in [found, describe, office] {
            sequencer.apply(Command::Cluster(command)).0.reply.unwrap();
        }
        sequencer
    }

    /// Creates CP sessions of a group up to this one.
    pub(crate) fn create_sessions(&mut self, group: &str, last: i64) {
        loop {
            let of_group = |view: &SessionView| (*view.group == *group).then_some(view.session.0);
            let Answer::Sessions(sessions) = self.machine.query(&Query::Sessions) else {
                panic!("no sessions")
            };
            if sessions.iter().filter_map(of_group).max().unwrap_or_default() >= last {
                return;
            }
            let command = CpCommand::CreateSession {
                group: group.into(),
                endpoint_name: "test".into(),
                client: CLIENT,
            };
            self.apply(Command::Cp(command)).0.reply.unwrap();
        }
    }

    /// Gives the endpoint one input and does all it asks for; what the client is sent.
    pub(crate) fn drive(&mut self, talk: &mut Talk, input: Input) -> Vec<ClientMessage> {
        let mut messages = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in talk.input(input) {
                match output {
                    Output::Send(_) => messages.push(sent(output)),
                    Output::Submit { ticket, command } => {
                        inputs.extend(self.submit(talk, ticket, command));
                    }
                    Output::Read { ticket, query } => {
                        let result = Ok(self.machine.query(&query));
                        inputs.push_back(Input::Answered { ticket, result });
                    }
                    Output::Authenticated(_) => {}
                    Output::Close(reason) => panic!("closed: {reason}"),
                }
            }
        }
        messages
    }

    /// Sends a request; what the client is sent because of it.
    pub(crate) fn ask(&mut self, talk: &mut Talk, request: &impl Message) -> Vec<ClientMessage> {
        let request = talk.next_request(request);
        self.drive(talk, Input::Message(request))
    }

    fn submit(&mut self, talk: &Talk, ticket: Ticket, command: Command) -> Vec<Input> {
        let (applied, origin) = self.apply(command.clone());
        let mut inputs = Vec::new();
        let ended: Vec<(WaitKey, Reply)> = applied
            .events
            .iter()
            .filter_map(|event| match event {
                Event::WaitEnded { wait, reply } => Some((wait.clone(), reply.clone())),
                _ => None,
            })
            .collect();
        if talk.endpoint.wants_events() {
            let batch =
                EventBatch { index: self.index, emitter: true, gap: false, events: applied.events };
            inputs.push(Input::Events(Arc::new(batch)));
        }
        match applied.reply {
            Ok(Outcome::Waiting) => {
                let wait = command.wait_key(&origin).unwrap();
                self.waiting.entry(wait).or_default().push(ticket);
            }
            reply => inputs.push(completed(ticket, reply)),
        }
        for (wait, reply) in ended {
            for ticket in self.waiting.remove(&wait).unwrap_or_default() {
                inputs.push(completed(ticket, reply.clone()));
            }
        }
        inputs
    }

    fn apply(&mut self, command: Command) -> (Applied, Origin) {
        self.index += 1;
        let origin =
            Origin { node: NODE, start: 1, sequence: self.index, answered_below: self.index };
        let at = ClusterTime(self.now);
        let entry = LogEntry { at, proposer: NODE, origin: Some(origin), command };
        (self.machine.apply(entry), origin)
    }
}

fn completed(ticket: Ticket, reply: Reply) -> Input {
    Input::Completed { ticket, result: reply.map_err(SubmitError::Rejected) }
}
