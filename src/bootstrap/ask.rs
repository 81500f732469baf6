//! Asks one address one question.

use super::peer_protocol::{Answer, FrameError, PREAMBLE, Question, decode, encode, frame_bytes};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there.
    #[error("the connection is refused")]
    Refused,
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
    /// No way there.
    #[error("cannot be reached")]
    Unreachable(#[source] io::Error),
    /// The connection was taken and closed, or what came is not ours: a Hazelcast member does so.
    #[error("does not speak like a node; it may be an embedded Hazelcast member")]
    Foreign,
    /// A node of another release.
    #[error("is a node whose answers have version {0}")]
    OtherVersion(u8),
}

/// Asks, within the time-out for connecting, asking and answering together.
pub async fn ask(
    address: impl ToSocketAddrs,
    question: &Question,
    timeout: Duration,
) -> Result<Answer, AskError> {
    match tokio::time::timeout(timeout, ask_now(address, question)).await {
        Ok(answered) => answered,
        Err(_) => Err(AskError::Timeout),
    }
}

async fn ask_now(address: impl ToSocketAddrs, question: &Question) -> Result<Answer, AskError> {
    let mut stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => AskError::Refused,
        io::ErrorKind::TimedOut => AskError::Timeout,
        _ => AskError::Unreachable(error),
    })?;
    let mut asked = PREAMBLE.to_vec();
    asked.extend_from_slice(&encode(question));
    // A member that closes while we still write or read has taken the connection all the same.
    stream.write_all(&asked).await.map_err(|_| AskError::Foreign)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.map_err(|_| AskError::Foreign)?;
    let mut frame = vec![0; frame_bytes(length).map_err(|_| AskError::Foreign)?];
    stream.read_exact(&mut frame).await.map_err(|_| AskError::Foreign)?;
    decode(&frame).map_err(|error| match error {
        FrameError::Version(version) => AskError::OtherVersion(version),
        FrameError::Magic | FrameError::Checksum | FrameError::Body | FrameError::TooLong(_) => {
            AskError::Foreign
        }
    })
}
