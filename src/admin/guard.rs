//! Whether a request may be listened to at all: while there are no users, whoever reaches the port
//! is trusted, and a browser on the same machine reaches it for any page it shows.

use std::net::IpAddr;

use axum::http::header::{self, HeaderMap};

use super::context::NodeInfo;
use super::limits;
use super::problem::Problem;

/// Refuses oversized headers, names of other hosts, and pages of other origins.
pub(super) fn check(info: &NodeInfo, headers: &HeaderMap) -> Result<(), Problem> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > limits::HEADER_BYTES_MAX {
        return Err(Problem::HeadersTooLarge { bytes_max: limits::HEADER_BYTES_MAX as u64 });
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let host = text(header::HOST);
    // A name that resolves to this machine is how a page of another host gets in.
    if info.loopback_only && host.is_some_and(|host| !names_this_machine(host)) {
        return Err(Problem::ForeignOrigin { header: "host" });
    }
    if let Some(origin) = text(header::ORIGIN) {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        if authority.is_none() || authority != host {
            return Err(Problem::ForeignOrigin { header: "origin" });
        }
    }
    Ok(())
}

fn names_this_machine(host: &str) -> bool {
    let without_port = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => host.split(':').next().unwrap_or(host),
    };
    without_port == "localhost" || without_port.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn verdict(loopback_only: bool, rows: &[(&'static str, &str)]) -> Result<(), Problem> {
        let info = NodeInfo {
            version: "0".into(),
            cluster_name: "dev".into(),
            started_at: UNIX_EPOCH,
            base64_values: false,
            peer_silence_max: Duration::from_secs(1),
            loopback_only,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.insert(*name, value.parse().unwrap());
        }
        check(&info, &headers)
    }

    #[test]
    fn addresses_and_localhost_are_this_machine_and_other_names_are_not() {
        for host in ["127.0.0.1:5780", "localhost", "localhost:1", "[::1]:5780", "10.0.0.1"] {
            assert_eq!(verdict(true, &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example:5780", "localhost.evil.example", "", "[evil]:1"] {
            let refused = Err(Problem::ForeignOrigin { header: "host" });
            assert_eq!(verdict(true, &[("host", host)]), refused, "{host}");
        }
        assert_eq!(verdict(false, &[("host", "store.example")]), Ok(()));
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let host = ("host", "127.0.0.1:5780");
        assert_eq!(verdict(true, &[host, ("origin", "http://127.0.0.1:5780")]), Ok(()));
        for origin in ["http://evil.example", "http://127.0.0.1:8080", "null"] {
            let refused = Err(Problem::ForeignOrigin { header: "origin" });
            assert_eq!(verdict(true, &[host, ("origin", origin)]), refused, "{origin}");
        }
    }

    #[test]
    fn large_headers_are_refused() {
        let large = "x".repeat(limits::HEADER_BYTES_MAX);
        let refused = verdict(true, &[("host", "localhost"), ("x-large", &large)]);
        assert!(matches!(refused, Err(Problem::HeadersTooLarge { .. })));
    }
}
