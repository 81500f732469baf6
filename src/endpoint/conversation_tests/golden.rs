//! Captured requests of real clients, replayed: our answers against those of real members.
//!
//! A capture holds a few requests of each kind, not all that were sent: what it leaves out, such as
//! the put before a get, is left out of the replay too. Every answer must be of the captured kind;
//! where its content differs, one of the lists below says why, and a snapshot says how often.

#![allow(clippy::disallowed_methods, reason = "golden vectors are files")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use statekeeper_protocol::messages::client::{authentication, authentication_custom};
use statekeeper_protocol::messages::error::ErrorResponse;
use statekeeper_protocol::{ClientMessage, Message, MessageType};

use super::sequencer::Sequencer;
use super::talk::Talk;
use super::{from_hex, in_words, settings};
use crate::Input;

const OWN_ID: &str = "the id of a registration is the member's own";
const LEFT_OUT: &str = "reads or changes what requests left out of the capture wrote";

/// Answers whose content may differ from that of real members, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("Client.authentication", "one partition, own uuids, and never the fields of later versions"),
    ("Client.authenticationCustom", "never the fields of later versions"),
    ("Client.localBackupListener", OWN_ID),
    ("Client.addDistributedObjectListener", OWN_ID),
    ("Client.getDistributedObjects", "only objects of supported services are known"),
    ("Map.addEntryListener", OWN_ID),
    ("Map.addEntryListenerToKey", OWN_ID),
    ("Map.addNearCacheInvalidationListener", OWN_ID),
    ("Map.fetchNearCacheInvalidationMetadata", "there is one partition"),
    ("Map.fetchKeys", "everything is in the one partition's first page"),
    ("Map.getEntryView", "creation and cost are known here, and times are the replay's"),
    ("Map.delete", "whether something was there is always said, as of protocol 2.7"),
    ("Map.removeEntryListener", "the id in the request is a real member's"),
    ("Set.addListener", OWN_ID),
    ("Set.removeListener", "the id in the request is a real member's"),
    ("FlakeIdGenerator.newIdBatch", "ids follow each other and come through the log"),
    ("CPGroup.createCPGroup", "the number of a group is that of its creation"),
    ("CPSession.createSession", "a session lives for 30 s here"),
    ("FencedLock.lock", "the fence is the next of our own counter"),
    ("FencedLock.getLockOwnership", "the fence is the next of our own counter"),
    ("FencedLock.tryLock", LEFT_OUT),
    ("FencedLock.unlock", LEFT_OUT),
    ("CPSession.closeSession", LEFT_OUT),
    ("Map.containsValue", LEFT_OUT),
    ("Map.entrySet", LEFT_OUT),
    ("Map.get", LEFT_OUT),
    ("Map.getAll", LEFT_OUT),
    ("Map.isLocked", LEFT_OUT),
    ("Map.keySet", LEFT_OUT),
    ("Map.putIfAbsent", LEFT_OUT),
    ("Map.remove", LEFT_OUT),
    ("Map.removeIfSame", LEFT_OUT),
    ("Map.replace", LEFT_OUT),
    ("Map.replaceIfSame", LEFT_OUT),
    ("Map.size", LEFT_OUT),
    ("Map.tryRemove", LEFT_OUT),
    ("Map.values", LEFT_OUT),
    ("Set.compareAndRemoveAll", LEFT_OUT),
    ("Set.compareAndRetainAll", LEFT_OUT),
    ("Set.contains", LEFT_OUT),
    ("Set.containsAll", LEFT_OUT),
    ("Set.getAll", LEFT_OUT),
    ("Set.isEmpty", LEFT_OUT),
    ("Set.remove", LEFT_OUT),
    ("Set.size", LEFT_OUT),
];

#[test]
fn real_clients_are_answered_as_real_members_answer_them() {
    let mut compared = BTreeMap::<String, (usize, usize)>::new();
    for file in capture_files() {
        let captured: Vec<Value> =
            serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let mut replay = Replay::of(&captured);
        for vector in &captured {
            let message = ClientMessage::parse(from_hex(text(vector, "hex"))).unwrap();
            match text(vector, "kind") {
                "request" => replay.ask(vector, message),
                "response" | "error" => {
                    let Some(own) = replay.answer_to(vector, &message) else { continue };
                    compare(&file.display().to_string(), own, &message, &mut compared);
                }
                _ => {}
            }
        }
    }
    let same: usize = compared.values().map(|(same, _)| same).sum();
    let mut table = format!("{same} answers are the same\n");
    for (name, (same, different)) in compared {
        let reason = reason(&name).filter(|_| different > 0).unwrap_or_default();
        writeln!(table, "{name}: {same} the same, {different} not {reason}").unwrap();
    }
    insta::assert_snapshot!(table);
}

fn compare(
    file: &str,
    own: &Own,
    real: &ClientMessage,
    compared: &mut BTreeMap<String, (usize, usize)>,
) {
    let name = own.name.clone();
    let (ours, theirs) = (in_words(&own.answer), in_words(real));
    let is_of_kind = own.answer.message_type() == real.message_type();
    assert!(is_of_kind, "{file}: {name}\n  ours: {ours}\n  real: {theirs}");
    let is_same = if real.message_type() == MessageType::ERROR {
        error_of(&own.answer) == error_of(real)
    } else {
        ours == theirs
    };
    let (same, different) = compared.entry(name.clone()).or_default();
    if is_same {
        *same += 1;
    } else {
        *different += 1;
        let known = reason(&name).is_some();
        assert!(known, "{file}: {name}\n  ours: {ours}\n  real: {theirs}");
    }
}

/// Code and class: texts name objects of the member's own.
fn error_of(message: &ClientMessage) -> (i32, String) {
    let answer = ErrorResponse::decode(message).unwrap();
    (answer.errors[0].error_code, answer.errors[0].class_name.clone())
}

fn reason(name: &str) -> Option<&'static str> {
    DIFFERENT.iter().find(|(own, _)| *own == name).map(|(_, reason)| *reason)
}

/// A request's type and our answer.
struct Own {
    name: String,
    request: MessageType,
    answer: ClientMessage,
}

/// One capture on its way.
struct Replay {
    sequencer: Sequencer,
    talk: Talk,
    /// By correlation id and step: one id belongs to several clients of a capture.
    answers: BTreeMap<(i64, String), Own>,
}

impl Replay {
    /// With as many CP sessions as the capture speaks of: their creation is mostly left out.
    fn of(captured: &[Value]) -> Self {
        let mut sequencer = Sequencer::new();
        for vector in captured {
            let decoded = &vector["decoded"];
            if let (Some(session), Some(group)) =
                (decoded["sessionId"].as_i64(), decoded["groupId"]["name"].as_str())
            {
                sequencer.create_sessions(group, session);
            }
        }
        Self { sequencer, talk: Talk::new(), answers: BTreeMap::new() }
    }

    fn ask(&mut self, vector: &Value, request: ClientMessage) {
        let message_type = request.message_type();
        let authenticates = [
            <authentication::Request as Message>::TYPE,
            <authentication_custom::Request as Message>::TYPE,
        ];
        if authenticates.contains(&message_type) {
            self.talk = Talk::stranger(settings());
        } else if self.talk.is_stranger() {
            // The authentication of this client was left out.
            self.talk = Talk::new();
        }
        let correlation = request.correlation_id();
        let name = text(vector, "message").to_owned();
        let sent = self.sequencer.drive(&mut self.talk, Input::Message(request));
        let is_answer = |message: &ClientMessage| {
            !message.is_event() && message.correlation_id() == correlation
        };
        if let Some(answer) = sent.into_iter().find(is_answer) {
            let id = (correlation.0, text(vector, "step").to_owned());
            self.answers.insert(id, Own { name, request: message_type, answer });
        }
    }

    /// Our answer to the request that this is a real member's answer to, if it was captured.
    fn answer_to(&self, vector: &Value, real: &ClientMessage) -> Option<&Own> {
        let id = (real.correlation_id().0, text(vector, "step").to_owned());
        let own = self.answers.get(&id)?;
        let real_type = real.message_type();
        let fits = real_type == MessageType::ERROR || real_type.0 & !0xff == own.request.0;
        fits.then_some(own)
    }
}

fn capture_files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire/captures");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 11, "{files:?}");
    files
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_else(|| panic!("no {field}: {vector}"))
}
