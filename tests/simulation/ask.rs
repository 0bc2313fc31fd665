//! What clients ask for, and in which dialect.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Line,
    Text,
    Json,
}

/// Which message.
#[derive(Clone, Copy, Debug)]
pub enum Which {
    Id(u64),
    /// Counted back from the last one.
    Back(u64),
    /// The last of one's own.
    OwnLast,
}

/// What a client asks for.
#[derive(Clone, Debug)]
pub enum Ask {
    Nothing,
    Delete {
        room: Option<String>,
        which: Which,
    },
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
        same_epoch: bool,
        replay: Option<u32>,
    },
    Leave {
        room: Option<String>,
    },
    Nick {
        name: String,
        valid: bool,
    },
    Topic {
        room: Option<String>,
        text: Option<String>,
    },
    History {
        room: Option<String>,
        before: Option<u64>,
        after: Option<u64>,
        limit: Option<u32>,
    },
    Who {
        room: Option<String>,
        after: usize,
        limit: Option<usize>,
    },
    Rooms,
    Typing {
        room: Option<String>,
    },
    Help,
    /// Whether what is said comes with its time, at a terminal.
    Times {
        on: bool,
    },
    /// How far from UTC somebody at a terminal is.
    Zone {
        minutes: i64,
    },
    Quit {
        words: Option<String>,
    },
    /// Something that is refused with this code.
    Bad {
        code: &'static str,
    },
    /// A binary message, which ends the connection.
    Binary,
}

impl Ask {
    /// Whether others see anything of it.
    pub fn concerns_others(&self) -> bool {
        !matches!(
            self,
            Ask::Nothing
                | Ask::Topic { text: None, .. }
                | Ask::History { .. }
                | Ask::Who { .. }
                | Ask::Rooms
                | Ask::Help
                | Ask::Times { .. }
                | Ask::Zone { .. }
                | Ask::Bad { .. }
        )
    }
}

/// A message on its way to the service.
#[derive(Clone, Debug)]
pub struct Sent {
    pub bytes: Vec<u8>,
    pub ask: Ask,
    pub reference: Option<u64>,
}

/// How a program writes the reference with this number: in all the ways that JSON has.
pub fn written(reference: u64) -> String {
    match reference % 10 {
        0 => format!("-{reference}"),
        1 => format!("{reference}.0"),
        2 => format!("{reference}.5e+3"),
        3 => format!("{reference}00000000000000000000"),
        4 => format!("\"r{reference}\""),
        5 => format!("\"\\u0072\\n{reference} \\\"日本\\\"\""),
        6 => format!("\"{reference}{}\"", "x".repeat(40)),
        _ => reference.to_string(),
    }
}
