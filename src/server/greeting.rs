//! The first three bytes of a connection say what the rest of it is.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

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
