//! `Recorder`: the one place where lines get their order.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use parking_lot::Mutex;

use super::entry::{Entry, Header, History};

/// Writes a history to its file while it happens, and keeps it.
#[derive(Clone)]
pub struct Recorder {
    started: Instant,
    state: Arc<Mutex<State>>,
}

struct State {
    file: BufWriter<std::fs::File>,
    failed: Option<std::io::Error>,
    history: History,
}

impl Recorder {
    /// Begins a history in a new file; its clock starts now.
    pub fn begin(path: &Path, header: Header) -> anyhow::Result<Self> {
        let file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
        let mut file = BufWriter::new(file);
        writeln!(file, "{}", serde_json::to_string(&header)?)?;
        let history = History { header, entries: Vec::new() };
        let state = Arc::new(Mutex::new(State { file, failed: None, history }));
        Ok(Self { started: Instant::now(), state })
    }

    /// What the clock of the history shows at a moment, nanoseconds.
    pub fn time_at(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.started);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Adds a line at its place in real time: before the request leaves, after the answer came.
    pub fn add(&self, mut entry: Entry) {
        let mut state = self.state.lock();
        entry.index = state.history.entries.len() as u64;
        entry.time = self.time_at(Instant::now());
        let line = serde_json::to_string(&entry).map_err(std::io::Error::from);
        if let Err(error) = line.and_then(|line| writeln!(state.file, "{line}")) {
            state.failed.get_or_insert(error);
        }
        state.history.entries.push(entry);
    }

    /// Ends the file and gives the whole history.
    ///
    /// # Errors
    /// A line could not be written: the run does not count.
    pub fn end(&self) -> anyhow::Result<History> {
        let mut state = self.state.lock();
        if let Some(error) = state.failed.take() {
            return Err(error).context("the history could not be written");
        }
        state.file.flush()?;
        Ok(state.history.clone())
    }
}
