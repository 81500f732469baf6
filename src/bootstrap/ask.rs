//! Asks one address one question.

use super::peer_protocol::{Answer, FrameError, PREAMBLE, Question, decode, encode, frame_bytes};
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
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

/// How far the clock of another node is from this machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// Milliseconds by which the other clock is ahead.
    pub ahead_ms: i64,
    /// The true difference is at most so far from that.
    pub uncertainty: Duration,
}

/// Asks the node at an address for its time. Nodes of before this question close, as a stranger
/// does: `Foreign`.
pub async fn ask_clock(
    address: impl ToSocketAddrs,
    timeout: Duration,
) -> Result<ClockDifference, AskError> {
    let (before_ms, asked) = (unix_ms(), Instant::now());
    let answer = ask(address, &Question::Clock, timeout).await?;
    let Answer::Clock { unix_ms } = answer else { return Err(AskError::Foreign) };
    Ok(difference(before_ms, asked.elapsed(), unix_ms))
}

/// The answer was made somewhere on the way there and back: in the middle, give or take a half.
fn difference(before_ms: u64, round_trip: Duration, theirs_ms: u64) -> ClockDifference {
    let half = round_trip / 2;
    let half_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    let here_ms = i128::from(before_ms.saturating_add(half_ms));
    let ahead_ms = (i128::from(theirs_ms) - here_ms).clamp(i64::MIN.into(), i64::MAX.into());
    ClockDifference { ahead_ms: i64::try_from(ahead_ms).unwrap_or(i64::MAX), uncertainty: half }
}

/// Milliseconds since 1970 by this machine's clock.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_compared_with_the_middle_of_the_round_trip() {
        let round_trip = Duration::from_millis(40);
        let far = difference(1_000, round_trip, 2_220);
        assert_eq!((far.ahead_ms, far.uncertainty), (1_200, Duration::from_millis(20)));
        assert_eq!(difference(1_000, round_trip, 520).ahead_ms, -500);
        assert_eq!(difference(1_000, round_trip, u64::MAX).ahead_ms, i64::MAX);
    }
}
