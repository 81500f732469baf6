//! `Dialer` and `Listener`: how nodes reach each other. TCP, or the network of a simulation.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// A keep-alive finds peers that vanished without a word on a line where nothing is sent.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// What comes in on a connection.
pub type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
/// What goes out on a connection. Dropping it ends the stream.
pub type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;
/// A future of the port.
pub type TransportFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection of two nodes: bytes arrive in order, or it breaks.
pub struct Line {
    /// What comes in.
    pub read: ReadHalf,
    /// What goes out.
    pub write: WriteHalf,
    /// The other side, for messages.
    pub peer: String,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// The way to other nodes.
pub trait Dialer: Send + Sync + 'static {
    /// Connects to a Raft address, `host:port`.
    ///
    /// # Errors
    /// When nobody listens there, or the way there is known to be closed.
    fn connect<'a>(&'a self, address: &'a str) -> TransportFuture<'a, io::Result<Line>>;
}

/// The way from other nodes. Dropping it closes the Raft port.
pub trait Listener: Send + 'static {
    /// Waits for the next connection.
    ///
    /// # Errors
    /// When one could not be taken; the next one may.
    fn accept(&mut self) -> TransportFuture<'_, io::Result<Line>>;
}

/// TCP, to anywhere.
pub(crate) struct Tcp;

impl Dialer for Tcp {
    fn connect<'a>(&'a self, address: &'a str) -> TransportFuture<'a, io::Result<Line>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            line(stream, address.to_owned())
        })
    }
}

impl Listener for TcpListener {
    fn accept(&mut self) -> TransportFuture<'_, io::Result<Line>> {
        Box::pin(async move {
            loop {
                let (stream, address) = TcpListener::accept(self).await?;
                match line(stream, address.to_string()) {
                    Ok(line) => return Ok(line),
                    // It ended before it was looked at; that is nobody else's matter.
                    Err(error) => tracing::debug!(%address, %error, "a connection broke"),
                }
            }
        })
    }
}

/// Small frames leave at once, and a dead peer is found on an idle line.
fn line(stream: TcpStream, peer: String) -> io::Result<Line> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    let (read, write) = stream.into_split();
    Ok(Line { read: Box::new(read), write: Box::new(write), peer })
}
