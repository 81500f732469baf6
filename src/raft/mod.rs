//! Raft behind the port `Consensus`.

#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the node that drives them comes with Raft")
)]
pub(crate) mod duties;
