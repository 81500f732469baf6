//! What a judgement tells: the place, the states, a small part that shows the violation; and what
//! the checkers without a search find.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use serde_json::{Value, json};
use statekeeper_jepsen::check::{Budget, Judgement, Limits, Verdict, judge};
use statekeeper_jepsen::history::{History, parse, write};

/// A history of operations one after another: process, `f`, argument, what it told. `null` as
/// what it told: nobody knows.
fn sequence(model: &str, operations: &[(u64, &str, Value, Value)]) -> History {
    let mut text = json!({"history": 1, "name": "n", "model": model}).to_string();
    let mut index = 0;
    for (process, f, asked, told) in operations {
        let mut line = json!({"process": process, "f": f, "key": "k"});
        if !asked.is_null() {
            line["value"] = asked.clone();
        }
        for kind in ["invoke", if told.is_null() { "info" } else { "ok" }] {
            line["index"] = json!(index);
            line["time"] = json!(index);
            line["type"] = json!(kind);
            if kind == "ok" && *told != json!("done") {
                line["result"] = told.clone();
            }
            index += 1;
            text.push('\n');
            text.push_str(&line.to_string());
        }
    }
    parse(&text).unwrap()
}

fn judged(history: &History) -> Judgement {
    judge(history, &Budget::default())
}

#[test]
fn a_stale_read_is_explained_by_the_two_writes_before_it() {
    let mut operations = Vec::new();
    for value in 0..20 {
        operations.push((0, "write", json!(value), json!("done")));
        operations.push((1, "read", Value::Null, json!(value)));
    }
    operations.push((1, "read", Value::Null, json!(18)));
    operations.push((0, "write", json!(99), json!("done")));
    let history = sequence("register", &operations);
    let judgement = judged(&history);
    assert_eq!(judgement.verdict, Verdict::Invalid);
    let (checker, violation) = judgement.violations().next().unwrap();
    assert_eq!((checker, violation.at), ("register", 81));
    assert_eq!(violation.key, json!("k"));
    assert_eq!(violation.states, [json!(19)]);
    assert_eq!(violation.open.len(), 1);
    assert_eq!(violation.open[0].index, 80);
    assert_eq!(violation.order.last(), Some(&78));
    let shrunken: Vec<_> =
        violation.shrunken.iter().map(|entry| (entry.index, entry.f.as_str())).collect();
    let expected = [(72, "write"), (73, "write"), (76, "write"), (77, "write")];
    assert_eq!(shrunken, [&expected[..], &[(80, "read"), (81, "read")]].concat());

    // It is a history of its own, and a violation still.
    let small = History { header: history.header, entries: violation.shrunken.clone() };
    assert_eq!(judged(&small).verdict, Verdict::Invalid);
    let kept: Judgement =
        serde_json::from_str(&serde_json::to_string(&judgement).unwrap()).unwrap();
    assert_eq!(kept, judgement);
}

#[test]
fn only_the_clients_that_matter_stay_in_a_violation_of_a_lock() {
    let mut operations = Vec::new();
    for process in 0..6 {
        operations.push((process, "acquire", Value::Null, json!("done")));
        operations.push((process, "release", Value::Null, json!("done")));
    }
    operations.push((1, "acquire", Value::Null, json!("done")));
    operations.push((2, "acquire", Value::Null, json!("done")));
    let judgement = judged(&sequence("lock", &operations));
    let (_, violation) = judgement.violations().next().unwrap();
    let processes = violation.shrunken.iter().map(|entry| entry.process.clone());
    let mut processes: Vec<_> = processes.collect();
    processes.sort();
    processes.dedup();
    assert_eq!(processes.len(), 2);
    assert!(violation.what.contains("acquire"), "{}", violation.what);
}

#[test]
fn keys_and_objects_are_apart_and_the_greatest_verdict_counts() {
    let text = r#"{"history":1,"name":"n","model":"mix","params":{"lock":{"fenced":true}}}
{"index":0,"time":1,"process":0,"type":"invoke","f":"put","key":"a","value":1,"model":"map",OBJECT}
{"index":1,"time":2,"process":0,"type":"ok","f":"put","key":"a","result":null}
{"index":2,"time":3,"process":0,"type":"invoke","f":"size","object":"y","model":"map"}
{"index":3,"time":4,"process":0,"type":"ok","f":"size","result":0}
{"index":4,"time":5,"process":0,"type":"invoke","f":"acquire","key":"l","model":"lock"}
{"index":5,"time":6,"process":0,"type":"ok","f":"acquire","result":7}
"#;
    let text = text.replace("OBJECT", "\"object\":\"x\"");
    let judgement = judged(&parse(&text).unwrap());
    assert_eq!(judgement.verdict, Verdict::Valid, "{judgement:?}");
    assert_eq!(judgement.checkers["map"].counts["parts"], 2);
    let bad_token = text.replace("\"result\":7", "\"result\":0");
    assert_eq!(judged(&parse(&bad_token).unwrap()).verdict, Verdict::Invalid);
    let one_object = text.replace("\"object\":\"y\"", "\"object\":\"x\"");
    assert_eq!(judged(&parse(&one_object).unwrap()).verdict, Verdict::Invalid);
    let no_model = text.replace("\"object\":\"y\",\"model\":\"map\"", "\"object\":\"y\"");
    assert_eq!(judged(&parse(&no_model).unwrap()).verdict, Verdict::Malformed);
}

#[test]
fn a_fault_of_the_harness_and_a_small_budget_have_verdicts_of_their_own() {
    for (model, f, asked) in [
        ("register", "increment", Value::Null),
        ("register", "cas", json!(3)),
        ("register", "write", Value::Null),
        ("counter", "add-get", json!("one")),
        ("no such model", "read", Value::Null),
        ("ids", "read", Value::Null),
        ("semaphore", "acquire", json!(-1)),
    ] {
        let judgement = judged(&sequence(model, &[(0, f, asked, json!("done"))]));
        assert_eq!(judgement.verdict, Verdict::Malformed, "{model} {f}");
        assert!(judgement.malformed.is_some());
    }
    let writes: Vec<_> = (0..50).map(|value| (0, "write", json!(value), json!("done"))).collect();
    let history = sequence("register", &writes);
    let budget = Budget { search: Limits { steps: 10, configurations: 1000 }, ..Budget::default() };
    let judgement = judge(&history, &budget);
    assert_eq!(judgement.verdict, Verdict::Unknown);
    assert_eq!(judgement.checkers["register"].unknown, [json!("k")]);
    let budget = Budget { search: Limits { steps: 1000, configurations: 5 }, ..Budget::default() };
    assert_eq!(judge(&history, &budget).verdict, Verdict::Unknown);
    let codes = [Verdict::Valid, Verdict::Invalid, Verdict::Unknown, Verdict::Malformed];
    assert_eq!(codes.map(Verdict::exit_code), [0, 1, 2, 3]);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    write(&path, &history).unwrap();
    let file = statekeeper_jepsen::check::judge_file(&path, &Budget::default());
    assert_eq!(file.verdict, Verdict::Valid);
    std::fs::write(&path, "{\"history\":1,").unwrap();
    let file = statekeeper_jepsen::check::judge_file(&path, &Budget::default());
    assert_eq!(file.verdict, Verdict::Malformed);
}

#[test]
fn big_sets_tell_what_became_of_an_element() {
    let add = |element: i64| (0, "add", json!(element), json!("done"));
    let unsure = |process, element: i64| (process, "add", json!(element), Value::Null);
    let read = |told: Value| (1, "read", Value::Null, told);
    let remove = |element: i64| (0, "remove", json!(element), json!(true));
    let full: Vec<i64> = (0..4).collect();
    let all = || full.iter().map(|element| add(*element)).collect::<Vec<_>>();
    let kind = |more: &[(u64, &str, Value, Value)]| {
        let judgement = judged(&sequence("set-full", &[all(), more.to_vec()].concat()));
        let counts = &judgement.checkers["set-full"].counts;
        let kinds = ["lost", "flicker", "phantom", "duplicate", "inconsistent"];
        let found: Vec<_> = kinds.into_iter().filter(|kind| counts.contains_key(*kind)).collect();
        assert_eq!(found.is_empty(), judgement.verdict == Verdict::Valid);
        found.join(" ")
    };
    assert_eq!(kind(&[read(json!([3, 2, 1, 0]))]), "");
    assert_eq!(kind(&[read(json!([0, 1, 2]))]), "lost");
    assert_eq!(kind(&[read(json!([0, 1, 2, 3, 4]))]), "phantom");
    assert_eq!(kind(&[read(json!([0, 1, 2, 3, 3]))]), "duplicate");
    assert_eq!(kind(&[read(json!(4))]), "inconsistent");
    let with = || read(json!([0, 1, 2, 3, 9]));
    let without = || read(json!([0, 1, 2, 3]));
    assert_eq!(kind(&[unsure(7, 9), without(), with()]), "");
    assert_eq!(kind(&[unsure(7, 9), with(), without()]), "flicker");
    assert_eq!(kind(&[add(9), with(), remove(9), without()]), "");
    assert_eq!(kind(&[add(9), remove(9), with()]), "inconsistent");
    assert_eq!(kind(&[with(), add(9)]), "phantom");
    let again = (0, "add", json!(3), json!(false));
    assert_eq!(kind(&[again]), "");
    let both = [(0, "add", json!(9), json!(true)), (0, "add", json!(9), json!(true))];
    assert_eq!(kind(&both), "inconsistent");
}

#[test]
fn a_hundred_thousand_adds_are_judged_element_by_element() {
    let mut operations: Vec<_> =
        (0..100_000).map(|element| (0, "add", json!(element), json!(true))).collect();
    let all: Vec<i64> = (0..100_000).collect();
    operations.push((1, "read", Value::Null, json!(all)));
    let history = sequence("set", &operations);
    let started = std::time::Instant::now();
    let judgement = judged(&history);
    println!("100,000 adds and a read: {:?}", started.elapsed());
    assert_eq!(judgement.verdict, Verdict::Valid);
    assert_eq!(judgement.checkers["set-full"].counts["acknowledged"], 100_000);

    let last = operations.len() - 1;
    operations[last].3 = json!(all[1..]);
    let judgement = judged(&sequence("set", &operations));
    let (_, violation) = judgement.violations().next().unwrap();
    assert_eq!(violation.what, "element 0: lost");
    assert_eq!(violation.shrunken.len(), 4);
}

#[test]
fn wrong_ids_are_named() {
    let generate = |told: Value| (0, "generate", Value::Null, told);
    let good = [generate(json!(5)), generate(json!([6, 7])), generate(json!(-1))];
    assert_eq!(judged(&sequence("ids", &good)).verdict, Verdict::Valid);
    for told in [json!([8, 8]), json!(6), json!("seven")] {
        let judgement = judged(&sequence("ids", &[&good[..], &[generate(told)]].concat()));
        assert_eq!(judgement.verdict, Verdict::Invalid);
        assert!(judgement.violations().next().unwrap().1.what.contains("id"));
    }
}
