//! The lines between the nodes of a trial: each node is reached through a relay, which knows from
//! the first frame of a connection who is calling and can cut a node off, in both directions.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Who is cut off; shared by all relays of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    cut: watch::Sender<Arc<Cuts>>,
}

#[derive(Clone, Debug, Default)]
struct Cuts {
    /// Connections of these end, and new ones are refused.
    closed: BTreeSet<u64>,
    /// Nothing comes through, and nobody is told.
    silent: BTreeSet<u64>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { cut: watch::Sender::new(Arc::default()) }
    }

    /// Cuts a node off, or mends its lines.
    pub(crate) fn close(&self, node: u64, cut: bool) {
        self.change(|cuts| {
            let _ = if cut { cuts.closed.insert(node) } else { cuts.closed.remove(&node) };
        });
    }

    /// As `close`, but so that nobody notices except by waiting.
    pub(crate) fn silence(&self, node: u64, cut: bool) {
        self.change(|cuts| {
            let _ = if cut { cuts.silent.insert(node) } else { cuts.silent.remove(&node) };
        });
    }

    fn change(&self, change: impl FnOnce(&mut Cuts)) {
        self.cut.send_modify(|cuts| {
            let mut changed = Cuts::clone(cuts);
            change(&mut changed);
            *cuts = Arc::new(changed);
        });
    }

    /// A relay before a node; answers its address. It ends with the runtime.
    pub(crate) async fn relay(&self, node: u64, target: Arc<Mutex<String>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound").to_string();
        let lines = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (cut, target) = (lines.cut.subscribe(), target.lock().clone());
                tokio::spawn(pass(stream, target, node, cut));
            }
        });
        address
    }
}

async fn pass(
    mut caller: TcpStream,
    target: String,
    to: u64,
    mut cut: watch::Receiver<Arc<Cuts>>,
) -> Option<()> {
    let mut head = [0; 8];
    caller.read_exact(&mut head).await.ok()?;
    let length = u32::from_le_bytes(head[..4].try_into().ok()?);
    let mut body = vec![0; usize::try_from(length).ok()?];
    caller.read_exact(&mut body).await.ok()?;
    // What a hello begins with: magic, version, cluster, sender.
    let (hello, _) = postcard::take_from_bytes::<([u8; 4], u16, u128, u64)>(&body).ok()?;
    let from = hello.3;
    let hits = |nodes: &BTreeSet<u64>| nodes.contains(&from) || nodes.contains(&to);
    cut.wait_for(|cuts| !hits(&cuts.silent)).await.ok()?;
    if hits(&cut.borrow().closed) {
        return None;
    }
    let mut node = TcpStream::connect(target).await.ok()?;
    node.set_nodelay(true).ok()?;
    caller.set_nodelay(true).ok()?;
    node.write_all(&head).await.ok()?;
    node.write_all(&body).await.ok()?;
    let (broken, mended) = (cut.clone(), cut);
    tokio::select! {
        done = copy_bidirectional(&mut caller, &mut node) => return done.ok().map(|_| ()),
        () = is_cut(broken, hits) => {}
    }
    // Bytes that the copy had taken in are lost with it: so a silent line is dead for good, which
    // is told when it is mended, as after a long cut of a real one.
    let mut mended = mended;
    mended.wait_for(|cuts| !hits(&cuts.silent)).await.ok().map(|_| ())
}

async fn is_cut(mut cut: watch::Receiver<Arc<Cuts>>, hits: impl Fn(&BTreeSet<u64>) -> bool) {
    // The sender lives as long as the cluster; without it nothing is cut any more.
    if cut.wait_for(|cuts| hits(&cuts.silent) || hits(&cuts.closed)).await.is_err() {
        std::future::pending::<()>().await;
    }
}
