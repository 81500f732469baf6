//! Drives the decision: looks around, takes the step it names, and looks again.

use super::ask::ask;
use super::contradiction::{self, Contradiction};
use super::decision::{Decider, DeciderSettings, Step};
use super::error::BootstrapError;
use super::founding::Founding;
use super::marker::Marker;
use super::peer_protocol::{Answer, Question};
use super::peer_responder::PeerResponder;
use super::peer_source::{PeerSource, read_marker};
use super::promise::{Promise, PromiseRequest};
use super::status::{Attempt, BootstrapStatus};
use super::timing::Timing;
use super::view::{Heard, HeardAt, MarkerView, View};
use super::waiting::Waiting;
use crate::seed::SeedError;
use statekeeper_machine::{ClusterId, NodeId};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What a node does about its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The data directory names a cluster: go back to it.
    Return,
    /// Found it now, with exactly these members, and then call `complete_founding`. Given again at
    /// the next start until that is done, so founding must bear to be repeated.
    Found(Founding),
    /// The founding that this node has promised has happened: accept this cluster id.
    Member {
        /// The cluster.
        cluster_id: ClusterId,
    },
    /// There is a cluster: join it as a learner.
    Join {
        /// The cluster.
        cluster_id: ClusterId,
        /// The Raft ports of its nodes that were heard.
        raft_addresses: Vec<String>,
    },
}

/// Looks for the cluster of this node until there is a decision. Before it is called, the responder
/// answers on the client port and `PeerSource::keep_known` runs. What the node waits for is in the
/// status; each change of it is logged once.
pub async fn run(
    source: &PeerSource,
    responder: &PeerResponder,
    timing: Timing,
    status: &watch::Sender<BootstrapStatus>,
    stop: &CancellationToken,
) -> Result<Decision, BootstrapError> {
    let set_out = set_out(responder).await?;
    if let Some(cluster_id) = responder.standing().cluster_id {
        let unfinished = set_out.filter(|founding| founding.cluster_id == cluster_id);
        if let Some(founding) = unfinished {
            return Ok(Decision::Found(founding));
        }
        expect_own_cluster(cluster_id, source, responder, &timing).await?;
        return Ok(Decision::Return);
    }
    let settings = DeciderSettings {
        own: responder.own().clone(),
        terms: responder.terms().clone(),
        quiet: source.quiet(&timing),
    };
    let decider = Decider::new(settings, set_out);
    let start = Instant::now();
    let mut run = Run { source, responder, timing, status, decider, start };
    run.say(&Waiting::Looking);
    let known = async {
        // Others can only find this node when its seed is there. A directory that is locked or not
        // usable yet holds up nobody who can be found without it.
        if let PeerSource::SeedDirectory(keeper) = source {
            keeper.look().await;
        }
        std::future::pending::<()>().await;
    };
    let decided = tokio::select! {
        decided = run.decide() => decided,
        () = known => Err(BootstrapError::Stopped),
        () = stop.cancelled() => Err(BootstrapError::Stopped),
    };
    status.send_modify(|status| status.waits_for.clear());
    decided
}

/// Fails when the neighbours are of another cluster: two of one name must not serve side by side.
/// A look that shows nothing is no reason to stay away.
async fn expect_own_cluster(
    cluster_id: ClusterId,
    source: &PeerSource,
    responder: &PeerResponder,
    timing: &Timing,
) -> Result<(), BootstrapError> {
    let view = source.look(responder, timing).await;
    let (own, cluster_name) = (responder.own().node, &responder.terms().cluster_name);
    match contradiction::find(own, cluster_id, cluster_name, &view) {
        None => Ok(()),
        Some(Contradiction { cluster_id: other, said_by }) => Err(BootstrapError::OtherCluster {
            path: responder.data_dir().path().to_owned(),
            cluster_name: cluster_name.clone(),
            own: cluster_id,
            other,
            said_by,
        }),
    }
}

/// Called by the founder when the cluster is there: forgets what it had set out for, and tells the
/// other members, who would otherwise learn it from their next look around.
pub async fn complete_founding(
    responder: &PeerResponder,
    founding: &Founding,
    timing: Timing,
) -> Result<(), BootstrapError> {
    responder.forget_founding().await?;
    let (cluster_id, members) = (founding.cluster_id, founding.members.clone());
    let question = Question::Founded { cluster_id, members };
    let others = founding.members.iter().filter(|member| member.node != responder.own().node);
    let told = others.map(|member| ask(&*member.client_address, &question, timing.ask_timeout));
    for answer in futures::future::join_all(told).await {
        if let Err(error) = answer {
            tracing::debug!(%error, "a member was not told of the founding");
        }
    }
    Ok(())
}

async fn set_out(responder: &PeerResponder) -> Result<Option<Founding>, BootstrapError> {
    let data_dir = Arc::clone(responder.data_dir());
    let read = tokio::task::spawn_blocking(move || data_dir.founding()).await;
    let record = read.map_err(|_| BootstrapError::Stopped)?.map_err(BootstrapError::Storage)?;
    Ok(record.map(Founding::from_record))
}

struct Run<'a> {
    source: &'a PeerSource,
    responder: &'a PeerResponder,
    timing: Timing,
    status: &'a watch::Sender<BootstrapStatus>,
    decider: Decider,
    start: Instant,
}

impl Run<'_> {
    async fn decide(&mut self) -> Result<Decision, BootstrapError> {
        loop {
            // Others may have told this node before it asked.
            let accepted = self.responder.standing().cluster_id;
            if let Some(cluster_id) = accepted.or(self.responder.founded()) {
                return Ok(Decision::Member { cluster_id });
            }
            // Before the questions go out: see `PeerResponder::drop_void`.
            let grants = self.responder.grants();
            let mut view = self.source.look(self.responder, &self.timing).await;
            self.show(&view);
            let looked = Instant::now();
            // Steps follow each other without another look only while this one is fresh.
            while looked.elapsed() <= self.timing.ask_timeout {
                let now = self.start.elapsed();
                let own = self.responder.standing().promise;
                let fresh = ClusterId(Uuid::new_v4().as_u128());
                let step = self.decider.next(now, own, &view, fresh);
                match self.take(step, &mut view, grants).await? {
                    Next::Step => {}
                    Next::Look => break,
                    Next::Decided(decision) => return Ok(decision),
                }
            }
            self.pause().await;
        }
    }

    async fn take(
        &mut self,
        step: Step,
        view: &mut View,
        grants: u64,
    ) -> Result<Next, BootstrapError> {
        match step {
            Step::Wait(mut waiting) => {
                if let Waiting::Nodes { missing, .. } = &mut waiting {
                    // A node that cannot write its seed is one that others cannot find.
                    missing.extend(self.source.trouble());
                }
                self.say(&waiting);
                Ok(Next::Look)
            }
            Step::Promise(founding) => {
                let set_out = self.responder.set_out(&founding).await?;
                Ok(if set_out { Next::Step } else { Next::Look })
            }
            Step::Request { promise, from } => {
                self.request(promise, from).await;
                match self.decider.collecting() {
                    None => Ok(Next::Step),
                    Some(waiting) => {
                        self.say(&waiting);
                        Ok(Next::Look)
                    }
                }
            }
            Step::Withdraw { promise, tell } => {
                tracing::info!(cluster_id = %promise.cluster_id, "gave up a founding");
                self.responder.withdraw(promise).await?;
                self.release(promise, tell).await;
                Ok(Next::Look)
            }
            Step::Release(promise) => {
                self.responder.drop_void(promise, grants).await?;
                Ok(Next::Look)
            }
            Step::WriteMarker { marker, replace } => {
                view.marker = self.write_marker(&marker, replace).await;
                Ok(Next::Step)
            }
            Step::Found(founding) => {
                // Also makes sure that the promise still stands and is on disk.
                let stands = self.responder.set_out(&founding).await?;
                Ok(if stands { Next::Decided(Decision::Found(founding)) } else { Next::Look })
            }
            Step::Member(cluster_id) => Ok(Next::Decided(Decision::Member { cluster_id })),
            Step::Join { cluster_id, raft_addresses } => {
                Ok(Next::Decided(Decision::Join { cluster_id, raft_addresses }))
            }
        }
    }

    async fn request(&mut self, promise: Promise, from: Vec<(NodeId, String)>) {
        let (terms, limit) = (self.responder.terms(), self.timing.promise_timeout);
        let asked = from.into_iter().map(|(target, address)| async move {
            let request = PromiseRequest { target, promise, terms: terms.clone() };
            let question = Question::Promise(request);
            (target, ask(&*address, &question, limit).await)
        });
        for (node, answer) in futures::future::join_all(asked).await {
            match answer {
                Ok(Answer::Granted) => self.decider.granted(node, promise),
                Ok(Answer::Refused(refusal)) => self.decider.refused(node, promise, refusal),
                Ok(Answer::Node(_) | Answer::Clock { .. }) => {}
                Err(error) => tracing::debug!(%node, %error, "no promise"),
            }
        }
    }

    async fn release(&self, promise: Promise, tell: Vec<(NodeId, String)>) {
        let limit = self.timing.ask_timeout;
        let told = tell.into_iter().map(|(node, address)| async move {
            (node, ask(&*address, &Question::Release(promise), limit).await)
        });
        for (node, answer) in futures::future::join_all(told).await {
            // Who did not hear it will ask this node, and learn that the promise is void.
            if let Err(error) = answer {
                tracing::debug!(%node, %error, "not told of a release");
            }
        }
    }

    async fn write_marker(&self, marker: &Marker, replace: bool) -> MarkerView {
        let PeerSource::SeedDirectory(keeper) = self.source else { return MarkerView::Unused };
        let (directory, terms) = (keeper.directory(), self.responder.terms());
        let written: Result<bool, SeedError> = if replace {
            match read_marker(directory, terms).await {
                MarkerView::Present(now) if now.founding.founder == marker.founding.founder => {
                    directory.rewrite_marker(marker.encode()).await.map(|()| true)
                }
                changed => return changed,
            }
        } else {
            directory.create_marker(marker.encode()).await
        };
        match written {
            // Whether this or another one was first: what is there now counts.
            Ok(_) => read_marker(directory, terms).await,
            Err(error) => MarkerView::Unreadable(error.to_string()),
        }
    }

    async fn pause(&self) {
        let patient = self.start.elapsed() < self.timing.patience;
        let pause = if patient { self.timing.pause } else { self.timing.pause_long };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.responder.woken() => {}
        }
    }

    fn say(&self, waiting: &Waiting) {
        let line = waiting.to_string();
        let changed = self.status.send_if_modified(|status| {
            let changed = status.waits_for != line;
            status.waits_for.clone_from(&line);
            changed
        });
        if changed {
            tracing::info!("{line}");
        }
    }

    fn show(&self, view: &View) {
        let now = Instant::now();
        let attempts = view.heard.iter().map(|at| attempt(at, now)).collect();
        self.status.send_modify(|status| status.attempts = attempts);
    }
}

enum Next {
    Step,
    Look,
    Decided(Decision),
}

fn attempt(at: &HeardAt, now: Instant) -> Attempt {
    let result = match &at.heard {
        Heard::Node(answer) => match answer.cluster_id {
            Some(cluster_id) => format!("node {} of cluster {cluster_id}", answer.node),
            None => format!("node {}, without a cluster", answer.node),
        },
        Heard::Foreign => "no node; an embedded Hazelcast member closes like this".to_owned(),
        Heard::OtherVersion(version) => format!("a node that answers in version {version}"),
        Heard::Refused => "refuses connections".to_owned(),
        Heard::Silent => "does not answer".to_owned(),
        Heard::Unresolved => "does not resolve".to_owned(),
    };
    let answered = matches!(at.heard, Heard::Node(_));
    Attempt { address: at.address.clone(), result, answered, at: now }
}
