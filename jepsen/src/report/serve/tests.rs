//! The server of reports, asked over its socket: a client library would tidy the paths up before
//! it sends them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::*;
use crate::report::run::{RunPlan, RunResults};

struct Served {
    address: SocketAddr,
    folder: tempfile::TempDir,
    _tasks: JoinSet<anyhow::Result<()>>,
}

impl Served {
    /// A store with one run, beside a file that is nobody's business.
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let run = store.join("register-kill/t-1");
        std::fs::create_dir_all(run.join("nodes/1")).unwrap();
        let plan =
            RunPlan { workload: "register".into(), nemesis: "kill".into(), ..RunPlan::default() };
        plan.save(&run).unwrap();
        RunResults::default().save(&run).unwrap();
        std::fs::write(run.join("index.html"), "<p>the run").unwrap();
        std::fs::write(run.join("nodes/1/a b.log"), "line").unwrap();
        std::fs::write(store.join(".hidden"), "secret").unwrap();
        std::fs::write(folder.path().join("outside"), "secret").unwrap();
        std::os::unix::fs::symlink(folder.path(), run.join("link")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { serve_on(&store, listener).await });
        Self { address, folder, _tasks: tasks }
    }

    /// Status and the whole answer.
    async fn ask(&self, method: &str, path: &str, host: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "localhost:1").await
    }
}

#[tokio::test]
async fn runs_are_found_from_the_first_page() {
    let served = Served::start().await;
    let (status, page) = served.get("/").await;
    assert_eq!(status, 200);
    assert!(page.contains("href=\"register-kill/t-1/\""), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"));
    let (status, page) = served.get("/register-kill/").await;
    assert!(status == 200 && page.contains("href=\"../register-kill/t-1/\""), "{page}");
    let (status, page) = served.get("/register-kill/t-1/").await;
    assert!(status == 200 && page.ends_with("<p>the run"), "{page}");
    let (status, page) = served.get("/register-kill/t-1").await;
    assert!(status == 308 && page.contains("location: t-1/"), "{page}");
}

#[tokio::test]
async fn folders_without_a_page_are_listed_and_files_keep_their_type() {
    let served = Served::start().await;
    let (status, page) = served.get("/register-kill/t-1/nodes/1/").await;
    assert!(status == 200 && page.contains("<a href=\"./a b.log\">"), "{page}");
    let (status, log) = served.get("/register-kill/t-1/nodes/1/a%20b.log").await;
    assert!(status == 200 && log.ends_with("\r\n\r\nline"), "{log}");
    assert!(log.contains("content-type: text/plain; charset=utf-8"), "{log}");
    let (status, json) = served.get("/register-kill/t-1/plan.json").await;
    assert!(status == 200 && json.contains("content-type: application/json"), "{json}");
}

#[tokio::test]
async fn nothing_outside_of_the_store_is_told() {
    let served = Served::start().await;
    assert!(served.folder.path().join("outside").is_file());
    for path in [
        "/../outside",
        "/%2e%2e/outside",
        "/..%2foutside",
        "/register-kill/../../outside",
        "/register-kill/%2e%2e/%2e%2e/outside",
        "/register-kill/t-1/link/outside",
        "//outside",
        "/.hidden",
        "/register-kill/..%5c..%5coutside",
        "/register-kill/t-1/plan.json%00",
    ] {
        let (status, answer) = served.get(path).await;
        assert!(status == 404 || status == 400, "{path}: {answer}");
        assert!(!answer.contains("secret"), "{path}");
    }
}

#[tokio::test]
async fn it_only_reads() {
    let served = Served::start().await;
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(served.ask(method, "/register-kill/", "localhost").await.0, 405, "{method}");
    }
    let (status, answer) = served.ask("HEAD", "/register-kill/t-1/plan.json", "localhost").await;
    assert!(status == 200 && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn names_of_other_sites_are_refused() {
    let served = Served::start().await;
    for host in ["localhost", "localhost:80", "127.0.0.1:9", "[::1]:9", "[::1]"] {
        assert_eq!(served.ask("GET", "/", host).await.0, 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example:80", "10.0.0.1", ""] {
        assert_eq!(served.ask("GET", "/", host).await.0, 403, "{host}");
    }
}

#[tokio::test]
async fn other_addresses_than_the_loopback_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), "0.0.0.0:0".parse().unwrap());
    let patience = std::time::Duration::from_secs(10);
    let error = tokio::time::timeout(patience, served).await.expect("it serves").unwrap_err();
    assert!(error.to_string().contains("not a loopback address"), "{error}");
}
