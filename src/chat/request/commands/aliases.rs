//! What commands are called elsewhere: in IRC, in Slack, in games.

/// Another name, and the command's own.
pub const ALIASES: [(&str, &str); 13] = [
    ("?", "help"),
    ("commands", "help"),
    ("j", "join"),
    ("part", "leave"),
    ("list", "rooms"),
    ("names", "who"),
    ("w", "msg"),
    ("tell", "msg"),
    ("dm", "msg"),
    ("r", "reply"),
    ("whoami", "account"),
    ("q", "quit"),
    ("exit", "quit"),
];
