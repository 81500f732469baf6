//! The stand-in for a coordinator: answers `GET /v1/info` as long as it lives.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const BODY: &str = concat!(
    r#"{"nodeVersion":{"version":"1.11.0"},"environment":"openlookeng","coordinator":true,"#,
    r#""starting":false,"uptime":"1.00m"}"#
);
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// A small HTTP server; stopped when dropped.
pub(crate) struct Coordinator {
    port: u16,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Coordinator {
    /// Starts one at any free port.
    pub(crate) fn start() -> Coordinator {
        Coordinator::serve(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    /// Starts one at a port that another one had.
    pub(crate) fn start_at(port: u16) -> Coordinator {
        Coordinator::serve(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap())
    }

    fn serve(listener: TcpListener) -> Coordinator {
        let port = listener.local_addr().unwrap().port();
        let stopping = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // Who asks and goes away is no reason to stop.
                let _ = stream.and_then(answer);
            }
        });
        Coordinator { port, stopping, thread: Some(thread) }
    }

    /// Where it answers.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // The listener waits for a connection; this is the last one.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? > 0 {
        request.push(byte[0]);
    }
    let (status, body) = if request.starts_with(b"GET /v1/info ") {
        ("200 OK", BODY)
    } else {
        ("404 Not Found", "")
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}
