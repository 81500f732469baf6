//! The trace: what happened, a line for each, and its fingerprint. Two runs of one seed have the
//! same bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lines shown when a promise breaks.
const TAIL_LINES: usize = 120;

static TRACE: Mutex<Option<Trace>> = Mutex::new(None);

struct Trace {
    begun: Instant,
    fingerprint: u64,
    lines: u64,
    tail: VecDeque<String>,
    whole: Option<BufWriter<File>>,
}

/// Begins the trace of this process; all of it goes to the file that the variable names.
pub(crate) fn begin() {
    let whole = std::env::var_os("STATEKEEPER_WHOLE_TRACE")
        .map(|path| BufWriter::new(File::create(path).unwrap()));
    let (begun, tail) = (Instant::now(), VecDeque::new());
    *TRACE.lock() = Some(Trace { begun, fingerprint: 0, lines: 0, tail, whole });
}

/// Adds a line, with the simulated time before it.
pub(crate) fn add(line: String) {
    let mut trace = TRACE.lock();
    let Some(trace) = &mut *trace else { return };
    let line = format!("{:>9.3} {line}", trace.begun.elapsed().as_secs_f64());
    trace.fingerprint = note(trace.fingerprint, &line);
    trace.lines += 1;
    if let Some(whole) = &mut trace.whole {
        writeln!(whole, "{line}").unwrap();
    }
    if trace.tail.len() == TAIL_LINES {
        trace.tail.pop_front();
    }
    trace.tail.push_back(line);
}

/// The fingerprint and the number of lines; the file is complete after it.
pub(crate) fn end() -> (u64, u64) {
    let mut trace = TRACE.lock();
    let trace = trace.as_mut().unwrap();
    trace.flush();
    (trace.fingerprint, trace.lines)
}

/// The newest lines, of a play that broke off; the file is complete after it.
pub(crate) fn tail() -> Vec<String> {
    let mut trace = TRACE.lock();
    trace.iter_mut().for_each(Trace::flush);
    trace.iter().flat_map(|trace| trace.tail.iter().cloned()).collect()
}

impl Trace {
    fn flush(&mut self) {
        if let Some(whole) = &mut self.whole {
            whole.flush().unwrap();
        }
    }
}

/// FNV-1a over a line.
fn note(hash: u64, line: &str) -> u64 {
    line.bytes().fold(hash ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
