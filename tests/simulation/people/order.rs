//! Order: what the staff is told, who may say nothing in a room, and whom people ignore.

use serde_json::json;

use super::bans::Target;
use super::model::{Done, Model, Room, Said};
use super::request::order::OrderRequest;
use super::rights::{ENTRY, FOR_GOOD, INVITED, INVITES, LISTED, MODERATOR, OPEN};
use super::term::Term;
use super::told::Told;

/// Where the staff is told what has been done, and in whose name.
pub const STAFF_LOG: &str = "#staff-log";
const MINUTE_MS: u64 = 60 * 1000;
const SERVER: &str = "server";
/// No client at all.
pub const NOBODY: usize = usize::MAX;

impl Model {
    // ---- The staff ----

    fn staff_room(&mut self) -> Option<u64> {
        if let Some(room) = self.room_called(STAFF_LOG) {
            return Some(room);
        }
        let staff = self.kept.accounts.iter().filter(|(_, account)| account.role > 0);
        let staff: Vec<u64> = staff.map(|(user, _)| *user).collect();
        if staff.is_empty() {
            return None;
        }
        let (room, first_id) = (self.kept.next_room, self.kept.ids_used + 1);
        self.kept.next_room += 1;
        let (name, next_id) = (STAFF_LOG.to_owned(), first_id);
        let here = Room { name, first_id, next_id, is_kept: false, rules: None, between: None };
        self.kept.rooms.insert(room, here);
        let mut settings = OPEN;
        (settings[ENTRY], settings[INVITES], settings[LISTED]) = (INVITED, 1, 0);
        self.set(room, settings);
        staff.into_iter().for_each(|user| self.join_staff(user, room));
        Some(room)
    }

    /// The staff is told of an act, if there is any.
    pub fn log_act(&mut self, text: &str) {
        if let Some(room) = self.staff_room() {
            self.say_in(room, SERVER, None, None, text);
        }
    }

    /// Unless the room is not for everybody to know of.
    pub fn log_act_in(&mut self, room: u64, text: &str) {
        if self.settings(room)[ENTRY] != INVITED {
            self.log_act(text);
        }
    }

    /// An account is in the staff's room exactly if its role says so.
    pub fn follow_role(&mut self, user: u64) {
        let Some(room) = self.staff_room() else { return };
        let is_staff = self.kept.accounts[&user].role > 0;
        match (is_staff, self.is_in(user, room)) {
            (true, false) => self.join_staff(user, room),
            (false, true) => {
                let devices = self.clients_of(user);
                self.leave(devices.first().copied().unwrap_or(NOBODY), user, room);
                let name = self.user(user).name.clone();
                for device in devices {
                    let (room, name) = (STAFF_LOG.to_owned(), name.clone());
                    self.tell(device, Told::LeftYou { room, name });
                }
            }
            _ => {}
        }
    }

    fn join_staff(&mut self, user: u64, room: u64) {
        let devices = self.clients_of(user);
        self.join(devices.first().copied().unwrap_or(NOBODY), user, room);
        for device in devices {
            self.tell_in_room(device, room);
        }
    }

    pub fn is_staff_log(&self, room: u64) -> bool {
        self.kept.rooms[&room].name == STAFF_LOG
    }

    // ---- What is asked for ----

    pub fn execute_of_order(&mut self, n: usize, request: &OrderRequest) -> Done {
        match request {
            OrderRequest::Mute { room, name, minutes, reason } => {
                let term = self.term_of(*minutes, reason.as_deref());
                self.mute(n, room.as_deref(), name, term)
            }
            OrderRequest::Unmute { room, name } => self.unmute(n, room.as_deref(), name),
            OrderRequest::Ignore { name } => self.ignore(n, name),
            OrderRequest::Unignore { name } => self.unignore(n, name),
            OrderRequest::Report { room, which, reason } => {
                self.report(n, room.as_deref(), *which, reason.as_deref())
            }
            OrderRequest::Ban { whom, minutes, reason } => {
                self.ban(n, whom, self.term_of(*minutes, reason.as_deref()))
            }
            OrderRequest::Unban { whom } => self.unban(n, whom),
            OrderRequest::Bans => {
                self.list_bans(n);
                Ok(())
            }
            OrderRequest::Delete { room, with, which } => {
                self.delete_message(n, room.as_deref(), with.as_deref(), *which)
            }
            OrderRequest::Deletions { place, after, before } => {
                self.tell_deletions(n, place, *after, *before)
            }
        }
    }

    fn term_of(&self, minutes: Option<u64>, reason: Option<&str>) -> Result<Term, Refused> {
        if minutes == Some(0) {
            return Err(&["bad_field"]);
        }
        let until_ms = minutes.map(|minutes| self.unix_ms + minutes * MINUTE_MS);
        Ok(Term { until_ms, reason: reason.map(str::to_owned) })
    }

    /// The room and the person, whom a client may mute there.
    fn to_mute(&self, n: usize, room: Option<&str>, name: &str) -> Result<(u64, u64), Refused> {
        let (room, own) = (self.room_of(n, room)?, self.clients[&n].user);
        let server_role = |user| self.kept.accounts.get(&user).map_or(0, |one| one.role);
        let is_private = self.settings(room)[ENTRY] == INVITED;
        let may = server_role(own) > 0 && !is_private || self.role_in(own, room) >= MODERATOR;
        if !may {
            return Err(&["not_allowed"]);
        }
        let user = self.find(name).ok_or(&["no_such_name"][..])?;
        if !self.may_know(user, room) {
            return Err(&["not_in_room"]);
        }
        let is_above = server_role(user) > 0 && server_role(own) < 2;
        let is_above_here =
            server_role(own) == 0 && self.role_in(user, room) >= self.role_in(own, room);
        match user == own || is_above || is_above_here {
            true => Err(&["not_allowed"]),
            false => Ok((room, user)),
        }
    }

    fn mute(
        &mut self,
        n: usize,
        room: Option<&str>,
        name: &str,
        term: Result<Term, Refused>,
    ) -> Done {
        let (room, user) = self.to_mute(n, room, name)?;
        let (term, now) = (term?, self.unix_ms);
        self.kept.mutes.retain(|(of, _), mute| *of != room || mute.holds(now));
        let (by, name, here) = self.names_of_act(n, user, room);
        let shown = term.shown();
        let object = json!({
            "type": "muted", "room": here, "name": name, "by": by, "until": term.until_ms,
            "reason": term.reason
        });
        self.kept.mutes.insert((room, user), term);
        self.log_act_in(room, &format!("{by} muted {name} in {here}{shown}"));
        self.tell_user(user, &object, &format!("* {by} muted you in {here}{shown}"));
        self.tell(n, Told::Done("mute"));
        Ok(())
    }

    pub fn is_muted(&self, user: u64, room: u64) -> bool {
        self.kept.mutes.get(&(room, user)).is_some_and(|mute| mute.holds(self.unix_ms))
    }

    fn unmute(&mut self, n: usize, room: Option<&str>, name: &str) -> Done {
        let (room, user) = self.to_mute(n, room, name)?;
        if !self.is_muted(user, room) {
            return Err(&["not_muted"]);
        }
        self.kept.mutes.remove(&(room, user));
        let (by, name, here) = self.names_of_act(n, user, room);
        self.log_act_in(room, &format!("{by} lets {name} speak again in {here}."));
        let object = json!({ "type": "unmuted", "room": here, "name": name, "by": by });
        self.tell_user(user, &object, &format!("* {by} lets you speak again in {here}."));
        self.tell(n, Told::Done("unmute"));
        Ok(())
    }

    /// When the next mute, ban or code for a password ends, and of whom.
    pub fn next_end(&self) -> Option<(u64, u64)> {
        let mutes = self.kept.mutes.iter().map(|((_, user), term)| (term, *user));
        let bans = self.kept.bans.iter().map(|(target, ban)| match target {
            Target::Account(user) => (&ban.term, *user),
            Target::Address(_) => (&ban.term, 0),
        });
        let ends = mutes.chain(bans).filter_map(|(term, user)| Some((term.until_ms?, user)));
        let ends = ends.filter(|(until_ms, _)| *until_ms > self.unix_ms);
        ends.chain(self.next_end_of_code()).min()
    }

    /// A room in which somebody is muted.
    pub fn room_of_mute(&self, user: u64) -> Option<String> {
        let mut muted = self.kept.mutes.keys().filter(|(_, of)| *of == user);
        muted.find_map(|(room, _)| Some(self.kept.rooms.get(room)?.name.clone()))
    }

    fn names_of_act(&self, n: usize, user: u64, room: u64) -> (String, String, String) {
        let by = self.user(self.clients[&n].user).name.clone();
        (by, self.user(user).name.clone(), self.kept.rooms[&room].name.clone())
    }

    // ---- Removing ----

    pub fn kick(
        &mut self,
        n: usize,
        room: u64,
        name: &str,
        minutes: Option<u64>,
        reason: Option<&str>,
    ) -> Done {
        let user = self.find(name).ok_or(&["no_such_name"][..])?;
        let own = self.clients[&n].user;
        if user == own || self.role_in(user, room) >= self.role_in(own, room) {
            return Err(&["not_allowed"]);
        }
        let is_here = self.is_in(user, room);
        if !is_here && !self.may_know(user, room) {
            return Err(&["not_in_room"]);
        }
        if self.kept.rooms[&room].rules.is_none() {
            self.set(room, OPEN);
        }
        let until_ms = minutes.map_or(FOR_GOOD, |minutes| self.unix_ms + minutes * MINUTE_MS);
        self.note(user, room, |record| {
            (record.role, record.has_asked) = (0, false);
            record.removed_until = Some(until_ms);
        });
        let why = reason.map_or(".".to_owned(), |reason| format!(": {reason}"));
        if is_here {
            let (by, who) = (self.user(own).name.clone(), self.user(user).name.clone());
            let place = self.kept.rooms[&room].name.clone();
            let object = |you: Option<bool>| {
                json!({
                    "type": "left", "room": place, "name": who, "by": by, "reason": reason,
                    "you": you
                })
            };
            let line = format!("* {by} removed you from {place}{why}");
            self.tell_user(user, &object(Some(true)), &line);
            self.take_out(user, room);
            self.publish(room, &object(None), &format!("* {by} removed {who} from {place}{why}"));
            self.close_if_void(room);
        }
        // Nor does anybody else come in as this guest has.
        let came_by: Vec<u64> =
            self.came_by.iter().filter(|(guest, _)| *guest == user).map(|(_, id)| *id).collect();
        self.kept
            .invitations
            .retain(|id, one| !(came_by.contains(id) && one.rooms.contains(&room)));
        let (by, name, here) = self.names_of_act(n, user, room);
        self.log_act_in(room, &format!("{by} removed {name} from {here}{why}"));
        self.tell(n, Told::Done("kick"));
        Ok(())
    }

    // ---- Ignoring ----

    fn ignore(&mut self, n: usize, name: &str) -> Done {
        let (user, own) = (self.find(name).ok_or(&["no_such_name"][..])?, self.clients[&n].user);
        if user == own {
            return Err(&["not_allowed"]);
        }
        self.kept.ignores.insert((own, user));
        self.tell(n, Told::Done("ignore"));
        Ok(())
    }

    fn unignore(&mut self, n: usize, name: &str) -> Done {
        let (user, own) = (self.find(name).ok_or(&["no_such_name"][..])?, self.clients[&n].user);
        if !self.kept.ignores.remove(&(own, user)) {
            return Err(&["not_ignored"]);
        }
        self.tell(n, Told::Done("unignore"));
        Ok(())
    }

    /// Who ignores whom a client is.
    pub fn ignoring(&self, client: usize) -> Vec<String> {
        let user = self.clients[&client].user;
        let ignores = self.kept.ignores.iter().filter(|(_, other)| *other == user);
        ignores.map(|(own, _)| self.user(*own).name.clone()).collect()
    }

    pub fn ignores(&self, user: u64, other: u64) -> bool {
        self.kept.ignores.contains(&(user, other))
    }

    /// Whether somebody ignores who said this: its account, or of a guest the name.
    pub fn is_ignored(&self, user: u64, said: &Said) -> bool {
        if let Some(account) = said.by {
            return self.ignores(user, account);
        }
        let mut ignored = self.kept.ignores.iter().filter(|(own, _)| *own == user);
        ignored.any(|(_, other)| {
            let mut reserved = self.kept.reserved.iter();
            let is_called = |name: &str| name.to_lowercase() == said.name.to_lowercase();
            self.all().any(|(id, user)| id == *other && is_called(&user.name))
                || reserved.any(|one| one.account == *other && is_called(&one.name))
        })
    }

    /// What is known of somebody who is no more. What an account has said is there yet, and is
    /// ignored as it was.
    pub fn forget_order(&mut self, user: u64) {
        let is_account = self.is_account(user);
        self.kept.mutes.retain(|(_, of), _| *of != user);
        self.kept.bans.remove(&Target::Account(user));
        let stays = |other: u64| is_account || other != user;
        self.kept.ignores.retain(|(own, other)| *own != user && stays(*other));
    }
}

type Refused = &'static [&'static str];
