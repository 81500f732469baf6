//! How nodes find each other: address lists and datagrams. Typed values in, addresses out;
//! which of them belong to this cluster is asked elsewhere.

pub mod multicast;
pub mod tcp_ip;
