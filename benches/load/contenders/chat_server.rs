//! The server of this package, in each of its modes, over lines and over WebSocket.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::contender::{Contender, Identity, Ready, Start, Step, Verdict, Wire};
use crate::scenario::{Scenario, Work};
use crate::websocket;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Chat,
    Broadcast,
    Echo,
}

pub struct ChatServer {
    pub wire: Wire,
    pub mode: Mode,
    /// What is said is kept on disk, and shown when it is there.
    pub is_kept: bool,
    /// Its clients are programs, which are told everything in JSON.
    pub is_json: bool,
    /// Another build of it, to compare with.
    pub other: Option<PathBuf>,
}

impl ChatServer {
    /// Ours: in memory, for people.
    pub fn new(wire: Wire, mode: Mode) -> ChatServer {
        ChatServer { wire, mode, is_kept: false, is_json: false, other: None }
    }
}

impl Contender for ChatServer {
    fn name(&self) -> &'static str {
        match self.mode {
            Mode::Chat if self.other.is_some() && self.is_kept => "other, kept",
            Mode::Chat if self.other.is_some() => "other chat",
            Mode::Chat if self.is_json && self.is_kept => "ours, JSON, kept",
            Mode::Chat if self.is_json => "ours, JSON",
            Mode::Chat if self.is_kept => "ours, kept",
            Mode::Chat => "ours chat",
            Mode::Broadcast => "ours broadcast",
            Mode::Echo => "ours echo",
        }
    }

    fn wire(&self) -> Wire {
        self.wire
    }

    fn plays(&self, scenario: &Scenario) -> bool {
        match (self.mode, scenario.work) {
            (_, Work::Resume { .. }) => self.is_json,
            (_, work) if self.is_json => work == Work::Join && !self.is_kept,
            (_, Work::Requests { .. }) if self.is_kept => false,
            (mode, Work::Requests { .. }) => mode == Mode::Chat && self.wire == Wire::WebSocket,
            (Mode::Echo, work) => !work.is_chat(),
            (Mode::Broadcast, work) => {
                work.is_chat() && !matches!(work, Work::Fanout { .. } if scenario.rooms > 1)
            }
            (Mode::Chat, work) => work.is_chat(),
        }
    }

    fn is_ours(&self) -> bool {
        self.other.is_none()
    }

    fn has_rooms(&self) -> bool {
        self.mode != Mode::Broadcast
    }

    fn receives_own(&self) -> bool {
        self.mode != Mode::Chat || self.wire == Wire::WebSocket
    }

    fn indexer(&self) -> Option<&'static str> {
        self.is_kept.then_some("search")
    }

    fn find(&self) -> Result<PathBuf, String> {
        let ours = || env!("CARGO_BIN_EXE_chat-server").into();
        let program: PathBuf = self.other.clone().unwrap_or_else(ours);
        // What a commit cannot do yet is left out of its table, so that old commits can be measured
        // too.
        let help =
            Command::new(&program).arg("--help").output().map_err(|error| error.to_string())?;
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        if self.mode == Mode::Chat && !help.contains("- chat:") {
            return Err("this chat-server has no chat mode yet".into());
        }
        if self.wire == Wire::WebSocket && !help.contains("--allow-origin") {
            return Err("this chat-server has no WebSocket yet".into());
        }
        if self.is_kept && !help.contains("--data") {
            return Err("this chat-server keeps nothing yet".into());
        }
        Ok(program)
    }

    fn launch(&self, start: &Start) -> Result<Command> {
        let mode = match self.mode {
            Mode::Chat => "chat",
            Mode::Broadcast => "broadcast",
            Mode::Echo => "echo",
        };
        let mut command = Command::new(start.program);
        command.args(["--mode", mode, "127.0.0.1:0"]).env("RUST_LOG", "warn");
        // As environment variables, because a commit that does not have them yet passes over them.
        // No other server here limits its clients, or shows newcomers what was said before; names,
        // message numbers and history stay on.
        command.env("CHAT_RATE_LIMIT", "off").env("CHAT_REPLAY", "0");
        command.env("CHAT_REGISTRATION", "open");
        match self.is_kept {
            true => command.env("CHAT_DATA", start.scratch.join("data")),
            // Most of the other servers keep nothing on disk, either.
            false => command.env("CHAT_DATA", "none"),
        };
        Ok(command)
    }

    fn ready(&self) -> Ready {
        Ready::Says
    }

    fn greeting(&self, who: &Identity, _: &Scenario) -> Vec<Step> {
        match (self.wire, self.mode) {
            (Wire::WebSocket, _) => {
                let path = format!("/?name={}&room={}", who.name, who.room);
                websocket::greeting_with(
                    &path,
                    if self.is_json { websocket::JSON_FIELD } else { "" },
                )
            }
            (Wire::Lines, Mode::Chat) => vec![
                // Out of the lobby, because the clients of the others are in one room too.
                Step::Send(
                    format!("/nick {}\n/join #{}\n/leave #lobby\n", who.name, who.room)
                        .into_bytes(),
                ),
                Step::Await { starting: b"", until: b"* You left #lobby.\r\n".to_vec() },
            ],
            (Wire::Lines, _) => Vec::new(),
        }
    }

    fn say(&self, who: &Identity, payload: &[u8], out: &mut Vec<u8>) {
        match self.wire {
            Wire::WebSocket if self.is_json => {
                let before = format!(r##"{{"type":"say","room":"#{}","text":""##, who.room);
                websocket::push_text(&[before.as_bytes(), payload, JSON_END].concat(), out);
            }
            Wire::WebSocket => websocket::push_text(payload, out),
            Wire::Lines => {
                out.extend_from_slice(payload);
                out.push(b'\n');
            }
        }
    }

    fn closing_bytes(&self) -> Vec<u8> {
        match self.wire {
            Wire::WebSocket => websocket::close(),
            Wire::Lines => Vec::new(),
        }
    }

    fn head(&self, sender: &Identity, scenario: &Scenario) -> Vec<u8> {
        if self.is_json {
            return json_head(sender, scenario);
        }
        let said_by = match self.mode {
            Mode::Chat => format!("[#{}] {}: ", sender.room, sender.name).into_bytes(),
            _ => Vec::new(),
        };
        match self.wire {
            Wire::WebSocket => websocket::head(&said_by, scenario.message_bytes()),
            Wire::Lines => said_by,
        }
    }

    fn end(&self) -> &'static [u8] {
        match (self.wire, self.mode) {
            (Wire::WebSocket, _) if self.is_json => JSON_END,
            (Wire::WebSocket, _) => b"",
            (Wire::Lines, Mode::Chat) => b"\r\n",
            (Wire::Lines, _) => b"\n",
        }
    }

    fn unit_bytes(&self, bytes: &[u8]) -> Option<usize> {
        match self.wire {
            Wire::WebSocket => websocket::unit_bytes(bytes),
            Wire::Lines => memchr::memchr(b'\n', bytes).map(|end| end + 1),
        }
    }

    fn judge(&self, unit: &[u8]) -> Verdict {
        match self.wire {
            Wire::WebSocket if self.is_json => websocket::judge(unit, judge_json),
            Wire::WebSocket => websocket::judge(unit, judge_text),
            Wire::Lines => judge_text(unit),
        }
    }
}

const JSON_END: &[u8] = br#""}"#;

/// What stands before the text of a message. Its id and its time differ in all that they can differ
/// in, as two senders do. An id has one digit: in a room that people join not ten messages are said.
fn json_head(sender: &Identity, scenario: &Scenario) -> Vec<u8> {
    let digit = if sender.name == Identity::examples()[0].name { "0" } else { "1" };
    let before = format!(
        r##"{{"type":"said","room":"#{}","id":{digit},"time":{},"name":"{}","text":""##,
        sender.room,
        digit.repeat(13),
        sender.name
    );
    let content_bytes = before.len() + scenario.message_bytes() + JSON_END.len();
    [websocket::header(content_bytes), before.into_bytes()].concat()
}

/// Whoever joins is welcomed and told who is there, and the others that somebody has come.
fn judge_json(text: &[u8]) -> Verdict {
    let text = String::from_utf8_lossy(text);
    match ["welcome", "joined", "presence", "history"]
        .iter()
        .any(|kind| text.starts_with(&format!(r#"{{"type":"{kind}""#)))
    {
        true => Verdict::Skip,
        false => Verdict::Wrong(text.into_owned()),
    }
}

/// Notices begin with `* `; so does nothing that anybody says.
fn judge_text(text: &[u8]) -> Verdict {
    match text {
        [b'*', b' ', ..] => Verdict::Skip,
        _ => Verdict::Wrong(String::from_utf8_lossy(text).trim_end().to_owned()),
    }
}
