//! What a connection says first: three bytes tell its protocol, and a client's first message
//! whether it is one.

use bytes::BytesMut;
use statekeeper_endpoint::{CloseReason, strangers_may_send};
use statekeeper_protocol::{ClientMessage, FrameDecoder};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::connection::Ended;
use super::limits::STRANGER_READ_BYTES;

/// What a stranger begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// `CP2`: the client protocol 2.x.
    Client,
    /// `CB2`: the protocol of clients of Hazelcast 3.x.
    OldClient,
    /// `HZC`: the member protocol; an embedded member takes us for one of its own.
    Member,
    /// `SKN`: a node of ours has a question.
    Peer,
    /// Anything else: probes, other programs, noise.
    Other,
}

// spec: client-protocol 1
impl Greeting {
    /// Reads the first three bytes.
    pub(crate) async fn read(socket: &mut TcpStream) -> std::io::Result<Self> {
        let mut bytes = [0; 3];
        socket.read_exact(&mut bytes).await?;
        Ok(Self::of(&bytes))
    }

    fn of(bytes: &[u8; 3]) -> Self {
        match bytes {
            b"CP2" => Self::Client,
            b"CB2" => Self::OldClient,
            b"HZC" => Self::Member,
            b"SKN" => Self::Peer,
            _ => Self::Other,
        }
    }
}

/// The first message of a client, and what arrived behind it.
#[derive(Debug)]
pub(crate) struct FirstCall {
    pub(crate) message: ClientMessage,
    pub(crate) rest: BytesMut,
}

impl FirstCall {
    /// Reads the first message. Fails when the stranger leaves, when what it sends is no message,
    /// and when it is one that strangers may not send.
    pub(crate) async fn read(socket: &mut TcpStream) -> Result<Self, Ended> {
        let (mut decoder, mut received) = (FrameDecoder::new(), BytesMut::new());
        loop {
            received.reserve(STRANGER_READ_BYTES);
            if socket.read_buf(&mut received).await? == 0 {
                return Err(Ended::ByClient);
            }
            let message = decoder
                .feed(&mut received)
                .map_err(|error| CloseReason::Decode(error.to_string()))?;
            let Some(message) = message else { continue };
            let message_type = message.message_type();
            if !strangers_may_send(message_type) {
                let message = message_type.to_string();
                return Err(CloseReason::NotAuthenticated { message }.into());
            }
            return Ok(Self { message, rest: received });
        }
    }

    /// Bytes that arrived, the greeting aside.
    pub(crate) fn bytes(&self) -> usize {
        self.message.wire_bytes() + self.rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bytes_tell_the_protocols_apart() {
        let all = [(b"CP2", Greeting::Client), (b"CB2", Greeting::OldClient)];
        let others =
            [(b"HZC", Greeting::Member), (b"SKN", Greeting::Peer), (b"GET", Greeting::Other)];
        for (bytes, greeting) in all.into_iter().chain(others) {
            assert_eq!(Greeting::of(bytes), greeting);
        }
    }
}
