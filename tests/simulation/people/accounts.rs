//! Being somebody: accounts, their passwords and keys, and those whom they invite.

use std::mem;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_server::secrets::{code_of, read_code};

use super::model::{
    Account, Done, Granted, HOUR_MS, Invitation, Key, Model, OWNER, RESERVED_MS, ROLES, Reserved,
    WEEK_HOURS, look,
};
use super::order::NOBODY;
use super::request::Request;
use super::rights::{ARCHIVED, ASK, ENTRY};
use super::told::Told;

impl Model {
    // ---- Becoming somebody ----

    pub fn login(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        let user = self.clients[&n].user;
        if self.is_account(user) {
            return Err(&["logged_in"]);
        }
        let (account, key) = match request {
            Request::Token { token } => {
                let (account, key) = self.find_key(token).ok_or(&["login_failed"][..])?;
                (account, Some(key))
            }
            Request::Login { password: None, .. } => {
                if self.clients[&n].is_private {
                    self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
                }
                return Ok(());
            }
            Request::Login { name, .. } => {
                let account = self.account_called(name);
                match account.filter(|_| self.is_right(account, granted)) {
                    Some(account) => (account, None),
                    None => return Err(&["login_failed"]),
                }
            }
            _ => unreachable!("it is a login"),
        };
        // Only who knows the password or the token is told.
        self.check_banned(account)?;
        self.become_account(n, account);
        self.clients.get_mut(&n).expect("it is there").key = key;
        self.logged_in(n);
        Ok(())
    }

    pub fn logged_in(&mut self, n: usize) {
        self.clients.get_mut(&n).expect("it is there").is_outside = false;
        self.tell_account(n);
        if self.clients[&n].is_json {
            for room in self.user(self.clients[&n].user).rooms.clone() {
                self.tell_in_room(n, room);
            }
        }
        self.tell_who_asks(n);
        self.tell_own_away(n);
        self.tell_person_unread(n);
    }

    /// Whether the password that was tried is the one that this account has now.
    pub fn is_right(&self, account: Option<u64>, granted: &Granted) -> bool {
        let Some((Some(tried), password)) = &granted.tried else { return false };
        account == Some(*tried)
            && self.kept.accounts.get(tried).is_some_and(|now| now.password == *password)
    }

    pub fn become_account(&mut self, n: usize, account: u64) {
        let guest = self.clients[&n].user;
        let (rooms, current) = (self.user(guest).rooms.clone(), self.clients[&n].current);
        let has = self.user(account).rooms.clone();
        let free = self.rules.rooms_max.saturating_sub(has.len());
        let new = rooms
            .into_iter()
            .filter(|room| !has.contains(room) && !self.is_removed(account, *room));
        let new: Vec<u64> = new.take(free).collect();
        for room in &new {
            // Whom a guest was let in as brings its account along.
            if self.settings(*room)[ENTRY] >= ASK {
                self.note(account, *room, |record| record.may_return = true);
            }
            self.join(n, account, *room);
        }
        self.end_token(guest);
        self.end_guest(n, guest);
        self.attach(n, account);
        let rooms = &self.user(account).rooms;
        let current = current.filter(|room| rooms.contains(room)).or(rooms.last().copied());
        self.clients.get_mut(&n).expect("it is there").current = current;
        for room in new {
            for other in self.others(n) {
                self.tell_in_room(other, room);
            }
        }
    }

    pub fn register(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        let Request::Register { name, password, code } = request else { return Ok(()) };
        let user = self.clients[&n].user;
        if self.is_account(user) {
            return Err(&["logged_in"]);
        }
        if let Some(account) = self.reset_by(code.as_deref(), name) {
            return self.reset(n, account, request, granted);
        }
        if let Some(codes) = self.name_refused(name, user).or(self.code_refused(code.as_deref())) {
            return Err(codes);
        }
        let Some(password) = password else {
            if !self.clients[&n].is_private {
                return Err(&["not_private"]);
            }
            self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
            return Ok(());
        };
        let code = code.as_deref().and_then(read_code);
        let known = code.as_deref().filter(|_| granted.has_known_code);
        let invitation = known.and_then(|code| self.invitation_of(code));
        let invitation = invitation.filter(|id| self.kept.invitations[id].resets.is_none());
        let role = if code.is_some() && invitation.is_none() {
            if !granted.is_owner_code {
                return Err(&["code_refused"]);
            }
            OWNER
        } else {
            0
        };
        self.rename(n, user, name);
        let made = self.guests.remove(&user).expect("it was a guest");
        self.end_token(user);
        self.came_by.retain(|(guest, _)| *guest != user);
        for room in &made.rooms {
            self.keep(*room);
            self.begin_reading(user, *room);
        }
        self.kept.users.insert(user, made);
        let password = password.clone();
        let account = Account { password: password.clone(), role, owner: None, keys: Vec::new() };
        self.kept.accounts.insert(user, account);
        let rooms = match invitation {
            Some(id) => self.rooms_of(&self.kept.invitations[&id]),
            None => Vec::new(),
        };
        invitation.into_iter().for_each(|id| self.use_invitation(id));
        self.passwords.push((name.clone(), password.clone()));
        self.attach(n, user);
        if mem::take(&mut self.clients.get_mut(&n).expect("it is there").is_outside) {
            let _ = self.enter(n, "#lobby");
        }
        if role == OWNER {
            self.follow_role(user);
            self.log_act(&format!("{name} came by the owner's link, and owns this server."));
        }
        let entered = self.enter_invited(n, user, rooms);
        self.tell_account(n);
        for room in entered {
            self.tell_in_room(n, room);
        }
        Ok(())
    }

    /// The invitation that has this code, if it is not over.
    pub fn invitation_of(&self, code: &str) -> Option<u64> {
        let mut all = self.kept.invitations.iter();
        let found = all.find(|(_, one)| one.code == code && self.unix_ms < one.until_ms);
        found.filter(|(_, one)| !self.is_banned(one.by)).map(|(id, _)| *id)
    }

    /// Whether this is the code of an invitation, or one for the password of who is called so.
    pub fn is_known_code(&self, code: &str, name: &str) -> bool {
        let invitation = read_code(code).and_then(|code| self.invitation_of(&code));
        let invites = invitation.is_some_and(|id| self.kept.invitations[&id].resets.is_none());
        invites || self.reset_by(Some(code), name).is_some()
    }

    pub fn use_invitation(&mut self, id: u64) {
        let invitation = self.kept.invitations.get_mut(&id).expect("it is there");
        invitation.uses -= 1;
        if invitation.uses == 0 {
            self.kept.invitations.remove(&id);
        }
    }

    /// A new account is in the rooms that it was invited into; which of them are new.
    fn enter_invited(&mut self, n: usize, user: u64, rooms: Vec<u64>) -> Vec<u64> {
        let mut entered = Vec::new();
        for room in rooms {
            let is_full = self.user(user).rooms.len() >= self.rules.rooms_max;
            if !is_full && !self.is_in(user, room) && !self.is_removed(user, room) {
                self.note(user, room, |record| record.may_return = true);
                self.join(n, user, room);
                self.clients.get_mut(&n).expect("it is there").current = Some(room);
                entered.push(room);
            }
        }
        entered
    }

    // ---- Being nobody again ----

    pub fn become_guest(&mut self, n: usize) {
        self.detach(n);
        self.guest(n);
    }

    pub fn end_device(&mut self, n: usize) {
        if self.clients[&n].follows {
            // Guests follow nothing.
            let user = self.clients[&n].user;
            self.tell(n, Told::Error(&["session_ended"]));
            self.devices.entry(user).or_default().retain(|other| *other != n);
            return self.turned_out.push(n);
        }
        self.become_guest(n);
        self.tell(n, Told::Error(&["session_ended"]));
        self.tell_account(n);
    }

    pub fn logout(&mut self, n: usize) {
        let key = self.clients[&n].key;
        let keys = &self.account_of(n).expect("it is an account").keys;
        let key = key.filter(|id| keys.iter().any(|key| key.id == *id && !key.is_token));
        if let Some(key) = key {
            self.end_key(n, key);
        }
        self.become_guest(n);
        if !self.clients[&n].is_json && self.rules.guests {
            let _ = self.enter(n, "#lobby");
        }
        self.tell_account(n);
    }

    /// All who have come by a key, but the one that asks, are guests again.
    pub fn end_key(&mut self, n: usize, key: u32) {
        self.end_key_of(self.clients[&n].user, n, key);
    }

    /// The same of an account that asks by this client, or by none.
    pub fn end_key_of(&mut self, user: u64, n: usize, key: u32) {
        let keys = &mut self.kept.accounts.get_mut(&user).expect("it is an account").keys;
        keys.retain(|one| one.id != key);
        for other in self.clients_of(user) {
            if other != n && self.clients[&other].key == Some(key) {
                self.end_device(other);
            }
        }
    }

    pub fn set_password(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        let Request::Password { old, new } = request else { return Ok(()) };
        let (Some(_), Some(new)) = (old, new) else {
            if !self.clients[&n].is_private {
                return Err(&["not_private"]);
            }
            self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
            return Ok(());
        };
        let user = self.clients[&n].user;
        if !self.is_right(Some(user), granted) {
            return Err(&["login_failed"]);
        }
        let account = self.kept.accounts.get_mut(&user).expect("it is an account");
        account.password.clone_from(new);
        let here = self.clients[&n].key;
        account.keys.retain(|key| key.is_token || Some(key.id) == here);
        self.kept.invitations.retain(|_, one| one.resets != Some(user));
        let account = &self.kept.accounts[&user];
        let stay: Vec<u32> = account.keys.iter().map(|key| key.id).collect();
        self.passwords.push((self.user(user).name.clone(), new.clone()));
        for other in self.others(n) {
            if !self.clients[&other].key.is_some_and(|key| stay.contains(&key)) {
                self.end_device(other);
            }
        }
        self.tell(n, Told::Done("password"));
        Ok(())
    }

    /// Whether nobody else owns the server who can come.
    fn is_last_owner(&self, user: u64) -> bool {
        let is_owner = |user: &u64| self.kept.accounts[user].role == OWNER;
        let mut others = self.kept.accounts.keys().filter(|other| **other != user);
        is_owner(&user) && !others.any(|other| is_owner(other) && !self.is_banned(*other))
    }

    pub fn delete(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        if *request == (Request::Delete { password: None }) {
            if !self.clients[&n].is_private {
                return Err(&["not_private"]);
            }
            self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
            return Ok(());
        }
        let user = self.clients[&n].user;
        if !self.is_right(Some(user), granted) {
            return Err(&["login_failed"]);
        }
        if self.is_last_owner(user) {
            return Err(&["not_allowed"]);
        }
        for bot in self.bots_of(user) {
            self.end_account(bot, NOBODY);
        }
        self.end_account(user, n);
        self.become_guest(n);
        self.tell(n, Told::Done("delete_account"));
        self.tell_account(n);
        Ok(())
    }

    /// An account is no more; of its devices the one that asks knows that itself.
    pub fn end_account(&mut self, user: u64, n: usize) {
        for other in self.clients_of(user).into_iter().filter(|other| *other != n) {
            self.end_device(other);
        }
        self.leave_all(n, user);
        self.hand_rooms_on(user);
        let keeper = self.name_keeper(user);
        self.release_most(keeper);
        self.log_act(&format!("The account {} has ended.", self.user(user).name));
        self.forget(user);
        let gone = self.kept.users.remove(&user).expect("it is there");
        self.kept.accounts.remove(&user);
        self.kept.ended.insert(user);
        self.end_away(user);
        self.kept.invitations.retain(|_, one| one.by != user && one.resets != Some(user));
        let own = self.kept.hooks.iter().filter(|hook| hook.by == user);
        self.orphaned_hooks.extend(own.map(|hook| hook.token.clone()));
        self.kept.hooks.retain(|hook| hook.by != user);
        let until_ms = self.unix_ms + RESERVED_MS;
        self.kept.reserved.retain(|one| look(&one.name) != look(&gone.name));
        self.kept.reserved.push(Reserved { name: gone.name, account: keeper, until_ms });
    }

    // ---- Keys, invitations, roles ----

    pub fn make_key(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        let is_token = *request == Request::MakeToken;
        if !is_token && !self.clients[&n].is_private {
            return Err(&["not_private"]);
        }
        let random = URL_SAFE_NO_PAD.encode(granted.random.expect("it was drawn"));
        let secret = if is_token { format!("cst_{random}") } else { random };
        assert!(self.secrets.iter().all(|(other, _)| *other != secret), "{secret} comes again");
        self.secrets.push((secret.clone(), is_token));
        let user = self.clients[&n].user;
        let keys = &mut self.kept.accounts.get_mut(&user).expect("it is an account").keys;
        let id = keys.last().map_or(1, |key| key.id + 1);
        keys.push(Key { id, secret: secret.clone(), is_token });
        match is_token {
            true => self.tell(n, Told::Token { token: secret, id }),
            false => {
                self.clients.get_mut(&n).expect("it is there").key = Some(id);
                self.tell(n, Told::Cookie { id });
            }
        }
        Ok(())
    }

    /// The connections of somebody that have come by a password.
    fn by_password(&self, user: u64) -> impl Iterator<Item = usize> {
        self.clients_of(user).into_iter().filter(|one| self.clients[one].key.is_none())
    }

    pub fn end_connection(&mut self, n: usize, number: usize) -> Done {
        let mut own = self.by_password(self.clients[&n].user);
        own.find(|one| *one == number).ok_or(&["no_such_session"][..])?;
        drop(own);
        if number != n {
            self.end_device(number);
        }
        self.tell(n, Told::Done("end_session"));
        if number == n {
            self.become_guest(n);
            self.tell_account(n);
        }
        Ok(())
    }

    pub fn end_session(&mut self, n: usize, id: u32) -> Done {
        let keys = &self.account_of(n).expect("it is an account").keys;
        if !keys.iter().any(|key| key.id == id) {
            return Err(&["no_such_session"]);
        }
        self.end_key(n, id);
        self.tell(n, Told::Done("end_session"));
        if self.clients[&n].key == Some(id) {
            self.become_guest(n);
            self.tell_account(n);
        }
        Ok(())
    }

    pub fn tell_sessions(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let by = |id: u32| {
            let devices = self.clients_of(user);
            devices.into_iter().filter(|one| self.clients[one].key == Some(id)).count()
        };
        let keys = &self.kept.accounts[&user].keys;
        let sessions = keys.iter().map(|key| (key.id, key.is_token, by(key.id))).collect();
        let connections = self.by_password(user).collect();
        self.tell(n, Told::Sessions(sessions, connections));
    }

    pub fn invite(&mut self, n: usize, uses: u32, room: Option<&str>, granted: &Granted) -> Done {
        let rooms = match room {
            Some(name) => vec![self.room_to_invite_into(n, name)?],
            None => Vec::new(),
        };
        let by = self.clients[&n].user;
        let until_ms = self.unix_ms + WEEK_HOURS * HOUR_MS;
        let code = String::new();
        let invitation = Invitation { code, by, uses, until_ms, rooms, resets: None };
        let (id, shown) = self.make_code(invitation, granted);
        let room = room.map(|name| self.known_room(by, name).expect("it is known"));
        let rooms = room.map(|room| vec![self.kept.rooms[&room].name.clone()]);
        self.tell(n, Told::Invitation { code: shown, id, uses, rooms });
        Ok(())
    }

    /// Those that are over make place for a code.
    pub fn make_code(&mut self, invitation: Invitation, granted: &Granted) -> (u64, String) {
        let shown = code_of(&granted.random.expect("it was drawn"));
        let code = read_code(&shown).expect("it is a code");
        self.codes.push(shown.clone());
        let now = self.unix_ms;
        self.kept.invitations.retain(|_, one| now < one.until_ms);
        let id = self.kept.next_invitation;
        self.kept.next_invitation += 1;
        self.kept.invitations.insert(id, Invitation { code, ..invitation });
        (id, shown)
    }

    /// The room that an invitation is to let into.
    fn room_to_invite_into(&self, n: usize, name: &str) -> Result<u64, &'static [&'static str]> {
        let user = self.clients[&n].user;
        let room = self.known_room(user, name).ok_or(&["no_such_room"][..])?;
        match self.may_invite(user, room) {
            false if self.is_in(user, room) => Err(&["not_allowed"]),
            false => Err(&["not_in_room"]),
            true if self.settings(room)[ARCHIVED] == 1 => Err(&["room_archived"]),
            true if self.kept.rooms[&room].rules.is_none() => Err(&["bad_field"]),
            true => Ok(room),
        }
    }

    pub fn set_role(&mut self, n: usize, name: &str, role: u8) -> Done {
        let user = self.find(name).ok_or(&["no_such_name"][..])?;
        if !self.is_account(user) {
            return Err(&["no_account"]);
        }
        if self.owner_of_bot(user).is_some() {
            return Err(&["not_allowed"]);
        }
        if user == self.clients[&n].user && role != OWNER && self.is_last_owner(user) {
            return Err(&["not_allowed"]);
        }
        let account = self.kept.accounts.get_mut(&user).expect("it is there");
        if mem::replace(&mut account.role, role) != role {
            self.follow_role(user);
            let by = self.user(self.clients[&n].user).name.clone();
            let (name, role) = (self.user(user).name.clone(), ROLES[usize::from(role)]);
            self.log_act(&format!("{by} made {name} {role} of this server."));
        }
        self.tell(n, Told::Done("role"));
        for other in self.clients_of(user).into_iter().filter(|other| *other != n) {
            self.tell_account(other);
        }
        Ok(())
    }
}
