//! What one client is still to see, compared with what it sees.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Line(String),
    Json(Value),
    /// A list of members, and what is around it.
    Page(Box<Item>, Page),
}

/// One page of the members of a room, whose order is the server's business, as long as it stays.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The room, and how often anybody had come or gone by then.
    pub at: (String, u64),
    pub members: BTreeSet<String>,
    pub after: usize,
    pub count: usize,
}

/// Lines that say nothing that the model knows of.
const UNMODELLED: [&str; 6] = [
    "* Nobody else is in ",
    "* Said in ",
    "* /",
    "* For ",
    "* Anything else is said",
    "* Yes, I am here.",
];

/// Invariant: every queue holds what is to come of one room (or, under "", of none), in its order.
#[derive(Debug, Default)]
pub struct Expectations {
    queues: BTreeMap<String, VecDeque<Item>>,
    /// Lines whose order among the others is not known.
    floating: Vec<String>,
    /// The queue of a message of which more lines come: nothing comes between them.
    goes_on: Option<String>,
    /// Pings that are to be answered.
    pub pongs: VecDeque<Vec<u8>>,
    /// Where members of the room that was listed last were on its list.
    seats: BTreeMap<usize, String>,
    seats_at: (String, u64),
}

impl Item {
    pub fn is_json(&self) -> bool {
        matches!(self.frame(), Item::Json(_))
    }

    /// All of it but the names on a page.
    fn frame(&self) -> &Item {
        match self {
            Item::Page(frame, _) => frame,
            item => item,
        }
    }
}

impl Expectations {
    pub fn push(&mut self, room: &str, item: Item) {
        self.queues.entry(room.to_owned()).or_default().push_back(item);
    }

    /// A message at a terminal, where each of its lines is one.
    pub fn push_lines(&mut self, room: &str, lines: &str) {
        for line in lines.split('\n') {
            self.push(room, Item::Line(line.to_owned()));
        }
    }

    pub fn float(&mut self, line: String) {
        self.floating.push(line);
    }

    /// It is not to see what was said so far.
    pub fn drop_heard(&mut self) {
        self.goes_on = None;
        self.queues.clear();
    }

    pub fn see_line(&mut self, line: &str) {
        for (place, row) in line.split('\n').enumerate() {
            assert!(!row.chars().any(char::is_control), "a control character in {line:?}");
            assert!(place == 0 || row.starts_with('|'), "a line without a mark in {line:?}");
        }
        if UNMODELLED.iter().any(|start| line.starts_with(start)) {
            return;
        }
        let seen = line;
        let (line, names) = match names_in(line) {
            Some((head, names)) => {
                (head.to_owned(), names.split(", ").map(str::to_owned).collect())
            }
            None if line.starts_with("! ") => ("!".to_owned(), Vec::new()),
            None => (line.to_owned(), Vec::new()),
        };
        if let Some(at) = self.floating.iter().position(|floating| *floating == line) {
            self.floating.swap_remove(at);
            return;
        }
        let line = Item::Line(line);
        let goes_on = self.goes_on.take();
        match self
            .queues
            .iter_mut()
            .filter(|(key, _)| goes_on.as_ref().is_none_or(|goes_on| goes_on == *key))
            .find(|(_, queue)| queue.front().is_some_and(|item| *item.frame() == line))
        {
            Some((key, queue)) => {
                let item = queue.pop_front().expect("it has a front");
                let is_more =
                    |item: &Item| matches!(item, Item::Line(line) if line.starts_with('|'));
                self.goes_on = queue.front().is_some_and(is_more).then(|| key.clone());
                self.see_names(item, names);
            }
            None => panic!("saw {seen:?}, and not one of {:#?}", self.next()),
        }
    }

    pub fn see_json(&mut self, object: &Value) {
        let mut object = object.clone();
        let mut names = Vec::new();
        match object["type"].as_str() {
            Some("error") => drop(object.as_object_mut().expect("an object").remove("message")),
            Some("members") => {
                let members = object["members"].take();
                names = serde_json::from_value(members).expect("a list of names");
            }
            Some("rooms") => sort(&mut object["rooms"]),
            _ => {}
        }
        let key = object["room"].as_str().unwrap_or("").to_lowercase();
        let expected = self.queues.get_mut(&key).and_then(VecDeque::pop_front);
        let object = Item::Json(object);
        match expected {
            Some(item) if *item.frame() == object => self.see_names(item, names),
            expected => assert_eq!(
                Some(object),
                expected,
                "what was seen, and what was to be seen next in {key:?}"
            ),
        }
    }

    /// As long as nobody comes or goes, everybody is in one place of the list, and every page shows
    /// its part of it.
    fn see_names(&mut self, item: Item, names: Vec<String>) {
        let page = match item {
            Item::Page(_, page) => page,
            _ => return assert!(names.is_empty(), "names that nobody asked for: {names:?}"),
        };
        assert_eq!(names.len(), page.count, "names on a page");
        if self.seats_at != page.at {
            self.seats.clear();
            self.seats_at = page.at;
        }
        for (seat, name) in (page.after..).zip(names) {
            assert!(page.members.contains(&name), "{name} is not in {}", self.seats_at.0);
            let elsewhere =
                self.seats.iter().find(|&(&other, known)| (other == seat) != (*known == name));
            assert_eq!(
                elsewhere, None,
                "{name} is in place {seat} of {}, or it is not",
                self.seats_at.0
            );
            self.seats.insert(seat, name);
        }
    }

    pub fn see_pong(&mut self, payload: &[u8]) {
        let expected = self.pongs.pop_front();
        assert_eq!(Some(payload), expected.as_deref(), "a Pong, and the Ping that it answers");
    }

    pub fn are_met(&self) -> bool {
        self.queues.values().all(VecDeque::is_empty) && self.floating.is_empty()
    }

    /// What should have come and has not.
    pub fn missing(&self) -> Vec<String> {
        let queued = self
            .queues
            .iter()
            .flat_map(|(key, queue)| queue.iter().map(move |item| format!("{key:?} {item:?}")));
        queued.chain(self.floating.iter().cloned()).collect()
    }

    fn next(&self) -> Vec<&Item> {
        self.queues.values().filter_map(VecDeque::front).collect()
    }
}

/// Parts an answer to /who from the names in it.
fn names_in(line: &str) -> Option<(&str, &str)> {
    let (count, _) = line.strip_prefix("* ")?.split_once(" in #")?;
    let (head, names) = line.split_once(": ")?;
    let is_page =
        count.bytes().all(|byte| byte.is_ascii_digit()) && names != "there is no such page.";
    is_page.then_some((head, names))
}

fn sort(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(|value| value["room"].as_str().map(str::to_lowercase));
    }
}
