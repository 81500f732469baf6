//! A node of another cluster at the address of a node that is dead, as when an address is given to
//! another machine: the seed of the dead one leads to it.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;

use super::net::End;
use super::{CLUSTER_NAME, Cluster, LOOK_INTERVAL, Status, Unwell, etc, name};

/// It founds a cluster of its own, alone.
const FOUNDED_WITHIN: Duration = Duration::from_secs(20);

/// The process; it ends when this is dropped.
pub struct Stranger {
    process: Child,
    /// Its cluster.
    pub cluster_id: String,
}

impl Cluster {
    /// Starts one in the place of a node that does not run, and waits until it has founded.
    ///
    /// # Errors
    /// It cannot be started, or founds nothing.
    pub async fn start_stranger(&self, number: usize) -> anyhow::Result<Stranger> {
        let home = self.setup.folder.join("strangers").join(name(number));
        // Each is a new one.
        let _ = fs::remove_dir_all(&home);
        write(&home, self.net.address(End::Node(number)).to_string())
            .with_context(|| home.display().to_string())?;
        let log = OpenOptions::new().create(true).append(true).open(home.join("log"))?;
        let mut command = Command::new(&self.setup.binary);
        command.args(["serve", "--end-with-parent", "--etc"]).arg(home.join("etc"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = self.net.spawn(number, command).context("a node of another cluster")?;
        let mut stranger = Stranger { process, cluster_id: String::new() };
        let deadline = tokio::time::Instant::now() + FOUNDED_WITHIN;
        while tokio::time::Instant::now() < deadline {
            if let Some(Status { cluster_id: Some(cluster_id), role, .. }) =
                self.status(number).await
                && role == "leader"
            {
                stranger.cluster_id = cluster_id;
                return Ok(stranger);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        let words = fs::read_to_string(home.join("log")).unwrap_or_default();
        let what = format!("a node alone founded nothing within {FOUNDED_WITHIN:?}: {words}");
        Err(Unwell(what).into())
    }
}

/// What an operator of the other cluster would write.
fn write(home: &Path, address: String) -> std::io::Result<()> {
    let etc = home.join("etc");
    fs::create_dir_all(&etc)?;
    let port = etc::CLIENT_PORT;
    fs::write(
        etc.join("state-store.properties"),
        format!(
            "state-store.type=hazelcast\nstate-store.name=other\n\
             state-store.cluster={CLUSTER_NAME}-other\nhazelcast.discovery.mode=tcp-ip\n\
             hazelcast.discovery.port={port}\nhazelcast.discovery.tcp-ip.seeds={address}:{port}\n"
        ),
    )?;
    fs::write(
        etc.join("statekeeper.properties"),
        format!(
            "node.advertise={address}\nclient.advertise={address}:{port}\nadmin.bind={address}\n\
             storage.data-dir={}\nraft.bootstrap-expect=1\nadmin.insecure=true\n",
            home.join("data").display()
        ),
    )
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
