//! What only a terminal asks for, and is told: where it talks, and who edits its line.

use super::Context;
use crate::chat::Chat;
use crate::chat::dialect::Dialect;
use crate::chat::ids::{RoomId, UserId};

/// Has the line edited here, or by the terminal: the wire asks it to agree.
pub(super) fn edit(cx: &mut Context<'_>, on: bool) {
    match on {
        true => cx.notice(format_args!(
            "* Your line is edited here from now on, if your terminal can do it. /edit off ends that."
        )),
        false => cx.notice(format_args!("* Your terminal edits its line from now on.")),
    }
}

impl Chat {
    /// Tells a client where it talks, and in which other rooms it is.
    pub(super) fn tell_where(&self, cx: &mut Context<'_>) {
        let rooms = self.state.rooms();
        let current = self.current_room(cx);
        let others = self.state.rooms_of(cx.user).filter(|id| Some(*id) != current);
        let others = others.filter_map(|id| rooms.get(id)).filter(|room| room.between().is_none());
        let others: Vec<&str> = others.map(|room| room.name.as_str()).collect();
        let Some(here) = current.and_then(|id| rooms.get(id)) else {
            return match others.is_empty() {
                true => {
                    cx.notice(format_args!("* You are in no room. Enter one with /join #ROOM."))
                }
                false => cx.notice(format_args!(
                    "* You talk in no room, and are in {}. /join #ROOM says in which.",
                    others.join(", ")
                )),
            };
        };
        match others.is_empty() {
            true => {
                cx.notice(format_args!("* You talk in {}, and are in no other room.", here.name))
            }
            false => {
                let others = others.join(", ");
                cx.notice(format_args!(
                    "* You talk in {}, and are in {others} as well.",
                    here.name
                ));
            }
        }
    }

    /// Somebody has typed a line. What is said in one of several rooms after that is seen before
    /// the next one is typed.
    pub(in crate::chat) fn note_line(&mut self, cx: &Context<'_>) {
        if cx.dialect() != Dialect::Text {
            return;
        }
        match self.state.rooms_of(cx.user).len() {
            0 | 1 => self.sessions.forget_last_line(cx.client),
            _ => self.sessions.set_last_line(cx.client, self.channels.said()),
        }
    }

    /// Who talks where nothing was said, while something was said elsewhere, may take one room for
    /// the other: that is said once for each room.
    pub(in crate::chat) fn notice_elsewhere(&mut self, cx: &mut Context<'_>, here: RoomId) {
        // What the server says is nobody's talk.
        if cx.user == UserId::SERVER {
            return;
        }
        self.channels.note_said(here);
        let Some(since) = self.sessions.last_line(cx.client) else { return };
        if self.current_room(cx) != Some(here) {
            return;
        }
        // The newest here is what has just been said.
        let said_of =
            |id: RoomId| self.channels.of(id).map_or([0; 2], |it| self.channels.said_in(it));
        let others =
            self.state.rooms_of(cx.user).filter(|id| *id != here && said_of(here)[0] <= since);
        let heard = others.map(|id| (said_of(id)[1], id)).filter(|&(at, _)| at > since);
        let Some((_, other)) = heard.max_by_key(|&(at, _)| at) else { return };
        let rooms = self.state.rooms();
        if let (Some(here), Some(other)) = (rooms.get(here), rooms.get(other))
            && self.sessions.needs_elsewhere_notice(cx.client, other.id)
        {
            let (here, other) = (&here.name, &other.name);
            cx.notice(format_args!(
                "* Said in {here}. What came last was said in {other}: /say {other} TEXT answers there."
            ));
        }
    }
}
