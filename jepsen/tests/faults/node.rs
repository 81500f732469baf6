//! One real node, and a client that asks it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use statekeeper_jepsen::client::http::HttpClient;
use statekeeper_jepsen::client::{Client as _, Op, Outcome};

const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(crate) struct Node {
    home: PathBuf,
    data: PathBuf,
    environment: Vec<(String, String)>,
    admin: SocketAddr,
    process: Option<Child>,
}

impl Node {
    /// Starts a node that is its whole cluster, and waits until it serves.
    pub(crate) fn start(home: &Path, data: &Path, environment: Vec<(String, String)>) -> Node {
        let listeners = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let [client, raft, admin] = listeners.each_ref().map(|l| l.local_addr().unwrap().port());
        drop(listeners);
        write_settings(home, data, [client, raft, admin]);
        let (home, data) = (home.to_owned(), data.to_owned());
        let admin = (Ipv4Addr::LOCALHOST, admin).into();
        let mut node = Node { home, data, environment, admin, process: None };
        node.restart();
        node
    }

    /// Starts it again on what is on its disk.
    pub(crate) fn restart(&mut self) {
        self.spawn();
        let deadline = Instant::now() + READY_WITHIN;
        while !self.is_ready() {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            let late = Instant::now() > deadline;
            assert!(ended.is_none() && !late, "{ended:?}:\n{}", self.log());
            sleep(LOOK_INTERVAL);
        }
    }

    /// Starts it, and waits until it serves or has ended by itself.
    pub(crate) fn try_restart(&mut self) -> bool {
        self.spawn();
        let deadline = Instant::now() + READY_WITHIN;
        while !self.is_ready() {
            if self.process.as_mut().unwrap().try_wait().unwrap().is_some() {
                self.process = None;
                return false;
            }
            assert!(Instant::now() < deadline, "neither up nor ended:\n{}", self.log());
            sleep(LOOK_INTERVAL);
        }
        true
    }

    fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.home.join("log")).unwrap();
        let process = Command::new(binary())
            .args(["serve", "--end-with-parent", "--etc"])
            .arg(self.home.join("etc"))
            .current_dir(&self.home)
            .envs(self.environment.clone())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.process = Some(process.unwrap());
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.join("log")).unwrap()
    }

    /// SIGKILL; how long the process took to end.
    pub(crate) fn kill(&mut self) -> Duration {
        let begin = Instant::now();
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        begin.elapsed()
    }

    /// Waits for its own end.
    pub(crate) fn wait_end(&mut self, within: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            if ended.is_some() {
                self.process = None;
                return ended;
            }
            sleep(LOOK_INTERVAL);
        }
        None
    }

    /// Puts a value under a key; whether the node said that it did.
    pub(crate) fn put(&self, key: u64) -> Result<(), String> {
        match self.call("set", key, Some(json!(key))) {
            Outcome::Ok { .. } => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    pub(crate) fn expect(&self, keys: impl Iterator<Item = u64>) {
        for key in keys {
            match self.call("get", key, None) {
                Outcome::Ok { value: Some(value), .. } => assert_eq!(value, json!(key)),
                other => panic!("key {key}: {other:?}"),
            }
        }
    }

    fn call(&self, f: &str, key: u64, value: Option<Value>) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (object, name) = ("map".to_owned(), "kept".to_owned());
        let key = Some(json!(format!("key-{key}")));
        let op = Op { object, name, f: f.to_owned(), key, value, ttl: None };
        let _ = rustls::crypto::ring::default_provider().install_default();
        runtime.block_on(async {
            let mut client = HttpClient::new(self.admin, None).unwrap();
            client.call(&op, ANSWER_WITHIN).await
        })
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.admin) else { return false };
        let ask = b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        let asked = stream.write_all(ask).and_then(|()| stream.read_to_string(&mut answer));
        asked.is_ok() && answer.starts_with("HTTP/1.1 200")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

fn write_settings(home: &Path, data: &Path, [client, raft, admin]: [u16; 3]) {
    let etc = home.join("etc");
    fs::create_dir_all(&etc).unwrap();
    let write = |name: &str, text: String| fs::write(etc.join(name), text).unwrap();
    write(
        "state-store.properties",
        format!(
            "state-store.type=hazelcast\nstate-store.name=test\nstate-store.cluster=faults\n\
             hazelcast.discovery.mode=tcp-ip\nhazelcast.discovery.port={client}\n\
             hazelcast.discovery.tcp-ip.seeds=127.0.0.1:{client}\n"
        ),
    );
    write(
        "statekeeper.properties",
        format!(
            "node.advertise=127.0.0.1\nclient.advertise=127.0.0.1:{client}\n\
             node.bind=127.0.0.1\nadmin.bind=127.0.0.1\nraft.port={raft}\nadmin.port={admin}\n\
             storage.data-dir={}\nstorage.disk-free-min=1MB\n",
            data.display()
        ),
    );
    let coordinator = "coordinator=false\nhetu.embedded-state-store.enabled=false\n";
    write("config.properties", coordinator.to_owned());
    write(
        "node.properties",
        format!("node.environment=test\nnode.id=test-{client}\nnode.internal-address=127.0.0.1\n"),
    );
}

/// The server of the same build as this test.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().and_then(Path::parent).unwrap().join("statekeeper");
    let missing = format!("{} is missing; run: cargo build --bin statekeeper", binary.display());
    assert!(binary.exists(), "{missing}");
    binary
}
