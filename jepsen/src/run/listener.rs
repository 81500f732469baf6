//! A listener that is kept for the whole run, on a node of its own, and made anew when it is lost.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Run;
use crate::client::{Listen, ListenerEvent};
use crate::history::{Entry, EntryType, Process};
use crate::workload::{Listens, WITHIN};

/// How long a listener that could not be made waits.
const AGAIN_PAUSE: Duration = Duration::from_millis(100);
/// How long events may still be on their way when the workload has ended.
const DRAIN: Duration = Duration::from_millis(500);

/// Marks the end of a listener that was not ended by us.
pub(super) const LOST: &str = "lost";

/// Listens until the token ends.
pub(super) async fn keep(run: Run, number: usize, listens: Listens, stop: CancellationToken) {
    let mut life = 0;
    while !stop.is_cancelled() {
        let process = run.fresh_process();
        let node = (number + life) % run.ways.nodes();
        life += 1;
        let name = format!("L{number}-{life}");
        if listen(&run, process, node, &name, &listens, &stop).await.is_none() {
            tokio::time::sleep(AGAIN_PAUSE).await;
        }
    }
}

/// One life of a listener; `None`: there was none.
async fn listen(
    run: &Run,
    process: u64,
    node: usize,
    name: &str,
    listens: &Listens,
    stop: &CancellationToken,
) -> Option<()> {
    let mut client = run.ways.connect(process, node, WITHIN).await.ok()?;
    run.recorder.add(line(process, EntryType::Invoke, "listen", name, &listens.map));
    let wanted = Listen { listener: name.to_owned(), map: listens.map.clone(), key: None };
    let Ok(mut events) = client.listen(&wanted, WITHIN).await else {
        run.recorder.add(line(process, EntryType::Info, "listen", name, &listens.map));
        return None;
    };
    run.recorder.add(line(process, EntryType::Ok, "listen", name, &listens.map));
    let mut lost = false;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => run.recorder.add(happened(process, event, &listens.map)),
                None => {
                    lost = true;
                    break;
                }
            },
            () = stop.cancelled() => break,
        }
    }
    // What was answered before is on its way already.
    while let Some(event) = events.next_within(DRAIN).await {
        run.recorder.add(happened(process, event, &listens.map));
    }
    let mut unlisten = line(process, EntryType::Invoke, "unlisten", name, &listens.map);
    if lost {
        unlisten.more.insert(LOST.to_owned(), true.into());
    }
    run.recorder.add(unlisten);
    run.recorder.add(line(process, EntryType::Ok, "unlisten", name, &listens.map));
    Some(())
}

fn line(process: u64, kind: EntryType, f: &str, listener: &str, map: &str) -> Entry {
    let mut entry = Entry::new(Process::Client(process), kind, f);
    entry.listener = Some(listener.to_owned());
    entry.more.insert("object".to_owned(), map.into());
    entry
}

fn happened(process: u64, event: ListenerEvent, map: &str) -> Entry {
    let mut entry = line(process, EntryType::Event, &event.f, &event.listener, map);
    entry.key = Some(event.key);
    entry.value = event.value;
    entry.old = event.old;
    entry
}
