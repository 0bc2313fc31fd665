//! The names of wires, to count connections by.

use super::Wire;

/// What a connection speaks, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireKind {
    Undecided,
    Lines,
    Http,
    WebSocket,
    Events,
}

impl WireKind {
    pub const ALL: [WireKind; 5] = [
        WireKind::Undecided,
        WireKind::Lines,
        WireKind::Http,
        WireKind::WebSocket,
        WireKind::Events,
    ];

    pub fn name(self) -> &'static str {
        match self {
            WireKind::Undecided => "undecided",
            WireKind::Lines => "lines",
            WireKind::Http => "http",
            WireKind::WebSocket => "websocket",
            WireKind::Events => "events",
        }
    }
}

impl Wire {
    pub fn kind(&self) -> WireKind {
        match self {
            Wire::Undecided(_) => WireKind::Undecided,
            Wire::Line(_) => WireKind::Lines,
            Wire::Http(_) => WireKind::Http,
            Wire::WebSocket(_) => WireKind::WebSocket,
            Wire::Events(_) => WireKind::Events,
        }
    }
}
