//! The error answer, common to all requests.

use crate::client_message::{
    ClientMessage, CorrelationId, EncodedMessage, InitialTail, PartitionId, RESPONSE_HEADER_BYTES,
};
use crate::custom::ErrorHolder;
use crate::exception::ExceptionCode;
use crate::frame::{DecodeError, FrameFlags};
use crate::message::{Message, MessageType, message_struct};

message_struct! {
    #[doc = "An error in place of a response: the exception first, then its causes."]
    ErrorResponse(MessageType::ERROR, since "2.0") { errors: Vec<ErrorHolder> }
    initial frame FrameFlags::UNFRAGMENTED, InitialTail::of_response, RESPONSE_HEADER_BYTES
}

impl ErrorResponse {
    /// One exception without causes or stack trace.
    #[must_use]
    pub fn new(code: ExceptionCode, message: impl Into<String>) -> Self {
        let error = ErrorHolder {
            error_code: code.number(),
            class_name: code.class_name().to_owned(),
            message: Some(message.into()),
            stack_trace_elements: Vec::new(),
        };
        Self { errors: vec![error] }
    }

    /// Reads the error, as a client.
    ///
    /// # Errors
    /// It is another message, or a parameter cannot be read.
    pub fn decode(message: &ClientMessage) -> Result<Self, DecodeError> {
        Message::decode(message)
    }

    /// Writes the error as the answer to the request with this id.
    #[must_use]
    pub fn encode(&self, correlation_id: CorrelationId) -> EncodedMessage {
        self.encode_with(correlation_id, PartitionId::NONE)
    }
}
