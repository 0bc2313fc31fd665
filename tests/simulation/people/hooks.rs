//! Hooks: what moderators make, and what programs post to them, which are clients of HTTP.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_server::service::Posted;
use fastrand::Rng;
use serde_json::json;

use super::bans::network;
use super::device::ADDRESSES;
use super::model::{Done, Granted, Model, look, same};
use super::resuming::UNKNOWN_BURST;
use super::rights::{ARCHIVED, MODERATOR, OPEN};
use super::told::Told;
use crate::kept::SharedWire;

/// Programs that post.
pub const PROGRAMS: usize = 2;
/// So a program knows what it posts.
const KEYS: u32 = 12;

const OK: (u16, &str) = (200, "ok");
const NO_HOOK: (u16, &str) = (403, "invalid_token");
const PROHIBITED: (u16, &str) = (403, "action_prohibited");
const NOT_STORED: (u16, &str) = (503, "not_stored");
const TOO_MANY_ATTEMPTS: &str = "too_many_attempts";

#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    pub room: u64,
    pub name: String,
    pub token: String,
    pub by: u64,
}

/// What stands behind the names of hooks.
pub fn is_hook(name: &str) -> bool {
    name.ends_with(" (hook)")
}

impl Model {
    fn hook(&self, room: u64, name: &str) -> Option<usize> {
        self.kept.hooks.iter().position(|one| one.room == room && same(&one.name, name))
    }

    pub fn make_hook(&mut self, n: usize, room: u64, name: &str, granted: &Granted) -> Done {
        if self.settings(room)[ARCHIVED] == 1 {
            return Err(&["room_archived"]);
        }
        let before = self.hook(room, name);
        let is_taken = self.all().any(|(_, user)| look(&user.name) == look(name))
            || self
                .kept
                .reserved
                .iter()
                .any(|one| self.unix_ms < one.until_ms && look(&one.name) == look(name));
        if before.is_none() && is_taken {
            return Err(&["name_taken"]);
        }
        let name = before.map_or_else(|| name.to_owned(), |at| self.kept.hooks[at].name.clone());
        if self.kept.rooms[&room].rules.is_none() {
            self.set(room, OPEN);
        }
        let random = URL_SAFE_NO_PAD.encode(granted.random.expect("it was drawn"));
        let (token, by) = (format!("cst_{random}"), self.clients[&n].user);
        self.hook_tokens.push(token.clone());
        self.kept.hooks.retain(|one| one.room != room || one.name != name);
        let hook = Hook { room, name: name.clone(), token: token.clone(), by };
        self.kept.hooks.push(hook);
        self.log_hook(n, room, "made", &name);
        let place = self.kept.rooms[&room].name.clone();
        let object = json!({ "type": "hook", "room": place, "name": name, "token": token });
        let line = format!(
            "* {name} (hook) may speak in {place}. Its address, shown only once: /hook/{token}"
        );
        self.tell(n, Told::Own { object, line });
        Ok(())
    }

    pub fn end_hook(&mut self, n: usize, room: u64, name: &str) -> Done {
        let at = self.hook(room, name).ok_or(&["no_such_hook"][..])?;
        let hook = self.kept.hooks.remove(at);
        self.log_hook(n, room, "ended", &hook.name);
        self.tell(n, Told::Done("end_hook"));
        Ok(())
    }

    fn log_hook(&mut self, n: usize, room: u64, what: &str, name: &str) {
        let by = self.user(self.clients[&n].user).name.clone();
        let place = self.kept.rooms[&room].name.clone();
        self.log_act_in(room, &format!("{by} {what} the hook {name} of {place}."));
    }

    // ---- What is posted ----

    /// Something was posted, and was answered so: that is told no sooner than what follows from it.
    pub fn posted(
        &mut self,
        (n, ip): (usize, IpAddr),
        token: &str,
        (text, key): (&str, Option<&str>),
        posted: Posted,
    ) {
        let answer = match posted {
            Posted::Blocked(_) => return,
            Posted::Done => OK,
            Posted::Refused(refusal) => (refusal.status, refusal.code),
        };
        let is_known = self.kept.hooks.iter().any(|hook| hook.token == token);
        if answer.1 == TOO_MANY_ATTEMPTS || !is_known {
            self.shows_token(ip, answer.1 != TOO_MANY_ATTEMPTS);
        }
        if answer.1 == TOO_MANY_ATTEMPTS {
            self.end_event();
            self.answers.insert(n, (self.states.len() - 1, answer.0));
            return;
        }
        // How far the store is behind is not known here.
        if answer != NOT_STORED || self.may_say_posted(token).is_err() {
            let expected = self.post(token, text, key);
            assert_eq!(answer, expected, "what was posted to {token}: {text}");
        }
        self.end_event();
        self.answers.insert(n, (self.states.len() - 1, answer.0));
    }

    /// A token that nobody has is shown from an address, or one that is not looked up.
    pub fn shows_token(&mut self, ip: IpAddr, is_looked_up: bool) {
        let unknown = self.unknown_programs.entry(network(ip)).or_default();
        match is_looked_up {
            true => *unknown += 1,
            false => assert!(*unknown >= UNKNOWN_BURST, "{unknown} tokens were shown by {ip}"),
        }
    }

    /// The makers of hooks, and where they are.
    pub fn hook_makers(&self) -> Vec<(String, String)> {
        let hooks = self.kept.hooks.iter().rev();
        let makers = hooks.map(|hook| {
            (self.kept.rooms[&hook.room].name.clone(), self.user(hook.by).name.clone())
        });
        makers.collect()
    }

    fn may_say_posted(&self, token: &str) -> Result<Hook, (u16, &'static str)> {
        let hook = self.kept.hooks.iter().find(|one| one.token == token).cloned();
        let hook = hook.ok_or(NO_HOOK)?;
        let moderates = self.role_in(hook.by, hook.room) >= MODERATOR;
        if !moderates || self.is_banned(hook.by) || self.settings(hook.room)[ARCHIVED] == 1 {
            return Err(NO_HOOK);
        }
        self.check_may_say(hook.by, hook.room).map_err(|_| PROHIBITED)?;
        Ok(hook)
    }

    fn post(&mut self, token: &str, text: &str, key: Option<&str>) -> (u16, &'static str) {
        let Hook { room, name, token, .. } = match self.may_say_posted(token) {
            Ok(hook) => hook,
            Err(refused) => return refused,
        };
        let is_new = key.is_none_or(|key| self.kept.posted.insert((token, key.to_owned())));
        if is_new {
            self.say_in(room, &format!("{name} (hook)"), None, None, text);
        }
        OK
    }

    /// A program has been answered.
    pub fn hear_answer(&mut self, n: usize, status: u16) {
        let (state, expected) = self.answers.remove(&n).expect("it may be answered");
        assert_eq!(status, expected, "program {n} is answered");
        self.shown = self.shown.max(state);
        self.heard += 1;
    }

    /// What was kept, up to this state, is all that there is: who was not answered by then is not
    /// answered for it any more.
    pub fn recover_answers(&mut self, last: usize) {
        self.answers.retain(|_, (state, _)| *state <= last);
        self.answers.values_mut().for_each(|(state, _)| *state = 0);
    }
}

/// A program that posts, on one connection after the other.
#[derive(Debug, Default)]
pub struct Program {
    connection: Option<(usize, SharedWire)>,
    heard: Vec<u8>,
}

impl Program {
    pub fn address(rng: &mut Rng) -> IpAddr {
        ADDRESSES[rng.usize(..ADDRESSES.len())].parse().expect("an address")
    }

    pub fn is_free(&self) -> bool {
        self.connection.is_none()
    }

    /// Posts to a hook that there is, or was.
    pub fn post(
        &mut self,
        (number, wire): (usize, SharedWire),
        model: &Model,
        count: &mut u64,
        rng: &mut Rng,
    ) {
        *count += 1;
        let tokens = &model.hook_tokens;
        let newest = model.kept.hooks.last().map(|hook| &hook.token).filter(|_| rng.bool());
        let any = tokens.get(rng.usize(..tokens.len().max(1)));
        // One of which the maker may not say anything, or is no more.
        let stopped = model.kept.hooks.iter().map(|hook| &hook.token);
        let stopped = stopped.filter(|token| model.may_say_posted(token).is_err());
        let stopped = stopped.chain(model.orphaned_hooks.last()).collect::<Vec<_>>();
        let stopped = stopped.get(rng.usize(..stopped.len().max(1))).copied();
        let stopped = stopped.filter(|_| rng.u32(0..3) == 0);
        let token = stopped.or(newest).or(any).map_or("cst_none", |token| token);
        let key = (rng.u32(0..3) == 0).then(|| rng.u32(0..KEYS));
        let text = key.map_or_else(|| format!("m{count}"), |key| format!("once{key}"));
        let key = key.map_or(String::new(), |key| format!("Idempotency-Key: \"{key}\"\r\n"));
        let (json, body) = match rng.bool() {
            true => ("Content-Type: application/json\r\n", json!({ "text": text }).to_string()),
            false => ("", text),
        };
        let bytes = body.len();
        let request = format!(
            "POST /hook/{token} HTTP/1.1\r\nHost: chat.example\r\n{key}{json}\
             Content-Length: {bytes}\r\n\r\n{body}"
        );
        wire.borrow_mut().uplink.extend(request.as_bytes());
        self.heard.clear();
        self.connection = Some((number, wire));
    }

    pub fn break_off(&mut self) {
        if let Some((_, wire)) = self.connection.take() {
            wire.borrow_mut().break_off();
        }
    }

    pub fn carry(&mut self, rng: &mut Rng) {
        if let Some((_, wire)) = &self.connection {
            wire.borrow_mut().carry(false, rng);
        }
    }

    pub fn read(&mut self, model: &mut Model) {
        let Some((number, wire)) = &self.connection else { return };
        self.heard.extend(wire.borrow_mut().take(usize::MAX));
        let is_over = wire.borrow().is_over();
        let heard = String::from_utf8_lossy(&self.heard);
        if heard.contains("\r\n\r\n") {
            let status = heard.split(' ').nth(1).and_then(|status| status.parse().ok());
            model.hear_answer(*number, status.expect("a status"));
            self.break_off();
        } else if is_over {
            self.break_off();
        }
    }
}
