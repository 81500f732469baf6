//! The one table of all routes, in the order in which documentation shows them.

use super::route::Route;
use super::{
    clients, cluster, cp_sessions, discovery, entries, errors, health, id_generators, info, leader,
    locks, maps, metrics, nodes, objects, openapi, seeds, sets,
};

/// Group of the probes, which are served whatever else is going on.
pub(super) const PROBES: &str = "probes";
/// Group of what is about this node.
pub(super) const NODE: &str = "node";
/// Group of the cluster and its nodes.
pub(super) const CLUSTER: &str = "cluster";
/// Group of what clients keep here.
pub(super) const DATA: &str = "data";
/// Group of who is connected, and how they find the cluster.
pub(super) const CLIENTS: &str = "clients";

/// All routes.
pub(super) fn routes() -> impl Iterator<Item = &'static Route> {
    let all: [&'static [Route]; 18] = [
        health::ROUTES,
        metrics::ROUTES,
        info::ROUTES,
        openapi::ROUTES,
        errors::ROUTES,
        cluster::ROUTES,
        nodes::ROUTES,
        leader::ROUTES,
        objects::ROUTES,
        maps::ROUTES,
        entries::ROUTES,
        sets::ROUTES,
        id_generators::ROUTES,
        locks::ROUTES,
        cp_sessions::ROUTES,
        clients::ROUTES,
        seeds::ROUTES,
        discovery::ROUTES,
    ];
    all.into_iter().flatten()
}
