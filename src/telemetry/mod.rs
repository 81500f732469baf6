//! Sets tracing up once, as the log settings say.

use crate::config::LogConfig;
use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate};
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Why logs cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The file cannot be opened.
    #[error("cannot open the log file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The level is none.
    #[error("log.level is no level")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody set tracing up before.
    #[error("tracing is already set up")]
    Twice(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts writing logs; to be called once.
pub fn init(config: &LogConfig) -> Result<(), TelemetryError> {
    let writer = match &config.file {
        None => BoxMakeWriter::new(std::io::stdout),
        Some(path) => BoxMakeWriter::new(Mutex::new(open(path, config)?)),
    };
    // Libraries speak only when something is wrong; our own crates at the level asked for.
    let level = &config.level;
    let filter = EnvFilter::try_new(format!(
        "warn,statekeeper={level},statekeeper_endpoint={level},statekeeper_machine={level},\
         statekeeper_protocol={level}"
    ))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let colours = config.file.is_none() && std::io::IsTerminal::is_terminal(&std::io::stdout());
    let set = if config.json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(colours).try_init()
    };
    set.map_err(TelemetryError::Twice)
}

/// Opens the file; `log.keep` says how large it becomes, and how many there are with it.
fn open(path: &Path, config: &LogConfig) -> Result<FileRotate<AppendCount>, TelemetryError> {
    // The rotating file would only say that nothing was written.
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|source| TelemetryError::File { path: path.to_owned(), source })?;
    let bytes = usize::try_from(config.keep_bytes).unwrap_or(usize::MAX);
    let older = AppendCount::new(config.keep_files.saturating_sub(1));
    Ok(FileRotate::new(path, older, ContentLimit::BytesSurpassed(bytes), Compression::None, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::time::Duration;

    fn of_three_files() -> LogConfig {
        LogConfig {
            json: false,
            level: "info".to_owned(),
            file: None,
            keep_files: 3,
            keep_bytes: 1000,
            slow_request: Duration::ZERO,
            slow_apply: Duration::ZERO,
            slow_flush: Duration::ZERO,
        }
    }

    #[test]
    fn a_log_file_is_kept_in_so_many_parts_of_such_a_size() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("server.log");
        std::fs::write(&path, "from before\n").expect("a file");
        let config = of_three_files();
        let mut file = open(&path, &config).expect("an open file");
        for line in 0..1000 {
            writeln!(file, "line {line}").expect("a line");
        }
        let files: Vec<_> = std::fs::read_dir(folder.path()).expect("files").collect();
        assert_eq!(files.len(), 3, "{files:?}");
        let sizes = files.into_iter().map(|file| file.expect("a file").metadata());
        assert!(sizes.into_iter().all(|size| size.expect("a size").len() <= 1100));
        let newest = std::fs::read_to_string(&path).expect("the newest");
        assert!(newest.ends_with("line 999\n"), "{newest}");
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let path = Path::new("/no/such/folder/server.log");
        let error = open(path, &of_three_files()).err().expect("an error");
        assert!(error.to_string().contains("/no/such/folder/server.log"), "{error}");
    }
}
