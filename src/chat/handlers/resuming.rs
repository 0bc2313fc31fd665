//! Guests who come back with what they were given when they came before: they have their names and
//! their rooms at once, and nobody is told.

use log::info;

use super::accounts::token_of;
use super::arrivals::{Arrival, Coming, Stage, unknown_session};
use super::{Context, Done};
use crate::chat::Chat;
use crate::chat::absences::Absence;
use crate::chat::dialect::Dialect;
use crate::chat::ids::UserId;
use crate::chat::proofs::{Shown, Work};
use crate::chat::record::GuestChange;
use crate::chat::request::RequestError;
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::guests::Holder;
use crate::delivery::Delivery;
use crate::ids::{ClientId, Peer};
use crate::service::Hello;
use crate::wire::close::CloseReason;

/// The tokens of so many guests who have left are known: of more, those that end first are
/// forgotten.
const GONE_MAX: usize = 16_384;

/// So many tokens are forgotten at a time.
const FORGOTTEN_MAX: usize = 64;

/// A guest that is given a token first, and is nobody until then.
#[derive(Debug)]
pub(super) struct Newcomer {
    peer: Peer,
    is_private: bool,
    name: Option<Box<str>>,
    room: Option<Box<str>>,
    /// The hash of the token that it shows.
    shown: Option<SecretHash>,
    refused: Option<RequestError>,
}

impl Chat {
    /// Has a token made for a client that wants one, and says whether it comes when that is there.
    /// Programs have them, where guests may come.
    pub(in crate::chat) fn give_token_first(
        &mut self,
        client: ClientId,
        hello: &Hello<'_>,
        out: &Delivery,
    ) -> bool {
        let is_program = Dialect::from(out.encoding(client).dialect) == Dialect::Json;
        if !is_program || !self.settings.guests || !hello.query.has("resume") {
            return false;
        }
        let credential = hello.credential.map(SecretHash::of);
        let accounts = self.state.accounts();
        let account = credential.and_then(|hash| accounts.find_key(hash, out.now().unix_ms));
        let Some(secrets) = self.logins.secrets.clone().filter(|_| account.is_none()) else {
            return false;
        };
        let newcomer = Newcomer {
            peer: hello.peer,
            is_private: hello.is_private,
            name: hello.query.get("name").map(Box::from),
            room: hello.query.get("room").map(Box::from),
            shown: hello.query.get("resume").map(SecretHash::of),
            refused: credential.map(|_| unknown_session()),
        };
        let ticket = self.logins.proofs.ask(client, Work::default(), None, secrets);
        self.arrivals.insert(client, Arrival { ticket, stage: Stage::Drawing(newcomer) });
        self.arriving.entry(ticket).or_default().push(client);
        true
    }

    /// A guest comes, or comes back, with a new token.
    pub(super) fn come_with_token(
        &mut self,
        client: ClientId,
        newcomer: Newcomer,
        out: &mut Delivery,
    ) {
        let user = self.state.users().next_id();
        self.sessions.add(client, user, newcomer.peer, out.now().unix_ms);
        self.sessions.set_private(client, newcomer.is_private);
        let cx = &mut Context { client, peer: newcomer.peer, user, reference: None, out };
        let token = self.logins.proofs.take(client).map(|proof| token_of(&proof.random));
        let (shown, name) = (newcomer.shown, newcomer.name.as_deref());
        let (resumed, named) = self.come_back(cx, shown, name, token.as_deref());
        self.welcome(cx, token.as_deref(), resumed);
        if resumed {
            self.tell_rooms(cx, client);
            self.remind_of_being_away(cx);
        }
        let refused = newcomer.refused.or(named.err());
        self.settle(cx, Coming { peer: newcomer.peer, room: newcomer.room, refused });
    }

    /// Makes a client the guest that has the token which it shows, and gives it another one.
    /// Returns whether the guest was still here.
    fn come_back(
        &mut self,
        cx: &mut Context<'_>,
        shown: Option<SecretHash>,
        name: Option<&str>,
        token: Option<&str>,
    ) -> (bool, Done) {
        let (unix_ms, now_ms) = (cx.unix_ms(), cx.out.now().ms);
        let may_show =
            shown.is_none() || self.logins.attempts.may_show(Shown::Guest, cx.peer, now_ms);
        let found = shown.filter(|_| may_show).and_then(|shown| {
            let (_, token) = self.state.guest_tokens().find(shown)?;
            let is_good = matches!(token.holder, Holder::Here(_)) || unix_ms < token.until_ms;
            is_good.then(|| token.holder.clone())
        });
        if shown.is_some() && may_show && found.is_none() {
            self.logins.attempts.note_unknown(Shown::Guest, cx.peer, now_ms);
        }
        let shown = shown.filter(|_| found.is_some());
        let (resumed, named) = match found {
            Some(Holder::Here(user)) => {
                self.take_over(cx, user);
                (true, Ok(()))
            }
            Some(Holder::Gone(kept)) => (false, self.take_first_name(cx, Some(kept.as_str()))),
            None if !may_show => (false, self.take_first_name(cx, name).and(Err(too_many()))),
            None => (false, self.take_first_name(cx, name)),
        };
        if let Some(hash) = token.map(SecretHash::of) {
            self.happen(cx, GuestChange::TokenGiven { hash, shown });
            if shown.is_some() {
                self.unproven.insert(cx.client);
            }
        }
        self.forget_tokens(cx);
        (resumed, named)
    }

    /// A client is this guest from now on, and the connection that the guest had is ended.
    fn take_over(&mut self, cx: &mut Context<'_>, user: UserId) {
        let peer = cx.peer;
        let old = self.clients_of(user).next();
        let (bucket, current) = match old {
            Some(old) => {
                let dead =
                    &mut Context { client: old, peer, user, reference: None, out: &mut *cx.out };
                self.drop_what_waits(old, dead.out);
                let Absence { bucket, current, .. } = self.absence(dead);
                self.leave_channels(dead);
                self.sessions.remove(old);
                self.ended.clients.push((old, CloseReason::Superseded));
                (bucket, current)
            }
            None => match self.absences.end(user) {
                Some(absence) => (absence.bucket, absence.current),
                None => Default::default(),
            },
        };
        self.sessions.become_guest(cx.client, user);
        if let Some(slot) = self.state.users().slot(user) {
            self.sessions.connected(cx.client, slot);
        }
        if let Some(session) = self.sessions.get_mut(cx.client) {
            session.bucket = bucket;
        }
        cx.user = user;
        self.enter_channels(cx, current);
        if let Some(name) = self.name_of(user) {
            info!("{peer} is {name} again");
        }
    }

    /// What is to be known of a client once it has gone and may come back.
    fn absence(&self, cx: &Context<'_>) -> Absence {
        let session = self.sessions.get(cx.client);
        Absence {
            client: cx.client,
            peer: cx.peer,
            bucket: session.map_or_else(Default::default, |session| session.bucket),
            current: self.current_room(cx),
            until_ms: cx.out.now().ms + self.settings.grace_ms,
        }
    }

    /// A client's connection broke: if its user can come back, the user stays for a while, and
    /// nobody is told. Returns whether it does.
    pub(in crate::chat) fn wait_for_return(&mut self, cx: &mut Context<'_>) -> bool {
        if self.state.guest_tokens().of(cx.user).is_none() {
            return false;
        }
        let absence = self.absence(cx);
        self.leave_channels(cx);
        self.absences.begin(cx.user, absence);
        if let Some(name) = self.name_of(cx.user) {
            info!("{name} is away ({})", cx.peer);
        }
        true
    }

    /// Those who have been away for too long leave.
    pub(in crate::chat) fn end_absences(&mut self, out: &mut Delivery) {
        while let Some((user, absence)) = self.absences.take_due(out.now().ms) {
            let Absence { client, peer, .. } = absence;
            let cx = &mut Context { client, peer, user, reference: None, out: &mut *out };
            self.go_away(cx, None);
            self.forget_tokens(cx);
        }
    }

    /// Those who are away and may not come back from where they were leave.
    pub(super) fn end_absences_of_banned(&mut self, cx: &mut Context<'_>) {
        let unix_ms = cx.unix_ms();
        let order = self.state.order();
        for user in self.absences.from(|ip| order.ban_of(ip, unix_ms).is_some()) {
            let Some(Absence { client, peer, .. }) = self.absences.end(user) else { continue };
            let away = &mut Context { client, peer, user, reference: None, out: &mut *cx.out };
            self.end_token(away);
            self.go_away(away, None);
        }
    }

    /// A guest does not come back by its token any more: it is somebody else now.
    pub(in crate::chat) fn end_token(&mut self, cx: &mut Context<'_>) {
        if let Some(hash) = self.state.guest_tokens().of(cx.user) {
            self.happen(cx, GuestChange::TokenEnded { hash });
        }
    }

    /// A client that was given another token has said something, so that it has got that.
    pub(in crate::chat) fn note_proven(&mut self, cx: &mut Context<'_>) {
        if self.unproven.remove(&cx.client) && self.state.guest_tokens().of(cx.user).is_some() {
            self.happen(cx, GuestChange::TokenProven);
        }
    }

    /// Forgets the tokens of those who have left for too long, or are too many.
    fn forget_tokens(&mut self, cx: &mut Context<'_>) {
        let unix_ms = cx.unix_ms();
        for _ in 0..FORGOTTEN_MAX {
            let tokens = self.state.guest_tokens();
            let is_full = tokens.gone_count() > GONE_MAX;
            let Some((until_ms, hash)) = tokens.first_gone() else { return };
            if until_ms > unix_ms && !is_full {
                return;
            }
            self.happen(cx, GuestChange::TokenEnded { hash });
        }
    }
}

fn too_many() -> RequestError {
    let message = "Too many tokens that are not known were shown from your address. You are a new \
                   guest.";
    RequestError::new("too_many_attempts", message.to_owned())
}
