//! `Authentication`: whether the client has shown who it is.
//!
//! There is no security beyond the cluster's name yet: credentials of any kind are refused, as a
//! real member without security refuses them.

use std::time::Instant;

use statekeeper_machine::{ClientUuid, Name};
use statekeeper_protocol::ProtocolUuid;

use crate::client_info::ClientInfo;
use crate::limits;

/// What the two authentication messages have in common.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) cluster_name: String,
    /// A user name, a password or a token came along.
    pub(crate) has_credentials: bool,
    pub(crate) uuid: Option<ProtocolUuid>,
    pub(crate) serialization_version: i8,
    pub(crate) language: String,
    pub(crate) version: String,
    pub(crate) name: String,
    pub(crate) labels: Vec<String>,
}

/// The first byte of the answer. spec: client-protocol 4
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum Verdict {
    /// Welcome.
    Authenticated = 0,
    /// The cluster is another one, or credentials are not accepted.
    Refused = 1,
    /// The client serialises in a way this cluster does not know.
    SerializationMismatch = 2,
}

/// The only version of serialisation there is.
pub(crate) const SERIALIZATION_VERSION: i8 = 1;

/// Whether the client has shown who it is.
#[derive(Debug)]
pub(crate) struct Authentication {
    deadline: Instant,
    client: Option<ClientInfo>,
    failures: u32,
}

impl Authentication {
    /// Of a connection that was just accepted.
    pub(crate) fn new(deadline: Instant) -> Self {
        Self { deadline, client: None, failures: 0 }
    }

    /// The client, once it is known.
    pub(crate) fn client(&self) -> Option<&ClientInfo> {
        self.client.as_ref()
    }

    /// Until when it must be known; none when it is.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.client.is_none().then_some(self.deadline)
    }

    /// Whether it guessed too often.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures >= limits::AUTHENTICATION_FAILURES_MAX
    }

    /// Judges a claim. The second value is the client when it became known just now.
    pub(crate) fn judge(
        &mut self,
        cluster_name: &Name,
        claim: Claim,
    ) -> (Verdict, Option<&ClientInfo>) {
        let verdict = self.verdict(cluster_name, &claim);
        if verdict != Verdict::Authenticated {
            self.failures += 1;
            return (verdict, None);
        }
        if self.client.is_some() {
            return (verdict, None);
        }
        let client = self.client.insert(ClientInfo {
            client: client_of(&claim).unwrap_or_default(),
            language: Name::from(claim.language),
            version: Name::from(claim.version),
            name: Name::from(claim.name),
            labels: claim.labels.into_iter().map(Name::from).collect(),
        });
        (verdict, Some(client))
    }

    // req: R-1
    fn verdict(&self, cluster_name: &Name, claim: &Claim) -> Verdict {
        // A connection belongs to one client for its whole life; the nil uuid stands for nobody.
        let is_same = match (client_of(claim), &self.client) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(claimed), Some(known)) => claimed == known.client,
        };
        if claim.cluster_name != **cluster_name || claim.has_credentials || !is_same {
            Verdict::Refused
        } else if claim.serialization_version != SERIALIZATION_VERSION {
            Verdict::SerializationMismatch
        } else {
            Verdict::Authenticated
        }
    }
}

fn client_of(claim: &Claim) -> Option<ClientUuid> {
    claim.uuid.map(|uuid| ClientUuid(uuid.as_u128())).filter(|client| client.0 != 0)
}
