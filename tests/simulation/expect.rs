//! What one client is still to see, compared with what it sees.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Line(String),
    Json(Value),
}

/// Lines that say nothing that the model knows of.
const UNMODELLED: [&str; 7] = [
    "* Nobody else is in ",
    "* You talk in ",
    "* You are in no room now",
    "* Goodbye.",
    "* /",
    "* Anything else is said",
    "* Yes, I am here.",
];

/// Invariant: every queue holds what is to come of one room (or, under "", of none), in its order.
#[derive(Debug, Default)]
pub struct Expectations {
    queues: BTreeMap<String, VecDeque<Item>>,
    /// Lines whose order among the others is not known.
    floating: Vec<String>,
    /// Pings that are to be answered.
    pub pongs: VecDeque<Vec<u8>>,
}

impl Expectations {
    pub fn push(&mut self, room: &str, item: Item) {
        self.queues.entry(room.to_owned()).or_default().push_back(item);
    }

    pub fn float(&mut self, line: String) {
        self.floating.push(line);
    }

    pub fn see_line(&mut self, line: &str) {
        assert!(!line.chars().any(char::is_control), "a control character in {line:?}");
        if UNMODELLED.iter().any(|start| line.starts_with(start)) {
            return;
        }
        let line = if line.starts_with("! ") { "!".to_owned() } else { sort_names(line) };
        if let Some(at) = self.floating.iter().position(|floating| *floating == line) {
            self.floating.swap_remove(at);
            return;
        }
        let line = Item::Line(line);
        match self.queues.values_mut().find(|queue| queue.front() == Some(&line)) {
            Some(queue) => drop(queue.pop_front()),
            None => panic!("saw {line:?}, and not one of {:#?}", self.next()),
        }
    }

    pub fn see_json(&mut self, text: &str) {
        let mut object: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        match object["type"].as_str() {
            Some("error") => drop(object.as_object_mut().expect("an object").remove("message")),
            Some("members") => sort(&mut object["members"]),
            Some("rooms") => sort(&mut object["rooms"]),
            _ => {}
        }
        let key = object["room"].as_str().unwrap_or("").to_lowercase();
        let expected = self.queues.get_mut(&key).and_then(VecDeque::pop_front);
        assert_eq!(Some(Item::Json(object)), expected, "what was seen, and what was to be seen next in {key:?}");
    }

    pub fn see_pong(&mut self, payload: &[u8]) {
        let expected = self.pongs.pop_front();
        assert_eq!(Some(payload), expected.as_deref(), "a Pong, and the Ping that it answers");
    }

    /// What should have come and has not.
    pub fn missing(&self) -> Vec<String> {
        let queued =
            self.queues.iter().flat_map(|(key, queue)| queue.iter().map(move |item| format!("{key:?} {item:?}")));
        queued.chain(self.floating.iter().cloned()).collect()
    }

    fn next(&self) -> Vec<&Item> {
        self.queues.values().filter_map(VecDeque::front).collect()
    }
}

/// The order of names in an answer to /who is the server's business.
fn sort_names(line: &str) -> String {
    let count = line.strip_prefix("* ").and_then(|rest| rest.split_once(" in #"));
    match (count, line.split_once(": ")) {
        (Some((count, _)), Some((head, names))) if count.bytes().all(|byte| byte.is_ascii_digit()) => {
            let mut names: Vec<&str> = names.split(", ").collect();
            names.sort_unstable();
            format!("{head}: {}", names.join(", "))
        }
        _ => line.to_owned(),
    }
}

fn sort(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(|value| match value.get("room") {
            Some(room) => room.as_str().map(str::to_lowercase),
            None => value.as_str().map(str::to_owned),
        });
    }
}
