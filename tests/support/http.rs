//! Requests over HTTP, one connection each.

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than the server's own time-outs for an answer that needs the leader.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Status and body of one request, or none when nobody answers.
pub(crate) fn request(
    method: &str,
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Option<(u16, String)> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).ok()?;
    exchange(stream, method, &address.to_string(), path, headers, body)
}

/// As `request`, from one of this machine's addresses.
pub(crate) fn request_from(
    source: Ipv4Addr,
    method: &str,
    address: SocketAddr,
    path: &str,
    body: Option<&Value>,
) -> Option<(u16, String)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).ok()?;
    socket.bind(&SocketAddr::from((source, 0)).into()).ok()?;
    socket.connect_timeout(&address.into(), TIMEOUT).ok()?;
    exchange(socket.into(), method, &address.to_string(), path, &[], body)
}

fn exchange(
    mut stream: TcpStream,
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Option<(u16, String)> {
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    if !body.is_empty() {
        head.push_str("content-type: application/json\r\n");
    }
    if !body.is_empty() || method != "GET" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    write!(stream, "{head}\r\n{body}").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((status, if chunked { unchunk(body) } else { body.to_owned() }))
}

/// Status and body, or none when nobody answers.
pub(crate) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    request("GET", address, path, &[], None)
}

/// The JSON of a route that answers 200.
pub(crate) fn get_json(address: SocketAddr, path: &str) -> Option<Value> {
    let (status, body) = get(address, path)?;
    if status == 200 { serde_json::from_str(&body).ok() } else { None }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..length).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest[length..].trim_start_matches("\r\n");
    }
    whole
}
