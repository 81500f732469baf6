//! Right where it is to be right, wrong where it is to be wrong.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::client::{Client, Op, exercise};

const WITHIN: Duration = Duration::from_secs(2);

fn op(object: &str, f: &str, key: Option<Value>, value: Option<Value>) -> Op {
    Op { object: object.into(), name: "o".into(), f: f.into(), key, value, ttl: None }
}

fn on_key(f: &str, value: Option<Value>) -> Op {
    op("map", f, Some(json!("k")), value)
}

async fn told(client: &mut ReferenceClient, op: &Op) -> Value {
    match client.call(op, WITHIN).await {
        Outcome::Ok { result, .. } => result.unwrap_or_default(),
        other => panic!("{op:?}: {other:?}"),
    }
}

fn fair(spoil: Option<Spoil>) -> Reference {
    Reference::in_weather(1, spoil, Weather::fair())
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_every_client_must() {
    let reference = fair(None);
    let differences = exercise::run(&mut reference.client(), "reference", "x").await;
    assert_eq!(differences, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_held_lock_passes_on_after_its_release_and_no_earlier() {
    let reference = fair(None);
    let (mut first, mut second) = (reference.client(), reference.client());
    let fence = told(&mut first, &op("lock", "acquire", None, None)).await;
    let refused = told(&mut second, &op("lock", "try-acquire", None, Some(json!(100)))).await;
    assert_eq!((fence, refused), (json!(1), json!(0)));
    let wait = op("lock", "acquire", None, None);
    let release = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        told(&mut first, &op("lock", "release", None, None)).await
    };
    let (granted, _) = tokio::join!(told(&mut second, &wait), release);
    assert_eq!(granted, json!(2));
    let foreign = first.call(&op("lock", "release", None, None), WITHIN).await;
    assert!(matches!(foreign, Outcome::Fail { .. }), "{foreign:?}");
}

#[tokio::test(start_paused = true)]
async fn the_lock_of_a_client_that_is_gone_is_free_after_its_time() {
    let reference = fair(None);
    let (mut first, mut second) = (reference.client(), reference.client());
    told(&mut first, &op("lock", "acquire", None, None)).await;
    drop(first);
    let soon = op("lock", "try-acquire", None, Some(json!(900)));
    assert_eq!(told(&mut second, &soon).await, json!(0));
    assert_eq!(told(&mut second, &soon).await, json!(2));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_slept_too_long_is_told_so() {
    let reference = fair(None);
    let mut client = reference.client();
    told(&mut client, &op("lock", "acquire", None, None)).await;
    told(&mut client, &op("session", "pause", None, None)).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    told(&mut client, &op("session", "resume", None, None)).await;
    let late = client.call(&op("lock", "release", None, None), WITHIN).await;
    assert!(matches!(late, Outcome::Fail { .. }), "{late:?}");
    assert_eq!(told(&mut client, &op("lock", "is-locked", None, None)).await, json!(false));
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_each_change_in_order_until_it_is_lost() {
    let reference = fair(None);
    let mut client = reference.client();
    let wanted = Listen { listener: "L".into(), map: "o".into(), key: Some(json!("k")) };
    let mut listener = reference.listen(&wanted);
    told(&mut client, &on_key("put", Some(json!(1)))).await;
    told(&mut client, &op("map", "put", Some(json!("other")), Some(json!(9)))).await;
    told(&mut client, &on_key("put", Some(json!(2)))).await;
    told(&mut client, &on_key("remove", None)).await;
    told(&mut client, &Op { ttl: Some(100), ..on_key("set", Some(json!(3))) }).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    told(&mut client, &on_key("get", None)).await;
    reference.lose_listeners();
    told(&mut client, &on_key("put", Some(json!(4)))).await;
    let mut heard = Vec::new();
    while let Some(event) = listener.next().await {
        heard.push((event.f, event.old, event.value));
    }
    let number = |number: i64| Some(json!(number));
    let expected = [
        ("added", None, number(1)),
        ("updated", number(1), number(2)),
        ("removed", number(2), None),
        ("added", None, number(3)),
        ("expired", number(3), None),
    ];
    assert_eq!(heard, expected.map(|(f, old, value)| (f.to_owned(), old, value)));
    assert!(listener.is_lost() && !listener.is_overrun());
}

#[tokio::test(start_paused = true)]
async fn the_weather_gives_each_outcome_and_the_same_one_for_the_same_seed() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let reference = Reference::new(7, None);
        let mut client = reference.client();
        let mut outcomes = BTreeMap::new();
        let mut order = Vec::new();
        for number in 0..2000 {
            let outcome = client.call(&on_key("put", Some(json!(number))), WITHIN).await;
            let kind = match outcome {
                Outcome::Ok { .. } => "ok",
                Outcome::Fail { .. } => "fail",
                Outcome::Info { .. } => "info",
                Outcome::Violation { error } => panic!("{error}"),
            };
            *outcomes.entry(kind).or_insert(0) += 1;
            order.push(kind);
        }
        assert_eq!(outcomes.keys().copied().collect::<Vec<_>>(), ["fail", "info", "ok"]);
        runs.push(order);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_may_be_done_later_and_what_is_refused_never_is() {
    let weather = Weather { late_one_in: 1, ..Weather::fair() };
    let reference = Reference::in_weather(3, None, weather);
    let mut client = reference.client();
    let outcome = client.call(&on_key("put", Some(json!(1))), WITHIN).await;
    assert!(matches!(outcome, Outcome::Info { .. }), "{outcome:?}");
    tokio::time::sleep(Duration::from_millis(60)).await;
    let size = reference.shared.state.lock().apply(9, &op("map", "size", None, None), now());
    assert!(
        matches!(size, state::Applied::Done(Outcome::Ok { result: Some(Value::Number(n)), .. })
        if n.as_i64() == Some(1))
    );

    let weather = Weather { refused_one_in: 1, ..Weather::fair() };
    let reference = Reference::in_weather(3, None, weather);
    let outcome = reference.client().call(&on_key("put", Some(json!(1))), WITHIN).await;
    assert!(matches!(outcome, Outcome::Fail { .. }), "{outcome:?}");
    assert!(reference.shared.state.lock().maps.is_empty());
}

fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Asks what a right server answers in one way only, and tells whether the answer was that one.
async fn is_right(wrong: Wrong, reference: &Reference) -> bool {
    let (mut one, mut other) = (reference.client(), reference.client());
    let c = &mut one;
    let pair = json!({ "a": 1, "b": 2 });
    match wrong {
        Wrong::StaleRead => {
            told(c, &on_key("set", Some(json!(1)))).await;
            told(c, &on_key("set", Some(json!(2)))).await;
            told(c, &on_key("get", None)).await == json!(2)
        }
        Wrong::LostWrite => {
            told(c, &on_key("set", Some(json!(1)))).await;
            told(c, &on_key("get", None)).await == json!(1)
        }
        Wrong::RefusedAndDone => {
            c.call(&on_key("set", Some(json!(1))), WITHIN).await == answer_ok()
        }
        Wrong::WrongMatch => {
            told(c, &on_key("set", Some(json!(1)))).await;
            told(c, &on_key("cas", Some(json!([2, 3])))).await == json!(false)
        }
        Wrong::LostItem => {
            told(c, &op("set", "add", None, Some(json!(1)))).await;
            told(c, &op("set", "read", None, None)).await == json!([1])
        }
        Wrong::ShortRead => {
            told(c, &op("map", "put-all", None, Some(pair.clone()))).await;
            told(c, &op("map", "entries", None, None)).await == pair
        }
        Wrong::TornPutAll => {
            told(c, &op("map", "put-all", None, Some(pair))).await;
            told(c, &op("map", "size", None, None)).await == json!(2)
        }
        Wrong::DoubleGrant => {
            told(c, &op("lock", "acquire", None, None)).await;
            told(&mut other, &op("lock", "try-acquire", None, None)).await == json!(0)
        }
        Wrong::RepeatedFence => {
            let first = told(c, &op("lock", "acquire", None, None)).await;
            told(c, &op("lock", "release", None, None)).await;
            told(c, &op("lock", "acquire", None, None)).await.as_i64() > first.as_i64()
        }
        Wrong::RepeatedIds => {
            let first = told(c, &op("flake", "generate", None, Some(json!(2)))).await;
            told(c, &op("flake", "generate", None, Some(json!(2)))).await != first
        }
        Wrong::EarlyEnd | Wrong::LateEnd => {
            told(c, &Op { ttl: Some(1000), ..on_key("set", Some(json!(1))) }).await;
            tokio::time::sleep(Duration::from_millis(900)).await;
            let early = told(c, &on_key("get", None)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            (early, told(c, &on_key("get", None)).await) == (json!(1), json!(null))
        }
        Wrong::LostEvent | Wrong::RepeatedEvent => {
            let wanted = Listen { listener: "L".into(), map: "o".into(), key: None };
            let mut listener = reference.listen(&wanted);
            told(c, &on_key("set", Some(json!(1)))).await;
            reference.lose_listeners();
            let mut heard = 0;
            while listener.next().await.is_some() {
                heard += 1;
            }
            heard == 1
        }
    }
}

fn answer_ok() -> Outcome {
    Outcome::Ok { value: None, result: None }
}

#[tokio::test(start_paused = true)]
async fn each_spoilt_server_is_wrong_in_its_way_and_a_right_one_in_none() {
    for wrong in Wrong::ALL {
        let right = fair(None);
        assert!(is_right(wrong, &right).await, "{wrong:?}");
        assert_eq!(right.wrong_answers(), 0);
        let spoilt = fair(Some(Spoil { wrong, one_in: 1 }));
        assert!(!is_right(wrong, &spoilt).await, "{wrong:?}");
        assert!(spoilt.wrong_answers() > 0, "{wrong:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_answer_in_ten_thousand_is_wrong() {
    let reference = fair(Some(Spoil::rarely(Wrong::LostWrite)));
    let mut client = reference.client();
    for number in 0..100_000 {
        told(&mut client, &on_key("set", Some(json!(number)))).await;
    }
    let wrong = reference.wrong_answers();
    assert!((2..40).contains(&wrong), "{wrong}");
}
