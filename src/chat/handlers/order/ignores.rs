//! Whom people want to see nothing of.

use std::collections::BTreeSet;

use crate::chat::Chat;
use crate::chat::dialect::Dialect;
use crate::chat::dialect::reply::{HitLine, Line, Reply};
use crate::chat::handlers::conversations::LEFT;
use crate::chat::handlers::{Context, Done};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{self, Name};
use crate::chat::request::RequestError;
use crate::chat::settings::IGNORED_MAX;
use crate::chat::state::order::OrderChange;
use crate::delivery::channels::ChannelId;

impl Chat {
    pub(super) fn ignore(&mut self, cx: &mut Context<'_>, name: &str) -> Done {
        let user = self.addressee(name)?;
        if user == cx.user {
            let message = "You cannot ignore yourself.".to_owned();
            return Err(RequestError::new("not_allowed", message));
        }
        let order = self.state.order();
        if !order.ignores(cx.user, user) {
            if order.ignored_by(cx.user).count() >= IGNORED_MAX {
                let message =
                    format!("You ignore {IGNORED_MAX} people. End that for one: /unignore.");
                return Err(RequestError::new("too_many", message));
            }
            self.happen(cx, OrderChange::Ignored { user });
        }
        let line = format!("You see nothing any more of what {} says.", self.shown_name(user));
        self.tell_done(cx, "ignore", &line);
        Ok(())
    }

    pub(super) fn unignore(&mut self, cx: &mut Context<'_>, name: &str) -> Done {
        if name.eq_ignore_ascii_case(LEFT) {
            return self.unignore_those_who_left(cx);
        }
        let user = self.addressee(name)?;
        if !self.state.order().ignores(cx.user, user) {
            let message = format!("You do not ignore {}.", self.shown_name(user));
            return Err(RequestError::new("not_ignored", message));
        }
        self.happen(cx, OrderChange::Unignored { user });
        let line = format!("You see again what {} says.", self.shown_name(user));
        self.tell_done(cx, "unignore", &line);
        Ok(())
    }

    /// The accounts that have ended and that somebody ignores have no names to tell them apart by.
    fn unignore_those_who_left(&mut self, cx: &mut Context<'_>) -> Done {
        let ignored = self.state.order().ignored_by(cx.user);
        let gone: Vec<UserId> = ignored.filter(|&user| self.name_of(user).is_none()).collect();
        if gone.is_empty() {
            let message = format!("You do not ignore {LEFT}.");
            return Err(RequestError::new("not_ignored", message));
        }
        for user in gone {
            self.happen(cx, OrderChange::Unignored { user });
        }
        self.tell_done(cx, "unignore", &format!("You see again what {LEFT} has said."));
        Ok(())
    }

    /// Those who ignore who asks get nothing of what was published last in a room, or a stub: what a
    /// program counts messages by.
    pub(in crate::chat) fn hide_last(
        &self,
        cx: &mut Context<'_>,
        room: RoomId,
        channel: ChannelId,
        said: Option<(&str, Line<'_>)>,
    ) {
        let stub = said.map(|(room, line)| {
            let line = Line::stub(line.id, line.time);
            Reply::Said { room, line, reference: None }
        });
        self.show_ignoring(cx, room, channel, |dialect| match dialect {
            Dialect::Json => stub.as_ref(),
            Dialect::Text => None,
        });
    }

    /// Those who ignore who asks get this in place of what was published last in a room.
    pub(in crate::chat) fn show_ignoring<'a>(
        &self,
        cx: &mut Context<'_>,
        room: RoomId,
        channel: ChannelId,
        shown: impl Fn(Dialect) -> Option<&'a Reply<'a>>,
    ) {
        let ignoring = self.state.order().ignoring(cx.user);
        for user in ignoring.filter(|&user| self.state.is_member(user, room)) {
            for client in self.clients_of(user) {
                let shown = shown(cx.out.encoding(client).dialect.into());
                let bytes = match shown {
                    // It is told what is said by itself.
                    Some(Reply::Said { .. }) if self.sessions.followers.has_ids(client) => continue,
                    Some(reply) => cx.out.encode(client, |to| self.render_shared(to, reply)),
                    None => Vec::new(),
                };
                cx.out.replace_last(channel, client, &bytes);
            }
        }
    }

    /// What was said, as who asks is shown it: of those whom they ignore programs get stubs, and
    /// people nothing.
    pub(in crate::chat::handlers) fn without_ignored<'a>(
        &self,
        cx: &Context<'_>,
        mut lines: Vec<Line<'a>>,
    ) -> Vec<Line<'a>> {
        if let Some(names) = self.ignored_names(cx.user) {
            match cx.dialect() {
                Dialect::Text => lines.retain(|line| !self.is_ignored(cx.user, &names, line)),
                Dialect::Json => {
                    let ignored = |line: &&mut Line<'_>| self.is_ignored(cx.user, &names, line);
                    for line in lines.iter_mut().filter(ignored) {
                        *line = Line::stub(line.id, line.time);
                    }
                }
            }
        }
        lines
    }

    /// What was found, without what those said whom who asks ignores.
    pub(in crate::chat::handlers) fn without_ignored_hits<'a>(
        &self,
        cx: &Context<'_>,
        mut hits: Vec<HitLine<'a>>,
    ) -> Vec<HitLine<'a>> {
        if let Some(names) = self.ignored_names(cx.user) {
            hits.retain(|hit| !self.is_ignored(cx.user, &names, &hit.line));
        }
        hits
    }

    /// Whether somebody ignores who said this: its account, or of a guest the name, one of `names`.
    pub(in crate::chat::handlers) fn is_ignored(
        &self,
        user: UserId,
        names: &BTreeSet<&str>,
        line: &Line<'_>,
    ) -> bool {
        match line.account {
            Some(account) => self.state.order().ignores(user, account),
            None => name::key_of(line.name).is_some_and(|key| names.contains(&*key)),
        }
    }

    /// The keys of the names of those whom somebody ignores, if it is anybody.
    pub(in crate::chat::handlers) fn ignored_names(&self, user: UserId) -> Option<BTreeSet<&str>> {
        let order = self.state.order();
        order.ignored_by(user).next()?;
        let now = order.ignored_by(user).filter_map(|ignored| self.name_of(ignored));
        let reserved = self.state.accounts().reserved();
        let before = reserved.filter(|one| order.ignores(user, one.account)).map(|one| &one.name);
        Some(now.chain(before).map(Name::key).collect())
    }

    pub(super) fn tell_ignored(&self, cx: &mut Context<'_>) {
        let ignored = || self.state.order().ignored_by(cx.user);
        let here = ignored().filter_map(|user| self.name_of(user)).map(Name::as_str);
        let has_left = ignored().any(|user| self.name_of(user).is_none());
        let names = here.chain(has_left.then_some(LEFT)).collect();
        let reference = cx.reference;
        cx.reply(&Reply::Ignored { names, reference });
    }
}
