//! All nodes hold the same when they have applied the same: read from each one's own state.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::cluster::{Cluster, Unwell, name};

/// Records end and heartbeats are applied while the nodes are read; then they are read again.
const ATTEMPTS_WITHIN: Duration = Duration::from_secs(15);
const CALL_WITHIN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// Pages of one object that are read; a page has a thousand rows.
const PAGES_MAX: usize = 30;

/// Sentences on differences between nodes; none: they are alike.
pub(super) async fn differences(cluster: &Cluster, nodes: &[usize]) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + ATTEMPTS_WITHIN;
    loop {
        let before = applied(cluster, nodes).await;
        let mut states = Vec::new();
        for node in nodes {
            states.push(state(cluster, *node).await?);
        }
        let after = applied(cluster, nodes).await;
        // A node that applied otherwise stays otherwise. An index that a node tells is a fraction
        // of a second old, so two that are equal once do not show that the states should be.
        let unlike = compare(nodes, &states);
        if unlike.is_empty() {
            return Ok(unlike);
        }
        if Instant::now() >= deadline {
            let one_index = before.windows(2).all(|pair| pair[0] == pair[1]);
            if one_index && before == after && !before.contains(&None) {
                return Ok(unlike);
            }
            let never = format!("the nodes never came to one index: {before:?}; {unlike:?}");
            return Err(Unwell(never).into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn applied(cluster: &Cluster, nodes: &[usize]) -> Vec<Option<u64>> {
    let asked = nodes.iter().map(|node| cluster.status(*node));
    let told = futures::future::join_all(asked).await;
    told.into_iter().map(|status| status.map(|status| status.applied_index)).collect()
}

/// By path, what a node answers from its own state.
async fn state(cluster: &Cluster, node: usize) -> anyhow::Result<BTreeMap<String, Vec<Value>>> {
    let mut found = BTreeMap::new();
    for (list, rows) in [("maps", "entries"), ("sets", "items")] {
        for object in pages(cluster, node, &format!("/v1/{list}")).await? {
            let Some(object) = object["name"].as_str() else { continue };
            let path = format!("/v1/{list}/{object}/{rows}");
            found.insert(path.clone(), pages(cluster, node, &path).await?);
        }
    }
    found.insert("/v1/locks".to_owned(), pages(cluster, node, "/v1/locks").await?);
    Ok(found)
}

async fn pages(cluster: &Cluster, node: usize, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let path = format!("{path}?consistency=local&limit=1000{cursor}");
        let address = cluster.admin_address(node);
        let mut page = cluster.admin().ask(Method::GET, address, &path, None, CALL_WITHIN).await?;
        if let Some(items) = page["items"].as_array_mut() {
            rows.append(items);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    Ok(rows)
}

fn compare(nodes: &[usize], states: &[BTreeMap<String, Vec<Value>>]) -> Vec<String> {
    let mut found = Vec::new();
    let Some((first, others)) = states.split_first() else { return found };
    for (node, other) in nodes.iter().skip(1).zip(others) {
        let paths = first.keys().chain(other.keys());
        let unlike = paths.filter(|path| first.get(*path) != other.get(*path)).min();
        if let Some(path) = unlike {
            let rows = [first, other].map(|state| state.get(path).map_or(&[][..], Vec::as_slice));
            let only = |own: &[Value], others: &[Value]| {
                let only = own.iter().find(|row| !others.contains(row));
                only.map_or_else(|| "no row".to_owned(), ToString::to_string)
            };
            found.push(format!(
                "{} and {} differ in {path}: {} and {} rows; only the first has {}, only the \
                 second {}",
                name(nodes[0]),
                name(*node),
                rows[0].len(),
                rows[1].len(),
                only(rows[0], rows[1]),
                only(rows[1], rows[0])
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_that_only_one_node_has_or_has_otherwise_is_a_difference() {
        let state = |rows: &[i32]| -> BTreeMap<String, Vec<Value>> {
            let rows = rows.iter().map(|row| json!(row)).collect();
            BTreeMap::from([("/v1/maps/m/entries".to_owned(), rows)])
        };
        assert_eq!(compare(&[0, 1], &[state(&[1, 2]), state(&[1, 2])]), [""; 0]);
        let unlike = compare(&[0, 2], &[state(&[1, 2]), state(&[1, 3])]);
        assert!(unlike[0].ends_with("only the first has 2, only the second 3"), "{unlike:?}");
        assert_eq!(compare(&[0, 1], &[state(&[1]), BTreeMap::new()]).len(), 1);
    }
}
