//! Conversations held to plain lists: whatever people say, who takes another name, leaves for good
//! or expires, and wherever the server starts anew.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::conversations::{log_in, on, register, small};
use super::kept::disk::Disk;
use super::stage::Stage;

const PEOPLE: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Say(usize, usize),
    Rename(usize),
    End(usize),
    Expire(usize),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let one = || 0..PEOPLE;
    prop_oneof![
        8 => (one(), one()).prop_map(|(from, to)| Step::Say(from, to)),
        2 => one().prop_map(Step::Rename),
        1 => (1..PEOPLE).prop_map(Step::End),
        1 => (1..4usize).prop_map(Step::Expire),
        1 => Just(Step::Restart),
    ]
}

#[derive(Clone, Debug)]
struct Said {
    id: u64,
    by: usize,
    text: String,
}

/// What was said between two, and when last.
#[derive(Clone, Debug, Default)]
struct Talk {
    said: Vec<Said>,
    next_id: u64,
    last: usize,
    began: usize,
}

#[derive(Default)]
struct Naive {
    /// `None`: it has left for good.
    names: Vec<Option<String>>,
    talks: BTreeMap<(usize, usize), Talk>,
    /// Between whom each message was said that has not expired.
    order: Vec<(usize, usize)>,
    ids_used: u64,
    count: usize,
}

impl Naive {
    fn say(&mut self, from: usize, to: usize) -> String {
        self.count += 1;
        let (pair, text) = ((from.min(to), from.max(to)), format!("word {}", self.count));
        let next_id = self.ids_used + 1;
        let began = self.count;
        let new = || Talk { next_id, began, ..Talk::default() };
        let talk = self.talks.entry(pair).or_insert_with(new);
        talk.said.push(Said { id: talk.next_id, by: from, text: text.clone() });
        talk.next_id += 1;
        talk.last = self.count;
        self.order.push(pair);
        text
    }

    fn expire(&mut self, count: usize) {
        for pair in self.order.drain(..count.min(self.order.len())) {
            let talk = self.talks.get_mut(&pair).expect("something was said there");
            talk.said.remove(0);
            if talk.said.is_empty() {
                self.ids_used = self.ids_used.max(talk.next_id - 1);
                self.talks.remove(&pair);
            }
        }
    }

    /// What somebody calls the other one, or itself.
    fn name(&self, one: usize) -> &str {
        self.names[one].as_deref().unwrap_or("someone who left")
    }

    /// Those whom somebody has talked with, by what it calls them, the latest first.
    fn partners(&self, one: usize) -> Vec<(String, usize, &Talk)> {
        let own = self.talks.iter().filter(|((low, high), _)| *low == one || *high == one);
        let other = |(low, high): (usize, usize)| if low == one { high } else { low };
        let mut all: Vec<_> = own.map(|(pair, talk)| (other(*pair), talk)).collect();
        all.sort_by_key(|(_, talk)| talk.began);
        let mut gone = 0;
        let named = all.into_iter().map(|(other, talk)| {
            let is_gone = self.names[other].is_none();
            gone += usize::from(is_gone);
            let name = match gone {
                2.. if is_gone => format!("someone who left ({gone})"),
                _ => self.name(other).to_owned(),
            };
            (name, other, talk)
        });
        let mut named: Vec<_> = named.collect();
        named.sort_by_key(|(.., talk)| std::cmp::Reverse(talk.last));
        named
    }
}

fn ask(stage: &mut Stage, actor: &str, request: &Value) -> Value {
    stage.forget();
    stage.say(actor, &request.to_string());
    stage.objects(actor).pop().expect("an answer")
}

/// What everybody is told of its conversations is what the lists have.
fn compare(stage: &mut Stage, naive: &Naive) {
    for one in (0..PEOPLE).filter(|one| naive.names[*one].is_some()) {
        let actor = format!("p{one}");
        let mut rows = Vec::new();
        for (name, other, talk) in naive.partners(one) {
            let last = talk.said.last().expect("it is not empty");
            let mut row = json!({ "with": name, "last": last.id, "text": last.text });
            if last.by == one {
                row["me"] = true.into();
            }
            if naive.names[other].is_none() {
                row["gone"] = true.into();
            }
            rows.push(row);
            let messages: Vec<Value> = talk
                .said
                .iter()
                .map(
                    |said| json!({ "id": said.id, "name": naive.name(said.by), "text": said.text }),
                )
                .collect();
            let history = ask(stage, &actor, &json!({ "type": "history", "to": name }));
            assert_eq!(without_times(&history["messages"]), json!(messages), "{one} and {name}");
            assert_eq!((&history["with"], &history["more"]), (&name.into(), &false.into()));
        }
        let listed = ask(stage, &actor, &json!({ "type": "conversations" }));
        assert_eq!(without_times(&listed["conversations"]), json!(rows), "of {one}");
    }
}

fn without_times(rows: &Value) -> Value {
    let mut rows = rows.clone();
    for row in rows.as_array_mut().into_iter().flatten() {
        row.as_object_mut().expect("a row").remove("time");
    }
    rows
}

/// Each has a program that is known as it.
fn come(stage: &mut Stage, naive: &Naive, words: &[String]) {
    for (one, name) in naive.names.iter().enumerate() {
        if let Some(name) = name {
            stage.open(&format!("p{one}"), super::stage::JSON, super::stage::Visit::default());
            let login = json!({ "type": "login", "name": name, "password": words[one] });
            stage.say(&format!("p{one}"), &login.to_string());
        }
    }
    stage.forget();
}

proptest! {
    #[test]
    fn conversations_are_as_lists(
        steps in prop::collection::vec(step(), 1..60),
        messages_max in 0..4usize,
    ) {
        let disk = Disk::default();
        let mut stage = on(&disk, small(messages_max));
        let names: Vec<String> = (0..PEOPLE).map(|one| format!("n{one}")).collect();
        register(&mut stage, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let words: Vec<String> = names.iter().map(|name| format!("password of {name}")).collect();
        for (one, name) in names.iter().enumerate() {
            stage.leave(name);
            log_in(&mut stage, &format!("p{one}"), name);
        }
        let mut naive = Naive { names: names.into_iter().map(Some).collect(), ..Naive::default() };
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Say(from, to) if naive.names[from].is_some() => {
                    let actor = format!("p{from}");
                    let Some(name) = naive.names[to].clone() else { continue };
                    let text = naive.say(from, to);
                    let said = json!({ "type": "msg", "to": name, "text": text, "ref": 1 });
                    let told = ask(&mut stage, &actor, &said);
                    let id = naive.talks[&(from.min(to), from.max(to))].next_id - 1;
                    assert_eq!((&told["id"], &told["text"]), (&id.into(), &text.into()));
                }
                Step::Rename(one) if naive.names[one].is_some() => {
                    let name = format!("n{one}x{number}");
                    ask(&mut stage, &format!("p{one}"), &json!({ "type": "nick", "name": name }));
                    naive.names[one] = Some(name);
                }
                Step::End(one) if naive.names[one].is_some() => {
                    let end = json!({ "type": "delete_account", "password": words[one] });
                    ask(&mut stage, &format!("p{one}"), &end);
                    naive.names[one] = None;
                }
                Step::Expire(count) => {
                    disk.expire(count);
                    naive.expire(count);
                    stage.turn();
                    stage.turn();
                }
                Step::Restart => {
                    compare(&mut stage, &naive);
                    disk.crash(0);
                    stage = on(&disk, small(messages_max));
                    come(&mut stage, &naive, &words);
                }
                Step::Say(..) | Step::Rename(_) | Step::End(_) => {}
            }
        }
        compare(&mut stage, &naive);
    }
}
