//! Real Hadoop: NameNodes and a DataNode in a process of their own, on loopback.

use crate::support::provision;
use crate::support::tail;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use tempfile::TempDir;

const START_TIMEOUT: Duration = Duration::from_secs(90);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A Hadoop cluster; killed by its id when dropped.
pub(crate) struct Hadoop {
    child: Child,
    conversation: Mutex<(ChildStdin, Receiver<String>)>,
    dir: TempDir,
}

/// Lines that may wait: it says one line an answer.
const LINES_WAITING: usize = 64;

impl Hadoop {
    /// One NameNode, or two of one name service of which the first is active.
    pub(crate) fn start(name_nodes: usize) -> Hadoop {
        Hadoop::run(&[&name_nodes.to_string()])
    }

    /// One NameNode that lets nobody in without a ticket.
    pub(crate) fn start_secured() -> Hadoop {
        Hadoop::run(&["1", "kerberos"])
    }

    fn run(arguments: &[&str]) -> Hadoop {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let mut child = provision::hadoop()
            .arg(dir.path().join("hdfs"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(LINES_WAITING);
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        let hadoop = Hadoop { child, conversation: Mutex::new((stdin, lines)), dir };
        let first = hadoop.conversation.lock().unwrap().1.recv_timeout(START_TIMEOUT);
        assert_eq!(first.as_deref(), Ok("ready"), "Hadoop did not start: {}", hadoop.log());
        hadoop
    }

    /// Tells it to do something, and gives its answer.
    pub(crate) fn tell(&self, command: &str) -> Result<String, String> {
        let mut conversation = self.conversation.lock().unwrap();
        let (stdin, answers) = &mut *conversation;
        writeln!(stdin, "{command}").unwrap();
        let answer = answers.recv_timeout(ANSWER_TIMEOUT).unwrap();
        match answer.split_once(' ').unwrap() {
            ("ok", rest) => Ok(rest.to_owned()),
            (_, rest) => Err(rest.to_owned()),
        }
    }

    /// As `tell`, for what must work.
    pub(crate) fn ok(&self, command: &str) -> String {
        self.tell(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// The file that clients are given.
    pub(crate) fn core_site(&self) -> PathBuf {
        self.file("core-site.xml")
    }

    /// One of the files it leaves for clients.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("hdfs").join(name)
    }

    fn log(&self) -> String {
        tail(&self.dir.path().join("log"), 40)
    }
}

impl Drop for Hadoop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of Hadoop ---\n{}", self.log());
        }
    }
}
