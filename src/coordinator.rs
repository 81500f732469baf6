//! Checks the coordinator beside this node over HTTP or HTTPS. Who registers it is decided
//! elsewhere.
//!
//! A certificate is checked only if the operator says by whom it must be signed: coordinators
//! commonly sign their own, the question carries no secret, and of the answer only the status
//! counts. Whoever can stand in for the coordinator on the operator's own host could do so over
//! HTTP as well.

use crate::config::CoordinatorConfig;
use std::error::Error;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// What is known of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CoordinatorState {
    /// Since when it has answered without a silence longer than the time-out.
    pub up_since: Option<Instant>,
    /// Its newest answer.
    pub last_answer: Option<Instant>,
}

/// Asks `GET /v1/info` again and again.
#[derive(Debug)]
pub struct CoordinatorCheck {
    config: CoordinatorConfig,
    client: reqwest::Client,
    state: watch::Sender<CoordinatorState>,
}

impl CoordinatorCheck {
    /// Prepares the check; nothing is sent yet.
    pub fn new(config: CoordinatorConfig) -> Result<Self, reqwest::Error> {
        // A proxy of the environment would answer for a coordinator that is dead.
        let client = reqwest::Client::builder().timeout(config.check_timeout).no_proxy();
        let client = match &config.ca_certificates {
            Some(pem) => client.tls_certs_only(reqwest::Certificate::from_pem_bundle(pem)?),
            None => client.tls_certs_only([]).tls_danger_accept_invalid_certs(true),
        };
        Ok(Self { config, client: client.build()?, state: watch::Sender::default() })
    }

    /// Key and value of the record as plain text: host and port.
    pub fn record(&self) -> (String, String) {
        (self.config.host.clone(), self.config.port.to_string())
    }

    /// Follows the state.
    pub fn subscribe(&self) -> watch::Receiver<CoordinatorState> {
        self.state.subscribe()
    }

    /// Checks until the token ends.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut told = None;
        let mut ticks = tokio::time::interval(self.config.check_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.check_once(&mut told) => {}
            }
        }
    }

    /// Asks once, within a time; gives why there is no answer, or no good one.
    pub async fn ask(&self, patience: Duration) -> Result<(), String> {
        let request = self.client.get(format!("{}/v1/info", self.config.uri)).timeout(patience);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("status {}", answer.status())),
            Err(error) => Err(first_cause(&error)),
        }
    }

    /// Asks once; `told` is the last reason for a silence that the log has.
    async fn check_once(&self, told: &mut Option<String>) {
        let asked = Instant::now();
        // A hanging answer must not outlive the silence that is allowed.
        let known = self.state.borrow().last_answer;
        let patience = known
            .map(|last| self.config.check_timeout.saturating_sub(asked - last))
            .unwrap_or(self.config.check_timeout)
            .max(Duration::from_millis(50));
        let silence = self.ask(patience).await.err();
        if *told != silence {
            if let Some(reason) = &silence {
                tracing::info!(uri = self.config.uri, reason, "the coordinator does not answer");
            }
            told.clone_from(&silence);
        }
        let now = Instant::now();
        self.state.send_if_modified(|state| {
            let before = *state;
            if silence.is_none() {
                state.last_answer = Some(now);
                state.up_since = state.up_since.or(Some(now));
            } else if state.last_answer.is_none_or(|last| now - last >= self.config.check_timeout) {
                state.up_since = None;
            }
            *state != before
        });
    }
}

/// What the operator can act on: the error at the bottom, such as a refused connection or a
/// certificate of an unknown issuer.
pub(crate) fn first_cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
