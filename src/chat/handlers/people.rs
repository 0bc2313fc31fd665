//! Who somebody is, and who is away.

use std::collections::BTreeSet;

use super::{Context, Done, shown};
use crate::chat::Chat;
use crate::chat::away::Away;
use crate::chat::dialect::clock::Clock;
use crate::chat::dialect::render;
use crate::chat::dialect::reply::{AwayLine, Person, Reply};
use crate::chat::ids::{Pair, RoomId, UserId};
use crate::chat::mentions::Found;
use crate::chat::request::{PeopleRequest, RequestError};
use crate::chat::settings::AWAY_BYTES_MAX;

impl Chat {
    pub(super) fn execute_of_people(
        &mut self,
        cx: &mut Context<'_>,
        request: PeopleRequest<'_>,
    ) -> Done {
        match request {
            PeopleRequest::Away { text: None } if self.sessions.aways.get(cx.user).is_some() => {
                self.set_away(cx, None);
            }
            PeopleRequest::Away { text } => {
                let text = self.reason_to_be_away(cx, text.as_deref().unwrap_or_default())?;
                self.set_away(cx, Some(text));
            }
            PeopleRequest::Back => self.set_away(cx, None),
            PeopleRequest::Whois { name } => {
                let user = self.addressee(&name)?;
                self.tell_who_is(cx, user);
            }
        }
        Ok(())
    }

    /// What others are shown of why somebody is away.
    fn reason_to_be_away(&self, cx: &Context<'_>, typed: &str) -> Result<Box<str>, RequestError> {
        if typed.trim().is_empty() {
            return Ok(Box::default());
        }
        self.check_public(cx, typed)?;
        let text = shown(typed)?;
        let bytes = text.trim().len();
        if bytes > AWAY_BYTES_MAX {
            let message = format!(
                "Why you are away has at most {AWAY_BYTES_MAX} bytes of UTF-8, and this has \
                 {bytes}. Shorten it."
            );
            return Err(RequestError::new("text_refused", message));
        }
        Ok(text.trim().into())
    }

    /// Somebody is away, and why, or is here again. Programs in its rooms are told, so that they can
    /// mark it; people see it where they look.
    fn set_away(&mut self, cx: &mut Context<'_>, text: Option<Box<str>>) {
        let since_ms = cx.unix_ms();
        match text {
            Some(text) => self.sessions.aways.begin(cx.user, Away { text, since_ms }),
            None => _ = self.sessions.aways.end(cx.user),
        }
        let away = self.sessions.aways.get(cx.user);
        if let Some(name) = self.name_of(cx.user) {
            for room in self.state.rooms_of(cx.user) {
                let told = AwayLine { text: "", ..AwayLine::of(away, name.as_str(), since_ms) };
                self.publish_away(cx, room, &told);
            }
        }
        for device in self.other_devices(cx) {
            let told = self.own_away(cx, since_ms);
            cx.out.send(device, |to| render(to, &Reply::Away(told)));
        }
        let told = AwayLine { reference: cx.reference, ..self.own_away(cx, since_ms) };
        cx.reply(&Reply::Away(told));
    }

    /// Big rooms are not told of it, as they are not told who comes and goes.
    fn publish_away(&self, cx: &mut Context<'_>, id: RoomId, told: &AwayLine<'_>) {
        let Some((room, channel)) = self.room_and_channel(id) else { return };
        let is_told = (2..=self.settings.announce_below).contains(&room.member_count());
        if is_told && !cx.out.congested(channel) {
            let told = Reply::Away(AwayLine { room: Some(room.name.as_str()), ..*told });
            cx.publish(channel, Some(&[]), &told);
            self.hide_last(cx, id, channel, None);
        }
    }

    fn own_away(&self, cx: &Context<'_>, time: u64) -> AwayLine<'_> {
        let name = self.shown_name(cx.user);
        AwayLine { you: true, ..AwayLine::of(self.sessions.aways.get(cx.user), name, time) }
    }

    /// A device of somebody who is away has come.
    pub(super) fn remind_of_being_away(&self, cx: &mut Context<'_>) {
        if self.sessions.aways.get(cx.user).is_some() {
            let told = self.own_away(cx, cx.unix_ms());
            cx.reply(&Reply::Away(told));
        }
    }

    /// Who says something to somebody who is away is told so: once, and not by whom it ignores.
    pub(in crate::chat) fn tell_away(&mut self, cx: &mut Context<'_>, user: UserId) {
        if self.sessions.aways.is_empty()
            || user == cx.user
            || self.state.order().ignores(cx.user, user)
        {
            return;
        }
        let Some(name) = self.state.users().get(user).map(|user| user.name.as_str()) else {
            return;
        };
        let time = cx.unix_ms();
        let hears_why = self.hears_why_away(cx.user, user);
        if let Some(away) = self.sessions.aways.news_for(cx.client, user) {
            let told = AwayLine::of(Some(away), name, time);
            let text = if hears_why { told.text } else { "" };
            cx.reply(&Reply::Away(AwayLine { text, ..told }));
        }
    }

    /// Between people of whom one ignores the other no reasons are given.
    fn hears_why_away(&self, asking: UserId, user: UserId) -> bool {
        let order = self.state.order();
        !order.ignores(asking, user) && !order.ignores(user, asking)
    }

    /// The same of those for whom something was said in a room.
    pub(super) fn tell_away_of(&mut self, cx: &mut Context<'_>, found: &Found<UserId>) {
        if let Found::Members(users) = found {
            for user in users.iter().copied().collect::<BTreeSet<UserId>>() {
                self.tell_away(cx, user);
            }
        }
    }

    // ---- Who somebody is ----

    /// Tells who somebody is. Whether they are here is told to those who share something with them,
    /// or could see them in a room's list.
    fn tell_who_is(&self, cx: &mut Context<'_>, user: UserId) {
        let accounts = self.state.accounts();
        let rooms = self.rooms_to_see_in(cx, user);
        let talks = self.state.rooms().conversation(Pair::new(cx.user, user)).is_some();
        let sees = !rooms.is_empty() || talks || user == cx.user;
        let away = self.sessions.aways.get(user).filter(|_| sees);
        let hears_why = self.hears_why_away(cx.user, user);
        let since = self.clients_of(user).filter_map(|client| self.sessions.since_ms(client)).min();
        let zoned = self.clients_of(user).find(|&client| self.preferences.has_zone(client));
        let clock = zoned.map(|client| Clock::of(cx.out.encoding(client).dialect));
        let person = Person {
            name: self.shown_name(user),
            account: accounts.contains(user),
            bot: accounts.owner_of(user).is_some(),
            online: sees.then_some(since.is_some()),
            since: since.filter(|_| sees),
            away: away.map(|away| if hears_why { &*away.text } else { "" }),
            away_since: away.map(|away| away.since_ms),
            offset: clock.filter(|_| sees).map(Clock::minutes),
            rooms,
            time: cx.unix_ms(),
            reference: cx.reference,
        };
        cx.reply(&Reply::Whois(person));
    }

    /// The rooms that somebody is in of whose members the one who asks may see a list, and which it
    /// may know to be there.
    fn rooms_to_see_in(&self, cx: &Context<'_>, user: UserId) -> Vec<&str> {
        let rooms = self.state.rooms_of(user).filter_map(|id| self.state.rooms().get(id));
        let seen = rooms.filter(|room| {
            room.between().is_none()
                && self.is_listed_for(cx.user, room)
                && self.check_sees_members(cx, room, "").is_ok()
        });
        let mut names: Vec<&str> = seen.map(|room| room.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}
