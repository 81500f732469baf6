//! FlakeIdGenerator: unique ids in batches.

use crate::message::messages;

messages! {
    service FlakeIdGenerator = 0x1c;

    0x01 NewIdBatch new_id_batch retryable anywhere
        { name: String, batch_size: i32 } => { base: i64, increment: i64, batch_size: i32 };
}
