//! Raft behind the port `Consensus`.

// Nobody drives the duties yet.
#[cfg_attr(not(test), expect(dead_code, reason = "driven by the node on the leader"))]
pub(crate) mod duties;
