//! A script, read from bytes: who comes, what they say, and how the network and the clock move.

use super::person::Dialect;

/// Names and rooms that are often meant; the last choice is one of the input's own.
const NAMES: [&str; 7] = ["alice", "Alice", "bob", "guest-2", "日本", "in", ""];
const ROOMS: [&str; 7] = ["#lobby", "#a", "#b", "#Dev", "#dev", "#日本", ""];

/// One thing that happens. `who` is a place among those who are here.
#[derive(Debug)]
pub enum Act {
    Connect {
        dialect: Dialect,
        name: Option<String>,
        room: Option<String>,
    },
    Say {
        who: usize,
        ask: Ask,
    },
    /// Bytes as they are.
    Send {
        who: usize,
        bytes: Vec<u8>,
    },
    HalfClose {
        who: usize,
    },
    Reset {
        who: usize,
    },
    /// So many bytes reach the server's kernel.
    Arrive {
        who: usize,
        bytes: usize,
    },
    /// The client takes so many.
    Read {
        who: usize,
        bytes: usize,
    },
    /// What the kernels hold for the client from now on.
    Capacity {
        who: usize,
        bytes: usize,
    },
    Turn,
    /// Everything arrives and everybody reads.
    Calm,
    Pass {
        ms: u64,
    },
    /// The server is told to stop.
    Drain,
}

/// What a client asks for, in the dialect that it speaks.
#[derive(Debug)]
pub enum Ask {
    Say {
        room: Option<String>,
        text: String,
        me: bool,
    },
    Direct {
        to: String,
        text: String,
    },
    Join {
        room: String,
        since: Option<u64>,
    },
    Leave {
        room: Option<String>,
    },
    Nick {
        name: String,
    },
    Topic {
        room: Option<String>,
        text: Option<String>,
    },
    History {
        room: Option<String>,
        limit: u8,
    },
    Who {
        room: Option<String>,
        after: u8,
    },
    Rooms {
        after: u8,
    },
    Typing {
        room: Option<String>,
    },
    Delete {
        room: Option<String>,
        id: u8,
    },
    Quit {
        text: String,
    },
    /// A frame with this first byte, or a line.
    Frame {
        first: u8,
        payload: Vec<u8>,
    },
}

pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    pub fn new(script: &'a [u8]) -> Script<'a> {
        Script { rest: script }
    }

    /// What happens next, among so many people; `None` at the end.
    pub fn next_act(&mut self, people: usize) -> Option<Act> {
        let (&act, rest) = self.rest.split_first()?;
        self.rest = rest;
        if people == 0 {
            return Some(self.connect());
        }
        Some(match act % 32 {
            0..3 => self.connect(),
            3..17 => Act::Say { who: self.who(people), ask: self.ask(act % 32) },
            17 => Act::Send { who: self.who(people), bytes: self.bytes() },
            18 => Act::HalfClose { who: self.who(people) },
            19 => Act::Reset { who: self.who(people) },
            20..23 => Act::Arrive { who: self.who(people), bytes: self.amount() },
            23..25 => Act::Read { who: self.who(people), bytes: self.amount() },
            25 => Act::Capacity { who: self.who(people), bytes: 1 + self.amount() },
            26..28 => Act::Turn,
            28 | 29 => Act::Calm,
            30 => Act::Pass { ms: self.amount() as u64 },
            _ if act == 255 => Act::Drain,
            _ => Act::Pass { ms: 10 },
        })
    }

    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        byte
    }

    fn who(&mut self, people: usize) -> usize {
        usize::from(self.byte()) % people
    }

    /// Mostly small, and from 128 on in tens.
    fn amount(&mut self) -> usize {
        match self.byte() {
            small @ 0..128 => small.into(),
            large => 10 * usize::from(large - 127),
        }
    }

    /// A byte that says how many follow; from 224 on, they are said 20 times over.
    fn bytes(&mut self) -> Vec<u8> {
        let count = self.byte();
        let (count, times) = if count < 224 { (count, 1) } else { (count - 224, 20) };
        let (bytes, rest) = self.rest.split_at(self.rest.len().min(count.into()));
        self.rest = rest;
        bytes.repeat(times)
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn one_of(&mut self, known: &[&str]) -> String {
        match known[usize::from(self.byte()) % known.len()] {
            "" => self.text(),
            known => known.to_owned(),
        }
    }

    /// Every fourth time none.
    fn some_of(&mut self, known: &[&str]) -> Option<String> {
        let is_none = self.rest.first().is_some_and(|byte| byte & 0xC0 == 0);
        let one = self.one_of(known);
        (!is_none).then_some(one)
    }

    fn connect(&mut self) -> Act {
        let dialect = [Dialect::Line, Dialect::Text, Dialect::Json][usize::from(self.byte()) % 3];
        let (name, room) = match dialect {
            Dialect::Line => (None, None),
            _ => (self.some_of(&NAMES), self.some_of(&ROOMS)),
        };
        Act::Connect { dialect, name, room }
    }

    fn ask(&mut self, act: u8) -> Ask {
        match act {
            3 => Ask::Say { room: None, text: self.text(), me: false },
            4 => Ask::Say { room: self.some_of(&ROOMS), text: self.text(), me: false },
            5 => Ask::Say { room: None, text: self.text(), me: true },
            6 => Ask::Direct { to: self.one_of(&NAMES), text: self.text() },
            7 => Ask::Join { room: self.one_of(&ROOMS), since: None },
            8 => Ask::Join { room: self.one_of(&ROOMS), since: Some(self.byte().into()) },
            9 => Ask::Leave { room: self.some_of(&ROOMS) },
            10 => Ask::Nick { name: self.one_of(&NAMES) },
            11 => Ask::Topic { room: self.some_of(&ROOMS), text: self.some_of(&[""]) },
            12 => Ask::History { room: self.some_of(&ROOMS), limit: self.byte() },
            13 => Ask::Who { room: self.some_of(&ROOMS), after: self.byte() },
            14 => match self.byte() {
                after @ 0..128 => Ask::Rooms { after },
                128..192 => Ask::Typing { room: self.some_of(&ROOMS) },
                id => Ask::Delete { room: self.some_of(&ROOMS), id: id - 192 },
            },
            15 => Ask::Quit { text: self.text() },
            _ => Ask::Frame { first: self.byte(), payload: self.bytes() },
        }
    }
}
