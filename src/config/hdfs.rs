//! HDFS as openLooKeng's profile names it: Hadoop's own XML files, and how to log in.

use super::config::{Filesystem, HdfsConfig, KerberosLogin};
use super::load::{Settings, read_bounded};
use super::report::{Finding, Place, Problem, Severity};
use super::values::Value;
use roxmltree::{Document, Node};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const RESOURCES: &str = "hdfs.config.resources";
const NAMENODES: &str = "dfs.ha.namenodes.";
const DEFAULT_FS: &str = "fs.defaultFS";
const HADOOP_LOGIN: &str = "hadoop.security.authentication";
const KRB5_CONF: &str = "hdfs.krb5.conf.path";
/// Hadoop's own default for a NameNode.
const NAMENODE_PORT: u16 = 8020;
/// Where the Kerberos library looks when `KRB5_CONFIG` does not say otherwise.
const KRB5_CONF_DEFAULT: &str = "/etc/krb5.conf";
/// Hadoop gives up as early.
const REFERENCE_DEPTH_MAX: usize = 20;

/// Properties of Hadoop files, and where each was written.
type Properties = BTreeMap<String, (String, Place)>;

/// Where the seed directory is kept. `None` with findings when that cannot be used.
pub(super) fn filesystem(settings: &mut Settings) -> Option<Filesystem> {
    if settings.text("fs.client.type").is_some_and(|kind| kind.eq_ignore_ascii_case("hdfs")) {
        return hdfs(settings).map(Filesystem::Hdfs);
    }
    Some(Filesystem::Local)
}

fn hdfs(settings: &mut Settings) -> Option<HdfsConfig> {
    let before = settings.findings.len();
    let mut properties = Properties::new();
    for path in resources(settings)? {
        read(settings, &path, &mut properties);
    }
    let default_fs =
        if settings.findings.len() == before { default_fs(settings, &properties) } else { None };
    let kerberos = kerberos(settings, &properties);
    let broken = settings.findings[before..].iter().any(|f| f.severity == Severity::Error);
    let mut expanded: BTreeMap<String, String> = properties
        .iter()
        .map(|(key, (value, _))| (key.clone(), expand(value, &properties, REFERENCE_DEPTH_MAX)))
        .collect();
    for (_, list) in expanded.iter_mut().filter(|(key, _)| key.starts_with(NAMENODES)) {
        // Hadoop allows blanks behind the commas; the client would take them for part of a name.
        list.retain(|character| !character.is_whitespace());
    }
    expanded.insert(DEFAULT_FS.to_owned(), default_fs?);
    (!broken).then_some(HdfsConfig { properties: expanded, kerberos })
}

fn resources(settings: &mut Settings) -> Option<Vec<PathBuf>> {
    match settings.values.get(RESOURCES).map(|set| &set.value) {
        Some(Value::List(paths)) if !paths.is_empty() => {
            Some(paths.iter().map(PathBuf::from).collect())
        }
        _ => {
            let fix = "name the cluster's core-site.xml and hdfs-site.xml, with a comma between";
            missing(settings, RESOURCES, fix);
            None
        }
    }
}

fn read(settings: &mut Settings, path: &Path, properties: &mut Properties) {
    let at = |line| Place::File { path: path.display().to_string(), line };
    let bytes = match read_bounded(path) {
        Ok(bytes) => bytes,
        Err(problem) => {
            let fix = format!("correct {RESOURCES}, or make the file readable for this user");
            return tell(settings, at(0), "", None, problem, fix);
        }
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        let fix = "save the file as UTF-8".to_owned();
        return tell(settings, at(0), "", None, Problem::Xml("not UTF-8".to_owned()), fix);
    };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let line = usize::try_from(error.pos().row).unwrap_or(0);
            let fix = "mend the line".to_owned();
            return tell(settings, at(line), "", None, Problem::Xml(error.to_string()), fix);
        }
    };
    let root = document.root_element();
    let line_of = |node: Node<'_, '_>| {
        usize::try_from(document.text_pos_at(node.range().start).row).unwrap_or(0)
    };
    if root.tag_name().name() != "configuration" {
        let problem = Problem::Xml(format!("the root is <{}>", root.tag_name().name()));
        let fix = "write a Hadoop file, whose root is <configuration>".to_owned();
        return tell(settings, at(line_of(root)), "", None, problem, fix);
    }
    for node in root.children().filter(Node::is_element) {
        let place = at(line_of(node));
        match (node.tag_name().name(), property(node)) {
            ("property", Some((name, value))) => {
                properties.insert(name, (value, place));
            }
            ("property", None) => {
                let problem = Problem::Xml("a <property> without <name> and <value>".to_owned());
                tell(settings, place, "", None, problem, "write both, or remove it".to_owned());
            }
            (other, _) => {
                let problem = Problem::Xml(format!("<{other}> is not understood here"));
                let fix = format!("copy what it stands for, or name its file in {RESOURCES}");
                tell(settings, place, "", None, problem, fix);
            }
        }
    }
}

fn property(node: Node<'_, '_>) -> Option<(String, String)> {
    let text = |name| {
        let child = node.children().find(|child| child.tag_name().name() == name)?;
        Some(child.text().unwrap_or_default().trim().to_owned())
    };
    text("name").filter(|name| !name.is_empty()).zip(text("value"))
}

/// The file system with its port: Hadoop's own where none is written.
fn default_fs(settings: &mut Settings, properties: &Properties) -> Option<String> {
    let Some((url, place)) = properties.get(DEFAULT_FS) else {
        let fix = "write it in core-site.xml, such as hdfs://namenode:8020";
        let problem = Problem::Rule("no file sets fs.defaultFS");
        settings.find(Severity::Error, RESOURCES, problem, fix);
        return None;
    };
    let url = expand(url, properties, REFERENCE_DEPTH_MAX);
    let Some(authority) = url.strip_prefix("hdfs://").map(|rest| rest.trim_end_matches('/')) else {
        let fix = "write hdfs:// and a NameNode or name service".to_owned();
        let problem = Problem::Rule("the file system is not HDFS");
        tell(settings, place.clone(), DEFAULT_FS, Some(url), problem, fix);
        return None;
    };
    if authority.is_empty() {
        let fix = "write hdfs://namenode:8020 or hdfs://nameservice".to_owned();
        let problem = Problem::Rule("no NameNode is named");
        tell(settings, place.clone(), DEFAULT_FS, Some(url), problem, fix);
        return None;
    }
    if authority.contains(':') {
        return Some(url);
    }
    let list = format!("{NAMENODES}{authority}");
    let Some((nodes, list_place)) = properties.get(&list) else {
        let services = properties.get("dfs.nameservices").map_or("", |(value, _)| value);
        if services.split(',').any(|service| service.trim() == authority) {
            let fix = format!("write {list} in hdfs-site.xml");
            let problem = Problem::Rule("the name service has no list of NameNodes");
            tell(settings, place.clone(), DEFAULT_FS, Some(url), problem, fix);
            return None;
        }
        return Some(format!("hdfs://{authority}:{NAMENODE_PORT}"));
    };
    let mut complete = true;
    for node in nodes.split(',').map(str::trim) {
        let key = format!("dfs.namenode.rpc-address.{authority}.{node}");
        if !properties.contains_key(&key) {
            let fix = format!("write {key}, with host:port");
            let problem = Problem::Rule("a NameNode of the list has no address");
            tell(settings, list_place.clone(), &list, Some(nodes.clone()), problem, fix);
            complete = false;
        }
    }
    complete.then_some(url)
}

fn kerberos(settings: &mut Settings, properties: &Properties) -> Option<KerberosLogin> {
    let wanted = settings.text("hdfs.authentication.type");
    let wanted = wanted.is_some_and(|text| text.eq_ignore_ascii_case("KERBEROS"));
    let hadoop = properties.get(HADOOP_LOGIN).cloned();
    let secured = hadoop.as_ref().is_some_and(|(value, _)| value == "kerberos");
    if wanted != secured && !properties.is_empty() {
        if let Some((value, place)) = hadoop.filter(|_| secured) {
            let fix = "set hdfs.authentication.type=KERBEROS".to_owned();
            let problem = Problem::Rule("the cluster asks for Kerberos");
            tell(settings, place, HADOOP_LOGIN, Some(value), problem, fix);
        } else {
            let fix =
                "set hadoop.security.authentication to kerberos in core-site.xml, or NONE here";
            let problem = Problem::Rule("Hadoop's files do not ask for Kerberos");
            settings.find(Severity::Error, "hdfs.authentication.type", problem, fix);
        }
    }
    if !wanted {
        return None;
    }
    check_krb5_conf(settings);
    let principal = required(settings, "hdfs.krb5.principal", "write it as name/host@REALM");
    let keytab = required(settings, "hdfs.krb5.keytab.path", "write the path of a key table");
    let keytab = PathBuf::from(keytab?);
    if let Err(error) = std::fs::File::open(&keytab) {
        let fix = "make the key table readable for this user, and for no other";
        let problem = Problem::Unreadable(error.kind());
        settings.find(Severity::Error, "hdfs.krb5.keytab.path", problem, fix);
    }
    Some(KerberosLogin { principal: principal?, keytab })
}

fn required(settings: &mut Settings, key: &str, fix: &str) -> Option<String> {
    let text = settings.text(key);
    if text.is_none() {
        missing(settings, key, fix);
    }
    text
}

/// Told at the line that makes the key necessary.
fn missing(settings: &mut Settings, key: &str, fix: &str) {
    let profile = settings.values.get("fs.client.type");
    let place = profile.map(|set| set.place.clone()).unwrap_or_default();
    tell(settings, place, key, None, Problem::Missing, fix.to_owned());
}

/// The Kerberos library learns its configuration from the environment alone.
fn check_krb5_conf(settings: &mut Settings) {
    let Some(path) = settings.text(KRB5_CONF) else { return };
    let used = settings.krb5_config.clone().unwrap_or_else(|| KRB5_CONF_DEFAULT.to_owned());
    if path != used {
        let fix = format!("start the node with KRB5_CONFIG={path} in its environment");
        let problem = Problem::Rule("the Kerberos library reads another file");
        settings.find(Severity::Error, KRB5_CONF, problem, fix);
    }
}

/// Replaces `${name}` by the property of that name; others stay, as with Hadoop.
fn expand(text: &str, properties: &Properties, depth: usize) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let Some((name, after)) = rest.split_once('}') else { return text.to_owned() };
    let middle = match properties.get(name) {
        Some((value, _)) if depth > 0 => expand(value, properties, depth - 1),
        _ => format!("${{{name}}}"),
    };
    format!("{before}{middle}{}", expand(after, properties, depth))
}

fn tell(
    settings: &mut Settings,
    place: Place,
    key: &str,
    value: Option<String>,
    problem: Problem,
    fix: String,
) {
    let key = key.to_owned();
    settings.findings.push(Finding { severity: Severity::Error, place, key, value, problem, fix });
}
