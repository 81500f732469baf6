//! Sets tracing up once, as the log settings say. Rotation of the log file is not here.

use crate::config::LogConfig;
use std::fs::OpenOptions;
use std::path::PathBuf;
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
        Some(path) => {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            let file =
                opened.map_err(|source| TelemetryError::File { path: path.clone(), source })?;
            BoxMakeWriter::new(Mutex::new(file))
        }
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
