//! Who is let in, and what those see who are not.

use crate::support::cluster::Cluster;
use crate::support::driver::Driver;
use crate::support::kind::Kind;
use serde_json::json;

pub(crate) const ALL: [Kind; 6] = [
    Kind::Java("5.1"),
    Kind::Java("4.2.8"),
    Kind::Java("5.3.8"),
    Kind::Java("5.7.0"),
    Kind::Python,
    Kind::Node,
];

// checks: R-1
#[test]
fn a_wrong_cluster_name_shows_each_client_its_own_message() {
    let cluster = Cluster::start(1);
    for kind in ALL {
        let driver = Driver::spawn(kind);
        let mut options = cluster.options();
        options["op"] = json!("start");
        options["cluster"] = json!("somebody-elses");
        options["connect_timeout_ms"] = json!(1000);
        let error = driver.fails(options).text();
        assert!(error.contains("nable to connect to any cluster"), "{kind}: {error}");
        let log = driver.log().to_lowercase();
        assert!(log.contains("authentication"), "{kind} must log why: {log}");
        assert!(log.contains("cluster name"), "{kind} must name the cluster name: {log}");
    }
}
