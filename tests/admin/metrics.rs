//! `/metrics` as a scraper reads it.

use std::collections::{BTreeMap, BTreeSet};

use crate::server::Server;

/// Samples by family; checks the format on the way.
fn parse(text: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let mut families: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut current = String::new();
    let mut helped = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            helped = rest.split_once(' ').expect("a help text").0.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "help stands before the type");
            assert!(matches!(kind, "gauge" | "counter"), "{line}");
            let total = name.ends_with("_total");
            assert_eq!(kind == "counter", total, "counters, and they only, end in _total: {line}");
            assert!(families.insert(name.to_owned(), Vec::new()).is_none(), "{name} twice");
            current = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let name = series.split('{').next().unwrap();
            assert_eq!(name, current, "samples stand below their family: {line}");
            let samples = families.get_mut(name).unwrap();
            assert!(samples.iter().all(|(other, _)| other != series), "{series} twice");
            samples.push((series.to_owned(), value.parse().unwrap()));
        }
    }
    families
}

async fn scrape(server: &Server) -> BTreeMap<String, Vec<(String, f64)>> {
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    parse(&answer.text)
}

fn value(families: &BTreeMap<String, Vec<(String, f64)>>, series: &str) -> f64 {
    let name = series.split('{').next().unwrap();
    let samples = families.get(name).unwrap_or_else(|| panic!("no family {name}"));
    let found = samples.iter().find(|(other, _)| other == series);
    found.unwrap_or_else(|| panic!("no {series} in {samples:?}")).1
}

#[tokio::test]
async fn names_and_labels_are_the_published_ones() {
    let server = Server::start().await;
    server.fill().await;
    let families = scrape(&server).await;
    let mut text = String::new();
    for (name, samples) in &families {
        let labels: BTreeSet<&str> = samples
            .iter()
            .filter_map(|(series, _)| series.split_once('{'))
            .map(|(_, l)| l)
            .collect();
        text += &format!("{name} {labels:?}\n");
    }
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn numbers_are_those_of_the_state() {
    let server = Server::start().await;
    server.fill().await;
    assert_eq!(server.get("/v1/maps/none").await.status, 404);
    let families = scrape(&server).await;
    for (series, expected) in [
        ("statekeeper_map_records{map=\"m\"}", 1.0),
        ("statekeeper_sets", 1.0),
        ("statekeeper_lock_held", 1.0),
        ("statekeeper_cp_sessions", 1.0),
        ("statekeeper_raft_is_leader", 1.0),
        ("statekeeper_raft_quorum_margin", 0.0),
        ("statekeeper_client_connections{language=\"JVM\"}", 1.0),
        ("statekeeper_storage_flushes_total", 3.0),
        ("statekeeper_storage_bytes", 77.0),
        ("statekeeper_extra_total", 5.0),
        ("statekeeper_alarm_active{alarm=\"no-failure-tolerated\"}", 1.0),
        ("statekeeper_alarm_active{alarm=\"no-leader\"}", 0.0),
        (
            concat!(
                "statekeeper_admin_requests_total{method=\"GET\",",
                "route=\"/v1/maps/{name}\",status=\"404\"}"
            ),
            1.0,
        ),
    ] {
        assert_eq!(value(&families, series), expected, "{series}");
    }
    assert!(value(&families, "process_resident_memory_bytes") > 1e6);
}

#[tokio::test]
async fn a_node_that_is_cut_off_still_tells_how_it_is() {
    let server = Server::start().await;
    server.fill().await;
    server.sequencer.set_quorum(false);
    let families = scrape(&server).await;
    assert_eq!(value(&families, "statekeeper_raft_has_leader"), 0.0);
    assert_eq!(value(&families, "statekeeper_alarm_active{alarm=\"no-leader\"}"), 1.0);
    assert_eq!(value(&families, "statekeeper_map_records{map=\"m\"}"), 1.0);
}

#[tokio::test]
async fn many_maps_share_one_label_and_the_first_ones_keep_theirs() {
    let server = Server::start().await;
    for number in 100..250 {
        server.put_text(&format!("map-{number}"), "k", "v").await;
    }
    let records = "statekeeper_map_records";
    let families = scrape(&server).await;
    assert_eq!(families[records].len(), 101);
    assert_eq!(value(&families, &format!("{records}{{map=\"other\"}}")), 50.0);
    // Maps that sort before all others come too late for a label of their own.
    server.put_text("a", "k", "v").await;
    let families = scrape(&server).await;
    assert_eq!(value(&families, &format!("{records}{{map=\"other\"}}")), 51.0);
    assert_eq!(value(&families, &format!("{records}{{map=\"map-100\"}}")), 1.0);
}
