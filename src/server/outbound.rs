//! What waits to be written to one client.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use statekeeper_protocol::EncodedMessage;
use tokio::net::TcpStream;

use super::limits::PIECES_PER_WRITE;

/// Pieces in the order in which they must leave; values are shared, not copied.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbound {
    pub(crate) fn push(&mut self, message: EncodedMessage) {
        self.bytes += message.wire_bytes();
        self.pieces.extend(message.into_pieces().filter(|piece| !piece.is_empty()));
    }

    /// Bytes not yet taken by the system.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Writes as much as the socket takes without waiting; says how much that was.
    pub(crate) fn write_to(&mut self, socket: &TcpStream) -> io::Result<usize> {
        let mut written_sum = 0;
        while !self.pieces.is_empty() {
            let mut slices = [IoSlice::new(&[]); PIECES_PER_WRITE];
            let count = self.pieces.len().min(PIECES_PER_WRITE);
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
            }
            match socket.try_write_vectored(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.advance(written);
                    written_sum += written;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written_sum)
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.pieces.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.pieces.pop_front();
        }
    }
}
