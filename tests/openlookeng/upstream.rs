//! The stand-in for a coordinator, for as long as it lives: answers `GET /v1/info`, takes
//! statements and answers the polls for their results, for its own queries only.

use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const INFO: &str = concat!(
    r#"{"nodeVersion":{"version":"1.11.0"},"environment":"openlookeng","coordinator":true,"#,
    r#""starting":false,"uptime":"1.00m"}"#
);
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How soon a held poll notices that its coordinator died.
const HOLD_STEP: Duration = Duration::from_millis(10);
/// Polls until a query has ended.
pub(crate) const POLLS: u64 = 4;

/// A small HTTP server; stopped when dropped.
pub(crate) struct Upstream {
    port: u16,
    life: Arc<Life>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Life {
    port: u16,
    stopping: AtomicBool,
    loses_statements: AtomicBool,
    hold_ms: AtomicU64,
    queries: AtomicUsize,
    seen: Mutex<Vec<String>>,
}

struct Request {
    /// Method and path.
    line: String,
    host: String,
}

impl Upstream {
    /// Starts one at any free port.
    pub(crate) fn start() -> Upstream {
        Upstream::serve(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    /// Starts one at a port that another one had.
    pub(crate) fn start_at(port: u16) -> Upstream {
        Upstream::serve(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap())
    }

    fn serve(listener: TcpListener) -> Upstream {
        let port = listener.local_addr().unwrap().port();
        let life = Arc::new(Life { port, ..Life::default() });
        let lives = Arc::clone(&life);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if lives.stopping.load(Ordering::Relaxed) {
                    return;
                }
                let lives = Arc::clone(&lives);
                // Who asks and goes away is no reason to stop.
                std::thread::spawn(move || stream.and_then(|stream| lives.answer(stream)));
            }
        });
        Upstream { port, life, thread: Some(thread) }
    }

    /// Where it answers.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on a poll waits so long for its answer.
    pub(crate) fn hold_polls(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap();
        self.life.hold_ms.store(time, Ordering::Relaxed);
    }

    /// From now on it takes statements and goes away without an answer.
    pub(crate) fn lose_statements(&self) {
        self.life.loses_statements.store(true, Ordering::Relaxed);
    }

    /// Method and path of every request so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.life.seen.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.life.stopping.store(true, Ordering::Relaxed);
        // The listener waits for a connection; this is the last one.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Life {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let request = read(&stream)?;
        self.seen.lock().unwrap().push(request.line.clone());
        let Some((status, body)) = self.reply(&request) else { return Ok(()) };
        write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
    }

    /// Status and body; none from one that died before it answered.
    fn reply(&self, request: &Request) -> Option<(&'static str, String)> {
        if request.line == "GET /v1/info" {
            return Some(("200 OK", INFO.to_owned()));
        }
        if request.line == "POST /v1/statement" {
            let lost = self.loses_statements.load(Ordering::Relaxed);
            let number = self.queries.fetch_add(1, Ordering::Relaxed);
            return (!lost).then(|| ("200 OK", self.results(request, number, 1)));
        }
        let Some((number, token)) = self.own_query(&request.line) else {
            return Some(("404 Not Found", "Query not found".to_owned()));
        };
        self.hold()?;
        Some(("200 OK", self.results(request, number, token + 1)))
    }

    /// The number and token in the path of a poll, if the query was begun here.
    fn own_query(&self, line: &str) -> Option<(usize, u64)> {
        let rest = line.strip_prefix(&format!("GET /v1/statement/executing/{}_", self.port))?;
        let (number, token) = rest.split_once("/slug/")?;
        let number = number.parse().ok().filter(|n| *n < self.queries.load(Ordering::Relaxed))?;
        Some((number, token.parse().ok()?))
    }

    fn hold(&self) -> Option<()> {
        let hold = Duration::from_millis(self.hold_ms.load(Ordering::Relaxed));
        let begin = Instant::now();
        while begin.elapsed() < hold {
            if self.stopping.load(Ordering::Relaxed) {
                return None;
            }
            std::thread::sleep(HOLD_STEP);
        }
        Some(())
    }

    /// What openLooKeng's clients go by: where to ask next, until there is nothing more.
    fn results(&self, request: &Request, number: usize, next: u64) -> String {
        let id = format!("{}_{number}", self.port);
        let uri = format!("http://{}/v1/statement/executing/{id}/slug/{next}", request.host);
        let mut results = json!({"id": id, "coordinator": self.port});
        if next <= POLLS {
            results["nextUri"] = json!(uri);
        }
        results.to_string()
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut host, mut length) = (String::new(), String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "host" => value.trim().clone_into(&mut host),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            _ => {}
        }
    }
    reader.take(length).read_to_end(&mut Vec::new())?;
    let line = first.rsplit_once(' ').map_or("", |(line, _)| line).to_owned();
    Ok(Request { line, host })
}
