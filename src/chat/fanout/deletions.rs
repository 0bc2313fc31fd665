//! Who is told that a message was deleted.

use crate::chat::dialect::json::RequestRef;
use crate::chat::dialect::render;
use crate::chat::dialect::reply::{Reply, Where};
use crate::chat::handlers::Context;
use crate::chat::ids::{Pair, RoomId};
use crate::chat::{Chat, LOBBY};
use crate::ids::ClientId;

/// A message that was deleted, as it was.
pub struct Deletion<'a> {
    pub id: u64,
    /// Who had said it.
    pub name: &'a str,
    pub text: &'a str,
    /// Who has deleted it, and when.
    pub by: &'a str,
    pub time: u64,
}

impl<'a> Deletion<'a> {
    fn told(&self, place: Where<'a>) -> Reply<'a> {
        let Deletion { id, name, by, time, .. } = *self;
        Reply::Deleted { place, id, by, time, name, text: None, reference: None }
    }

    /// Who has deleted it sees what it was.
    fn answered(&self, place: Where<'a>, reference: Option<&'a RequestRef>) -> Reply<'a> {
        let Deletion { id, name, by, time, text } = *self;
        Reply::Deleted { place, id, by, time, name, text: Some(text), reference }
    }
}

impl Chat {
    /// Tells all who may have read the message.
    pub(in crate::chat) fn publish_message_deleted(
        &self,
        cx: &mut Context<'_>,
        id: RoomId,
        deletion: &Deletion<'_>,
    ) {
        let Some(room) = self.state.rooms().get(id) else { return };
        if let Some(between) = room.between() {
            return self.publish_deleted_between(cx, id, between, deletion);
        }
        let Some(channel) = self.channels.of(id) else { return };
        let place = Where::Room(room.name.as_str());
        let own = cx.encode(&deletion.answered(place.clone(), cx.reference));
        let told = deletion.told(place);
        cx.publish(channel, Some(&own), &told);
        // For those who came later, nothing has changed.
        let records = room.rules().into_iter().flat_map(|rules| rules.records());
        let late = records.filter(|(_, record)| record.sees_from > deletion.id);
        for user in late.map(|(user, _)| user).filter(|&user| self.state.is_member(user, id)) {
            for client in self.clients_of(user) {
                cx.out.replace_last(channel, client, &[]);
            }
        }
        if let Some(listeners) = self.channels.listeners
            && room.name.key() == LOBBY
        {
            cx.publish(listeners, None, &told);
        }
    }

    /// A conversation has no channel: the devices of both are told one by one.
    fn publish_deleted_between(
        &self,
        cx: &mut Context<'_>,
        id: RoomId,
        between: Pair,
        deletion: &Deletion<'_>,
    ) {
        for user in between.accounts() {
            let place = Where::With(self.partner_name(user, id, between));
            let devices: Vec<ClientId> = self.clients_of(user).collect();
            for client in devices.into_iter().filter(|&client| client != cx.client) {
                cx.out.send(client, |to| render(to, &deletion.told(place.clone())));
            }
        }
        let place = Where::With(self.partner_name(cx.user, id, between));
        let reference = cx.reference;
        cx.reply(&deletion.answered(place, reference));
    }
}
