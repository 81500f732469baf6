//! What one node says of itself.

use std::sync::Arc;
use std::time::Duration;

use statekeeper::admin::AdminContext;
use statekeeper_machine::{Blob, ClusterCommand, Command};

use crate::server::Server;

#[tokio::test]
async fn a_node_tells_who_it_is() {
    let server = Server::start().await;
    let mut info = server.read("/v1/info").await;
    assert!(info["uptime_seconds"].take().as_u64() > Some(1_000_000));
    insta::assert_json_snapshot!(info);
}

#[tokio::test]
async fn every_answer_says_where_it_comes_from_and_local_ones_how_old_they_may_be() {
    let server = Server::start().await;
    server.fill().await;
    let strict = server.get("/v1/maps").await;
    assert_eq!(strict.header("x-statekeeper-node"), Some("1"));
    assert_eq!(strict.header("x-statekeeper-leader"), Some("1"));
    assert_eq!(strict.header("x-statekeeper-staleness-ms"), None);
    let index: u64 = strict.header("x-statekeeper-index").unwrap().parse().unwrap();
    assert_eq!(index, server.sequencer.look(|_| index), "an index was given");
    server.sequencer.change_status(|status| {
        status.leader_silent_for = Some(Duration::from_millis(250));
    });
    let local = server.get("/v1/maps?consistency=local").await;
    assert_eq!(local.header("x-statekeeper-staleness-ms"), Some("250"));
    assert_eq!(server.get("/v1/nowhere").await.header("x-statekeeper-node"), Some("1"));
    server.put_text("m", "k2", "v").await;
    let later = server.get("/v1/maps").await;
    assert_eq!(later.header("x-statekeeper-index").unwrap(), (index + 1).to_string());
}

#[tokio::test]
async fn a_node_is_ready_while_every_check_holds_and_names_those_that_do_not() {
    let server = Server::start().await;
    assert_eq!(server.get("/readyz").await.text, "ok\n");
    let verbose = server.get("/readyz?verbose").await;
    let all = "[+] storage\n[+] process\n[+] cluster\n[+] leader\n[+] quorum\n[+] serving\nok\n";
    assert_eq!((verbose.status, verbose.text.as_str()), (200, all));
    server.sequencer.change_status(|status| {
        status.leader = None;
        status.ready = false;
    });
    let not_ready = server.get("/readyz").await;
    assert_eq!(not_ready.status, 503);
    assert!(not_ready.text.contains("[-] leader: no leader is known\n"), "{}", not_ready.text);
    assert!(not_ready.text.contains("[-] serving: "), "{}", not_ready.text);
    assert!(!not_ready.text.contains("quorum"), "{}", not_ready.text);
    assert_eq!(server.get("/livez").await.status, 200, "a node without a leader lives");
}

#[tokio::test]
async fn a_node_that_may_not_go_on_is_not_alive() {
    let server = Server::start().await;
    *server.failure.lock() = Some("the flush hangs".to_owned());
    let stuck = server.get("/livez").await;
    assert_eq!(
        (stuck.status, stuck.text.as_str()),
        (503, "[-] process: the flush hangs\nfailed\n")
    );
    *server.failure.lock() = None;
    server.sequencer.change_status(|status| status.failure = Some("disk is gone".into()));
    assert!(server.get("/livez").await.text.contains("storage: disk is gone"));
    assert_eq!(server.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn clients_seeds_and_discovery_are_shown() {
    let server = Server::start().await;
    let (host, port) = (Blob::string("10.0.0.9"), Blob::string("8080"));
    let register = ClusterCommand::RegisterCoordinator { host, port };
    server.apply(Command::Cluster(register)).await;
    insta::assert_json_snapshot!("clients", server.read("/v1/clients").await);
    insta::assert_json_snapshot!("discovery", server.read("/v1/discovery").await);
    let mut seeds = server.read("/v1/seeds").await;
    assert!(seeds["items"][0]["age_ms"].take().is_u64());
    insta::assert_json_snapshot!("seeds", seeds);
}

#[tokio::test]
async fn seeds_that_cannot_be_read_are_a_problem_with_the_reason() {
    let server = Server::start_with(|context: &mut AdminContext| {
        context.seeds = Arc::new(|| Box::pin(std::future::ready(Err("permission denied".into()))));
    })
    .await;
    let answer = server.get("/v1/seeds").await;
    assert_eq!(answer.problem(), (500, "SK0117".to_owned()));
    assert!(answer.json()["detail"].as_str().unwrap().contains("permission denied"));
}

#[tokio::test]
async fn the_page_of_a_code_is_served_where_the_problem_says() {
    let server = Server::start().await;
    let problem = server.get("/v1/maps/none").await.json();
    let page = server.get(problem["type"].as_str().unwrap()).await;
    assert_eq!(page.status, 200);
    assert!(page.text.starts_with("# SK0104\n"), "{}", page.text);
    assert_eq!(server.get("/v1/errors/SK9999").await.problem().0, 404);
}

#[tokio::test]
async fn a_server_that_is_stopped_finishes_what_is_in_work() {
    let server = Server::start().await;
    server.put_text("m", "k", "v").await;
    let held = server.session(1).await;
    server.apply(Server::lock("l", held, 0)).await;
    assert_eq!(server.get("/v1/maps/m").await.status, 200);
    server.stop().await.unwrap();
}
