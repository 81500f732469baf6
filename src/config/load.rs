//! Gathers values from all sources in their order of precedence and types each of them.

use super::keys::{self, KeySpec, Kind, Source, Support};
use super::report::{Finding, Place, Problem, Severity};
use super::values::{self, Value};
use java_properties::{LineContent, PropertiesIter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What to read a configuration from.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// The folder that holds the `.properties` files.
    pub etc_dir: PathBuf,
    /// Environment variables; those that do not begin with `STATEKEEPER_` serve `${ENV:...}` only.
    pub environment: BTreeMap<String, String>,
    /// `--set key=value`, in order.
    pub overrides: Vec<(String, String)>,
}

impl LoadOptions {
    /// The files of a folder and the environment of this process.
    pub fn from_process(etc_dir: impl Into<PathBuf>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { etc_dir: etc_dir.into(), environment, overrides: Vec::new() }
    }
}

/// One line `key = value` of a file.
#[derive(Debug, Clone)]
struct RawLine {
    key: String,
    value: String,
    place: Place,
}

/// A value that won, and where it came from.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) value: Value,
    pub(super) place: Place,
    /// As written; `None` for secrets.
    pub(super) shown: Option<String>,
}

/// All values of all sources, typed.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) values: BTreeMap<&'static str, Set>,
    pub(super) maps: BTreeMap<String, BTreeMap<&'static str, Set>>,
    pub(super) neighbour: BTreeMap<String, (String, Place)>,
    pub(super) has_openlookeng_files: bool,
    /// `KRB5_CONFIG` of the environment: where the Kerberos library reads its configuration.
    pub(super) krb5_config: Option<String>,
    pub(super) findings: Vec<Finding>,
}

/// What follows `STATEKEEPER_` in the variables that stand for flags of the command line.
const OF_COMMAND_LINE: [&str; 6] = ["ENDPOINT", "OUTPUT", "TIMEOUT", "YES", "DRY_RUN", "ETC"];
/// Properties files are a few kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
const HIDDEN: &str = "(hidden)";

pub(super) fn gather(options: &LoadOptions) -> Settings {
    let krb5_config = options.environment.get("KRB5_CONFIG").cloned();
    let mut settings = Settings { krb5_config, ..Settings::default() };
    let etc = &options.etc_dir;
    let environment = &options.environment;
    for (name, source) in [
        ("state-store.properties", Source::StateStore),
        ("seed-store.properties", Source::SeedStore),
    ] {
        if let Some(lines) = settings.read(&etc.join(name)) {
            settings.has_openlookeng_files = true;
            settings.take_file(lines, source, environment);
        }
    }
    // Our file may name the profile, so it is read before the profile and applied after it.
    let own = settings.read(&etc.join("statekeeper.properties")).unwrap_or_default();
    let value_in = |lines: &[RawLine], key: &str| {
        lines.iter().find(|line| line.key == key).map(|line| line.value.clone())
    };
    let profile = ["hazelcast.discovery.tcp-ip.profile", "seed-store.filesystem.profile"]
        .into_iter()
        .find_map(|key| value_in(&own, key).or_else(|| settings.text(key)));
    // With a list openLooKeng looks at no seed directory, nor at the file system it would be on.
    let list = "hazelcast.discovery.tcp-ip.seeds";
    let is_listed = settings.values.contains_key(list) || value_in(&own, list).is_some();
    let profile = profile.filter(|name| !is_listed && values::parse(Kind::Name, name).is_some());
    if let Some(profile) = profile {
        let path = etc.join("filesystem").join(format!("{profile}.properties"));
        if let Some(lines) = settings.read(&path) {
            settings.take_file(lines, Source::Filesystem, environment);
        }
    }
    settings.take_file(own, Source::Ours, environment);
    settings.take_environment(environment);
    for (key, value) in &options.overrides {
        let line =
            RawLine { key: key.clone(), value: value.trim().into(), place: Place::CommandLine };
        settings.take(line, Source::Ours, environment);
    }
    for name in ["config.properties", "node.properties"] {
        for line in settings.read(&etc.join(name)).unwrap_or_default() {
            settings.neighbour.insert(line.key, (line.value, line.place));
        }
    }
    settings
}

impl Settings {
    pub(super) fn find(
        &mut self,
        severity: Severity,
        key: &str,
        problem: Problem,
        fix: impl Into<String>,
    ) {
        let set = self.values.get(key);
        self.findings.push(Finding {
            severity,
            place: set.map(|set| set.place.clone()).unwrap_or_default(),
            key: key.to_owned(),
            value: set.and_then(|set| set.shown.clone()),
            problem,
            fix: fix.into(),
        });
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        match &self.values.get(key)?.value {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn read(&mut self, path: &Path) -> Option<Vec<RawLine>> {
        let shown = path.display().to_string();
        let whole = Place::File { path: shown.clone(), line: 0 };
        let bytes = match read_bounded(path) {
            Ok(bytes) => bytes,
            Err(Problem::Unreadable(std::io::ErrorKind::NotFound)) => return None,
            Err(problem) => {
                self.file_error(whole, problem, "make the file readable for this user, or smaller");
                return Some(Vec::new());
            }
        };
        if let Err(error) = std::str::from_utf8(&bytes) {
            let line = bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
            let place = Place::File { path: shown, line };
            self.file_error(place, Problem::Grammar, "save the file as UTF-8");
            return Some(Vec::new());
        }
        // Editors on Windows begin a file with this mark, which would become part of a key.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut lines: Vec<RawLine> = Vec::new();
        for line in PropertiesIter::new_with_encoding(bytes, encoding_rs::UTF_8) {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    let place =
                        Place::File { path: shown.clone(), line: error.line_number().unwrap_or(0) };
                    self.file_error(place, Problem::Grammar, "mend the line, such as a broken \\u");
                    continue;
                }
            };
            let place = Place::File { path: shown.clone(), line: line.line_number() };
            let LineContent::KVPair(key, value) = line.consume_content() else { continue };
            let key = key.trim().to_owned();
            let first = lines.iter().find(|earlier| earlier.key == key);
            if let Some(Place::File { line: first, .. }) = first.map(|line| &line.place) {
                self.findings.push(Finding {
                    severity: Severity::Error,
                    place,
                    key,
                    value: None,
                    problem: Problem::Duplicate(*first),
                    fix: "keep one of the two lines".to_owned(),
                });
                continue;
            }
            lines.push(RawLine { key, value: value.trim().to_owned(), place });
        }
        Some(lines)
    }

    fn file_error(&mut self, place: Place, problem: Problem, fix: &str) {
        let (key, fix) = (String::new(), fix.to_owned());
        let severity = Severity::Error;
        self.findings.push(Finding { severity, place, key, value: None, problem, fix });
    }

    fn take_file(
        &mut self,
        lines: Vec<RawLine>,
        source: Source,
        environment: &BTreeMap<String, String>,
    ) {
        for line in lines {
            self.take(line, source, environment);
        }
    }

    fn take_environment(&mut self, environment: &BTreeMap<String, String>) {
        for (name, value) in environment {
            let Some(wanted) = name.strip_prefix("STATEKEEPER_") else { continue };
            if OF_COMMAND_LINE.contains(&wanted) {
                continue;
            }
            let same =
                |spec: &&KeySpec| spec.name.to_ascii_uppercase().replace(['.', '-'], "_") == wanted;
            let place = Place::Environment(name.clone());
            if let Some(spec) = keys::KEYS.iter().find(same) {
                let value = value.trim().to_owned();
                let line = RawLine { key: spec.name.to_owned(), value, place };
                self.take(line, Source::Ours, environment);
            } else {
                // Container platforms invent variables from a service's name: no reason to stop.
                self.findings.push(Finding {
                    severity: Severity::Warning,
                    place,
                    key: name.clone(),
                    value: None,
                    problem: Problem::Unknown,
                    fix: "it is not used; correct its name or remove it".to_owned(),
                });
            }
        }
    }

    fn take(&mut self, mut line: RawLine, source: Source, environment: &BTreeMap<String, String>) {
        let bare = line.key.trim_end_matches('.');
        if bare != line.key && bare == "seed-store.filesystem.profile" {
            let key = bare.to_owned();
            self.push(Severity::Warning, &line, Problem::StrayDot, format!("write {key}"));
            line.key = key;
        }
        let map_key = keys::find_map_key(&line.key).map(|(map, spec)| (map.to_owned(), spec));
        let spec = match (&map_key, keys::find(&line.key)) {
            (Some((_, spec)), _) => *spec,
            (None, Some(spec)) => spec,
            (None, None) => return self.unknown(&line, source),
        };
        if source != Source::Ours && spec.source == Source::Ours {
            let fix = format!("write it in {}", spec.source.file());
            return self.push(Severity::Error, &line, Problem::WrongFile, fix);
        }
        // req: R-18
        if values::cuts_comments(spec.kind)
            && let Some(cut) = values::cut_comment(&line.value).map(str::to_owned)
        {
            let fix = format!("used as {cut}; put comments on lines of their own");
            self.push(Severity::Warning, &line, Problem::TrailingComment, fix);
            line.value = cut;
        }
        let Some((text, from_secret)) = resolve(&line.value, environment) else {
            let fix = "name a variable that is set, or a file that can be read";
            return self.push(Severity::Error, &line, Problem::Reference, fix.to_owned());
        };
        // req: R-23
        let secret = from_secret || spec.kind == Kind::Secret;
        if secret {
            line.value = HIDDEN.to_owned();
        }
        let Some(value) = values::parse(spec.kind, &text) else {
            let must = values::describe(spec.kind);
            let fix = if spec.default.is_empty() {
                "correct the value".to_owned()
            } else {
                format!("correct the value, or leave the key out for {}", spec.default)
            };
            return self.push(Severity::Error, &line, Problem::Value(must), fix);
        };
        if !self.supported(&line, spec, &text) {
            return;
        }
        let shown = (!secret).then_some(text);
        let set = Set { value, place: line.place, shown };
        match map_key {
            Some((map, _)) => self.maps.entry(map).or_default().insert(spec.name, set),
            None => self.values.insert(spec.name, set),
        };
    }

    fn supported(&mut self, line: &RawLine, spec: &KeySpec, text: &str) -> bool {
        let among = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        let fix = |words: &[&str]| format!("set it to {} or remove it", words.join(" or "));
        match spec.support {
            Support::Full | Support::Dormant => return true,
            Support::Only(words) | Support::WarnUnless(words) if among(words) => return true,
            Support::WarnUnless(words) => {
                self.push(Severity::Warning, line, Problem::Unsupported, fix(words));
            }
            Support::Only(words) => {
                self.push(Severity::Error, line, Problem::Unsupported, fix(words));
            }
            // req: R-19
            Support::Absent => {
                self.push(Severity::Error, line, Problem::Unsupported, "remove the key".to_owned());
            }
        }
        false
    }

    fn unknown(&mut self, line: &RawLine, source: Source) {
        if keys::ABSENT_PREFIXES.iter().any(|prefix| line.key.starts_with(prefix)) {
            // Such a value may be a secret: nothing is known about the key.
            let line = RawLine { value: HIDDEN.to_owned(), ..line.clone() };
            let fix = "remove the key".to_owned();
            return self.push(Severity::Error, &line, Problem::Unsupported, fix);
        }
        let line = RawLine { value: HIDDEN.to_owned(), ..line.clone() };
        let near = keys::nearest(&line.key);
        let fix = near.map_or("remove it".to_owned(), |near| format!("did you mean {near}?"));
        if source == Source::Ours {
            self.push(Severity::Error, &line, Problem::Unknown, fix);
        } else if !keys::NEIGHBOUR_PREFIXES.iter().any(|prefix| line.key.starts_with(prefix)) {
            self.push(Severity::Warning, &line, Problem::Unknown, fix);
        }
    }

    fn push(&mut self, severity: Severity, line: &RawLine, problem: Problem, fix: String) {
        let is_secret = keys::find(&line.key).is_some_and(|spec| spec.kind == Kind::Secret);
        let value = (!is_secret && line.value != HIDDEN).then(|| line.value.clone());
        let (place, key) = (line.place.clone(), line.key.clone());
        self.findings.push(Finding { severity, place, key, value, problem, fix });
    }
}

pub(super) fn read_bounded(path: &Path) -> Result<Vec<u8>, Problem> {
    use std::io::Read;
    let unreadable = |error: std::io::Error| Problem::Unreadable(error.kind());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Problem::TooLarge(FILE_BYTES_MAX));
    }
    Ok(bytes)
}

/// Replaces `${ENV:NAME}` and `${FILE:path}`; tells whether there was one.
fn resolve(text: &str, environment: &BTreeMap<String, String>) -> Option<(String, bool)> {
    let mut resolved = String::new();
    let mut rest = text;
    let mut replaced = false;
    while let Some(start) = rest.find("${") {
        let reference = &rest[start + 2..];
        let end = reference.find('}')?;
        resolved.push_str(&rest[..start]);
        let found = if let Some(name) = reference[..end].strip_prefix("ENV:") {
            environment.get(name)?.clone()
        } else {
            let path = reference[..end].strip_prefix("FILE:")?;
            String::from_utf8(read_bounded(Path::new(path)).ok()?).ok()?
        };
        resolved.push_str(found.trim_end_matches(['\r', '\n']));
        replaced = true;
        rest = &reference[end + 1..];
    }
    resolved.push_str(rest);
    Some((resolved, replaced))
}
