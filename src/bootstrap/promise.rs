//! What a node promises a founder, and when it does: the rule behind rule 3 of the bootstrap.
//!
//! Invariant: between a promise and its release, no other founding gets one from this node. Who
//! calls this makes a granted promise durable before anybody is told.

use serde::{Deserialize, Serialize};
use statekeeper_machine::{ClusterId, NodeId};
use std::fmt;

// req: R-25
/// A promise to one founding of one founder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Promise {
    /// Who asked for it, and alone may give it back.
    pub founder: NodeId,
    /// The cluster to be; each attempt of a founder draws a new one.
    pub cluster_id: ClusterId,
}

/// What keeps foundings apart that share no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arbiter {
    /// Nobody is looked for; the node stands alone.
    Alone,
    /// A list that all nodes have; foundings take more than half of its places.
    StaticList {
        /// Places in the list.
        places: u16,
    },
    /// A marker in the seed directory, created exclusively.
    SeedDirectory,
    /// Nothing: datagrams have no memory.
    Multicast,
}

impl fmt::Display for Arbiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone => f.write_str("no discovery"),
            Self::StaticList { places } => write!(f, "a list of {places} seeds"),
            Self::SeedDirectory => f.write_str("a seed directory"),
            Self::Multicast => f.write_str("multicast"),
        }
    }
}

/// What all nodes of one founding must agree in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// `state-store.cluster`.
    pub cluster_name: String,
    /// `raft.bootstrap-expect`.
    pub expect: u16,
    /// How the nodes find each other.
    pub arbiter: Arbiter,
}

/// A founder's question to one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PromiseRequest {
    /// The node meant; another one may live at its address by now.
    pub target: NodeId,
    /// What is asked for.
    pub promise: Promise,
    /// The founder's terms.
    pub terms: Terms,
}

/// Why a promise is not given.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// Another cluster name.
    #[error("belongs to the cluster name {0:?}")]
    OtherName(String),
    /// Another node than the one meant answers here.
    #[error("is node {0} by now")]
    OtherNode(NodeId),
    /// It has a cluster.
    #[error("belongs to cluster {0}")]
    HasCluster(ClusterId),
    /// It has promised another founding.
    #[error("has promised the founding of node {}", .0.founder)]
    Promised(Promise),
    /// `raft.bootstrap-expect` differs.
    #[error("has raft.bootstrap-expect={0}")]
    OtherExpect(u16),
    /// It finds nodes in another way.
    #[error("finds nodes by {0}")]
    OtherArbiter(Arbiter),
    /// Its disk refused.
    #[error("could not write its promise")]
    NotDurable,
}

/// A node as its durable state describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// Its id.
    pub node: NodeId,
    /// Its cluster, once it has one.
    pub cluster_id: Option<ClusterId>,
    /// What it has promised.
    pub promise: Option<Promise>,
}

impl Standing {
    /// Whether this node gives the promise; the caller then makes it durable and only then answers.
    pub fn judge(&self, terms: &Terms, request: &PromiseRequest) -> Result<(), Refusal> {
        let theirs = &request.terms;
        if theirs.cluster_name != terms.cluster_name {
            return Err(Refusal::OtherName(terms.cluster_name.clone()));
        }
        if request.target != self.node {
            return Err(Refusal::OtherNode(self.node));
        }
        if let Some(cluster_id) = self.cluster_id {
            return Err(Refusal::HasCluster(cluster_id));
        }
        if theirs.expect != terms.expect {
            return Err(Refusal::OtherExpect(terms.expect));
        }
        if theirs.arbiter != terms.arbiter {
            return Err(Refusal::OtherArbiter(terms.arbiter));
        }
        match self.promise {
            Some(given) if given != request.promise => Err(Refusal::Promised(given)),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a founder's word frees this node: only for the promise it names, and never for the
    /// node's own founding, which it gives up by itself.
    pub fn may_release(&self, released: Promise) -> bool {
        self.promise == Some(released) && released.founder != self.node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms { cluster_name: "c".to_owned(), expect: 3, arbiter: Arbiter::SeedDirectory }
    }

    fn promise(founder: u64, cluster: u128) -> Promise {
        Promise { founder: NodeId(founder), cluster_id: ClusterId(cluster) }
    }

    fn empty() -> Standing {
        Standing { node: NodeId(2), cluster_id: None, promise: None }
    }

    fn asked() -> PromiseRequest {
        PromiseRequest { target: NodeId(2), promise: promise(1, 10), terms: terms() }
    }

    #[test]
    fn one_founding_is_promised_and_no_other_beside_it() {
        assert_eq!(empty().judge(&terms(), &asked()), Ok(()));
        let given = Standing { promise: Some(promise(1, 10)), ..empty() };
        assert_eq!(given.judge(&terms(), &asked()), Ok(()));
        for rival in [promise(1, 11), promise(0, 10)] {
            let request = PromiseRequest { promise: rival, ..asked() };
            assert_eq!(given.judge(&terms(), &request), Err(Refusal::Promised(promise(1, 10))));
        }
    }

    #[test]
    fn what_differs_is_refused_by_its_name() {
        let member = Standing { cluster_id: Some(ClusterId(9)), ..empty() };
        assert_eq!(member.judge(&terms(), &asked()), Err(Refusal::HasCluster(ClusterId(9))));
        let other = PromiseRequest { target: NodeId(3), ..asked() };
        assert_eq!(empty().judge(&terms(), &other), Err(Refusal::OtherNode(NodeId(2))));
        let named = Terms { cluster_name: "d".to_owned(), ..terms() };
        assert_eq!(empty().judge(&named, &asked()), Err(Refusal::OtherName("d".to_owned())));
        let five = Terms { expect: 5, ..terms() };
        assert_eq!(empty().judge(&five, &asked()), Err(Refusal::OtherExpect(5)));
        let listed = Terms { arbiter: Arbiter::StaticList { places: 3 }, ..terms() };
        assert!(matches!(empty().judge(&listed, &asked()), Err(Refusal::OtherArbiter(_))));
    }

    #[test]
    fn only_the_promise_that_is_named_is_released_and_never_the_nodes_own() {
        let given = Standing { promise: Some(promise(1, 10)), ..empty() };
        assert!(given.may_release(promise(1, 10)));
        assert!(!given.may_release(promise(1, 11)));
        assert!(!empty().may_release(promise(1, 10)));
        let founder = Standing { promise: Some(promise(2, 10)), ..empty() };
        assert!(!founder.may_release(promise(2, 10)));
    }
}
