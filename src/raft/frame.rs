//! Frames on the Raft port: u32 length of the body, u32 CRC32C of the body, body (postcard); both
//! numbers little-endian. Nothing here knows what a body means.

use bytes::{Buf, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

const HEAD_BYTES: usize = 8;
/// Grown by this at least, so that a small frame costs one read and a claimed length no memory.
const READ_BYTES: usize = 16 * 1024;

/// Why a connection cannot be read any further.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    /// It ended inside a frame.
    #[error("the connection ended inside a frame")]
    CutShort,
    /// A frame is larger than it may be.
    #[error("a frame of {bytes} bytes is larger than {limit}")]
    TooLarge {
        /// What its head says.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The checksum does not fit.
    #[error("a frame does not match its checksum")]
    Checksum,
    /// The body is not what was expected.
    #[error("a frame does not decode")]
    Undecodable,
}

/// Brings a value into a frame; `None` when it would be larger than any reader takes.
pub(crate) fn encode<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let mut frame = postcard::to_extend(value, vec![0; HEAD_BYTES]).ok()?;
    let body = frame.get(HEAD_BYTES..)?;
    if body.len() > super::limits::FRAME_BYTES_MAX {
        return None;
    }
    let length = u32::try_from(body.len()).ok()?;
    let crc = crc32c::crc32c(body);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
    Some(frame)
}

/// Reads frames. A read that is given up halfway loses nothing.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    inner: R,
    buffer: BytesMut,
    bytes_max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// A reader that takes frames up to a size.
    pub(crate) fn new(inner: R, bytes_max: usize) -> Self {
        Self { inner, buffer: BytesMut::new(), bytes_max }
    }

    /// Takes larger frames from now on.
    pub(crate) fn allow(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// The next frame; `None` at an orderly end.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        loop {
            if let Some(length) = self.complete()? {
                let head = self.buffer.split_to(HEAD_BYTES);
                let body = self.buffer.split_to(length);
                let stored = (&head[4..]).get_u32_le();
                if crc32c::crc32c(&body) != stored {
                    return Err(FrameError::Checksum);
                }
                return postcard::from_bytes(&body).map(Some).map_err(|_| FrameError::Undecodable);
            }
            self.buffer.reserve(READ_BYTES);
            if self.inner.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(FrameError::CutShort),
                };
            }
        }
    }

    /// Length of the first frame's body when all of it is here.
    fn complete(&self) -> Result<Option<usize>, FrameError> {
        let Some(mut head) = self.buffer.get(..HEAD_BYTES) else { return Ok(None) };
        let bytes = usize::try_from(head.get_u32_le()).unwrap_or(usize::MAX);
        if bytes > self.bytes_max {
            return Err(FrameError::TooLarge { bytes, limit: self.bytes_max });
        }
        Ok((self.buffer.len() - HEAD_BYTES >= bytes).then_some(bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_out_as_they_went_in() {
        let mut bytes = encode(&(7_u64, "seven")).unwrap();
        bytes.extend(encode(&(8_u64, "eight")).unwrap());
        let mut reader = FrameReader::new(bytes.as_slice(), 100);
        assert_eq!(reader.next::<(u64, String)>().await.unwrap(), Some((7, "seven".to_owned())));
        assert_eq!(reader.next::<(u64, String)>().await.unwrap(), Some((8, "eight".to_owned())));
        assert_eq!(reader.next::<(u64, String)>().await.unwrap(), None);
    }

    #[tokio::test]
    async fn every_flipped_bit_is_seen() {
        let sound = encode(&"some text").unwrap();
        for bit in 0..sound.len() * 8 {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut reader = FrameReader::new(flipped.as_slice(), 1000);
            assert!(reader.next::<String>().await.is_err(), "bit {bit}");
        }
    }

    #[tokio::test]
    async fn a_frame_over_the_limit_is_refused_by_its_head_alone() {
        let bytes = encode(&"0123456789").unwrap();
        let mut reader = FrameReader::new(&bytes[..HEAD_BYTES], 5);
        assert!(matches!(
            reader.next::<String>().await,
            Err(FrameError::TooLarge { bytes: 11, limit: 5 })
        ));
    }
}
