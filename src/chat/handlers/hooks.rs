//! Hooks: by which programs say something in a room, and what they post to them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::accounts::token_of;
use super::admitting::archived;
use super::{Context, Done, seen};
use crate::chat::Chat;
use crate::chat::access::RoomAccess;
use crate::chat::dialect::acts::Act;
use crate::chat::dialect::json::KEY_BYTES_MAX;
use crate::chat::dialect::reply::{HookLine, NewHook, Reply};
use crate::chat::dialect::slack::{self, Payload, PayloadError};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::Name;
use crate::chat::proofs::Shown;
use crate::chat::record::RoomChange;
use crate::chat::request::RequestError;
use crate::chat::settings::{
    HOOK_KEY_BYTES_MAX, HOOKS_MAX, MESSAGE_BYTES_PER_TOKEN, MESSAGE_LINES_MAX,
};
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::history::{Message, MessageKind};
use crate::chat::state::hooks::Hook;
use crate::chat::state::keys::Scope;
use crate::chat::state::rooms::rules::OPEN;
use crate::chat::text;
use crate::delivery::{Delivery, Wait};
use crate::ids::ClientId;
use crate::service::{Post, Posted, Refusal};
use crate::store::hook_author;

/// Nothing can be kept at the moment.
const NOT_STORED: Refusal =
    Refusal { status: 503, code: "not_stored", retry_after_s: Some(RETRY_AFTER_S) };
const RETRY_AFTER_S: u64 = 5;
/// So many tokens of no hook have come from there that none is looked up for a while.
const TOO_MANY_ATTEMPTS: Refusal =
    Refusal { retry_after_s: Some(2), ..Refusal::new(429, "too_many_attempts") };
/// Who has made the hook may not say that there.
const PROHIBITED: Refusal = Refusal::new(403, "action_prohibited");
const NO_TEXT: Refusal = Refusal::new(400, "no_text");
const INVALID_PAYLOAD: Refusal = Refusal::new(400, "invalid_payload");
const INVALID_KEY: Refusal = Refusal::new(400, "invalid_idempotency_key");
/// It has what lets others in.
const HAS_SECRET: Refusal = Refusal::new(400, "contains_secret");
const TOO_LONG: Refusal = Refusal::new(413, "too_long");

impl Chat {
    // ---- Making them ----

    /// Makes a hook of this name, or another token for it.
    pub(super) fn make_hook(&mut self, cx: &mut Context<'_>, room: RoomId, typed: &str) -> Done {
        let token = token_of(&self.random(cx)?);
        let Some(here) = self.state.rooms().get(room) else { return Ok(()) };
        if here.settings().is_archived {
            return Err(archived(here));
        }
        let has_rules = here.rules().is_some();
        let own = Name::parse(typed).ok();
        let own = own.and_then(|name| self.state.hooks().get(room, &name));
        let name = match own {
            Some(hook) => hook.name.clone(),
            None => self.free_hook_name(typed, cx.unix_ms())?,
        };
        if own.is_none() && self.state.hooks().of_room(room).count() >= HOOKS_MAX {
            let message = format!("A room has at most {HOOKS_MAX} hooks. End one with /hooks end.");
            return Err(RequestError::new("too_many", message));
        }
        if !has_rules {
            self.happen(cx, RoomChange::Set { room, settings: OPEN });
        }
        let (hash, by, created_ms) = (SecretHash::of(&token), cx.user, cx.unix_ms());
        let hook = Hook { room, name: name.clone(), hash, by, created_ms };
        self.happen(cx, RoomChange::HookMade(hook));
        self.log_hook(cx, room, Act::HookMade { name: name.as_str() });
        let Some(here) = self.state.rooms().get(room) else { return Ok(()) };
        let url = self.settings.public_url.as_deref();
        let link = url.map(|url| format!("{url}hook/{token}"));
        let path = format!("{}hook/{token}", self.settings.base_path);
        let (room, name, reference) = (here.name.as_str(), name.as_str(), cx.reference);
        let (token, link, path) = (&*token, link.as_deref(), &*path);
        cx.reply(&Reply::Hook(NewHook { room, name, token, link, path, reference }));
        Ok(())
    }

    pub(super) fn tell_hooks(&self, cx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.state.rooms().get(id) else { return };
        let hooks = self.state.hooks().of_room(id).map(|hook| HookLine {
            name: hook.name.as_str(),
            by: self.shown_name(hook.by),
            created: hook.created_ms,
            stopped: !self.may_speak(hook, cx.unix_ms()),
        });
        let hooks = hooks.collect();
        let (room, reference) = (room.name.as_str(), cx.reference);
        cx.reply(&Reply::Hooks { room, hooks, reference });
    }

    pub(super) fn end_hook(&mut self, cx: &mut Context<'_>, room: RoomId, typed: &str) -> Done {
        let name = Name::parse(typed).ok();
        let hook = name.and_then(|name| self.state.hooks().get(room, &name));
        let Some(name) = hook.map(|hook| hook.name.clone()) else {
            let typed = text::quote(typed, 32);
            let message = format!("There is no hook {typed} in that room. /hooks lists them.");
            return Err(RequestError::new("no_such_hook", message));
        };
        let shown = name.to_string();
        self.happen(cx, RoomChange::HookEnded { room, name });
        self.log_hook(cx, room, Act::HookEnded { name: &shown });
        let line = format!("The hook {shown} has ended. What it has said stays.");
        self.tell_done(cx, "end_hook", &line);
        Ok(())
    }

    /// A room in which nothing more is said has no hooks.
    pub(super) fn end_hooks(&mut self, cx: &mut Context<'_>, room: RoomId) {
        let names = self.state.hooks().of_room(room).map(|hook| hook.name.clone());
        for name in names.collect::<Vec<Name>>() {
            self.happen(cx, RoomChange::HookEnded { room, name });
        }
    }

    fn log_hook(&mut self, cx: &mut Context<'_>, room: RoomId, act: Act<'_>) {
        let Some(here) = self.state.rooms().get(room) else { return };
        let act = self.sentence(cx.user, here.name.as_str(), act);
        self.log_act_in(cx, room, &act);
    }

    // ---- Posting to them ----

    /// Says in a room what a program has posted to one of its hooks.
    pub(in crate::chat) fn take_post(
        &mut self,
        client: ClientId,
        post: &Post<'_>,
        out: &mut Delivery,
    ) -> Posted {
        let cx =
            &mut Context { client, peer: post.peer, user: UserId::SERVER, reference: None, out };
        let posted = match self.say_posted(cx, post) {
            Ok(None) => Posted::Done,
            Ok(Some(wait)) => Posted::Blocked(wait),
            Err(refusal) => Posted::Refused(refusal),
        };
        self.post_metrics.count(posted);
        posted
    }

    fn say_posted(
        &mut self,
        cx: &mut Context<'_>,
        post: &Post<'_>,
    ) -> Result<Option<Wait>, Refusal> {
        let (unix_ms, now_ms) = (cx.unix_ms(), cx.out.now().ms);
        let Some(hook) = self.state.hooks().find(SecretHash::of(post.token)).cloned() else {
            let is_told = self.logins.attempts.count_unknown(Shown::Program, cx.peer, now_ms);
            return Err(if is_told { Refusal::NO_HOOK } else { TOO_MANY_ATTEMPTS });
        };
        if !self.may_speak(&hook, unix_ms) {
            return Err(Refusal::NO_HOOK);
        }
        self.check_maker(cx, &hook)?;
        let key = post.key.map(|key| key_of(key, hook.hash)).transpose()?;
        let payload = slack::parse(post.content_type, post.body)?;
        let text = self.posted_text(&payload, unix_ms)?;
        if let Some(keeping) = &self.keeping
            && (keeping.is_full() || cx.out.is_store_behind())
        {
            return Err(NOT_STORED);
        }
        let channel = Wait::ChannelClear(self.channel_for(hook.room, cx.out));
        if self.is_held_up(channel, cx.out) {
            return Ok(Some(channel));
        }
        self.charge_hook(cx, &hook, post.body.len())?;
        let scope = Scope::Room(hook.room);
        let is_repeat = |key: &str| self.state.keys().find(scope, None, key).is_some();
        if !key.as_deref().is_some_and(is_repeat) {
            let name = self.speaker(&hook, payload.username.as_deref(), unix_ms);
            self.say_as_hook(cx, hook.room, &name, &text, key.as_deref());
        }
        Ok(None)
    }

    fn say_as_hook(
        &mut self,
        cx: &mut Context<'_>,
        room: RoomId,
        name: &Name,
        text: &str,
        key: Option<&str>,
    ) {
        let Some(here) = self.state.rooms().get(room) else { return };
        let author = hook_author(name.as_str());
        let message = Message::new(cx.unix_ms(), MessageKind::Said, &author, text);
        let message = message.expect("names are far shorter than 65,535 bytes");
        let id = here.history.next_id();
        self.happen_said(cx, room, id, message, key);
        // It calls whom a member can call who is no more than that.
        let found = self.find_mentions(cx.user, room, text);
        self.note_mentions(cx, room, id, &found);
        self.ring(cx, room, &found);
    }

    /// Whether who has made a hook may still make hooks there.
    fn may_speak(&self, hook: &Hook, unix_ms: u64) -> bool {
        let Some(room) = self.state.rooms().get(hook.room) else { return false };
        self.has_room_access(hook.by, room, RoomAccess::Moderator).0
            && !room.settings().is_archived
            && self.check_banned(hook.by, unix_ms).is_ok()
    }

    /// A hook says what who has made it may say.
    fn check_maker(&self, cx: &mut Context<'_>, hook: &Hook) -> Result<(), Refusal> {
        let Some(room) = self.state.rooms().get(hook.room) else { return Err(Refusal::NO_HOOK) };
        let Context { client, peer, .. } = *cx;
        let maker = Context { client, peer, user: hook.by, reference: None, out: cx.out };
        self.check_may_say(&maker, room).map_err(|_| PROHIBITED)
    }

    /// What others are shown of what was posted.
    fn posted_text(&self, payload: &Payload, unix_ms: u64) -> Result<String, Refusal> {
        let text = text::clean_lines(&payload.text);
        let text = seen(text).map_err(|_| NO_TEXT)?;
        let is_long = text.len() > self.settings.message_bytes_max;
        if is_long || text::lines_of(&text) > MESSAGE_LINES_MAX {
            return Err(TOO_LONG);
        }
        let has_secret = self.check_hidden(&text, unix_ms).is_err();
        if has_secret { Err(HAS_SECRET) } else { Ok(text.into_owned()) }
    }

    /// The name that a hook speaks under: its own, or the one that comes with what was posted, if that
    /// is a name and nobody's.
    fn speaker(&self, hook: &Hook, username: Option<&str>, unix_ms: u64) -> Name {
        let words = username.map(|name| name.split_whitespace().collect::<Vec<_>>().join("-"));
        let name = words.and_then(|words| self.free_hook_name(&words, unix_ms).ok());
        name.unwrap_or_else(|| hook.name.clone())
    }

    /// Flood control: of each hook, as of each client.
    fn charge_hook(&mut self, cx: &Context<'_>, hook: &Hook, bytes: usize) -> Result<(), Refusal> {
        let (now_ms, rate) = (cx.out.now().ms, &self.settings.rate);
        let bucket = self.posts.entry(hook.hash).or_default();
        bucket.try_take(now_ms, rate).map_err(|at| Refusal {
            retry_after_s: Some(at.saturating_sub(now_ms).div_ceil(1000).max(1)),
            ..Refusal::new(429, "rate_limited")
        })?;
        bucket.spend(bytes / MESSAGE_BYTES_PER_TOKEN, now_ms, rate);
        Ok(())
    }

    /// Forgets the buckets of hooks that there are no more.
    pub(in crate::chat) fn trim_posts(&mut self) {
        let hooks = self.state.hooks();
        self.posts.retain(|hash, _| hooks.find(*hash).is_some());
    }
}

/// The key of a message by the one that a program knows it by: those of different hooks, and of
/// people, are never the same.
fn key_of(given: &str, hook: SecretHash) -> Result<Box<str>, Refusal> {
    // An Idempotency-Key is a string of a structured field (RFC 9651), with its quotes.
    let given = given.trim_matches('"');
    if !(1..=HOOK_KEY_BYTES_MAX).contains(&given.len()) {
        return Err(INVALID_KEY);
    }
    let digest = SecretHash::of(&format!("{} {given}", URL_SAFE_NO_PAD.encode(hook.0)));
    Ok(URL_SAFE_NO_PAD.encode(digest.0)[..KEY_BYTES_MAX].into())
}

impl From<PayloadError> for Refusal {
    fn from(error: PayloadError) -> Refusal {
        match error {
            PayloadError::Invalid => INVALID_PAYLOAD,
            PayloadError::NoText => NO_TEXT,
        }
    }
}
