//! What the fuzz target runs on every input; its corpus runs as a test on stable too.

use bytes::{Bytes, BytesMut};

use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::MessageVisitor;
use crate::{ClientMessage, FrameDecoder, Message, MessageType};

/// Reads `bytes` as a stranger's and as an authenticated client's stream, and every message found
/// there as its own type and as every other. What can be read must survive being written.
///
/// # Panics
/// When the crate is wrong.
pub fn read_anything(bytes: &[u8]) {
    let mut stranger = FrameDecoder::new();
    let mut known = FrameDecoder::new();
    known.set_authenticated(MESSAGE_BYTES_MAX);
    for decoder in [&mut stranger, &mut known] {
        let mut buffer = BytesMut::from(bytes);
        while let Ok(Some(message)) = decoder.feed(&mut buffer) {
            read_message(&message);
        }
        assert!(buffer.capacity() <= bytes.len().max(64), "the decoder reserved memory");
    }
    if let Ok(message) = ClientMessage::parse(Bytes::copy_from_slice(bytes)) {
        read_message(&message);
    }
}

fn read_message(message: &ClientMessage) {
    let own_type = message.message_type();
    let _ = (own_type.name(), crate::messages::Request::decode(message));
    crate::messages::visit(&mut Reader { message, own_type });
}

struct Reader<'a> {
    message: &'a ClientMessage,
    own_type: MessageType,
}

impl MessageVisitor for Reader<'_> {
    fn visit<M: Message>(&mut self, _: &str, _: &str) {
        let Ok(read) = M::decode(self.message) else { return };
        assert_eq!(M::TYPE, self.own_type, "a message was read as another type");
        let wire = read.encode_with(self.message.correlation_id(), self.message.partition_id());
        let again = ClientMessage::parse(wire.into_contiguous()).expect("our own message is one");
        let again = M::decode(&again).expect("our own message can be read");
        assert_eq!(read, again, "a message changed by being written");
    }
}
