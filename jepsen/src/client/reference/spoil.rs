//! The ways in which a spoilt server is wrong.

/// What is wrong with one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    /// A read of one key tells what was there before the last write.
    StaleRead,
    /// A write is acknowledged and not done.
    LostWrite,
    /// A write is refused, and done.
    RefusedAndDone,
    /// A compare-and-set that does not match writes, and tells that it did.
    WrongMatch,
    /// An item of a set is added, acknowledged, and not there.
    LostItem,
    /// A read of a whole map or set leaves one thing out.
    ShortRead,
    /// A `put-all` writes one key less.
    TornPutAll,
    /// A held lock is given to another client, too.
    DoubleGrant,
    /// A new hold has the fence of the one before.
    RepeatedFence,
    /// A batch of ids is given out again.
    RepeatedIds,
    /// A record ends before its time.
    EarlyEnd,
    /// A record outlives its time.
    LateEnd,
    /// An event is not told.
    LostEvent,
    /// An event is told twice.
    RepeatedEvent,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::StaleRead,
        Self::LostWrite,
        Self::RefusedAndDone,
        Self::WrongMatch,
        Self::LostItem,
        Self::ShortRead,
        Self::TornPutAll,
        Self::DoubleGrant,
        Self::RepeatedFence,
        Self::RepeatedIds,
        Self::EarlyEnd,
        Self::LateEnd,
        Self::LostEvent,
        Self::RepeatedEvent,
    ];
}

/// How a server is wrong, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Spoil {
    /// The way.
    pub wrong: Wrong,
    /// One in so many of the answers that can be wrong in this way.
    pub one_in: u32,
}

impl Spoil {
    /// One wrong answer in 10,000.
    pub fn rarely(wrong: Wrong) -> Self {
        Self { wrong, one_in: 10_000 }
    }
}
