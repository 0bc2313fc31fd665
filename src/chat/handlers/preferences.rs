//! How people at terminals are shown things.

use super::{Context, Done};
use crate::chat::Chat;
use crate::chat::dialect::clock::Clock;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::mentions::Found;
use crate::chat::preferences::find_zone;
use crate::chat::request::{PreferenceRequest, RequestError};
use crate::chat::text::quote;
use crate::delivery::Delivery;
use crate::delivery::encoding::{Encoder, FrameKind, Framing};
use crate::ids::ClientId;
use crate::wire::keys::BELL;

/// Clears a screen and its scrollback, and puts the cursor to its top (ECMA-48 ED and CUP).
const CLEAR: &[u8] = b"\x1b[H\x1b[2J\x1b[3J";

impl Chat {
    pub(super) fn execute_of_preference(
        &mut self,
        cx: &mut Context<'_>,
        request: PreferenceRequest<'_>,
    ) -> Done {
        match request {
            PreferenceRequest::Times { on } => self.set_times(cx, on),
            PreferenceRequest::Zone { name } => return self.set_zone(cx, name.as_deref()),
            PreferenceRequest::Bell { on } => return self.set_bell(cx, on),
            PreferenceRequest::Clear => {
                check_terminal(cx)?;
                cx.out.send(cx.client, |to| raw(to, CLEAR));
            }
        }
        Ok(())
    }

    fn set_times(&self, cx: &mut Context<'_>, on: Option<bool>) {
        let mut clock = Clock::of(cx.out.encoding(cx.client).dialect);
        clock.shows_times = on.unwrap_or(clock.shows_times);
        cx.out.set_dialect(cx.client, clock.dialect());
        match clock.shows_times {
            true => cx.notice(format_args!("* What is said comes with its time ({clock}).")),
            false => cx.notice(format_args!("* What is said comes without its time.")),
        }
    }

    fn set_zone(&mut self, cx: &mut Context<'_>, name: Option<&str>) -> Done {
        let mut clock = Clock::of(cx.out.encoding(cx.client).dialect);
        if let Some(typed) = name {
            let zone = find_zone(typed).ok_or_else(|| {
                let message = format!(
                    "There is no time zone {}. Name one like Asia/Tokyo, or how far it is from \
                     UTC: +9.",
                    quote(typed, 40)
                );
                RequestError::new("bad_field", message)
            })?;
            clock = self.preferences.set_zone(cx.client, zone, clock, cx.out.now());
            cx.out.set_dialect(cx.client, clock.dialect());
        }
        let name = self.preferences.zone_name(cx.client).filter(|name| *name != "UTC");
        let name = name.map(|name| format!(" in {name}")).unwrap_or_default();
        let now = clock.time(cx.unix_ms());
        cx.notice(format_args!("* It is {now}{name} ({clock})."));
        Ok(())
    }

    fn set_bell(&mut self, cx: &mut Context<'_>, on: Option<bool>) -> Done {
        check_terminal(cx)?;
        if let Some(on) = on {
            self.preferences.set_ringing(cx.client, on);
        }
        match self.preferences.rings(cx.client) {
            true => cx.notice(format_args!("* Your terminal rings for what is for you.")),
            false => cx.notice(format_args!("* Your terminal does not ring.")),
        }
        Ok(())
    }

    /// What has just been said in a room is for some of its members, whose terminals ring.
    pub(super) fn ring(&self, cx: &mut Context<'_>, room: RoomId, found: &Found<UserId>) {
        if !self.preferences.any_rings() {
            return;
        }
        let users: Vec<UserId> = match found {
            Found::All => self.state.members(room).map(|user| user.id).collect(),
            Found::Members(users) => {
                let mut users = users.clone();
                users.sort_unstable();
                users.dedup();
                users
            }
        };
        for user in users {
            if user != cx.user && !self.state.order().ignores(user, cx.user) {
                for client in self.clients_of(user).collect::<Vec<ClientId>>() {
                    self.ring_at(client, cx.out);
                }
            }
        }
    }

    /// Something was said to this client.
    pub(in crate::chat) fn ring_at(&self, client: ClientId, out: &mut Delivery) {
        if self.preferences.rings(client) {
            out.send(client, |to| raw(to, &[BELL]));
        }
    }

    /// Clients whose zones are off UTC by something else from now on.
    pub(in crate::chat) fn follow_zones(&mut self, out: &mut Delivery) {
        let now = out.now();
        for (client, zone) in self.preferences.take_changed(now) {
            let clock = Clock::of(out.encoding(client).dialect);
            let clock = self.preferences.set_zone(client, zone, clock, now);
            out.set_dialect(client, clock.dialect());
        }
    }
}

/// Bytes that are no line.
fn raw(to: &mut Encoder<'_>, bytes: &[u8]) {
    to.message(FrameKind::Text, |buffer| buffer.extend_from_slice(bytes));
}

fn check_terminal(cx: &Context<'_>) -> Done {
    match cx.out.encoding(cx.client).framing {
        Framing::Lines => Ok(()),
        _ => {
            let message = "That is for terminals.".to_owned();
            Err(RequestError::new("not_allowed", message))
        }
    }
}
