//! Who waits for whom: what is said to a room, or to one user, that is behind is parked until that
//! has caught up. Everything else goes on.

use super::{Chat, Context};
use crate::chat::backlog::{Action, Parked};
use crate::chat::dialect::reply::Reply;
use crate::chat::keeping::{Keeping, disk_full};
use crate::chat::name::Name;
use crate::chat::request::{Request, RequestError, SaidTo};
use crate::chat::settings::DIRECTS_PARKED_MAX;
use crate::chat::text::quote;
use crate::delivery::{Delivery, Wait};
use crate::ids::ClientId;

/// Of a text that is given back, so many characters are shown.
const GIVEN_BACK_CHARS: usize = 40;

impl Chat {
    /// What a request is said to, and has to wait for if that is behind. All others wait for
    /// nobody: what they publish is small.
    pub(super) fn said_to(&self, cx: &Context<'_>, request: &Request<'_>) -> Option<Wait> {
        match request.said_to()? {
            SaidTo::Room(room) => {
                let room = self.room_of(cx, room).ok()?;
                self.channels.of(room).map(Wait::ChannelClear)
            }
            SaidTo::User(to) => {
                let to = self.addressee(to).ok().filter(|&to| to != cx.user)?;
                let is_behind = |client: &ClientId| cx.out.client_congested(*client);
                let behind = self.clients_of(to).find(is_behind);
                behind.or_else(|| self.clients_of(to).next()).map(Wait::ClientClear)
            }
        }
    }

    /// Whether what is said to this has to wait. What waits for it already goes first.
    pub(super) fn is_held_up(&mut self, what: Wait, out: &mut Delivery) -> bool {
        self.serve_backlog(what, out);
        self.is_behind(what, out)
    }

    fn is_behind(&self, what: Wait, out: &Delivery) -> bool {
        match what {
            Wait::ChannelClear(channel) => out.congested(channel),
            Wait::ClientClear(client) => {
                self.sessions.get(client).is_some() && out.client_congested(client)
            }
            Wait::Time(_)
            | Wait::Ticket(_)
            | Wait::Memory
            | Wait::Others
            | Wait::Backlog(_)
            | Wait::Store => false,
        }
    }

    /// Parks a request until what it is said to has caught up. `rank`: those that have said least
    /// lately go first.
    ///
    /// # Errors
    /// It cannot be done, or enough waits already.
    pub(super) fn park(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
        what: Wait,
        rank: u64,
    ) -> Result<(), RequestError> {
        let Some(action) = self.bind(cx, request)? else { return Ok(()) };
        let due = match &action {
            Action::Say { .. } | Action::Topic { .. } => None,
            Action::Direct { .. } if self.backlog.directs_of(cx.client) < DIRECTS_PARKED_MAX => {
                Some(cx.out.now().ms + self.settings.direct_patience_ms)
            }
            Action::Direct { name, .. } => return Err(busy(name)),
        };
        let reference = cx.reference.cloned();
        let parked = Parked { client: cx.client, peer: cx.peer, reference, action };
        self.backlog.park(what, rank, due, parked);
        cx.out.call_when_clear(what);
        Ok(())
    }

    /// A request as it will be executed, whatever happens to its sender's room meanwhile.
    fn bind(
        &self,
        cx: &Context<'_>,
        request: &Request<'_>,
    ) -> Result<Option<Action>, RequestError> {
        Ok(Some(match request {
            Request::Say { room, text, kind, key } => {
                let (room, text) = self.to_say(cx, room.as_deref(), text)?;
                let key = key.as_deref().map(Box::from);
                Action::Say { room, text: text.into(), kind: *kind, key }
            }
            Request::Topic { room, text: Some(text) } => {
                let (room, text) = self.to_set(cx, room.as_deref(), text)?;
                Action::Topic { room, text: text.into() }
            }
            Request::Direct { to, text, key } => {
                let (to, text) = self.to_tell(cx, to, text)?;
                let name = self.name_of(to).map_or("", Name::as_str).into();
                let key = key.as_deref().map(Box::from);
                Action::Direct { to, name, text: text.into(), key }
            }
            // It is said to nobody.
            _ => return Ok(None),
        }))
    }

    /// Executes what waits for this, until that is behind again.
    pub(super) fn serve_backlog(&mut self, what: Wait, out: &mut Delivery) {
        while self.backlog.waits_for(what) {
            if self.is_behind(what, out) {
                return out.call_when_clear(what);
            }
            if let Some(parked) = self.backlog.pop(what) {
                self.execute_parked(&parked, out);
            }
        }
    }

    /// Executes all that waits, for whatever.
    pub(super) fn serve_all_backlog(&mut self, out: &mut Delivery) {
        while let Some(what) = self.backlog.first_wait() {
            match self.backlog.pop(what) {
                Some(parked) => self.execute_parked(&parked, out),
                None => break,
            }
        }
    }

    fn execute_parked(&mut self, parked: &Parked, out: &mut Delivery) {
        let Some(cx) = &mut self.context_of(parked, out) else { return };
        let is_full = self.keeping.as_ref().is_some_and(Keeping::is_full);
        let done = match &parked.action {
            Action::Say { .. } | Action::Topic { .. } if is_full => Err(disk_full()),
            Action::Direct { to, .. } if is_full && self.state.keeps_between(cx.user, *to) => {
                Err(disk_full())
            }
            Action::Say { room, text, kind, key } => {
                self.say_in(cx, *room, text, *kind, key.as_deref())
            }
            Action::Topic { room, text } => self.set_topic(cx, *room, text),
            Action::Direct { to, name, text, key } => {
                self.tell(cx, *to, name, text, key.as_deref())
            }
        };
        if let Err(error) = done {
            cx.reply_error(&error);
        }
        cx.out.wake(Wait::Backlog(parked.client));
    }

    fn context_of<'a>(&self, parked: &'a Parked, out: &'a mut Delivery) -> Option<Context<'a>> {
        let Parked { client, peer, reference, .. } = parked;
        let user = self.sessions.get(*client)?.user;
        Some(Context { client: *client, peer: *peer, user, reference: reference.as_ref(), out })
    }

    /// Private messages that have waited long enough are answered.
    pub(super) fn give_up_waiting(&mut self, out: &mut Delivery) {
        while let Some(parked) = self.backlog.pop_due(out.now().ms) {
            let Some(cx) = &mut self.context_of(&parked, out) else { continue };
            if let Action::Direct { name, .. } = &parked.action {
                cx.reply_error(&busy(name));
            }
            cx.out.wake(Wait::Backlog(parked.client));
        }
    }

    /// Gives back what a client has said and what still waits: to a room that it leaves, or all of
    /// it.
    pub(super) fn give_back(&mut self, cx: &mut Context<'_>, what: Option<Wait>) {
        for parked in self.backlog.withdraw(cx.client, what) {
            let RequestError { code, message } = &not_said(parked.action.text());
            let reference = parked.reference.as_ref();
            cx.reply(&Reply::Error { code, message, reference });
        }
        cx.out.wake(Wait::Backlog(cx.client));
    }
}

fn not_said(text: &str) -> RequestError {
    let text = quote(text, GIVEN_BACK_CHARS);
    RequestError::new("not_said", format!("Not said, as you left before it could be: {text}."))
}

fn busy(name: &str) -> RequestError {
    let message = format!(
        "{name} is not reading what was sent before; your message was not delivered. Try again \
         later."
    );
    RequestError::new("busy", message)
}
