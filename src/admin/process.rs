//! What the system says of this process. Where it says nothing, the metric is missing.

use std::fs;

use super::exposition::{Exposition, MetricKind};

/// Adds the families `process_*`.
pub(super) fn write(metrics: &mut Exposition) {
    if let Some(bytes) = resident_bytes() {
        let help = "Memory that is resident.";
        metrics.single("process_resident_memory_bytes", MetricKind::Gauge, help, bytes);
    }
    if let Some(seconds) = cpu_seconds() {
        let help = "Processor time, of user and system.";
        metrics.single("process_cpu_seconds_total", MetricKind::Counter, help, seconds);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let help = "Open files and sockets.";
        metrics.single("process_open_fds", MetricKind::Gauge, help, open.count() as u64);
    }
}

fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn cpu_seconds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold blanks; user and system time are the 12th and 13th behind it.
    let (_, behind) = text.rsplit_once(')')?;
    let mut fields = behind.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}
