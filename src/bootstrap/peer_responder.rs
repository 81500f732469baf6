//! Answers other nodes on the client port, before and without authentication.
//!
//! Invariant: whatever is answered about a promise is on disk. All changes of this node's promise
//! go through here, one at a time, so that a release and a grant cannot cross.

use super::ask::unix_ms;
use super::error::BootstrapError;
use super::founding::{Founding, FoundingMember};
use super::limits::SERVE_TIMEOUT;
use super::peer_protocol::{
    Answer, FrameError, Question, decode, encode, frame_bytes, version_only,
};
use super::promise::{Promise, PromiseRequest, Refusal, Standing, Terms};
use super::view::PeerAnswer;
use crate::storage::{DataDir, FoundingPromise, Identity, StorageError};
use statekeeper_machine::{ClusterId, NodeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, Notify, OwnedMutexGuard};
use uuid::Uuid;

/// Answers for one data directory; cheap to clone.
#[derive(Clone, Debug)]
pub struct PeerResponder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    data_dir: Arc<DataDir>,
    terms: Terms,
    own: FoundingMember,
    /// Held while a promise changes, by the writing thread if who asked is gone; counts how often
    /// one was given, repeated ones included.
    grants: Arc<Mutex<u64>>,
    /// The same count, for those who only look.
    grants_now: AtomicU64,
    /// The cluster that others say this node's promised founding has become.
    founded: parking_lot::Mutex<Option<ClusterId>>,
    wake: Notify,
}

impl PeerResponder {
    /// Answers with these terms and these addresses: `host:port` of the Raft port and of the
    /// client port, as other nodes reach them.
    pub fn new(
        data_dir: Arc<DataDir>,
        terms: Terms,
        raft_address: String,
        client_address: String,
    ) -> Self {
        let node = NodeId(data_dir.identity().node_id);
        let shared = Shared {
            data_dir,
            terms,
            own: FoundingMember { node, raft_address, client_address },
            grants: Arc::new(Mutex::new(0)),
            grants_now: AtomicU64::new(0),
            founded: parking_lot::Mutex::new(None),
            wake: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Answers one question, the bytes behind the length; what is returned goes onto the connection
    /// as it is, after which the connection is closed. `None`: close without an answer.
    pub async fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        match decode::<Question>(question) {
            Ok(question) => Some(encode(&self.reply(question).await)),
            Err(FrameError::Version(version)) => {
                tracing::debug!(version, "question of another release");
                Some(version_only())
            }
            Err(error) => {
                tracing::debug!(%error, "question passed over");
                None
            }
        }
    }

    /// Reads one question from a connection whose first three bytes, `SKN`, are read already,
    /// answers it, and closes; within a time-out.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        let served = tokio::time::timeout(SERVE_TIMEOUT, self.serve_one(&mut stream)).await;
        if let Ok(Err(error)) = served {
            tracing::debug!(%error, "peer not answered");
        }
    }

    async fn serve_one<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
    ) -> std::io::Result<()> {
        let mut length = [0; 4];
        stream.read_exact(&mut length).await?;
        let Ok(bytes) = frame_bytes(length) else { return Ok(()) };
        let mut question = vec![0; bytes];
        stream.read_exact(&mut question).await?;
        if let Some(answer) = self.answer(&question).await {
            stream.write_all(&answer).await?;
            stream.shutdown().await?;
        }
        Ok(())
    }

    /// Somebody named this cluster as this node's own: a Raft message, for example. True when this
    /// node has promised its founding, or belongs to it already; `run` then ends with `Member`.
    pub fn hears_of_cluster(&self, cluster_id: ClusterId) -> bool {
        let standing = self.standing();
        if standing.cluster_id == Some(cluster_id) {
            return true;
        }
        let promised = standing.cluster_id.is_none()
            && standing.promise.is_some_and(|promise| promise.cluster_id == cluster_id);
        if promised {
            *self.shared.founded.lock() = Some(cluster_id);
            self.shared.wake.notify_one();
        }
        promised
    }

    /// This node as others see it.
    pub fn describe(&self) -> PeerAnswer {
        let Standing { node, cluster_id, promise } = self.standing();
        let (terms, own) = (&self.shared.terms, &self.shared.own);
        PeerAnswer {
            cluster_name: terms.cluster_name.clone(),
            cluster_id,
            node,
            raft_address: own.raft_address.clone(),
            client_address: own.client_address.clone(),
            promise,
            expect: terms.expect,
        }
    }

    pub(crate) fn data_dir(&self) -> &Arc<DataDir> {
        &self.shared.data_dir
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.shared.terms
    }

    pub(crate) fn own(&self) -> &FoundingMember {
        &self.shared.own
    }

    pub(crate) fn standing(&self) -> Standing {
        standing(&self.shared.data_dir.identity())
    }

    /// How often promises were given so far.
    pub(crate) fn grants(&self) -> u64 {
        self.shared.grants_now.load(Ordering::Acquire)
    }

    /// The cluster that this node's promise has led to, as far as others have said.
    pub(crate) fn founded(&self) -> Option<ClusterId> {
        let founded = *self.shared.founded.lock();
        let promised = self.standing().promise?.cluster_id;
        founded.filter(|cluster_id| *cluster_id == promised)
    }

    /// Waits until another node has said something that may change the decision.
    pub(crate) async fn woken(&self) {
        self.shared.wake.notified().await;
    }

    /// Sets out to found: keeps the founding, then this node's own promise to it. `false`: this
    /// node is bound to another one meanwhile.
    pub(crate) async fn set_out(&self, founding: &Founding) -> Result<bool, BootstrapError> {
        let changing = self.changing().await;
        let (promise, standing) = (founding.promise(), self.standing());
        let bound = standing.promise.is_some_and(|given| given != promise);
        if bound || standing.cluster_id.is_some() {
            return Ok(false);
        }
        let record = founding.to_record();
        let work = move |data_dir: &DataDir| {
            data_dir.set_founding(&record)?;
            data_dir.set_promise(stored(promise))
        };
        self.write(changing, work).await.map(|()| true)
    }

    /// Gives up this node's own founding.
    pub(crate) async fn withdraw(&self, promise: Promise) -> Result<(), BootstrapError> {
        let changing = self.changing().await;
        if self.standing().promise != Some(promise) {
            return Ok(());
        }
        let work = |data_dir: &DataDir| {
            data_dir.clear_promise()?;
            data_dir.clear_founding()
        };
        self.write(changing, work).await
    }

    /// Drops a promise that its founder no longer stands by, unless one was given since the
    /// question to the founder went out: his answer may then be older than his request.
    pub(crate) async fn drop_void(
        &self,
        promise: Promise,
        grants_then: u64,
    ) -> Result<(), BootstrapError> {
        let changing = self.changing().await;
        if *changing != grants_then || !self.standing().may_release(promise) {
            return Ok(());
        }
        self.write(changing, DataDir::clear_promise).await
    }

    /// Forgets the founding that this node had set out for.
    pub(crate) async fn forget_founding(&self) -> Result<(), BootstrapError> {
        let changing = self.changing().await;
        self.write(changing, DataDir::clear_founding).await
    }

    async fn reply(&self, question: Question) -> Answer {
        let done = match question {
            Question::Ask => return Answer::Node(self.describe()),
            Question::Clock => return Answer::Clock { unix_ms: unix_ms() },
            Question::Promise(request) => self.promise(&request).await,
            Question::Release(promise) => self.release(promise).await,
            Question::Founded { cluster_id, .. } => self.founded_by(cluster_id),
        };
        match done {
            Ok(()) => Answer::Granted,
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    async fn promise(&self, request: &PromiseRequest) -> Result<(), Refusal> {
        let mut changing = self.changing().await;
        self.standing().judge(&self.shared.terms, request)?;
        *changing += 1;
        self.shared.grants_now.store(*changing, Ordering::Release);
        let promise = request.promise;
        let work = move |data_dir: &DataDir| data_dir.set_promise(stored(promise));
        let written = self.write(changing, work).await;
        self.shared.wake.notify_one();
        written.map_err(|error| {
            tracing::error!(%error, "promise not written");
            Refusal::NotDurable
        })
    }

    async fn release(&self, promise: Promise) -> Result<(), Refusal> {
        let changing = self.changing().await;
        let standing = self.standing();
        if !standing.may_release(promise) {
            // Nothing to release is as good as released.
            return standing.promise.map_or(Ok(()), |given| Err(Refusal::Promised(given)));
        }
        let written = self.write(changing, DataDir::clear_promise).await;
        self.shared.wake.notify_one();
        written.map_err(|error| {
            tracing::error!(%error, "promise not released");
            Refusal::NotDurable
        })
    }

    fn founded_by(&self, cluster_id: ClusterId) -> Result<(), Refusal> {
        if self.hears_of_cluster(cluster_id) {
            return Ok(());
        }
        let standing = self.standing();
        let bound = standing.cluster_id.map(Refusal::HasCluster);
        match bound.or(standing.promise.map(Refusal::Promised)) {
            Some(refusal) => Err(refusal),
            None => {
                // Free to join: a look around will show it.
                self.shared.wake.notify_one();
                Ok(())
            }
        }
    }

    async fn changing(&self) -> OwnedMutexGuard<u64> {
        Arc::clone(&self.shared.grants).lock_owned().await
    }

    /// Writes on a blocking thread, which keeps the lock until the write is over, even when nobody
    /// waits for it any more.
    async fn write(
        &self,
        changing: OwnedMutexGuard<u64>,
        work: impl FnOnce(&DataDir) -> Result<(), StorageError> + Send + 'static,
    ) -> Result<(), BootstrapError> {
        let data_dir = Arc::clone(&self.shared.data_dir);
        let written = tokio::task::spawn_blocking(move || {
            let written = work(&data_dir);
            drop(changing);
            written
        });
        written.await.map_err(|_| BootstrapError::Stopped)?.map_err(BootstrapError::Storage)
    }
}

fn stored(promise: Promise) -> FoundingPromise {
    FoundingPromise {
        founder: promise.founder.0,
        cluster_id: Uuid::from_u128(promise.cluster_id.0),
    }
}

fn standing(identity: &Identity) -> Standing {
    let promise = identity.promise.map(|promise| Promise {
        founder: NodeId(promise.founder),
        cluster_id: ClusterId(promise.cluster_id.as_u128()),
    });
    Standing {
        node: NodeId(identity.node_id),
        cluster_id: identity.cluster_id.map(|id| ClusterId(id.as_u128())),
        promise,
    }
}
