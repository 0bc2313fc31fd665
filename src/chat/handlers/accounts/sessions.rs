//! Where an account is logged in, and how that ends.

use std::collections::BTreeSet;

use crate::chat::Chat;
use crate::chat::dialect::Dialect;
use crate::chat::dialect::reply::{Reply, SessionLine};
use crate::chat::handlers::{Context, Done};
use crate::chat::ids::UserId;
use crate::chat::record::Kept;
use crate::chat::request::{RequestError, SessionRef};
use crate::chat::state::accounts::AccessKey;
use crate::ids::ClientId;

impl Chat {
    pub(in crate::chat::handlers) fn sessions(&self, cx: &mut Context<'_>) -> Done {
        let Some(account) = self.state.accounts().get(cx.user) else { return Ok(()) };
        // Who is connected is shown, whatever has brought them here.
        let is_shown = |key: &&AccessKey| {
            key.is_good(cx.unix_ms()) || self.sessions.with_key(cx.user, key.id).next().is_some()
        };
        let keys = account.keys().iter().filter(is_shown).map(|key| self.key_line(cx, key));
        let others = self.without_key(cx.user).map(|client| self.connection_line(cx, client));
        let (sessions, reference) = (keys.chain(others).collect(), cx.reference);
        cx.reply(&Reply::Sessions { sessions, reference });
        Ok(())
    }

    fn key_line<'a>(&self, cx: &Context<'_>, key: &'a AccessKey) -> SessionLine<'a> {
        let AccessKey { id, is_token, label, created_ms, .. } = key;
        SessionLine {
            id: Some(*id),
            connection: None,
            kind: if *is_token { "token" } else { "browser" },
            label,
            created: *created_ms,
            connected: self.sessions.with_key(cx.user, *id).count(),
            from: self.addresses_of(self.sessions.with_key(cx.user, *id)),
            you: self.sessions.key_of(cx.client) == Some(*id),
        }
    }

    /// The devices of an account that are known by nothing that lasts: they have come by a password.
    fn without_key(&self, account: UserId) -> impl Iterator<Item = ClientId> {
        self.clients_of(account).filter(|&client| self.sessions.key_of(client).is_none())
    }

    fn connection_line<'a>(&self, cx: &Context<'_>, client: ClientId) -> SessionLine<'a> {
        let is_terminal = Dialect::from(cx.out.encoding(client).dialect) == Dialect::Text;
        SessionLine {
            id: None,
            connection: Some(client.serial),
            kind: if is_terminal { "terminal" } else { "program" },
            label: "",
            created: self.sessions.since_ms(client).unwrap_or_default(),
            connected: 1,
            from: self.addresses_of([client].into_iter()),
            you: client == cx.client,
        }
    }

    /// Where these come from, as far as that is an address.
    fn addresses_of(&self, clients: impl Iterator<Item = ClientId>) -> Vec<String> {
        let networks = clients.filter_map(|client| self.sessions.network_of(client));
        let known = networks.filter(|network| !network.ip().is_unspecified());
        let shown: BTreeSet<String> = known.map(|network| network.to_string()).collect();
        shown.into_iter().collect()
    }

    pub(in crate::chat::handlers) fn end_session(
        &mut self,
        cx: &mut Context<'_>,
        which: SessionRef,
    ) -> Done {
        let is_here = match which {
            SessionRef::Key(id) => {
                let account = self.state.accounts().get(cx.user);
                account.and_then(|account| account.key(id)).ok_or_else(|| no_session(which))?;
                let is_here = self.sessions.key_of(cx.client) == Some(id);
                self.end_key(cx, id);
                is_here
            }
            SessionRef::Connection(number) => {
                let found = self.without_key(cx.user).find(|client| client.serial == number);
                let device = found.ok_or_else(|| no_session(which))?;
                if device != cx.client {
                    self.end_device(cx, device);
                }
                device == cx.client
            }
        };
        if is_here {
            self.become_guest(cx);
        }
        self.tell_done(cx, "end_session", &format!("Session {which} has ended."));
        if is_here {
            // That has answered.
            cx.reference = None;
            self.tell_account(cx);
        }
        Ok(())
    }

    /// Ends a key; all who have come by it, but the client that asks, are guests again.
    pub(super) fn end_key(&mut self, cx: &mut Context<'_>, id: u32) {
        self.happen(cx, Kept::KeyEnded { key: id });
        let devices = self.sessions.with_key(cx.user, id).filter(|&one| one != cx.client);
        for device in devices.collect::<Vec<_>>() {
            self.end_device(cx, device);
        }
    }

    /// Ends all keys of the account that asks.
    pub(super) fn end_keys(&mut self, cx: &mut Context<'_>) {
        let account = self.state.accounts().get(cx.user);
        let keys = account.map_or(&[][..], |account| account.keys()).iter().map(|key| key.id);
        for key in keys.collect::<Vec<u32>>() {
            self.end_key(cx, key);
        }
    }
}

fn no_session(which: SessionRef) -> RequestError {
    let message = format!("You have no session {which}. /sessions lists them.");
    RequestError::new("no_such_session", message)
}
