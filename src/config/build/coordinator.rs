//! The coordinator beside this node, by its own files or by ours.

use std::path::Path;

use super::{NodeConfig, Settings};
use crate::config::config::CoordinatorConfig;
use crate::config::load::read_bounded;
use crate::config::report::Severity;

/// What is to be asked and registered, if there is a coordinator that takes part.
pub(super) fn coordinator(settings: &mut Settings, node: &NodeConfig) -> Option<CoordinatorConfig> {
    // A wrong file is told, whether or not it is needed today.
    let ca_certificates = ca_certificates(settings);
    let uri = if settings.values.contains_key("coordinator.uri") {
        settings.words("coordinator.uri")?
    } else {
        neighbour_uri(settings, node)?
    };
    let parsed = reqwest::Url::parse(&uri)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    let Some(url) = parsed else {
        let fix = "write http://host:port or https://host:port";
        settings.error("coordinator.uri", "not an HTTP address", fix);
        return None;
    };
    Some(CoordinatorConfig {
        // Readers put this host before a colon and the port: IPv6 keeps its brackets.
        host: url.host_str().unwrap_or_default().to_owned(),
        port: url.port_or_known_default().unwrap_or(80),
        uri: uri.trim_end_matches('/').to_owned(),
        ca_certificates,
        check_interval: settings.duration("coordinator.check-interval"),
        check_timeout: settings.duration("coordinator.check-timeout"),
    })
}

/// Where the coordinator that the neighbour's files describe answers.
fn neighbour_uri(settings: &mut Settings, node: &NodeConfig) -> Option<String> {
    let takes_part = settings.neighbour_says("coordinator")
        && settings.neighbour_says("hetu.multiple-coordinator.enabled");
    if !takes_part {
        return None;
    }
    let required = settings.neighbour_says("internal-communication.https.required");
    let without_http = settings.neighbour_says("http-server.https.enabled")
        && settings
            .neighbour("http-server.http.enabled")
            .is_some_and(|value| value.eq_ignore_ascii_case("false"));
    if without_http && !required {
        let text = "openLooKeng's nodes would look for the coordinator's HTTPS port by HTTP";
        let fix = "set internal-communication.https.required=true on all of its nodes";
        settings.tell_neighbour(Severity::Warning, "http-server.http.enabled", text, fix);
    }
    let (scheme, key, default) = if required || without_http {
        ("https", "http-server.https.port", "8443")
    } else {
        ("http", "http-server.http.port", "8080")
    };
    let host = settings.neighbour("node.internal-address").unwrap_or(&node.advertise);
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    Some(format!("{scheme}://{host}:{}", settings.neighbour(key).unwrap_or(default)))
}

/// The content of `coordinator.ca-file`.
fn ca_certificates(settings: &mut Settings) -> Option<Vec<u8>> {
    let path = settings.words("coordinator.ca-file")?;
    let read = read_bounded(Path::new(&path)).ok().filter(|pem| {
        reqwest::Certificate::from_pem_bundle(pem).is_ok_and(|found| !found.is_empty())
    });
    if read.is_none() {
        let fix = "name a file that this user can read, with BEGIN CERTIFICATE in it";
        settings.error("coordinator.ca-file", "not a file of certificates in PEM form", fix);
    }
    read
}
