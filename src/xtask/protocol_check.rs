//! Compares the message table with the published protocol definitions, and writes the list of all
//! published messages. The definitions themselves are not in the tree.
//!
//! Compared are numbers, names, order, types, nullability, versions, the retry column and the
//! partition column, of every message and custom type in our table. A published message that is
//! not in the table is no difference.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use statekeeper_protocol::custom::{CUSTOM_TYPES, CustomDescriptor};
use statekeeper_protocol::message::{EventDescriptor, FieldDescriptor};
use statekeeper_protocol::{MessageDescriptor, PartitionSelection, messages};

use crate::repository::root;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder `protocol-definitions` of a checkout of hazelcast-client-protocol.
    definitions: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let published = Published::load(&arguments.definitions)?;
    let differences = published.differences();
    for difference in &differences {
        println!("{difference}");
    }
    let list = root().join("tests/wire/messages.txt");
    let text = published.message_list();
    if fs::read_to_string(&list).ok().as_deref() != Some(&text) {
        fs::write(&list, &text).with_context(|| format!("cannot write {}", list.display()))?;
        println!("{} is new", list.display());
    }
    let (checked, all) = (messages::table().count(), text.lines().count());
    println!("{checked} of {all} published messages are in the table");
    ensure!(differences.is_empty(), "{} differences", differences.len());
    Ok(())
}

struct Published {
    services: Vec<Service>,
    custom_types: Vec<Custom>,
}

#[derive(Deserialize)]
struct Service {
    id: u32,
    name: String,
    methods: Vec<Method>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Method {
    id: u32,
    name: String,
    since: String,
    request: Request,
    #[serde(default)]
    response: Parameters,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    retryable: bool,
    partition_identifier: Selection,
    #[serde(default)]
    params: Vec<Parameter>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    params: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Event {
    name: String,
    since: String,
    #[serde(default)]
    params: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    name: String,
    r#type: String,
    nullable: bool,
    since: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomTypes {
    custom_types: Vec<Custom>,
}

#[derive(Deserialize)]
struct Custom {
    name: String,
    since: String,
    params: Vec<Parameter>,
}

/// The definitions write -1 as a number and everything else as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Selection {
    Number(i64),
    Text(String),
}

impl Selection {
    fn meaning(&self) -> anyhow::Result<PartitionSelection> {
        Ok(match self {
            Self::Number(-1) => PartitionSelection::Anywhere,
            Self::Text(text) => match text.as_str() {
                "key" => PartitionSelection::ByKey,
                "name" => PartitionSelection::ByName,
                "partitionId" => PartitionSelection::ByPartitionId,
                "any key belongs to target partition" => PartitionSelection::ByAnyKey,
                other => bail!("unknown partition identifier {other}"),
            },
            Self::Number(other) => bail!("unknown partition identifier {other}"),
        })
    }
}

impl Published {
    fn load(folder: &Path) -> anyhow::Result<Self> {
        let mut files: Vec<PathBuf> = fs::read_dir(folder)
            .with_context(|| format!("cannot list {}", folder.display()))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        let mut services =
            files.iter().map(|file| read_yaml(file)).collect::<anyhow::Result<Vec<Service>>>()?;
        ensure!(!services.is_empty(), "no definitions in {}", folder.display());
        services.sort_by_key(|service| service.id);
        let custom: CustomTypes = read_yaml(&folder.join("custom/Custom.yaml"))?;
        Ok(Self { services, custom_types: custom.custom_types })
    }

    /// Number and name of every request, in the order of their numbers.
    fn message_list(&self) -> String {
        let mut list = String::new();
        for service in &self.services {
            let mut methods: Vec<&Method> = service.methods.iter().collect();
            methods.sort_by_key(|method| method.id);
            for method in methods {
                let number = service.id << 16 | method.id << 8;
                writeln!(list, "{number:06x} {}.{}", service.name, method.name)
                    .expect("writing to a string cannot fail");
            }
        }
        list
    }

    fn differences(&self) -> Vec<String> {
        let mut found = Differences::default();
        let mut last = 0;
        for ours in messages::table() {
            found.expect(ours.name, "order", &(ours.message_type.0 > last), &true);
            last = ours.message_type.0;
            match self.method(ours) {
                Some((service, method)) => found.message(ours, service, method),
                None => found.add(ours.name, "is not published under its number"),
            }
        }
        for ours in CUSTOM_TYPES {
            match self.custom_types.iter().find(|theirs| theirs.name == ours.name) {
                Some(theirs) => found.custom_type(ours, theirs),
                None => found.add(ours.name, "is not a published custom type"),
            }
        }
        found.0
    }

    fn method(&self, ours: &MessageDescriptor) -> Option<(&Service, &Method)> {
        let number = ours.message_type.0;
        let service = self.services.iter().find(|service| service.id == number >> 16)?;
        let method = service.methods.iter().find(|method| method.id == number >> 8 & 0xff)?;
        Some((service, method))
    }
}

fn read_yaml<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_yaml_ng::from_str(&text).with_context(|| format!("cannot understand {}", file.display()))
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn message(&mut self, ours: &MessageDescriptor, service: &Service, method: &Method) {
        let name = ours.name;
        let (our_service, our_method) = name.split_once('.').unwrap_or((name, ""));
        self.expect(name, "service", our_service, service.name.as_str());
        self.expect(name, "name", &lower_first(our_method), &lower_first(&method.name));
        self.expect(name, "since", ours.since, method.since.as_str());
        self.expect(name, "retryable", &ours.retryable, &method.request.retryable);
        match method.request.partition_identifier.meaning() {
            Ok(theirs) => self.expect(name, "partition", &ours.partition, &theirs),
            Err(error) => self.add(name, &error.to_string()),
        }
        self.fields(&format!("{name} request"), ours.request, &method.request.params);
        self.fields(&format!("{name} response"), ours.response, &method.response.params);
        self.expect(name, "events", &ours.events.len(), &method.events.len());
        for (index, (ours, theirs)) in ours.events.iter().zip(&method.events).enumerate() {
            self.event(name, index, ours, theirs);
        }
    }

    fn event(&mut self, message: &str, index: usize, ours: &EventDescriptor, theirs: &Event) {
        let place = format!("{message} {}", ours.name);
        let their_name = format!("{}Event", theirs.name);
        self.expect(&place, "name", &lower_first(ours.name), &lower_first(&their_name));
        // Events are numbered in the order of their definition, behind request and response.
        self.expect(&place, "number", &((ours.message_type.0 & 0xff) as usize), &(index + 2));
        self.expect(&place, "since", ours.since, theirs.since.as_str());
        self.fields(&place, ours.fields, &theirs.params);
    }

    fn custom_type(&mut self, ours: &CustomDescriptor, theirs: &Custom) {
        self.expect(ours.name, "since", ours.since, theirs.since.as_str());
        self.fields(ours.name, ours.fields, &theirs.params);
    }

    fn fields(&mut self, place: &str, ours: &[FieldDescriptor], theirs: &[Parameter]) {
        self.expect(place, "fields", &ours.len(), &theirs.len());
        for (ours, theirs) in ours.iter().zip(theirs) {
            let place = format!("{place} {}", theirs.name);
            self.expect(&place, "name", &plain(ours.name), &plain(&theirs.name));
            self.expect(&place, "type", &ours.field_type.to_string(), &by_bytes(&theirs.r#type));
            self.expect(&place, "since", ours.since, theirs.since.as_str());
            // A uuid carries a null flag whatever its definition says, and real members use it:
            // a refused client gets a null cluster id.
            let allowed = theirs.r#type == "UUID" && ours.nullable;
            if !allowed {
                self.expect(&place, "nullable", &ours.nullable, &theirs.nullable);
            }
        }
    }

    fn expect<T: PartialEq + std::fmt::Debug + ?Sized>(
        &mut self,
        place: &str,
        what: &str,
        ours: &T,
        theirs: &T,
    ) {
        if ours != theirs {
            self.0.push(format!("{place}: {what} is {ours:?}, published is {theirs:?}"));
        }
    }

    fn add(&mut self, place: &str, what: &str) {
        self.0.push(format!("{place}: {what}"));
    }
}

/// Names are snake case in the table and camel case in the definitions.
fn plain(name: &str) -> String {
    name.trim_start_matches("r#").replace('_', "").to_lowercase()
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

/// Maps have the bytes of entry lists, sets those of lists.
fn by_bytes(name: &str) -> String {
    match name.split_once('_') {
        Some(("Map", rest)) => format!("EntryList_{rest}"),
        Some(("Set", rest)) => format!("List_{rest}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAKE_IDS: &str = r#"
id: 28
name: FlakeIdGenerator
methods:
  - id: 1
    name: newIdBatch
    since: "2.0"
    request:
      retryable: true
      partitionIdentifier: -1
      params:
        - { name: name, type: String, nullable: false, since: "2.0" }
        - { name: batchSize, type: int, nullable: false, since: "2.0" }
    response:
      params:
        - { name: base, type: long, nullable: false, since: "2.0" }
        - { name: increment, type: long, nullable: false, since: "2.0" }
        - { name: batchSize, type: int, nullable: false, since: "2.0" }
"#;

    fn differences(definition: &str) -> Vec<String> {
        let service: Service = serde_yaml_ng::from_str(definition).expect("valid yaml");
        let published = Published { services: vec![service], custom_types: Vec::new() };
        let mut found = published.differences();
        found.retain(|line| line.starts_with("FlakeIdGenerator"));
        found
    }

    #[test]
    fn the_published_definition_is_no_difference() {
        assert_eq!(differences(FLAKE_IDS), Vec::<String>::new());
    }

    #[test]
    fn every_kind_of_change_is_found() {
        for (old, new) in [
            ("id: 1\n", "id: 2\n"),
            ("newIdBatch", "newIdBatches"),
            ("since: \"2.0\"\n", "since: \"2.1\"\n"),
            ("retryable: true", "retryable: false"),
            ("partitionIdentifier: -1", "partitionIdentifier: name"),
            ("name: name", "name: title"),
            ("type: int", "type: long"),
            ("nullable: false", "nullable: true"),
            ("since: \"2.0\" }", "since: \"2.3\" }"),
            ("        - { name: increment, type: long, nullable: false, since: \"2.0\" }\n", ""),
            ("name: increment", "name: base2"),
        ] {
            let changed = FLAKE_IDS.replacen(old, new, 1);
            assert_ne!(changed, FLAKE_IDS);
            assert!(!differences(&changed).is_empty(), "{old} -> {new} is not found");
        }
    }
}
