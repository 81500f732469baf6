//! Against a server that answers as it is told.

use std::net::Ipv4Addr;

use bytes::BytesMut;
use serde_json::json;
use statekeeper_protocol::messages::error::ErrorResponse;
use statekeeper_protocol::messages::{client, map};
use statekeeper_protocol::{
    ClientMessage, CorrelationId, ExceptionCode, FrameDecoder, Message, PartitionId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

const WITHIN: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(200);

/// What the server sends for a request, or the end of the connection.
type Answers = fn(&ClientMessage) -> Option<Vec<u8>>;

fn bytes(message: &impl Message, id: CorrelationId) -> Vec<u8> {
    message.encode_with(id, PartitionId::NONE).into_contiguous().to_vec()
}

async fn serve(mut socket: TcpStream, answers: Answers) -> std::io::Result<()> {
    let mut preamble = [0; 3];
    socket.read_exact(&mut preamble).await?;
    assert_eq!(&preamble, b"CP2");
    let mut decoder = FrameDecoder::new();
    let mut received = BytesMut::new();
    loop {
        while let Some(message) = decoder.feed(&mut received).unwrap() {
            let id = message.correlation_id();
            let answer = if client::authentication::Request::decode(&message).is_ok() {
                Some(bytes(&client::authentication::Response::default(), id))
            } else {
                answers(&message)
            };
            match answer {
                Some(answer) => socket.write_all(&answer).await?,
                None => return Ok(()),
            }
        }
        if socket.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// A client of a server that answers so.
async fn connected(answers: Answers) -> (HazelcastClient, JoinSet<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        // Its end is the test's.
        let _ = serve(socket, answers).await;
    });
    let settings = Settings { cluster_name: "dev".to_owned(), within: WITHIN };
    (connect(address, None, &settings).await.unwrap(), tasks)
}

fn op(f: &str) -> Op {
    let (object, name, f) = ("map".to_owned(), "m".to_owned(), f.to_owned());
    Op { object, name, f, key: Some(json!("k")), value: Some(json!(1)), ttl: None }
}

/// What becomes of a write and of a read.
async fn outcomes(answers: Answers) -> [String; 2] {
    let mut kinds = Vec::new();
    for f in ["set", "get"] {
        let (mut client, _server) = connected(answers).await;
        let outcome = client.call(&op(f), SHORT).await;
        let value = serde_json::to_value(&outcome).unwrap();
        kinds.push(value["type"].as_str().unwrap().to_owned());
    }
    kinds.try_into().unwrap()
}

#[tokio::test]
async fn a_server_that_answers_by_the_protocol_is_understood() {
    let answers: Answers = |request| {
        let id = request.correlation_id();
        Some(if map::set::Request::decode(request).is_ok() {
            bytes(&map::set::Response::default(), id)
        } else {
            bytes(&map::get::Response::default(), id)
        })
    };
    assert_eq!(outcomes(answers).await, ["ok", "ok"]);
}

#[tokio::test]
async fn what_is_no_answer_is_a_violation() {
    let cases: [(&str, Answers); 6] = [
        ("another correlation id", |request| {
            let id = CorrelationId(request.correlation_id().0 + 7);
            Some(bytes(&map::set::Response::default(), id))
        }),
        ("the answer of another call", |request| {
            Some(bytes(&map::size::Response { response: 1 }, request.correlation_id()))
        }),
        ("an error that the protocol does not have", |request| {
            let mut error = ErrorResponse::new(ExceptionCode::Hazelcast, "x");
            error.errors[0].error_code = 4711;
            Some(bytes(&error, request.correlation_id()))
        }),
        ("an error that says nothing", |request| {
            Some(bytes(&ErrorResponse::default(), request.correlation_id()))
        }),
        ("no frame", |_| Some(vec![0xff; 64])),
        ("an event of nobody's listener", |_| {
            let event = map::add_entry_listener::EntryEvent::default();
            Some(bytes(&event, CorrelationId(4711)))
        }),
    ];
    for (name, answers) in cases {
        assert_eq!(outcomes(answers).await, ["violation", "violation"], "{name}");
    }
}

#[tokio::test]
async fn a_second_answer_is_a_violation_too() {
    let (mut client, _server) = connected(|request| {
        let answer = bytes(&map::set::Response::default(), request.correlation_id());
        Some([answer.clone(), answer].concat())
    })
    .await;
    let first = client.call(&op("set"), WITHIN).await;
    assert!(matches!(first, Outcome::Ok { .. }), "{first:?}");
    let second = client.call(&op("set"), WITHIN).await;
    assert!(matches!(second, Outcome::Violation { .. }), "{second:?}");
}

#[tokio::test]
async fn a_value_that_nobody_wrote_is_a_violation() {
    let (mut client, _server) = connected(|request| {
        let response = Some(statekeeper_protocol::Data::from_parts(-12, &[0; 8]));
        Some(bytes(&map::get::Response { response }, request.correlation_id()))
    })
    .await;
    let outcome = client.call(&op("get"), WITHIN).await;
    assert!(matches!(outcome, Outcome::Violation { .. }), "{outcome:?}");
}

#[tokio::test]
async fn errors_and_silence_are_judged_by_the_table() {
    let refuses: Answers = |request| {
        let error = ErrorResponse::new(ExceptionCode::RetryableHazelcast, "no leader");
        Some(bytes(&error, request.correlation_id()))
    };
    assert_eq!(outcomes(refuses).await, ["fail", "fail"]);
    let does_not_know: Answers = |request| {
        let error = ErrorResponse::new(ExceptionCode::IndeterminateOperationState, "perhaps");
        Some(bytes(&error, request.correlation_id()))
    };
    assert_eq!(outcomes(does_not_know).await, ["info", "fail"]);
    assert_eq!(outcomes(|_| Some(Vec::new())).await, ["info", "fail"], "silence");
    assert_eq!(outcomes(|_| None).await, ["info", "fail"], "the end of the connection");
}

#[tokio::test]
async fn a_late_answer_is_not_taken_for_another() {
    let (mut client, _server) = connected(|request| {
        let id = request.correlation_id();
        if map::get::Request::decode(request).is_ok() {
            return Some(Vec::new());
        }
        // The answer to the read before comes first.
        let late = bytes(&map::get::Response::default(), CorrelationId(id.0 - 1));
        Some([late, bytes(&map::set::Response::default(), id)].concat())
    })
    .await;
    let read = client.call(&op("get"), SHORT).await;
    assert!(matches!(read, Outcome::Fail { .. }), "{read:?}");
    let write = client.call(&op("set"), WITHIN).await;
    assert_eq!(write, Outcome::Ok { value: None, result: None });
}
