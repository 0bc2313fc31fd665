//! Requests: when they are served, and what is refused.

use chat_server::secrets::read_code;

use super::looking::Asked;
use super::model::{ACCOUNT_BURST, ADDRESS_BURST, Client, Done, Granted, Model, OWNER, weak};
use super::request::{Needs, Request};
use super::told::Told;

/// What a guess of a code is answered with, or that there were too many of them.
const GUESS_REFUSED: [&str; 9] = [
    "too_many_attempts",
    "busy",
    "code_refused",
    "name_refused",
    "name_taken",
    "password_refused",
    "not_private",
    "logged_in",
    // The code is good, and for the password of somebody who is banned.
    "banned",
];

impl Model {
    pub fn read(&self, n: usize, text: &str) -> Request {
        let client = &self.clients[&n];
        match &client.prompt {
            Some(prompt) => prompt.answered(text),
            None => Request::read(text, client.is_json),
        }
    }

    /// A request waits for a secret.
    pub fn grant(&mut self, n: usize, text: &str, ticket: u64) {
        let Some(client) = self.clients.get(&n) else { return };
        if client.granted.as_ref().is_some_and(|granted| granted.ticket == ticket) {
            return;
        }
        // Another process numbers them anew: who had this one waits for it no more.
        for other in self.clients.values_mut() {
            other.granted.take_if(|granted| granted.ticket == ticket);
        }
        let request = self.read(n, text);
        let tried = match &request {
            Request::Login { name, password: Some(password) } => {
                Some((self.account_called(name), password.clone()))
            }
            Request::Password { old: Some(password), .. }
            | Request::Delete { password: Some(password) } => {
                Some((Some(self.clients[&n].user), password.clone()))
            }
            _ => None,
        };
        match (&request, &tried) {
            (_, Some((Some(account), _))) => *self.asked.entry(*account).or_default() += 1,
            (Request::Login { name, .. }, Some((None, _))) => {
                *self.asked_names.entry(name.to_lowercase()).or_default() += 1;
            }
            _ => {}
        }
        let client = self.clients.get_mut(&n).expect("it is there");
        if tried.is_some() || matches!(request, Request::Register { .. }) {
            *self.tried.entry(client.ip).or_default() += 1;
        }
        let tried = tried.map(|(user, password)| {
            let is_right = user.is_some_and(|user| {
                self.kept.accounts.get(&user).is_some_and(|account| account.password == password)
            });
            (user.filter(|_| is_right), password)
        });
        let has_known_code = match &request {
            Request::Register { name, code: Some(code), .. } => self.is_known_code(code, name),
            _ => false,
        };
        let client = self.clients.get_mut(&n).expect("it is there");
        client.granted = Some(Granted { ticket, tried, has_known_code, ..Granted::default() });
    }

    /// What came of it.
    pub fn drew(&mut self, ticket: u64, random: [u8; 32], is_owner_code: bool) {
        let of = |client: &&mut Client| {
            client.granted.as_ref().is_some_and(|granted| granted.ticket == ticket)
        };
        self.drawn = Some(random);
        if let Some(client) = self.clients.values_mut().find(of) {
            let granted = client.granted.as_mut().expect("it has");
            (granted.random, granted.is_owner_code) = (Some(random), is_owner_code);
        }
    }

    /// Whether a client asks for something that others see.
    pub fn concerns_others(&self, n: usize, text: &str) -> bool {
        self.clients.contains_key(&n) && self.read(n, text).concerns_others()
    }

    /// A request has been served. `is_skipped`: of those that only ask, as nobody would hear it.
    pub fn served(&mut self, n: usize, text: &str, skips: bool) {
        let Some(client) = self.clients.get(&n) else { return };
        let is_prompted = client.prompt.is_some();
        let request = self.read(n, text);
        if skips && !request.concerns_others() {
            return;
        }
        let client = self.clients.get_mut(&n).expect("it is there");
        client.followed.iter_mut().for_each(|followed| followed.asks(text));
        let granted = client.granted.take();
        let asked = client.asked.take().unwrap_or_default();
        if is_prompted {
            client.prompt = None;
        }
        let typed = is_prompted.then(|| text.to_owned()).filter(|text| !text.is_empty());
        let before = std::mem::replace(&mut client.typed, typed);
        // What is said by who has come in just now may be a password.
        let has_come = std::mem::take(&mut self.clients.get_mut(&n).expect("it is there").has_come);
        let is_unsaid = has_come && matches!(request, Request::Say { .. });
        if is_unsaid || !is_prompted && before.as_deref() == Some(text) {
            self.tell(n, Told::Error(&["not_said"]));
        } else {
            self.serves = Some(n);
            if let Err(codes) = self.serve(n, &request, granted, &asked) {
                let codes = self.guessed(n, &request).unwrap_or(codes);
                self.tell(n, Told::Error(codes));
            }
            self.serves = None;
        }
        self.end_event();
    }

    /// A code was of no use, for whatever reason: that counts as an attempt. What may be told of it where
    /// there were many.
    fn guessed(&mut self, n: usize, request: &Request) -> Option<&'static [&'static str]> {
        let Request::Register { code: Some(_), .. } = request else { return None };
        let tried = self.tried.entry(self.clients[&n].ip).or_default();
        *tried += 1;
        (*tried > ADDRESS_BURST).then_some(&GUESS_REFUSED)
    }

    /// Whether somebody who is outside comes in by what it asks for. Where no guests are, it stays.
    pub fn comes_in(&mut self, n: usize, text: &str, skips: bool) -> bool {
        let Some(client) = self.clients.get(&n).filter(|client| client.is_outside) else {
            return false;
        };
        let is_prompted = client.prompt.is_some();
        let is_typed_again = !is_prompted && client.typed.as_deref() == Some(text);
        let request = self.read(n, text);
        if skips && !request.concerns_others() || is_typed_again {
            return false;
        }
        let comes = request.needs() != Needs::Nothing && self.rules.guests;
        if comes {
            let client = self.clients.get_mut(&n).expect("it is there");
            (client.is_outside, client.has_come) = (false, true);
        }
        comes
    }

    pub fn serve(
        &mut self,
        n: usize,
        request: &Request,
        granted: Option<Granted>,
        asked: &Asked,
    ) -> Done {
        let user = self.clients[&n].user;
        let role = self.kept.accounts.get(&user).map(|account| account.role);
        match request.needs() {
            Needs::Nothing => {}
            Needs::Guest if self.may(user) => {}
            _ if role.is_none() => return Err(&["login_required"]),
            Needs::Admin if role < Some(1) => return Err(&["not_allowed"]),
            Needs::Owner if role != Some(OWNER) => return Err(&["not_allowed"]),
            Needs::Person if self.owner_of_bot(user).is_some() => return Err(&["not_allowed"]),
            _ => {}
        }
        if request.waits(self.clients[&n].is_private) && granted.is_none() {
            // It was refused before anything was tried.
            if let Some(codes) = self.refused(n, request) {
                return Err(codes);
            }
            self.check_throttle(n, request);
            return Err(&["too_many_attempts", "busy"]);
        }
        match request {
            Request::Search { word } => {
                self.search(n, word, asked);
                Ok(())
            }
            request => self.execute(n, request, &granted.unwrap_or_default()),
        }
    }

    /// Nobody is turned away who has not tried often.
    pub fn check_throttle(&self, n: usize, request: &Request) {
        let client = &self.clients[&n];
        let account = match request {
            Request::Login { name, .. } => self.account_called(name),
            _ => Some(client.user),
        };
        let wrong = account.and_then(|account| self.asked.get(&account)).copied().unwrap_or(0);
        let name = match request {
            Request::Login { name, .. } => self.asked_names.get(&name.to_lowercase()),
            _ => None,
        };
        let wrong = wrong.max(name.copied().unwrap_or(0));
        let tried = self.tried.get(&client.ip).copied().unwrap_or(0);
        assert!(
            tried >= ADDRESS_BURST || wrong >= ACCOUNT_BURST,
            "{request:?} of client {n} is refused after {tried} and {wrong}"
        );
    }

    /// Why a request is refused before a password is looked at.
    pub fn refused(&self, n: usize, request: &Request) -> Option<&'static [&'static str]> {
        let client = &self.clients[&n];
        match request {
            Request::Login { .. } | Request::Delete { .. } if !client.is_private => {
                Some(&["not_private"])
            }
            Request::Password { new: Some(new), .. } => match client.is_private {
                true => weak(new, &self.user(client.user).name),
                false => Some(&["not_private"]),
            },
            Request::Register { name, password, code } => {
                if self.is_account(client.user) {
                    return Some(&["logged_in"]);
                }
                if !client.is_private {
                    return Some(&["not_private"]);
                }
                if self.reset_by(code.as_deref(), name).is_some() {
                    return weak(password.as_deref()?, name);
                }
                let name_refused = self.name_refused(name, client.user);
                name_refused
                    .or_else(|| weak(password.as_deref()?, name))
                    .or_else(|| self.code_refused(code.as_deref()))
            }
            Request::Reset { name } => self.to_reset(client.user, name).err(),
            _ => None,
        }
    }

    pub fn code_refused(&self, code: Option<&str>) -> Option<&'static [&'static str]> {
        match code {
            None if self.rules.is_open => None,
            None => Some(&["code_required"]),
            Some(code) => read_code(code).is_none().then_some(&["code_refused"]),
        }
    }

    pub fn execute(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        match request {
            Request::Nothing | Request::Search { .. } => Ok(()),
            Request::History { room, limit } => self.history(n, room.as_deref(), *limit),
            Request::HistoryWith { name, limit } => self.history_with(n, name, *limit),
            Request::Conversations => {
                self.list_conversations(n);
                Ok(())
            }
            Request::Read { room, id, back } => self.read_up_to(n, room, *id, *back),
            Request::Print { room } => self.print_unread(n, room.as_deref()),
            Request::Unread => {
                self.tell_unread(n);
                Ok(())
            }
            Request::Level { room, level } => self.set_level(n, room, level),
            Request::Who { room } => self.who(n, room.as_deref()),
            Request::Rooms => {
                self.list_rooms(n);
                Ok(())
            }
            Request::Say { room, text } => self.say(n, room.as_deref(), text),
            Request::Direct { to, text } => self.direct(n, to, text),
            Request::Join { room, code } => {
                if let Some(code) = code {
                    self.come_in_by_code(n, room, code)?;
                }
                let user = self.clients[&n].user;
                let known = self.known_room(user, room);
                if let Some(known) = known.filter(|known| self.has_to_ask(user, *known)) {
                    return self.ask_to_enter(n, known);
                }
                let (room, is_new) = self.enter(n, room)?;
                self.follow_from(n, room);
                self.tell_in_room(n, room);
                for other in self.others(n).into_iter().filter(|_| is_new) {
                    self.tell_in_room(other, room);
                }
                Ok(())
            }
            Request::Leave { room } => {
                let (room, user) = (self.room_of(n, room.as_deref())?, self.clients[&n].user);
                if self.is_staff_log(room) {
                    return Err(&["not_allowed"]);
                }
                let (left, name) =
                    (self.kept.rooms[&room].name.clone(), self.user(user).name.clone());
                let talked_here = self.clients[&n].current == Some(room);
                self.leave(n, user, room);
                if talked_here {
                    let other = self.user(user).rooms.last().copied();
                    self.clients.get_mut(&n).expect("it is there").current = other;
                }
                self.tell_all_of(n, &Told::LeftYou { room: left, name });
                Ok(())
            }
            Request::Nick { name } => self.nick(n, name),
            Request::Login { .. } | Request::Token { .. } => self.login(n, request, granted),
            Request::Register { .. } => self.register(n, request, granted),
            Request::Logout => {
                self.logout(n);
                Ok(())
            }
            Request::Account => {
                self.tell_account(n);
                Ok(())
            }
            Request::Password { .. } => self.set_password(n, request, granted),
            Request::Delete { .. } => self.delete(n, request, granted),
            Request::MakeToken | Request::MakeCookie => self.make_key(n, request, granted),
            Request::EndSession { id, is_connection: false } => self.end_session(n, *id),
            Request::EndSession { id, is_connection: true } => self.end_connection(n, *id as usize),
            Request::Sessions => {
                self.tell_sessions(n);
                Ok(())
            }
            Request::Invite { uses, room } => self.invite(n, *uses, room.as_deref(), granted),
            Request::Uninvite { id } => {
                let user = self.clients[&n].user;
                if self.kept.invitations.get(id).is_none_or(|one| one.by != user) {
                    return Err(&["no_such_invitation"]);
                }
                self.kept.invitations.remove(id);
                self.tell(n, Told::Done("end_invitation"));
                Ok(())
            }
            Request::Reset { name } => self.make_reset(n, name, granted),
            Request::Bot { name } => self.make_bot(n, name, granted),
            Request::EndBot { name } => self.end_bot(n, name),
            Request::Away { .. } | Request::Back | Request::Whois { .. } => {
                self.execute_of_whereabouts(n, request)
            }
            Request::Role { name, role } => self.set_role(n, name, *role),
            Request::Room(request) => self.execute_of_room(n, request, granted),
            Request::Order(request) => self.execute_of_order(n, request),
        }
    }
}
