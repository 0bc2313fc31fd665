//! Who is away, who is told of it, and who somebody is.

use serde_json::json;

use super::model::{Done, Model};
use super::request::Request;
use super::rights::{ACCOUNTS, ALL, ENTRY};
use super::term::utc;
use super::told::Told;

impl Model {
    pub fn execute_of_whereabouts(&mut self, n: usize, request: &Request) -> Done {
        let user = self.clients[&n].user;
        match request {
            Request::Away { text } => {
                // At a terminal it is a switch.
                let is_back = text.is_none() && !self.clients[&n].is_json;
                match is_back && self.aways.contains_key(&user) {
                    true => self.end_away(user),
                    false => {
                        self.end_away(user);
                        self.aways.insert(user, (text.clone().unwrap_or_default(), self.unix_ms));
                    }
                }
                self.tell_of_away(n);
            }
            Request::Back => {
                self.end_away(user);
                self.tell_of_away(n);
            }
            Request::Whois { name } => {
                let user = self.find(name).ok_or(&["no_such_name"][..])?;
                self.tell_who_is(n, user);
            }
            other => panic!("{other:?} is not about this"),
        }
        Ok(())
    }

    pub fn end_away(&mut self, user: u64) {
        self.aways.remove(&user);
        self.told_away.retain(|(_, away)| *away != user);
    }

    /// Programs in one's rooms learn of it, and all one's devices.
    fn tell_of_away(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let (name, is_away) = (self.user(user).name.clone(), self.aways.contains_key(&user));
        for id in self.user(user).rooms.clone() {
            let room = self.kept.rooms[&id].name.clone();
            let object = json!({
                "type": "away", "room": room, "name": name, "away": is_away, "text": null,
                "you": null
            });
            for other in self.audience(n, id, false) {
                let hearer = &self.clients[&other];
                if hearer.is_json && !self.ignores(hearer.user, user) {
                    let (room, object, line) = (room.clone(), object.clone(), String::new());
                    self.tell(other, Told::Published { room, object, line });
                }
            }
        }
        let told = self.own_away(user);
        self.tell_all_of(n, &told);
    }

    fn own_away(&self, user: u64) -> Told {
        let why = self.aways.get(&user).map(|(text, _)| text.as_str());
        let line = match why {
            None => "* You are here again.".to_owned(),
            Some("") => "* You are away now. /back ends that.".to_owned(),
            Some(why) => format!("* You are away now, until you say /back: {why}"),
        };
        let object = json!({
            "type": "away", "room": null, "name": self.user(user).name, "away": why.is_some(),
            "text": why.filter(|why| !why.is_empty()), "you": true
        });
        Told::Own { object, line }
    }

    /// A device comes, of somebody who is away.
    pub fn tell_own_away(&mut self, n: usize) {
        let user = self.clients[&n].user;
        if self.aways.contains_key(&user) {
            let told = self.own_away(user);
            self.tell(n, told);
        }
    }

    /// A client says something that is for somebody.
    pub fn tell_away(&mut self, n: usize, user: u64) {
        let own = self.clients[&n].user;
        let Some((why, since)) = self.aways.get(&user).cloned() else { return };
        if user == own || self.ignores(own, user) || !self.told_away.insert((n, user)) {
            return;
        }
        let why = if self.ignores(user, own) { String::new() } else { why };
        let name = self.user(user).name.clone();
        let line = match why.as_str() {
            "" => format!("* {name} is away."),
            why => format!("* {name} is away: {why}"),
        };
        let text = Some(why).filter(|why| !why.is_empty());
        let object = json!({
            "type": "away", "room": null, "name": name, "away": true, "text": text, "you": null,
            "time": since
        });
        self.tell(n, Told::Own { object, line });
    }

    fn tell_who_is(&mut self, n: usize, user: u64) {
        let own = self.clients[&n].user;
        let mut rooms: Vec<String> = Vec::new();
        for id in &self.user(user).rooms {
            let may_look = match self.settings(*id)[ENTRY] {
                ALL => true,
                ACCOUNTS => self.is_account(own),
                _ => false,
            };
            if self.is_in(own, *id) || may_look && self.is_listed(own, *id) {
                rooms.push(self.kept.rooms[id].name.clone());
            }
        }
        rooms.sort();
        let between = Some((own.min(user), own.max(user)));
        let talk = self.kept.rooms.values().any(|room| room.between == between);
        let sees = !rooms.is_empty() || talk || own == user;
        let since = self.clients_of(user).iter().map(|n| self.clients[n].since_ms).min();
        let since = since.filter(|_| sees).map(|ms| ms / 1000 * 1000);
        let away = self.aways.get(&user).cloned().filter(|_| sees);
        let hides_why = self.ignores(own, user) || self.ignores(user, own);
        let away = away.map(|(why, ms)| (if hides_why { String::new() } else { why }, ms));
        let name = self.user(user).name.clone();
        let (is_account, is_bot) = (self.is_account(user), self.owner_of_bot(user).is_some());
        if self.clients[&n].is_json {
            let object = json!({
                "type": "whois", "name": name, "account": is_account,
                "bot": is_bot.then_some(true), "online": sees.then_some(since.is_some()),
                "since": since, "away": away.as_ref().map(|(why, _)| why),
                "away_since": away.as_ref().map(|(_, ms)| ms), "offset": null,
                "rooms": Some(&rooms).filter(|rooms| !rooms.is_empty())
            });
            return self.tell(n, Told::Own { object, line: String::new() });
        }
        let what = match (is_bot, is_account) {
            (true, _) => "is a bot",
            (false, true) => "has an account",
            (false, false) => "is a guest",
        };
        let at = |ms| utc(ms).replace(" UTC", " (UTC)");
        let first = match since {
            Some(since) => format!("* {name} {what}, and is here since {}.", at(since)),
            None if sees => format!("* {name} {what}, and is not connected now."),
            None => format!("* {name} {what}."),
        };
        self.tell(n, Told::Line(first));
        if !rooms.is_empty() {
            self.tell(n, Told::Line(format!("* {name} is in {}.", rooms.join(", "))));
        }
        if let Some((why, ms)) = away {
            let since = at(ms);
            self.tell(
                n,
                Told::Line(match why.as_str() {
                    "" => format!("* {name} is away since {since}."),
                    why => format!("* {name} is away since {since}: {why}"),
                }),
            );
        }
    }
}
