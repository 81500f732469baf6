//! FlakeIdGenerator: unique ids in batches.

use statekeeper_machine::{Command, Outcome};
use statekeeper_protocol::messages::flake_id_generator::{Request, new_id_batch};

use crate::call::Call;
use crate::exception::Failure;
use crate::limits;
use crate::services::unexpected;
use crate::step::{Handled, Step};

/// Ids of a batch follow each other without gaps.
const INCREMENT: i64 = 1;

/// Handles one request.
pub(crate) fn handle(request: Request, call: &mut Call<'_>) -> Handled {
    match request {
        Request::NewIdBatch(request) => new_id_batch(&request, call),
    }
}

fn new_id_batch(request: &new_id_batch::Request, call: &Call<'_>) -> Handled {
    let batch_size = request.batch_size;
    let size = u32::try_from(batch_size).unwrap_or(0);
    if !(1..=limits::ID_BATCH_MAX).contains(&batch_size) {
        return Err(Failure::BatchSize { size: batch_size });
    }
    let generator = call.name(&request.name)?;
    Step::submit(Command::NewIdBatch { generator, size }, move |outcome, call| {
        let Outcome::IdBatch { base } = outcome else { return unexpected("an id batch") };
        call.answer(&new_id_batch::Response { base, increment: INCREMENT, batch_size })
    })
}
