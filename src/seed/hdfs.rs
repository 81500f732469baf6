//! The files of a seed directory in HDFS, through `hdfs-native`, which speaks Hadoop's own
//! protocol.

use super::SeedError;
use super::files::{FileFuture, SeedFiles, absent_is_none, beside};
use super::folder::SeedFolder;
use crate::config::HdfsConfig;
use bytes::Bytes;
use hdfs_native::client::FileStatus;
use hdfs_native::{Client, ClientBuilder, HdfsError, WriteOptions};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A NameNode that fails over answers within seconds; the client itself would try for minutes, and
/// the next look asks again.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Clients of another user read the seeds.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;
/// Key of Hadoop's core-site.xml; the configuration checks that it is there.
const DEFAULT_FS: &str = "fs.defaultFS";

/// Opens the folder of a cluster in HDFS. Nothing is asked of the NameNode yet: it may come up
/// later than this node. The folder is created with the first file. Needs a runtime.
pub fn open(
    hdfs: &HdfsConfig,
    seed_dir: &Path,
    cluster_name: &str,
) -> Result<SeedFolder, SeedError> {
    let folder = format!("{}/{cluster_name}", seed_dir.display());
    let shown = shown(hdfs, seed_dir).join(cluster_name);
    let mut builder = ClientBuilder::new().with_config(hdfs.properties.clone());
    if let Some(login) = &hdfs.kerberos {
        builder = builder
            .with_kerberos_principal(&login.principal)
            .with_kerberos_keytab(login.keytab.display().to_string());
    }
    let client = builder
        .build()
        .map_err(|error| SeedError::Io { path: shown.clone(), cause: told(error) })?;
    Ok(SeedFolder::over(HdfsFiles { client, folder, shown }))
}

/// A path with its name service, as an operator would write it for `hdfs dfs`.
pub(super) fn shown(hdfs: &HdfsConfig, path: &Path) -> PathBuf {
    let base = hdfs.properties.get(DEFAULT_FS).map_or("", |url| url.trim_end_matches('/'));
    PathBuf::from(format!("{base}{}", path.display()))
}

/// The files of one folder.
#[derive(Debug, Clone)]
struct HdfsFiles {
    client: Client,
    folder: String,
    /// With the name service.
    shown: PathBuf,
}

impl HdfsFiles {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn run<T, F>(&self, name: &str, work: impl FnOnce(Self, String) -> F) -> FileFuture<'_, T>
    where
        T: Send + 'static,
        F: Future<Output = io::Result<T>> + Send + 'static,
    {
        let work = work(self.clone(), self.path(name));
        Box::pin(async move {
            tokio::time::timeout(CALL_TIMEOUT, work).await.unwrap_or_else(|_| {
                let text = format!("HDFS did not answer within {} s", CALL_TIMEOUT.as_secs());
                Err(io::Error::new(ErrorKind::TimedOut, text))
            })
        })
    }

    async fn status(&self, path: &str) -> io::Result<Option<FileStatus>> {
        absent_is_none(self.client.get_file_info(path).await.map_err(told))
    }

    async fn write_whole(&self, path: &str, text: Bytes, overwrite: bool) -> io::Result<()> {
        let options = WriteOptions::default()
            .permission(FILE_MODE)
            .overwrite(overwrite)
            // Parents made on the way would get the file's mode, which nobody could enter.
            .create_parent(false);
        let mut writer = match self.client.create(path, &options).await.map_err(told) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.client.mkdirs(&self.folder, FOLDER_MODE, true).await.map_err(told)?;
                self.client.create(path, &options).await.map_err(told)?
            }
            created => created?,
        };
        let written = async {
            Box::pin(writer.write_bytes(text)).await?;
            Box::pin(writer.hsync()).await
        };
        let written = written.await.map_err(told);
        // Closed in any case: an open file keeps its lease for an hour.
        let closed = Box::pin(writer.close()).await.map_err(told);
        written.and(closed)
    }

    /// Writes a file of a name nobody else uses, and lets it become what it is to be.
    async fn write_beside<T, F>(
        &self,
        name: &str,
        text: Bytes,
        then: impl FnOnce(String) -> F,
    ) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        let beside = self.path(&beside(name));
        let become_it = async {
            self.write_whole(&beside, text, false).await?;
            then(beside.clone()).await
        };
        let done = become_it.await;
        if done.is_err() {
            // Whether it is still there is not known.
            let _ = self.client.delete(&beside, false).await;
        }
        done
    }

    /// Gives a new file mode and owner of the one it replaces. Only a superuser gives files away;
    /// for anybody else the file becomes theirs, as it does when openLooKeng writes it.
    async fn keep_status(&self, old: &FileStatus, new: &str) -> io::Result<()> {
        let mode = u32::from(old.permission);
        if mode != FILE_MODE {
            self.client.set_permission(new, mode).await.map_err(told)?;
        }
        let Some(status) = self.status(new).await? else { return Ok(()) };
        if (&status.owner, &status.group) == (&old.owner, &old.group) {
            return Ok(());
        }
        let kept = self.client.set_owner(new, Some(&old.owner), Some(&old.group)).await;
        match kept.map_err(told) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                tracing::debug!(file = new, owner = %old.owner, "the owner of a seed file changes");
                Ok(())
            }
            kept => kept,
        }
    }
}

impl SeedFiles for HdfsFiles {
    fn folder(&self) -> PathBuf {
        self.shown.clone()
    }

    fn read(&self, name: &str, bytes_max: usize) -> FileFuture<'_, Option<Vec<u8>>> {
        self.run(name, move |files, path| async move {
            let opened = absent_is_none(files.client.read(&path).await.map_err(told))?;
            let Some(mut reader) = opened else { return Ok(None) };
            let text = reader.read_bytes(bytes_max).await.map_err(told)?;
            Ok(Some(text.to_vec()))
        })
    }

    fn write(&self, name: &str, text: &[u8]) -> FileFuture<'_, ()> {
        let text = Bytes::copy_from_slice(text);
        self.run(name, |files, path| async move { files.write_whole(&path, text, true).await })
    }

    fn create(&self, name: &str, text: &[u8]) -> FileFuture<'_, bool> {
        let (text, name) = (Bytes::copy_from_slice(text), name.to_owned());
        self.run(&name.clone(), |files, path| async move {
            let take_name = |beside: String| {
                let (client, path) = (&files.client, &path);
                async move { client.rename(&beside, path, false).await.map_err(told) }
            };
            let renamed = files.write_beside(&name, text, take_name).await;
            match renamed {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    fn replace(&self, name: &str, text: &[u8]) -> FileFuture<'_, ()> {
        let (text, name) = (Bytes::copy_from_slice(text), name.to_owned());
        self.run(&name.clone(), |files, path| async move {
            let take_place = |beside: String| {
                let (files, path) = (&files, &path);
                async move {
                    if let Some(old) = files.status(path).await? {
                        files.keep_status(&old, &beside).await?;
                    }
                    files.client.rename(&beside, path, true).await.map_err(told)
                }
            };
            files.write_beside(&name, text, take_place).await
        })
    }

    fn remove(&self, name: &str) -> FileFuture<'_, ()> {
        self.run(name, |files, path| async move {
            absent_is_none(files.client.delete(&path, false).await.map_err(told)).map(|_| ())
        })
    }

    /// Only the NameNode could tell, and only by a write.
    fn check_writable(&self) -> FileFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn modified(&self, name: &str) -> FileFuture<'_, Option<SystemTime>> {
        self.run(name, |files, path| async move {
            let status = files.status(&path).await?;
            Ok(status.map(|status| UNIX_EPOCH + Duration::from_millis(status.modification_time)))
        })
    }
}

/// What HDFS said, in one line and by the kind that the rest of this module asks for.
fn told(error: HdfsError) -> io::Error {
    let kind = match &error {
        HdfsError::IOError(error) => error.kind(),
        HdfsError::FileNotFound(_) => ErrorKind::NotFound,
        HdfsError::AlreadyExists(_) => ErrorKind::AlreadyExists,
        HdfsError::RPCError(class, _) | HdfsError::FatalRPCError(class, _) => kind_of(class),
        _ => ErrorKind::Other,
    };
    let text = match error {
        HdfsError::OperationFailed(text) if text.contains("libgssapi") => {
            "hdfs.authentication.type=KERBEROS needs the library libgssapi_krb5.so.2; install \
             libgssapi-krb5-2 (Debian) or krb5-libs (Red Hat)"
                .to_owned()
        }
        HdfsError::GSSAPIError(_, _, text) => {
            format!("Kerberos: {text} (hdfs.krb5.principal, hdfs.krb5.keytab.path)")
        }
        HdfsError::RPCError(class, text) | HdfsError::FatalRPCError(class, text) => {
            let class = class.rsplit('.').next().unwrap_or_default();
            format!("{class}: {}", text.lines().next().unwrap_or_default())
        }
        other => other.to_string(),
    };
    io::Error::new(kind, text)
}

fn kind_of(class: &str) -> ErrorKind {
    match class.rsplit('.').next().unwrap_or_default() {
        "FileNotFoundException" => ErrorKind::NotFound,
        "FileAlreadyExistsException" => ErrorKind::AlreadyExists,
        "AccessControlException" => ErrorKind::PermissionDenied,
        "SafeModeException" => ErrorKind::ReadOnlyFilesystem,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hdfs_says_is_one_line_with_its_kind() {
        let class = "org.apache.hadoop.security.AccessControlException".to_owned();
        let text = "Permission denied: user=a\n\tat org.apache.hadoop.Check".to_owned();
        let error = told(HdfsError::RPCError(class, text));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), "AccessControlException: Permission denied: user=a");
        let class = "org.apache.hadoop.hdfs.server.namenode.SafeModeException".to_owned();
        let error = told(HdfsError::RPCError(class, String::new()));
        assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);
    }

    #[test]
    fn a_missing_library_is_named_with_its_packages() {
        let failed = HdfsError::OperationFailed("Failed to load libgssapi_krb".to_owned());
        assert!(told(failed).to_string().contains("install libgssapi-krb5-2"));
    }
}
