//! Talking: to a room, and to one user.

use super::{Context, Done, shown};
use crate::chat::Chat;
use crate::chat::dialect::reply::Reply;
use crate::chat::record::Kept;
use crate::chat::request::RequestError;
use crate::chat::settings::TOPIC_BYTES_MAX;
use crate::chat::state::history::{Message, MessageKind};

impl Chat {
    pub(super) fn say(
        &mut self,
        cx: &mut Context<'_>,
        room: Option<&str>,
        text: &str,
        kind: MessageKind,
    ) -> Done {
        let room = self.room_of(cx, room)?;
        let text = shown(text)?;
        let (Some(name), Some(here)) = (self.name_of(cx.user), self.state.rooms().get(room)) else {
            return Ok(());
        };
        let message = Message::new(cx.unix_ms(), kind, name.as_str(), &text);
        let message = message.expect("names are far shorter than 65,535 bytes");
        let id = here.history.next_id();
        self.happen(cx, Kept::Said { room, id, message });
        Ok(())
    }

    pub(super) fn direct(&mut self, cx: &mut Context<'_>, to: &str, text: &str) -> Done {
        let to = self.addressee(to)?;
        let text = shown(text)?.into();
        self.happen(cx, Kept::Direct { to, text });
        Ok(())
    }

    /// It changes nothing and nobody needs it later, so it is recorded nowhere. Big rooms are not
    /// told of it, as they are not told who comes and goes.
    pub(super) fn typing(&self, cx: &mut Context<'_>, room: Option<&str>) -> Done {
        let id = self.room_of(cx, room)?;
        let (Some(room), Some(channel)) = (self.state.rooms().get(id), self.channels.of(id)) else {
            return Ok(());
        };
        if room.member_count() > self.settings.announce_below {
            return Ok(());
        }
        let Some(name) = self.name_of(cx.user) else { return Ok(()) };
        let typing = Reply::Typing { room: room.name.as_str(), name: name.as_str() };
        cx.publish(channel, Some(&[]), &typing);
        Ok(())
    }

    pub(super) fn topic(
        &mut self,
        cx: &mut Context<'_>,
        room: Option<&str>,
        text: Option<&str>,
    ) -> Done {
        let id = self.room_of(cx, room)?;
        let Some(text) = text else {
            let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
            let (room, topic, reference) = (room.name.as_str(), &*room.topic, cx.reference);
            cx.reply(&Reply::Topic { room, topic, name: None, time: None, reference });
            return Ok(());
        };
        // What clears a topic is nothing, or white space, and not what is nothing when it has been
        // cleaned.
        let text = if text.trim().is_empty() { "".into() } else { shown(text)? };
        let text = text.trim();
        if text.len() > TOPIC_BYTES_MAX {
            let message = format!(
                "A topic has at most {TOPIC_BYTES_MAX} bytes of UTF-8, and this has {}. Shorten it.",
                text.len()
            );
            return Err(RequestError::new("text_refused", message));
        }
        self.happen(cx, Kept::TopicSet { room: id, topic: text.into() });
        Ok(())
    }
}
