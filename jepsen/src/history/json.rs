//! The file: one JSON object a line, the header first.

use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;

use super::entry::{Entry, Header, History};
use super::wellformed::Malformed;

/// Reads a history from its file. The rules of `check` are not applied yet.
///
/// # Errors
/// The file cannot be read, or a line is not JSON or lacks a field: the harness's fault.
pub fn read(path: &Path) -> Result<History, Malformed> {
    let bytes = std::fs::read(path)
        .map_err(|error| Malformed::whole(format!("{}: {error}", path.display())))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(text),
        Err(error) => {
            let good = &bytes[..error.valid_up_to()];
            let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
            Err(Malformed::at(line, "not UTF-8"))
        }
    }
}

/// Reads a history from the text of its file; `read` for files.
///
/// # Errors
/// As `read`.
pub fn parse(text: &str) -> Result<History, Malformed> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((at, first)) = lines.next() else {
        return Err(Malformed::whole("the file is empty"));
    };
    let header: Header = serde_json::from_str(first)
        .map_err(|error| Malformed::at(at + 1, format!("no header: {error}")))?;
    let mut entries = Vec::new();
    for (at, line) in lines {
        let entry: Entry =
            serde_json::from_str(line).map_err(|error| Malformed::at(at + 1, error.to_string()))?;
        entries.push(entry);
    }
    Ok(History { header, entries })
}

/// Writes a history as a file that `read` reads again.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, history: &History) -> anyhow::Result<()> {
    let file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
    let mut file = BufWriter::new(file);
    writeln!(file, "{}", serde_json::to_string(&history.header)?)?;
    for entry in &history.entries {
        writeln!(file, "{}", serde_json::to_string(entry)?)?;
    }
    file.flush().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TEXT: &str = r#"{"history":1,"name":"n","model":"events","params":{"min":3}}
{"index":0,"time":5,"process":3,"type":"invoke","f":"read","key":"k","value":null}
{"index":1,"time":6,"process":3,"type":"ok","f":"read","key":"k","later":[1]}
{"index":2,"time":7,"type":"event","f":"added","key":"k","value":1,"listener":"L"}
{"index":3,"time":7,"process":"nemesis","type":"info","f":"heal"}
"#;

    #[test]
    fn what_is_written_is_read_again() {
        let history = parse(TEXT).unwrap();
        assert_eq!(history.entries[0].value, Some(Value::Null));
        assert_eq!(history.entries[1].value, None);
        assert_eq!(history.entries[1].more["later"], json!([1]));
        assert!(history.entries[2].process.is_nobody());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        write(&path, &history).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), TEXT);
        assert_eq!(read(&path).unwrap(), history);
    }

    #[test]
    fn a_bad_line_is_named() {
        let torn = TEXT.replace("\"f\":\"heal\"}", "\"f\":\"he");
        assert_eq!(parse(&torn).unwrap_err().line, Some(5));
        let lacking = TEXT.replace("\"time\":6,", "");
        let malformed = parse(&lacking).unwrap_err();
        assert_eq!(malformed.line, Some(3));
        assert!(malformed.to_string().contains("time"), "{malformed}");
        let negative = TEXT.replacen("\"process\":3", "\"process\":-3", 1);
        assert_eq!(parse(&negative).unwrap_err().line, Some(2));
        assert_eq!(parse("{}\n").unwrap_err().line, Some(1));
        assert_eq!(parse("").unwrap_err().line, None);
        assert!(read(Path::new("/nonexistent/history.jsonl")).is_err());
    }
}
