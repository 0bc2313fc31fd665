//! What is asked for about rooms: who may come in, who has to go, and what else holds there.

use std::mem;

use chat_server::secrets::read_code;
use serde_json::{Value, json};

use super::model::{Done, Granted, Invitation, Model, OWNER, RESERVED_MS, Room};
use super::order::STAFF_LOG;
use super::request::room::{ROLES, RoomRequest, SETTINGS};
use super::rights::{
    ARCHIVED, ASK, ENTRY, INVITED, INVITES, LISTED, MODERATOR, NEWCOMERS_SEE, OPEN, POSTING,
    ROOM_OWNER, RoomRules, Settings,
};
use super::told::Told;

/// A room has so many names at most that lead to it besides its own.
const FORMER_MAX: usize = 3;

impl Model {
    pub fn execute_of_room(&mut self, n: usize, request: &RoomRequest, granted: &Granted) -> Done {
        let room = self.governed(n, request)?;
        match request {
            RoomRequest::Show { .. } => {
                self.tell_settings(n, room);
                Ok(())
            }
            RoomRequest::Set { setting, value, .. } => self.change(n, room, *setting, *value),
            RoomRequest::Rename { name, .. } => self.rename_room(n, room, name),
            RoomRequest::Delete { room: name } => self.delete_room(n, room, name),
            RoomRequest::Role { name, role, .. } => self.set_room_role(n, room, name, *role),
            RoomRequest::Keep { .. } => self.keep_room(n, room),
            RoomRequest::Admit { name, .. } => self.admit(n, room, name),
            RoomRequest::Refuse { name, .. } => self.refuse(n, room, name),
            RoomRequest::Hook { name, .. } => self.make_hook(n, room, name, granted),
            RoomRequest::EndHook { name, .. } => self.end_hook(n, room, name),
            RoomRequest::Kick { name, minutes, reason, .. } => {
                self.kick(n, room, name, *minutes, reason.as_deref())
            }
        }
    }

    /// The room that a request is about, if its sender may ask for that there.
    fn governed(&self, n: usize, request: &RoomRequest) -> Result<u64, &'static [&'static str]> {
        let user = self.clients[&n].user;
        let named = match request {
            RoomRequest::Delete { room } | RoomRequest::Role { room, .. } => Some(room),
            RoomRequest::Show { room }
            | RoomRequest::Set { room, .. }
            | RoomRequest::Rename { room, .. }
            | RoomRequest::Keep { room }
            | RoomRequest::Admit { room, .. }
            | RoomRequest::Refuse { room, .. }
            | RoomRequest::Hook { room, .. }
            | RoomRequest::EndHook { room, .. }
            | RoomRequest::Kick { room, .. } => room.as_ref(),
        };
        let room = match named {
            None => self.room_of(n, None)?,
            Some(name) => self.known_room(user, name).ok_or(&["no_such_room"][..])?,
        };
        let (role, is_member) = (self.role_in(user, room), self.is_in(user, room));
        let may = match request {
            RoomRequest::Show { .. } => true,
            RoomRequest::Keep { .. } => is_member,
            RoomRequest::Admit { .. } => self.may_invite(user, room),
            RoomRequest::Set { setting: ENTRY | ARCHIVED, .. } => role == ROOM_OWNER,
            RoomRequest::Set { .. }
            | RoomRequest::Refuse { .. }
            | RoomRequest::Kick { .. }
            | RoomRequest::Hook { .. }
            | RoomRequest::EndHook { .. } => role >= MODERATOR,
            RoomRequest::Rename { .. } | RoomRequest::Role { .. } => role == ROOM_OWNER,
            RoomRequest::Delete { .. } => {
                let of_server = self.kept.accounts.get(&user).is_some_and(|one| one.role == OWNER);
                role == ROOM_OWNER || of_server && self.settings(room)[ENTRY] != INVITED
            }
        };
        match (may, is_member) {
            (true, _) => Ok(room),
            (false, true) => Err(&["not_allowed"]),
            (false, false) => Err(&["not_in_room"]),
        }
    }

    // ---- Telling ----

    /// All that is told of a room with these settings.
    fn state_of(&self, room: u64, settings: &Settings) -> Value {
        let name = &self.kept.rooms[&room].name;
        let word = |at: usize| SETTINGS[at].1[settings[at]];
        json!({
            "type": "room", "room": name, "entry": word(ENTRY),
            "listed": settings[LISTED] == 1, "newcomers_see": word(NEWCOMERS_SEE),
            "posting": word(POSTING), "invites": word(INVITES),
            "archived": settings[ARCHIVED] == 1, "from": null, "by": null, "role": null,
            "kept": self.kept.rooms[&room].rules.is_some() || name == "#lobby",
            "owner": self.owner_of(room).map(|owner| self.user(owner).name.clone()),
            "asking": null,
        })
    }

    fn asking(&self, user: u64, room: u64) -> Vec<String> {
        let Some(rules) = &self.kept.rooms[&room].rules else { return Vec::new() };
        if self.role_in(user, room) < MODERATOR {
            return Vec::new();
        }
        let asking = rules.records.iter().filter(|(_, record)| record.has_asked);
        asking.map(|(user, _)| self.user(*user).name.clone()).collect()
    }

    fn tell_settings(&mut self, n: usize, room: u64) {
        let (user, settings) = (self.clients[&n].user, self.settings(room));
        let mut state = self.state_of(room, &settings);
        let role = ROLES[usize::from(self.role_in(user, room))];
        let asking = self.asking(user, room);
        state["role"] = json!(role);
        if !asking.is_empty() {
            state["asking"] = json!(asking);
        }
        let name = self.kept.rooms[&room].name.clone();
        if self.clients[&n].is_json {
            self.tell(n, Told::Own { object: state, line: String::new() });
            return;
        }
        if state["kept"] == false {
            let line = format!("* {name} is open to all, and goes when it is empty.");
            return self.tell(n, Told::Line(line));
        }
        let word = |at: usize| SETTINGS[at].1[settings[at]];
        self.tell(n, Told::Line(format!(
            "* {name}: entry {}, listed {}, newcomers-see {}, posting {}, invites {}, archived {}",
            word(ENTRY), if settings[ENTRY] == INVITED { "no" } else { word(LISTED) }, word(NEWCOMERS_SEE), word(POSTING), word(INVITES),
            word(ARCHIVED)
        )));
        self.tell(
            n,
            Told::Line(match state["owner"].as_str() {
                Some(owner) => format!("*   owner: {owner}; you are {role} there"),
                None => format!("*   it has no owner; you are {role} there"),
            }),
        );
        if !asking.is_empty() {
            let line = format!("*   waiting to be let in: {}", asking.join(", "));
            self.tell(n, Told::Line(line));
        }
    }

    /// Tells all who are in a room.
    pub fn publish(&mut self, room: u64, object: &Value, line: &str) {
        let name = self.kept.rooms[&room].name.clone();
        for hearer in self.hearers(room) {
            let (room, object, line) = (name.clone(), object.clone(), line.to_owned());
            self.tell(hearer, Told::Published { room, object, line });
        }
    }

    pub fn tell_user(&mut self, user: u64, object: &Value, line: &str) {
        for device in self.clients_of(user) {
            self.tell(device, Told::Own { object: object.clone(), line: line.to_owned() });
        }
    }

    pub fn tell_who_asks(&mut self, n: usize) {
        let user = self.clients[&n].user;
        for room in self.kept.rooms.keys().copied().collect::<Vec<u64>>() {
            for name in self.asking(user, room) {
                let (object, line) = self.asks(room, &name);
                self.tell(n, Told::Own { object, line });
            }
        }
    }

    fn asks(&self, room: u64, name: &str) -> (Value, String) {
        let room = &self.kept.rooms[&room].name;
        let object = json!({ "type": "asked", "room": room, "name": name });
        let line = format!(
            "* {name} asks to be let into {room}: /accept {name} {room} or /refuse {name} {room}"
        );
        (object, line)
    }

    // ---- Settings ----

    /// A room has these settings, and is kept for good.
    pub fn set(&mut self, id: u64, settings: Settings) {
        self.keep(id);
        let room = self.kept.rooms.get_mut(&id).expect("it is there");
        match &mut room.rules {
            Some(rules) => rules.settings = settings,
            rules => *rules = Some(RoomRules { settings, records: Default::default() }),
        }
    }

    fn change(&mut self, n: usize, room: u64, setting: usize, value: usize) -> Done {
        let (user, before) = (self.clients[&n].user, self.settings(room));
        let is_lobby = self.kept.rooms[&room].name == "#lobby";
        let mut settings = before;
        settings[setting] = value;
        let is_open = settings[ENTRY] == 0 && settings[LISTED] == 1 && settings[ARCHIVED] == 0;
        if is_lobby && !is_open || self.kept.rooms[&room].rules.is_none() && !is_lobby {
            return Err(&["not_allowed"]);
        }
        if settings == before {
            self.tell_settings(n, room);
            return Ok(());
        }
        let by = self.user(user).name.clone();
        let mut state = self.state_of(room, &settings);
        state["by"] = json!(by);
        let line = changed(&by, &self.kept.rooms[&room].name, setting, value);
        self.publish(room, &state, &line);
        self.set(room, settings);
        if settings[ARCHIVED] == 1 {
            self.kept.hooks.retain(|hook| hook.room != room);
        }
        if settings[ENTRY] >= ASK && before[ENTRY] < ASK {
            // Those who are in it have been let in.
            let all = self.all().filter(|(_, user)| user.rooms.contains(&room));
            for member in all.map(|(id, _)| id).collect::<Vec<u64>>() {
                self.note(member, room, |record| record.may_return = true);
            }
        }
        if before[ENTRY] != INVITED || settings[ENTRY] != INVITED {
            self.log_act(&line[2..]);
        }
        if !self.is_in(user, room) {
            self.tell_settings(n, room);
        }
        Ok(())
    }

    fn keep_room(&mut self, n: usize, room: u64) -> Done {
        let user = self.clients[&n].user;
        let Room { rules, name, .. } = self.kept.rooms[&room].clone();
        if rules.is_some() || name == "#lobby" {
            return Err(&["not_allowed"]);
        }
        let by = self.user(user).name.clone();
        let mut state = self.state_of(room, &OPEN);
        (state["by"], state["owner"], state["kept"]) = (json!(by), json!(by), json!(true));
        self.publish(room, &state, &format!("* {by} keeps {name}."));
        self.keep_for(user, room, OPEN);
        self.log_act_in(room, &format!("{by} keeps {name}."));
        Ok(())
    }

    fn is_owned(&self, room: u64) -> bool {
        let room = &self.kept.rooms[&room];
        room.rules.is_some() && room.name != "#lobby"
    }

    fn rename_room(&mut self, n: usize, room: u64, name: &str) -> Done {
        if !self.is_owned(room) {
            return Err(&["not_allowed"]);
        }
        let (user, from) = (self.clients[&n].user, self.kept.rooms[&room].name.clone());
        if from == name {
            self.tell_settings(n, room);
            return Ok(());
        }
        if self.room_named(name).is_some_and(|other| other != room)
            || [STAFF_LOG, "#lobby"].contains(&name)
        {
            return Err(&["room_refused"]);
        }
        let by = self.user(user).name.clone();
        let mut state = self.state_of(room, &self.settings(room));
        (state["room"], state["from"], state["by"]) = (json!(name), json!(from), json!(by));
        let line = format!("* {by} renamed {from} to {name}.");
        self.publish(room, &state, &line);
        self.kept.former.remove(name);
        let until_ms = self.unix_ms + RESERVED_MS;
        let room_mut = self.kept.rooms.get_mut(&room).expect("it is there");
        let from = mem::replace(&mut room_mut.name, name.to_owned());
        self.follow_renamed(&from, name);
        self.kept.former.insert(from, (room, until_ms));
        let own = self.kept.former.iter().filter(|(_, (of, _))| *of == room);
        let mut own: Vec<(u64, String)> =
            own.map(|(name, (_, until))| (*until, name.clone())).collect();
        own.sort();
        for (_, name) in &own[..own.len().saturating_sub(FORMER_MAX)] {
            self.kept.former.remove(name);
        }
        self.log_act_in(room, &line[2..]);
        if !self.is_in(user, room) {
            self.tell(n, Told::Own { object: state, line });
        }
        Ok(())
    }

    fn delete_room(&mut self, n: usize, id: u64, typed: &str) -> Done {
        if !self.is_owned(id) {
            return Err(&["not_allowed"]);
        }
        let by = self.clients[&n].user;
        let (by_name, name) = (self.user(by).name.clone(), self.kept.rooms[&id].name.clone());
        if name != typed {
            return Err(&["bad_field"]);
        }
        self.log_act_in(id, &format!("{by_name} deleted {name}."));
        self.end_room(by, id);
        self.tell(n, Told::Done("delete_room"));
        Ok(())
    }

    /// Those who are in it are put out, and it is no more.
    fn end_room(&mut self, by: u64, id: u64) {
        let by = self.user(by).name.clone();
        let room = self.kept.rooms[&id].clone();
        let all = self.all().filter(|(_, user)| user.rooms.contains(&id));
        for member in all.map(|(member, _)| member).collect::<Vec<u64>>() {
            let object = json!({
                "type": "left", "room": room.name, "name": self.user(member).name, "by": by,
                "reason": "it is deleted", "you": true
            });
            let name = &room.name;
            let line = match self.user(member).name == by {
                true => format!("* You left {name}: it is deleted"),
                false => format!("* {by} removed you from {name}: it is deleted"),
            };
            self.tell_user(member, &object, &line);
            self.take_out(member, id);
        }
        self.forget_room(id);
    }

    /// A room that nobody is in is no more, with all that was said there.
    fn forget_room(&mut self, id: u64) {
        let room = self.kept.rooms.remove(&id).expect("it is there");
        self.kept.former.retain(|_, (of, _)| *of != id);
        self.kept.hooks.retain(|hook| hook.room != id);
        self.kept.mutes.retain(|(of, _), _| *of != id);
        self.kept.readings.retain(|(_, of), _| *of != id);
        self.kept.invitations.values_mut().for_each(|one| one.rooms.retain(|of| *of != id));
        self.kept.ids_used = self.kept.ids_used.max(room.next_id - 1);
    }

    /// The rooms of an account that ends are a moderator's, or else those of the oldest account that
    /// is in them; private ones, of the oldest that may come back. What is of no use to anybody goes.
    pub fn hand_rooms_on(&mut self, user: u64) {
        let all = self.kept.rooms.keys().copied();
        let own: Vec<u64> = all.filter(|room| self.owner_of(*room) == Some(user)).collect();
        for room in own {
            let Room { rules, first_id, next_id, .. } = &self.kept.rooms[&room];
            let rules = rules.as_ref().expect("it has an owner");
            let mut moderators = rules.records.iter();
            let moderator = moderators.find(|(_, record)| record.role == MODERATOR);
            let members = self.kept.users.iter().filter(|(_, one)| one.rooms.contains(&room));
            let oldest = members.map(|(id, _)| *id).find(|id| *id != user && self.is_account(*id));
            let is_lost = rules.settings[ENTRY] == INVITED;
            let is_void = first_id == next_id;
            let mut away = rules.records.iter().filter(|(id, record)| {
                let may_come = record.may_return && !self.is_removed(**id, room);
                rules.settings[ENTRY] >= ASK && **id != user && self.is_account(**id) && may_come
            });
            let away = away.next().map(|(id, _)| *id);
            match moderator.map(|(id, _)| *id).or(oldest).or(away) {
                Some(heir) => {
                    self.note(heir, room, |record| {
                        (record.role, record.may_return) = (ROOM_OWNER, true);
                    });
                    let (object, line) = self.role_told(user, heir, room, ROOM_OWNER);
                    self.publish(room, &object, &line);
                    if !self.is_in(heir, room) {
                        self.tell_user(heir, &object, &line);
                    }
                    self.log_act_in(room, &line[2..]);
                }
                None if is_lost || is_void && self.members(room) == 0 => self.end_room(user, room),
                None => {}
            }
        }
    }

    fn role_told(&self, by: u64, user: u64, room: u64, role: u8) -> (Value, String) {
        let (by, name) = (&self.user(by).name, &self.user(user).name);
        let (place, word) = (&self.kept.rooms[&room].name, ROLES[usize::from(role)]);
        let article = if role == ROOM_OWNER { "the" } else { "a" };
        let object = json!({ "type": "role", "room": place, "name": name, "role": word, "by": by });
        (object, format!("* {by} made {name} {article} {word} of {place}."))
    }

    fn set_room_role(&mut self, n: usize, room: u64, name: &str, role: u8) -> Done {
        let user = self.find(name).ok_or(&["no_such_name"][..])?;
        let place = self.kept.rooms[&room].clone();
        let is_lobby = place.name == "#lobby";
        if place.rules.is_none() && !is_lobby {
            return Err(&["not_allowed"]);
        }
        if !self.is_account(user) {
            return Err(&["no_account"]);
        }
        if !self.is_in(user, room) && self.record(user, room).role == 0 {
            return Err(&["not_in_room"]);
        }
        let (owner, before) = (self.owner_of(room), self.record(user, room).role);
        if is_lobby && role == ROOM_OWNER || owner == Some(user) && role != ROOM_OWNER {
            return Err(&["not_allowed"]);
        }
        if place.rules.is_none() {
            self.set(room, OPEN);
        }
        if let Some(owner) = owner.filter(|owner| role == ROOM_OWNER && *owner != user) {
            self.note(owner, room, |record| record.role = MODERATOR);
        }
        self.note(user, room, |record| {
            record.role = role;
            record.may_return |= role > 0;
            record.removed_until = None;
        });
        let (object, line) = self.role_told(self.clients[&n].user, user, room, role);
        self.publish(room, &object, &line);
        if role != before {
            self.log_act_in(room, &line[2..]);
        }
        self.tell(n, Told::Done("role"));
        Ok(())
    }

    // ---- Letting in ----

    fn admit(&mut self, n: usize, room: u64, name: &str) -> Done {
        let user = self.find(name).ok_or(&["no_such_name"][..])?;
        if self.settings(room)[ARCHIVED] == 1 {
            return Err(&["room_archived"]);
        }
        if !self.is_in(user, room) {
            let (own, is_removed) = (self.clients[&n].user, self.is_removed(user, room));
            if is_removed && self.role_in(own, room) == 0 {
                return Err(&["not_allowed"]);
            }
            self.note(user, room, |record| {
                record.may_return = true;
                (record.has_asked, record.removed_until) = (false, None);
            });
            let by = self.user(self.clients[&n].user).name.clone();
            let place = self.kept.rooms[&room].name.clone();
            let object = json!({ "type": "invited", "room": place, "by": by });
            let line = format!("* {by} lets you into {place}: /join {place}");
            if !self.ignores(user, self.clients[&n].user) {
                self.tell_user(user, &object, &line);
            }
            if self.settings(room)[ENTRY] == ASK || is_removed {
                let name = &self.user(user).name;
                self.log_act_in(room, &format!("{by} let {name} into {place}."));
            }
        }
        self.tell(n, Told::Done("admit"));
        Ok(())
    }

    fn refuse(&mut self, n: usize, room: u64, name: &str) -> Done {
        let user = self.find(name).ok_or(&["no_such_name"][..])?;
        if !self.record(user, room).has_asked {
            return Err(&["no_such_name"]);
        }
        self.note(user, room, |record| record.has_asked = false);
        let place = self.kept.rooms[&room].name.clone();
        let object = json!({ "type": "refused", "room": place });
        self.tell_user(user, &object, &format!("* You are not let into {place}."));
        let (by, name) = (&self.user(self.clients[&n].user).name, &self.user(user).name);
        self.log_act_in(room, &format!("{by} did not let {name} into {place}."));
        self.tell(n, Told::Done("refuse"));
        Ok(())
    }

    /// Whether somebody has to ask to be let into this room.
    pub fn has_to_ask(&self, user: u64, room: u64) -> bool {
        self.settings(room)[ENTRY] == ASK
            && self.is_account(user)
            && !self.is_in(user, room)
            && !self.record(user, room).may_return
            && !self.is_removed(user, room)
            && self.role_in(user, room) == 0
    }

    pub fn ask_to_enter(&mut self, n: usize, room: u64) -> Done {
        let user = self.clients[&n].user;
        if self.settings(room)[ARCHIVED] == 1 {
            return Err(&["room_archived"]);
        }
        if !self.record(user, room).has_asked {
            self.note(user, room, |record| record.has_asked = true);
            let (object, line) = self.asks(room, &self.user(user).name.clone());
            let rules = self.kept.rooms[&room].rules.as_ref().expect("one has to ask");
            let can = rules.records.iter().filter(|(_, record)| record.role >= MODERATOR);
            for moderator in can.map(|(user, _)| *user).collect::<Vec<u64>>() {
                self.tell_user(moderator, &object, &line);
            }
        }
        let place = self.kept.rooms[&room].name.clone();
        let object = json!({ "type": "asked", "room": place, "name": null });
        let line = format!("* You have asked to be let into {place}.");
        self.tell(n, Told::Own { object, line });
        Ok(())
    }

    /// The rooms that an invitation lets into: its maker may let others in there.
    pub fn rooms_of(&self, invitation: &Invitation) -> Vec<u64> {
        let may = |room: &u64| {
            self.may_invite(invitation.by, *room) && self.settings(*room)[ARCHIVED] == 0
        };
        invitation.rooms.iter().copied().filter(may).collect()
    }

    /// Somebody is let into a room by a code.
    pub fn come_in_by_code(&mut self, n: usize, name: &str, code: &str) -> Done {
        let client = self.clients.get(&n).expect("it is there");
        let (user, ip) = (client.user, client.ip);
        *self.tried.entry(ip).or_default() += 1;
        let code = read_code(code).ok_or(&["code_refused"][..])?;
        let id = self.invitation_of(&code).ok_or(&["code_refused"][..])?;
        let room = self.room_named(name).ok_or(&["code_refused"][..])?;
        if !self.rooms_of(&self.kept.invitations[&id]).contains(&room) {
            return Err(&["code_refused"]);
        }
        if self.is_in(user, room) || self.check_entry(user, room).is_ok() {
            return Ok(());
        }
        if self.is_removed(user, room) {
            return Err(&["code_refused"]);
        }
        if self.user(user).rooms.len() < self.rules.rooms_max {
            self.note(user, room, |record| record.may_return = true);
            self.use_invitation(id);
            if !self.is_account(user) {
                self.came_by.insert((user, id));
            }
        }
        Ok(())
    }
}

/// What people are told of another setting.
fn changed(by: &str, room: &str, setting: usize, value: usize) -> String {
    let told = match (setting, value) {
        (ENTRY, 0) => format!("opened {room} to everybody"),
        (ENTRY, 1) => format!("opened {room} to everybody with an account"),
        (ENTRY, ASK) => format!("made {room} a room that one asks to be let into"),
        (ENTRY, INVITED) => format!("made {room} private"),
        (LISTED, 1) => format!("had {room} listed"),
        (LISTED, _) => format!("took {room} off the list of rooms"),
        (NEWCOMERS_SEE, 0) => format!("shows newcomers of {room} what was said before"),
        (NEWCOMERS_SEE, _) => {
            format!("shows newcomers of {room} only what is said from then on")
        }
        (POSTING, 0) => format!("lets everybody talk in {room}"),
        (POSTING, _) => format!("lets only moderators talk in {room}"),
        (INVITES, 0) => format!("lets members of {room} invite others"),
        (INVITES, _) => format!("lets moderators of {room} invite others"),
        (ARCHIVED, 1) => format!("archived {room}"),
        _ => format!("reopened {room}"),
    };
    format!("* {by} {told}.")
}
