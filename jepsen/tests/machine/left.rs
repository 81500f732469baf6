//! What a network leaves behind: nothing. Each test runs itself again as a process with nothing
//! else in it.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output};

use rustix::process::{Signal, getpid, kill_process};
use statekeeper_jepsen::cluster::net::Net;

use crate::network::{net, until};

const ALONE: &str = "STATEKEEPER_TEST_ALONE";

/// This test alone in a process of its own.
fn alone(test: &str) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", &format!("left::{test}"), "--nocapture"]).env(ALONE, "1");
    command.output().unwrap()
}

fn is_alone() -> bool {
    env::var_os(ALONE).is_some()
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The network namespaces of all processes and their threads.
fn namespaces() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for process in names("/proc").iter().filter(|name| name.parse::<u32>().is_ok()) {
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for thread in threads.flatten() {
            if let Ok(namespace) = fs::read_link(thread.path().join("ns/net")) {
                found.insert(namespace.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// A process of a node that ends with the thread that started it, as soon as it has asked for it.
fn node(net: &Net) -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "sleep", "1000"]);
    let child = net.spawn(0, command).unwrap();
    let name = format!("/proc/{}/comm", child.id());
    until(|| fs::read_to_string(&name).unwrap() == "sleep\n");
    child
}

#[test]
fn nothing_is_left_after_a_drop() {
    if !is_alone() {
        let output = alone("nothing_is_left_after_a_drop");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    let before = (names("/proc/self/task"), names("/proc/self/fd").len());
    let net = net();
    let copy = net.clone();
    let mut child = node(&net);
    drop(net);
    let of_node = fs::read_link(format!("/proc/{}/ns/net", child.id())).unwrap();
    assert_ne!(fs::read_link("/proc/self/ns/net").unwrap(), of_node);
    assert!(names("/proc/self/task").len() > before.0.len());
    drop(copy);
    until(|| child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().signal(), Some(9), "it ends with the network");
    assert_eq!((names("/proc/self/task"), names("/proc/self/fd").len()), before);
    assert!(!namespaces().contains(of_node.to_str().unwrap()));
}

#[test]
fn nothing_is_left_after_a_crash() {
    if is_alone() {
        let net = net();
        let mut child = node(&net);
        let namespace = fs::read_link(format!("/proc/{}/ns/net", child.id())).unwrap();
        println!("namespace {}", namespace.display());
        kill_process(getpid(), Signal::KILL).unwrap();
        // Not reached: the crash comes first.
        child.wait().unwrap();
    }
    let names_before = fs::read_dir("/run/netns").map_or(0, Iterator::count);
    let output = alone("nothing_is_left_after_a_crash");
    assert_eq!(output.status.signal(), Some(9), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let (_, line) = said.split_once("namespace ").unwrap();
    let namespace = line.trim();
    assert_ne!(namespace, fs::read_link("/proc/self/ns/net").unwrap().to_str().unwrap());
    until(|| !namespaces().contains(namespace));
    assert_eq!(fs::read_dir("/run/netns").map_or(0, Iterator::count), names_before);
}
