//! What somebody says: nearly all that happens.

use crate::chat::dialect;
use crate::chat::dialect::reply::{Line, Reply};
use crate::chat::handlers::Context;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::record::{Kept, Record};
use crate::chat::state::history::Message;
use crate::chat::{Chat, LOBBY};
use crate::delivery::channels::SenderCopy;

impl Chat {
    /// Something is said. It is told, recorded and applied like all that happens, but piece by piece:
    /// a record of it, of 112 bytes, would be made and moved four times, and the processor waits when
    /// it reads what it has just written elsewhere in other portions. That took a tenth of the time of
    /// a message (`all_say_over_lines` in benches/micro).
    pub(in crate::chat) fn happen_said(
        &mut self,
        cx: &mut Context<'_>,
        room: RoomId,
        id: u64,
        message: Message,
        key: Option<&str>,
    ) {
        self.note_said(room, id, &message, key, cx.out);
        self.publish_said(cx, room, id, &message);
        self.journal.append_with(|| {
            let (message, key) = (message.clone(), key.map(Box::from));
            let event = Kept::Said { room, id, message, key }.into();
            Record { unix_ms: cx.unix_ms(), by: cx.user, event }
        });
        self.apply_said(cx, room, id, message, key);
        self.replays.remove_room(room);
        self.notice_alone(cx, room);
        self.notice_elsewhere(cx, room);
        self.make_place(cx, room);
    }

    /// The path of every message: no allocation and no formatting per member, and one rendering per
    /// encoding.
    fn publish_said(
        &mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        message_id: u64,
        message: &Message,
    ) {
        let Some((room, channel)) = self.room_and_channel(id) else {
            return self.publish_between(cx, id, message_id, message);
        };
        let (name, line) = (room.name.as_str(), Line::new(message_id, message));
        // A program knows its own message by the reference.
        let own = match cx.reference {
            None if cx.user == UserId::SERVER => None,
            None if dialect::echoes_sender(cx.out.encoding(cx.client)) => None,
            None => Some(Vec::new()),
            reference => Some(cx.encode(&Reply::Said { room: name, line, reference })),
        };
        let said = Reply::Said { room: name, line, reference: None };
        let own = own.as_deref().map(|bytes| SenderCopy { sender: cx.client, bytes });
        cx.out.publish(channel, own, |to| self.render_shared(to, &said));
        if self.state.order().has_ignored() {
            self.hide_last(cx, id, channel, Some((name, line)));
        }
        if let Some(listeners) = self.channels.listeners
            && cx.out.members(listeners).next().is_some()
            && name == LOBBY
        {
            cx.publish(listeners, None, &said);
        }
        if self.sessions.followers.have_ids() {
            self.tell_followers(cx, id, channel, line);
        }
    }

    /// Those who speak where nobody else is are told so once.
    fn notice_alone(&mut self, cx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.state.rooms().get(id) else { return };
        if cx.user == UserId::SERVER || room.between().is_some() {
            return;
        }
        if self.sessions.needs_alone_notice(cx.client, room.member_count() <= 1) {
            let name = room.name.as_str();
            cx.notice(format_args!(
                "* Nobody else is in {name} now. Whoever joins will see what you said."
            ));
        }
    }
}
