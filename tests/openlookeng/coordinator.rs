//! The stand-in for a coordinator: a process that answers `GET /v1/info` as long as it lives.

use crate::support::network::Namespace;
use crate::support::{provision, wait_until};
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// A JVM on busy cores.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const PASSWORD: &str = "changeit";

/// Where one is to run, and how.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    address: SocketAddr,
    namespace: Option<&'a Namespace>,
    certificate: Option<&'a Certificate>,
}

/// A small HTTP server in a process of its own; killed with SIGKILL when dropped.
pub(crate) struct Coordinator {
    process: Child,
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

/// A key store with a certificate that signs itself, made by Java's own tool.
pub(crate) struct Certificate {
    store: PathBuf,
    pem: PathBuf,
}

impl<'a> Place<'a> {
    /// HTTP at an address of this machine; port 0 takes a free one.
    pub(crate) fn at(host: IpAddr, port: u16) -> Place<'a> {
        Place { address: SocketAddr::new(host, port), namespace: None, certificate: None }
    }

    /// On a host of its own.
    pub(crate) fn within(self, namespace: &'a Namespace) -> Place<'a> {
        Place { namespace: Some(namespace), ..self }
    }

    /// HTTPS.
    pub(crate) fn with(self, certificate: &'a Certificate) -> Place<'a> {
        Place { certificate: Some(certificate), ..self }
    }

    /// Starts one and waits until it listens.
    pub(crate) fn start(self) -> Coordinator {
        let mut command = provision::coordinator();
        command.args([self.address.ip().to_string(), self.address.port().to_string()]);
        if let Some(certificate) = self.certificate {
            command.arg(&certificate.store).arg(PASSWORD);
        }
        let command = match self.namespace {
            Some(namespace) => namespace.wrap(&command),
            None => command,
        };
        Coordinator::run(command, self.address)
    }
}

impl Coordinator {
    fn run(mut command: Command, address: SocketAddr) -> Coordinator {
        // It ends with its input: a test that is killed leaves none behind.
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a JVM");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let requests = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&requests);
        let (told, port) = sync_channel(1);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                match line.strip_prefix("port ") {
                    Some(port) => told.send(port.parse().unwrap()).unwrap(),
                    None => _ = counts.fetch_add(1, Ordering::Relaxed),
                }
            }
        });
        let port = port.recv_timeout(START_TIMEOUT).expect("the port of a coordinator");
        Coordinator { process, address: SocketAddr::new(address.ip(), port), requests }
    }

    /// Where it answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests it has answered so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Waits until somebody has asked it from now on.
    pub(crate) fn wait_asked(&self, timeout: Duration) {
        let before = self.requests();
        wait_until("a question to the coordinator", timeout, || self.requests() > before);
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Certificate {
    /// For these addresses, in files of this folder.
    pub(crate) fn signed_by_itself(folder: &Path, name: &str, hosts: &[IpAddr]) -> Certificate {
        let (store, pem) = (folder.join(format!("{name}.p12")), folder.join(format!("{name}.pem")));
        let names: Vec<String> = hosts.iter().map(|host| format!("ip:{host}")).collect();
        let own = ["-alias", "own", "-storetype", "PKCS12", "-storepass", PASSWORD, "-keystore"];
        let mut generate = Command::new("keytool");
        generate.arg("-genkeypair").args(own).arg(&store).args(["-keyalg", "RSA"]);
        generate.args(["-validity", "2", "-dname", &format!("CN={name}")]);
        if !names.is_empty() {
            generate.args(["-ext", &format!("san={}", names.join(","))]);
        }
        keytool(&mut generate);
        let mut export = Command::new("keytool");
        keytool(export.args(["-exportcert", "-rfc"]).args(own).arg(&store).arg("-file").arg(&pem));
        Certificate { store, pem }
    }

    /// The certificate alone, for those who are to trust it.
    pub(crate) fn pem(&self) -> &Path {
        &self.pem
    }
}

fn keytool(command: &mut Command) {
    let output = command.output().expect("keytool, of the JDK");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
