//! What a listener of a map hears.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::ListenerEvent;

/// Events that may wait to be taken. A reader that is so far behind has stopped, and to wait for
/// it would hold up the answers on the same connection.
const WAITING_EVENTS_MAX: usize = 65_536;

/// The receiving end of a registration. When its node or its connection fails, or nobody took the
/// events for too long, it ends: what came before can still be taken.
#[derive(Debug)]
pub struct Listener {
    events: mpsc::Receiver<ListenerEvent>,
    overrun: Arc<AtomicBool>,
}

/// The sending end.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    events: mpsc::Sender<ListenerEvent>,
    overrun: Arc<AtomicBool>,
}

/// Both ends of a registration.
pub(super) fn channel() -> (Sink, Listener) {
    let (sender, events) = mpsc::channel(WAITING_EVENTS_MAX);
    let overrun = Arc::new(AtomicBool::new(false));
    (Sink { events: sender, overrun: Arc::clone(&overrun) }, Listener { events, overrun })
}

impl Listener {
    /// The next event; `None` once the registration has ended and everything was taken.
    pub async fn next(&mut self) -> Option<ListenerEvent> {
        self.events.recv().await
    }

    /// The next event, if one comes within the time.
    pub async fn next_within(&mut self, time: Duration) -> Option<ListenerEvent> {
        tokio::time::timeout(time, self.next()).await.ok().flatten()
    }

    /// Whether the registration has ended: nothing more is coming.
    pub fn is_lost(&self) -> bool {
        self.events.is_closed()
    }

    /// Whether it ended because the events were not taken: a fault of the harness.
    pub fn is_overrun(&self) -> bool {
        self.overrun.load(Ordering::Acquire)
    }
}

impl Sink {
    /// Hands an event over; false when nobody will take another one.
    pub(super) fn send(&self, event: ListenerEvent) -> bool {
        match self.events.try_send(event) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.overrun.store(true, Ordering::Release);
                false
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(number: usize) -> ListenerEvent {
        let (listener, f) = ("L".to_owned(), "added".to_owned());
        ListenerEvent { listener, f, key: json!(number), value: None, old: None }
    }

    #[tokio::test]
    async fn who_takes_nothing_is_told_that_events_are_missing() {
        let (sink, mut listener) = channel();
        for number in 0..WAITING_EVENTS_MAX {
            assert!(sink.send(event(number)));
        }
        assert!(!listener.is_overrun() && !listener.is_lost());
        assert!(!sink.send(event(WAITING_EVENTS_MAX)));
        drop(sink);
        assert!(listener.is_overrun() && listener.is_lost());
        for number in 0..WAITING_EVENTS_MAX {
            assert_eq!(listener.next().await, Some(event(number)));
        }
        assert_eq!(listener.next().await, None);
    }

    #[test]
    fn a_listener_that_was_dropped_takes_nothing() {
        let (sink, listener) = channel();
        drop(listener);
        assert!(!sink.send(event(0)));
    }
}
