//! Who may not be here.

use std::net::IpAddr;

use log::info;

use super::until_ms;
use crate::chat::Chat;
use crate::chat::dialect::reply::{BanLine, Reply};
use crate::chat::dialect::term::Term;
use crate::chat::handlers::lists::{next, page_length};
use crate::chat::handlers::{Context, Done};
use crate::chat::ids::UserId;
use crate::chat::request::RequestError;
use crate::chat::request::order::Whom;
use crate::chat::settings::BANS_MAX;
use crate::chat::state::accounts::Role;
use crate::chat::state::order::{Ban, BanTarget, Network, OrderChange};
use crate::chat::text::quote;
use crate::delivery::Delivery;
use crate::ids::{ClientId, Peer};
use crate::service::Service;
use crate::wire::close::CloseReason;

impl Chat {
    /// Lets an account or an address not be here any more.
    pub(super) fn ban(
        &mut self,
        cx: &mut Context<'_>,
        whom: &Whom<'_>,
        minutes: Option<u32>,
        reason: Option<&str>,
    ) -> Done {
        let (target, guest) = match whom {
            Whom::Name(name) => self.named_to_ban(cx, name)?,
            Whom::Address(ip) => (BanTarget::Network(self.network_to_ban(cx, *ip)?), None),
        };
        let (reason, until_ms) = (self.reason_of(cx, reason)?, until_ms(cx, minutes)?);
        for over in self.state.order().bans_over(cx.unix_ms()) {
            self.happen(cx, OrderChange::Unbanned { target: over });
        }
        if self.state.order().bans().len() >= BANS_MAX {
            let message = format!("There are {BANS_MAX} bans. End one with /unban.");
            return Err(RequestError::new("too_many", message));
        }
        let (by, since_ms) = (self.shown_name(cx.user).into(), cx.unix_ms());
        let ban = Ban { by, reason, since_ms, until_ms };
        let name = match guest {
            None => self.shown_target(target),
            Some(guest) => {
                format!("{} ({})", self.shown_target(target), self.shown_name(guest))
            }
        };
        let act = format!("{} banned {name}{}", ban.by, term_of(&ban));
        let line = format!("{name} is banned{}", term_of(&ban));
        self.happen(cx, OrderChange::Banned { target, ban });
        info!("{name} is banned ({})", cx.peer);
        self.log_act(cx, &act);
        self.turn_out(cx, target);
        self.tell_done(cx, "ban", &line);
        Ok(())
    }

    /// Those who are banned are not here from now on.
    fn turn_out(&mut self, cx: &mut Context<'_>, target: BanTarget) {
        let BanTarget::Account(user) = target else {
            self.ended.addresses = true;
            return self.end_absences_of_banned(cx);
        };
        let Some(error) = self.check_banned(user, cx.unix_ms()).err() else { return };
        // Its bots are refused with it.
        let accounts: Vec<UserId> = self.state.accounts().bots_of(user).chain([user]).collect();
        for user in accounts {
            for client in self.clients_of(user).collect::<Vec<ClientId>>() {
                let peer = cx.peer;
                let device = &mut Context { client, peer, user, reference: None, out: cx.out };
                device.reply_error(&error);
                self.closed(client, peer, cx.out);
                self.ended.clients.push((client, CloseReason::Banned));
            }
        }
    }

    /// Tells a client whose address is banned why it is closed.
    pub(in crate::chat) fn tell_banned(&self, client: ClientId, peer: Peer, out: &mut Delivery) {
        let Some(ban) = self.state.order().ban_of(peer.ip(), out.now().unix_ms) else { return };
        let error = banned("Your address is banned", ban);
        let Some(user) = self.sessions.get(client).map(|session| session.user) else { return };
        Context { client, peer, user, reference: None, out }.reply_error(&error);
    }

    /// Whether an account may be here.
    ///
    /// # Errors
    /// It is banned, or it is a bot whose owner is.
    pub(in crate::chat::handlers) fn check_banned(&self, account: UserId, unix_ms: u64) -> Done {
        let owner = self.state.accounts().owner_of(account);
        let ban_of = |account| self.state.order().ban(BanTarget::Account(account), unix_ms);
        ban_of(account)
            .or_else(|| ban_of(owner?))
            .map_or(Ok(()), |ban| Err(banned("You are banned", ban)))
    }

    /// Who is banned by a name: an account, or, as the name of a guest is anybody's, the address that
    /// this one comes from.
    fn named_to_ban(
        &self,
        cx: &Context<'_>,
        typed: &str,
    ) -> Result<(BanTarget, Option<UserId>), RequestError> {
        let guest = match self.account_called(typed) {
            None => self.addressee(typed).ok(),
            Some(_) => None,
        };
        let client = guest.and_then(|guest| self.clients_of(guest).next());
        match client.and_then(|client| self.sessions.network_of(client)) {
            None => Ok((BanTarget::Account(self.account_to_ban(cx, typed)?), None)),
            Some(from) => Ok((BanTarget::Network(self.network_to_ban(cx, from.ip())?), guest)),
        }
    }

    /// Nobody does to others what these can undo, or bans those who have banned others.
    fn account_to_ban(&self, cx: &Context<'_>, typed: &str) -> Result<UserId, RequestError> {
        let user = self.account_to_judge(cx, typed)?;
        if user == cx.user {
            let message = "You cannot ban yourself.".to_owned();
            return Err(RequestError::new("not_allowed", message));
        }
        Ok(user)
    }

    fn account_to_judge(&self, cx: &Context<'_>, typed: &str) -> Result<UserId, RequestError> {
        let Some(user) = self.account_called(typed) else {
            let message = match self.addressee(typed) {
                Ok(guest) => format!(
                    "{} has no account. What is banned is the address that a guest comes from: \
                     /bans lists those.",
                    self.shown_name(guest)
                ),
                Err(_) => format!("There is no account {}.", quote(typed, 32)),
            };
            return Err(RequestError::new("no_account", message));
        };
        let accounts = self.state.accounts();
        if accounts.role(user) != Role::None && accounts.role(cx.user) != Role::Owner {
            let message = "Only owners of this server can do that for admins and owners.";
            return Err(RequestError::new("not_allowed", message.to_owned()));
        }
        Ok(user)
    }

    fn network_to_ban(&self, cx: &Context<'_>, ip: IpAddr) -> Result<Network, RequestError> {
        let ip = ip.to_canonical();
        let refused = |message: &str| Err(RequestError::new("not_allowed", message.to_owned()));
        // A Unix socket has none of its own.
        if ip.is_loopback() || ip.is_unspecified() {
            return refused("This machine cannot be banned.");
        }
        if matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
            return refused("That network is of all who are on the same link as this machine.");
        }
        if self.settings.proxies.iter().any(|proxy| proxy.contains(&ip)) {
            return refused("A proxy cannot be banned: everybody comes by it.");
        }
        let comes_from_there = |user| {
            let from = self.clients_of(user).filter_map(|client| self.sessions.network_of(client));
            from.map(|from| Network::of(from.ip())).any(|from| from == Network::of(ip))
        };
        if Network::of(cx.peer.ip()) == Network::of(ip) || comes_from_there(cx.user) {
            return refused("You come from there yourself.");
        }
        let accounts = self.state.accounts();
        let staff = accounts.iter().map(|(user, _)| user);
        let mut staff = staff.filter(|&user| accounts.role(user) != Role::None);
        let is_staff_there = staff.any(comes_from_there);
        if is_staff_there && accounts.role(cx.user) != Role::Owner {
            return refused(
                "An owner or an admin comes from there now. Only owners of this server can ban \
                 that address.",
            );
        }
        Ok(Network::of(ip))
    }

    /// Lets an account or an address come again.
    pub(super) fn unban(&mut self, cx: &mut Context<'_>, whom: &Whom<'_>) -> Done {
        let target = match whom {
            Whom::Name(name) => BanTarget::Account(self.account_to_judge(cx, name)?),
            Whom::Address(ip) => BanTarget::Network(Network::of(*ip)),
        };
        let name = self.shown_target(target);
        if self.state.order().ban(target, cx.unix_ms()).is_none() {
            let message = format!("{name} is not banned. /bans lists who is.");
            return Err(RequestError::new("no_such_ban", message));
        }
        self.happen(cx, OrderChange::Unbanned { target });
        let act = format!("{} ended the ban of {name}.", self.shown_name(cx.user));
        self.log_act(cx, &act);
        self.tell_done(cx, "unban", &format!("{name} is not banned any more."));
        Ok(())
    }

    fn shown_target(&self, target: BanTarget) -> String {
        match target {
            BanTarget::Account(user) => self.shown_name(user).to_owned(),
            BanTarget::Network(network) => network.to_string(),
        }
    }

    pub(super) fn bans_page(&self, cx: &mut Context<'_>, after: u64, limit: Option<u32>) {
        let (order, unix_ms) = (self.state.order(), cx.unix_ms());
        let all = order.bans().filter(|(target, _)| order.ban(*target, unix_ms).is_some());
        let all: Vec<(BanTarget, &Ban)> = all.collect();
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let listed = all.iter().skip(skip).take(page_length(limit));
        let bans: Vec<BanLine<'_>> = listed.map(|(target, ban)| self.line(*target, ban)).collect();
        let (total, reference) = (all.len(), cx.reference);
        let next = next(after, bans.len(), total);
        cx.reply(&Reply::Bans { bans, total, after, next, reference });
    }

    fn line<'a>(&'a self, target: BanTarget, ban: &'a Ban) -> BanLine<'a> {
        let (name, address) = match target {
            BanTarget::Account(user) => (Some(self.shown_name(user)), None),
            BanTarget::Network(network) => (None, Some(network.to_string())),
        };
        let Ban { by, reason, since_ms: since, until_ms: until } = ban;
        BanLine { name, address, by, since: *since, until: *until, reason }
    }
}

fn term_of(ban: &Ban) -> Term<'_> {
    Term { until: ban.until_ms, reason: &ban.reason }
}

fn banned(who: &str, ban: &Ban) -> RequestError {
    RequestError::new("banned", format!("{who} from this server{}", term_of(ban)))
}
