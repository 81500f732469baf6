//! `EventBus`: what entries made known, to every subscriber of this node, in log order.
//!
//! Invariant: a subscriber sees every batch since it subscribed or its channel closes: one that
//! falls behind is dropped, since nobody waits for it and nothing may be left out.

use std::sync::Arc;

use parking_lot::Mutex;
use statekeeper_machine::EventBatch;
use tokio::sync::mpsc;

use super::counters::RaftCounters;

/// The subscribers of this node.
pub(crate) struct EventBus {
    subscribers: Mutex<Vec<mpsc::Sender<Arc<EventBatch>>>>,
    counters: Arc<RaftCounters>,
}

impl EventBus {
    pub(crate) fn new(counters: Arc<RaftCounters>) -> Self {
        Self { subscribers: Mutex::default(), counters }
    }

    /// Events from now on.
    pub(crate) fn subscribe(&self, capacity: usize) -> mpsc::Receiver<Arc<EventBatch>> {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        self.subscribers.lock().push(sender);
        receiver
    }

    /// Hands a batch to all subscribers; never waits.
    pub(crate) fn publish(&self, batch: &Arc<EventBatch>) {
        RaftCounters::add(&self.counters.events, batch.events.len() as u64);
        self.subscribers.lock().retain(|subscriber| match subscriber.try_send(batch.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::debug!(index = batch.index, "a subscriber of events is too slow");
                RaftCounters::add(&self.counters.subscribers_dropped, 1);
                false
            }
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn batch(index: u64) -> Arc<EventBatch> {
        Arc::new(EventBatch { index, emitter: false, gap: false, events: Vec::new() })
    }

    #[tokio::test]
    async fn a_slow_subscriber_is_dropped_and_the_others_go_on() {
        let bus = EventBus::new(Arc::default());
        let mut slow = bus.subscribe(1);
        let mut quick = bus.subscribe(8);
        for index in 1..=3 {
            bus.publish(&batch(index));
        }
        assert_eq!(slow.recv().await.unwrap().index, 1);
        assert!(slow.recv().await.is_none(), "its channel closes");
        for index in 1..=3 {
            assert_eq!(quick.recv().await.unwrap().index, index);
        }
        bus.publish(&batch(4));
        assert_eq!(quick.recv().await.unwrap().index, 4);
    }
}
