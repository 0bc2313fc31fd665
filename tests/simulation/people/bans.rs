//! Who may not be here: accounts and addresses.

use std::collections::VecDeque;
use std::net::IpAddr;

use chat_server::secrets::read_code;
use serde_json::{Value, json};

use super::model::{Client, Done, Model, OWNER, Past};
use super::term::{Term, utc};
use super::told::Told;

/// Accounts go before addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Account(u64),
    /// Of IPv6 the first one of its network.
    Address(IpAddr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ban {
    pub by: String,
    pub since_ms: u64,
    pub term: Term,
}

/// What an address is taken for: of IPv6 its network of 64 bits.
pub fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
    }
}

impl Model {
    /// Whether an account is, or the owner of a bot.
    pub fn is_banned(&self, user: u64) -> bool {
        let is = |user| self.ban_of(Target::Account(user)).is_some();
        is(user) || self.owner_of_bot(user).is_some_and(is)
    }

    pub fn is_address_banned(&self, ip: IpAddr, unix_ms: u64) -> bool {
        let ban = self.kept.bans.get(&Target::Address(network(ip)));
        ban.is_some_and(|ban| ban.term.holds(unix_ms))
    }

    /// The same, and not since this turn, at whose end those who are there have to go.
    pub fn may_not_come_from(&self, ip: IpAddr) -> bool {
        let ban = self.ban_of(Target::Address(network(ip)));
        ban.is_some_and(|ban| ban.since_ms < self.unix_ms)
    }

    fn ban_of(&self, target: Target) -> Option<&Ban> {
        self.kept.bans.get(&target).filter(|ban| ban.term.holds(self.unix_ms))
    }

    /// An invitation of somebody who is banned.
    pub fn code_of_banned(&self) -> Option<String> {
        let mut all = self.kept.invitations.values();
        let invitation = all.find(|invitation| self.is_banned(invitation.by))?;
        let is_it = |code: &&String| read_code(code).as_deref() == Some(&*invitation.code);
        self.codes.iter().find(is_it).cloned()
    }

    /// A token of an account that is banned.
    pub fn token_of_banned(&self) -> Option<String> {
        let banned = self.kept.accounts.iter().filter(|(user, _)| self.is_banned(**user));
        let token = banned.flat_map(|(_, account)| &account.keys).find(|key| key.is_token)?;
        Some(token.secret.clone())
    }

    pub fn check_banned(&self, user: u64) -> Done {
        if self.is_banned(user) { Err(&["banned"]) } else { Ok(()) }
    }

    pub fn shown_target(&self, target: Target) -> String {
        match target {
            Target::Account(user) => self.user(user).name.clone(),
            Target::Address(ip) if ip.is_ipv4() => ip.to_string(),
            Target::Address(ip) => format!("{ip}/64"),
        }
    }

    /// The account that somebody may ban, or let come again.
    fn account_to_judge(&self, n: usize, name: &str) -> Result<u64, Refused> {
        let user = self.account_called(name).ok_or(&["no_account"][..])?;
        let role = |user: u64| self.kept.accounts[&user].role;
        match role(user) > 0 && role(self.clients[&n].user) < OWNER {
            true => Err(&["not_allowed"]),
            false => Ok(user),
        }
    }

    /// Where a guest of this name comes from who is here, and how it writes its name.
    fn address_of_guest(&self, name: &str) -> Option<(IpAddr, String)> {
        let guest = self.find(name).filter(|user| !self.is_account(*user))?;
        let device = *self.clients_of(guest).first()?;
        Some((self.clients[&device].ip, self.user(guest).name.clone()))
    }

    pub fn ban(&mut self, n: usize, whom: &str, term: Result<Term, Refused>) -> Done {
        let own = &self.clients[&n];
        let mut guest = String::new();
        let target = match whom.parse::<IpAddr>() {
            Ok(ip) if network(ip) == own.ip => return Err(&["not_allowed"]),
            Ok(ip) => Target::Address(network(ip)),
            Err(_) => match self.address_of_guest(whom) {
                Some((ip, _)) if ip == own.ip => return Err(&["not_allowed"]),
                Some((ip, name)) => {
                    guest = format!(" ({name})");
                    Target::Address(ip)
                }
                None => match self.account_to_judge(n, whom)? {
                    user if user == own.user => return Err(&["not_allowed"]),
                    user => Target::Account(user),
                },
            },
        };
        let (user, role) = (own.user, |user| self.kept.accounts.get(&user).map_or(0, |it| it.role));
        let is_barred = |client: &Client| {
            let is_there = target == Target::Address(client.ip);
            let is_staff = role(client.user) > 0 && role(user) < OWNER;
            is_there && (client.user == user || is_staff)
        };
        if self.clients.values().any(is_barred) {
            return Err(&["not_allowed"]);
        }
        let (term, since_ms) = (term?, self.unix_ms);
        let by = self.user(self.clients[&n].user).name.clone();
        self.kept.bans.retain(|_, ban| ban.term.holds(since_ms));
        let line = format!("{by} banned {}{guest}{}", self.shown_target(target), term.shown());
        self.kept.bans.insert(target, Ban { by, since_ms, term });
        self.log_act(&line);
        if let Target::Account(user) = target {
            for user in self.bots_of(user).into_iter().chain([user]) {
                self.clients_of(user).into_iter().for_each(|device| self.turn_out(device));
            }
        }
        if let Target::Address(ip) = target {
            self.end_absences_from(ip);
        }
        self.tell(n, Told::Done("ban"));
        Ok(())
    }

    /// A client is told that it is banned, and is not here any more.
    pub fn turn_out(&mut self, n: usize) {
        self.tell(n, Told::Error(&["banned"]));
        self.turned_out.push(n);
    }

    /// The address of a client is banned.
    pub fn dismissed(&mut self, n: usize) {
        if let Some(client) = self.clients.get(&n) {
            let user = client.user;
            assert!(self.is_address_banned(client.ip, self.unix_ms), "client {n} has to go");
            self.end_token(user);
            self.turn_out(n);
            self.end_event();
            return;
        }
        // It waits for a token, and is nobody yet.
        let (expected, last) = (VecDeque::new(), usize::MAX);
        let past = Past { is_json: true, expected, last, is_superseded: false };
        self.past.entry(n).or_insert(past);
    }

    pub fn unban(&mut self, n: usize, whom: &str) -> Done {
        let target = match whom.parse::<IpAddr>() {
            Ok(ip) => Target::Address(network(ip)),
            Err(_) => Target::Account(self.account_to_judge(n, whom)?),
        };
        if self.ban_of(target).is_none() {
            return Err(&["no_such_ban"]);
        }
        self.kept.bans.remove(&target);
        let by = self.user(self.clients[&n].user).name.clone();
        self.log_act(&format!("{by} ended the ban of {}.", self.shown_target(target)));
        self.tell(n, Told::Done("unban"));
        Ok(())
    }

    pub fn list_bans(&mut self, n: usize) {
        let bans = self.kept.bans.iter().filter(|(_, ban)| ban.term.holds(self.unix_ms));
        let rows: Vec<(Value, String)> = bans
            .map(|(target, Ban { by, since_ms, term })| {
                let (whom, is_name) =
                    (self.shown_target(*target), matches!(target, Target::Account(_)));
                let row = json!({
                    "name": is_name.then_some(&whom), "address": (!is_name).then_some(&whom),
                    "by": by, "since": since_ms, "until": term.until_ms, "reason": term.reason
                });
                let row = row.as_object().expect("a row").clone();
                let row = row.into_iter().filter(|(_, value)| !value.is_null()).collect();
                let since = utc(*since_ms);
                let line = format!("*   {whom}, by {by}, since {since}{}", term.shown());
                (row, line)
            })
            .collect();
        let (rows, lines): (Vec<Value>, Vec<String>) = rows.into_iter().unzip();
        let total = rows.len();
        if self.clients[&n].is_json {
            let object = json!({ "type": "bans", "bans": rows, "total": total, "next": null });
            return self.tell(n, Told::Own { object, line: String::new() });
        }
        self.tell(
            n,
            Told::Line(match total {
                0 => "* Nobody is banned.".to_owned(),
                1 => "* 1 ban:".to_owned(),
                total => format!("* {total} bans:"),
            }),
        );
        lines.into_iter().for_each(|line| self.tell(n, Told::Line(line)));
    }
}

type Refused = &'static [&'static str];
