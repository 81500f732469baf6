//! The program's verbs as processes against a server of this test.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::sequencer::Fault;
use crate::server::Server;

/// The program without anything of this process's environment that it would obey.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_statekeeper"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    for flag in ["ENDPOINT", "OUTPUT", "TIMEOUT", "YES", "DRY_RUN"] {
        command.env_remove(format!("STATEKEEPER_{flag}"));
    }
    command
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn run(server: &Server, arguments: &[&str]) -> Ran {
    let mut command = program(arguments);
    ran(command.args(["--endpoint", &server.address]).output().await.unwrap())
}

#[tokio::test]
async fn records_are_set_read_listed_and_removed() {
    let server = Server::start().await;
    let set = run(&server, &["map", "set", "a/b", "k", "hello", "--ttl", "1m"]).await.json();
    assert_eq!(set, json!({ "request": "PUT /v1/maps/a/b/entries/k", "done": true }));
    let entry = run(&server, &["map", "get", "a/b", "k"]).await.json();
    assert_eq!(
        (&entry["value"]["value"], &entry["time_to_live_ms"]),
        (&json!("hello"), &json!(60_000))
    );
    let raw = run(&server, &["map", "get", "a/b", "k", "--raw"]).await;
    assert_eq!(raw.out, "00000000fffffff50000000568656c6c6f\n");
    run(&server, &["map", "set", "a/b", "n", "-7", "--type", "long"]).await.json();
    let page = run(&server, &["map", "entries", "a/b"]).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!(run(&server, &["map", "list"]).await.json()["items"][0]["records"], 2);
    assert_eq!(run(&server, &["map", "stats", "a/b"]).await.json()["records"], 2);
    let version = entry["version"].as_str().unwrap();
    run(&server, &["map", "set", "a/b", "k", "new", "--if-version", version]).await.json();
    let stale = run(&server, &["map", "remove", "a/b", "k", "--if-version", version]).await;
    assert_eq!(stale.code, 4, "refused: {}", stale.err);
    let there = run(&server, &["map", "set", "a/b", "k", "x", "--if-absent"]).await;
    assert_eq!(there.code, 4);
    run(&server, &["map", "remove", "a/b", "k"]).await.json();
    assert_eq!(run(&server, &["map", "get", "a/b", "k"]).await.code, 1);
}

#[tokio::test]
async fn a_table_is_printed_when_asked_for() {
    let server = Server::start().await;
    server.put_text("m", "k", "v\u{1b}[2J").await;
    let table = run(&server, &["map", "entries", "m", "--output", "table"]).await;
    let lines: Vec<&str> = table.out.lines().collect();
    assert!(lines[0].starts_with("KEY  TYPE    BYTES  VERSION"), "{}", table.out);
    assert!(lines[1].starts_with("k    string"), "{}", table.out);
    assert!(!table.out.contains('\u{1b}'), "a value does not move the cursor");
    let status = run(&server, &["status", "--output", "table"]).await;
    assert!(status.out.contains("quorum   1 of 1 nodes, none may fail"), "{}", status.out);
    assert!(status.out.contains("ALARM    no-failure-tolerated: "), "{}", status.out);
}

#[tokio::test]
async fn what_destroys_is_done_only_when_confirmed_and_can_be_tried_first() {
    let server = Server::start().await;
    server.put_text("m", "k", "v").await;
    let asked = run(&server, &["map", "clear", "m"]).await;
    assert_eq!(asked.code, 4, "nobody can be asked");
    assert!(asked.err.contains("was not confirmed, and not done"), "{}", asked.err);
    let tried = run(&server, &["map", "clear", "m", "--dry-run"]).await.json();
    assert_eq!((&tried["records_before"], &tried["done"]), (&json!(1), &json!(false)));
    let tried = run(&server, &["map", "set", "m", "k2", "v", "--dry-run"]).await.json();
    assert_eq!(tried["done"], false);
    assert_eq!(server.read("/v1/maps/m").await["records"], 1, "nothing was changed");
    assert_eq!(run(&server, &["map", "clear", "m", "--yes"]).await.json()["done"], true);
    assert_eq!(server.read("/v1/maps/m").await["records"], 0);
}

#[tokio::test]
async fn locks_are_listed_and_released() {
    let server = Server::start().await;
    server.fill().await;
    let locks = run(&server, &["lock", "list"]).await.json();
    assert_eq!(locks["items"][0]["owner"]["client_name"], "hz.client_1");
    let table = run(&server, &["lock", "list", "--output", "table"]).await;
    assert!(table.out.contains("hz.client_1"), "{}", table.out);
    let other = run(&server, &["lock", "release", "l", "--fence", "99", "--yes"]).await;
    assert_eq!(other.code, 4);
    let fence = locks["items"][0]["fence"].as_str().unwrap();
    let released = run(&server, &["lock", "release", "l", "--fence", fence, "--yes"]).await.json();
    assert_eq!(released["done"], true);
}

#[tokio::test]
async fn nodes_are_listed_added_and_kept_by_rules() {
    let server = Server::start().await;
    assert_eq!(run(&server, &["node", "list"]).await.json()["items"][0]["node_id"], "1");
    let added = run(&server, &["node", "add", "2", "127.0.0.1:5752"]).await.json();
    assert_eq!(added["learners_after"], json!(["2"]));
    let early = run(&server, &["node", "promote", "2", "--output", "table"]).await;
    assert_eq!(early.code, 4);
    assert!(early.err.contains("error: node 2 has not answered"), "{}", early.err);
    assert!(early.err.contains("(SK0110)\nwhy:   For instance"), "{}", early.err);
    assert!(early.err.contains("\ndo:    "), "{}", early.err);
    assert_eq!(run(&server, &["node", "remove", "1", "--yes"]).await.code, 4, "the last voter");
    assert_eq!(run(&server, &["node", "remove", "2", "--yes"]).await.json()["done"], true);
    assert_eq!(run(&server, &["node", "transfer-leader"]).await.code, 4, "to whom");
}

#[tokio::test]
async fn status_is_shown_also_without_a_quorum() {
    let server = Server::start().await;
    server.sequencer.set_quorum(false);
    let status = run(&server, &["status"]).await.json();
    assert_eq!(status["cluster"]["alarms"][0]["alarm"], "no-leader");
    assert_eq!(status["nodes"][0]["node_id"], "1");
}

#[tokio::test]
async fn status_watches_until_it_is_interrupted() {
    let server = Server::start().await;
    let mut command = program(&["status", "--watch", "--endpoint", &server.address]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line = lines.next_line().await.unwrap().unwrap();
        let status: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(status["cluster"]["leader"], "1");
    }
    let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn the_end_of_the_program_says_what_became_of_it() {
    let server = Server::start().await;
    assert_eq!(run(&server, &["map", "stats", "none"]).await.code, 1);
    assert_eq!(run(&server, &["map", "set", "m", "k", "x", "--type", "long"]).await.code, 2);
    assert_eq!(run(&server, &["map", "set", "m", "base64:AAAA", "x"]).await.code, 2);
    assert_eq!(run(&server, &["map", "frobnicate"]).await.code, 2);
    server.sequencer.inject([Fault::OutcomeLost]);
    let unknown = run(&server, &["map", "set", "m", "k", "x"]).await;
    assert_eq!(unknown.code, 5, "{}", unknown.err);
    let error: Value = serde_json::from_str(&unknown.err).unwrap();
    assert_eq!(error["code"], "SK0116");
    assert!(error["fix"].as_str().unwrap().contains("before you repeat it"), "{error}");
    let nobody = program(&["map", "list", "--endpoint", &dead_address()]).output().await.unwrap();
    let nobody = ran(nobody);
    assert_eq!(nobody.code, 3, "{}", nobody.err);
}

#[tokio::test]
async fn every_endpoint_is_tried_while_nothing_can_have_happened() {
    let (cut_off, server) = (Server::start().await, Server::start().await);
    cut_off.sequencer.set_quorum(false);
    let dead = dead_address();
    let endpoints = format!("http://{dead},{},{}", cut_off.address, server.address);
    let mut command = program(&["map", "set", "m", "k", "v"]);
    let set = ran(command.env("STATEKEEPER_ENDPOINT", &endpoints).output().await.unwrap());
    assert_eq!(set.json()["done"], true);
    assert_eq!(server.read("/v1/maps/m/entries/k").await["value"]["value"], "v");
    let none = program(&["map", "list", "--endpoint", &cut_off.address]).output().await.unwrap();
    let none = ran(none);
    assert_eq!(none.code, 1, "a node answered that it could not: {}", none.err);
    assert!(none.err.contains("SK0112"), "{}", none.err);
}

#[tokio::test]
async fn a_change_whose_connection_breaks_is_never_sent_again() {
    let server = Server::start().await;
    let breaking = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = breaking.local_addr().unwrap().to_string();
    let accepting = std::thread::spawn(move || {
        // Reads the request, says nothing, and goes.
        for _ in 0..2 {
            let (mut stream, _) = breaking.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
        }
    });
    let endpoints = format!("{address},{}", server.address);
    let change = program(&["map", "set", "m", "k", "v", "--endpoint", &endpoints]).output();
    let change = ran(change.await.unwrap());
    assert_eq!(change.code, 5, "{}", change.err);
    assert_eq!(server.get("/v1/maps/m").await.status, 404, "nobody else was asked");
    let read = ran(program(&["map", "list", "--endpoint", &endpoints]).output().await.unwrap());
    assert_eq!(read.json()["items"], json!([]), "a read goes on with the next");
    accepting.join().unwrap();
}

#[tokio::test]
async fn whoever_is_no_node_is_told_as_such() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").unwrap();
    });
    let asked = program(&["map", "list", "--endpoint", &address, "--output", "table"]).output();
    let asked = ran(asked.await.unwrap());
    assert_eq!(asked.code, 1);
    assert!(asked.err.contains("does not answer as a node does"), "{}", asked.err);
    answering.join().unwrap();
}

#[tokio::test]
async fn help_is_what_was_published() {
    let mut text = String::new();
    for verb in ["", "status", "map", "lock", "node", "doctor", "seed"] {
        let arguments: Vec<&str> = verb.split_whitespace().chain(["--help"]).collect();
        let help = ran(program(&arguments).output().await.unwrap());
        assert_eq!(help.code, 0);
        text += &format!("$ statekeeper {}\n{}\n", arguments.join(" "), help.out);
    }
    insta::assert_snapshot!(text);
}

/// An address where nobody listens: a port that was free a moment ago.
fn dead_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
