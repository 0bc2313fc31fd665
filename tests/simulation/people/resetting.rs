//! Passwords that were lost: codes by which somebody sets another one, and shuts all others out.

use chat_server::secrets::read_code;

use super::model::{DAY_HOURS, Done, Granted, HOUR_MS, Invitation, Model, OWNER};
use super::order::NOBODY;
use super::request::Request;
use super::told::Told;

type Refused = &'static [&'static str];

impl Model {
    /// Owners may for everybody, admins for those who are neither.
    fn may_reset(&self, by: u64, account: u64) -> bool {
        let role = |user: u64| self.kept.accounts.get(&user).map_or(0, |account| account.role);
        role(by) == OWNER || role(by) > 0 && role(account) == 0
    }

    /// The account that somebody makes a code for.
    pub fn to_reset(&self, by: u64, name: &str) -> Result<u64, Refused> {
        let account = self.account_called(name).ok_or(&["no_account"][..])?;
        match self.owner_of_bot(account).is_some() || !self.may_reset(by, account) {
            true => Err(&["not_allowed"]),
            false => Ok(account),
        }
    }

    pub fn make_reset(&mut self, n: usize, name: &str, granted: &Granted) -> Done {
        let by = self.clients[&n].user;
        let account = self.to_reset(by, name)?;
        let resets = Some(account);
        // The one before is of no use any more.
        self.kept.invitations.retain(|_, one| one.resets != resets);
        let until_ms = self.unix_ms + DAY_HOURS * HOUR_MS;
        let (code, rooms) = (String::new(), Vec::new());
        let invitation = Invitation { code, by, uses: 1, until_ms, rooms, resets };
        let (id, code) = self.make_code(invitation, granted);
        self.resets.push((code.clone(), account));
        self.tell(n, Told::Invitation { code, id, uses: 1, rooms: None });
        let (by, name) = (self.user(by).name.clone(), self.user(account).name.clone());
        self.log_act(&format!("{by} made a code by which {name} can set a new password."));
        Ok(())
    }

    /// The account of this name, if this is a code for its password that is not over. It is as good as
    /// who has made it is at this time. In all other cases it is a code that there is not.
    pub fn reset_by(&self, code: Option<&str>, name: &str) -> Option<u64> {
        let code = read_code(code?)?;
        let one = &self.kept.invitations[&self.invitation_of(&code)?];
        let account = one.resets.filter(|account| self.account_called(name) == Some(*account))?;
        self.may_reset(one.by, account).then_some(account)
    }

    pub fn reset(&mut self, n: usize, account: u64, request: &Request, granted: &Granted) -> Done {
        let Request::Register { password, code, .. } = request else { return Ok(()) };
        let Some(password) = password else {
            if !self.clients[&n].is_private {
                return Err(&["not_private"]);
            }
            self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
            return Ok(());
        };
        if !granted.has_known_code {
            return Err(&["code_refused"]);
        }
        self.check_banned(account)?;
        self.become_account(n, account);
        let code = code.as_deref().and_then(read_code);
        let code = code.expect("it was found");
        // With it end those that the account has made for others.
        self.kept
            .invitations
            .retain(|_, one| one.code != code && (one.resets.is_none() || one.by != account));
        self.kept.accounts.get_mut(&account).expect("it is there").password.clone_from(password);
        let name = self.user(account).name.clone();
        self.passwords.push((name.clone(), password.clone()));
        for bot in self.bots_of(account) {
            self.end_keys_of(bot, NOBODY);
        }
        self.end_keys_of(account, n);
        for other in self.others(n) {
            self.end_device(other);
        }
        self.log_act(&format!("{name} has a new password, by a code."));
        if !self.clients[&n].is_json {
            self.tell(n, Told::Line(format!(
                "* The password of {name} is another one now. Browsers, programs and bots log in anew; invitations and hooks stay."
            )));
        }
        self.logged_in(n);
        Ok(())
    }

    pub fn end_keys_of(&mut self, user: u64, n: usize) {
        let keys: Vec<u32> = self.kept.accounts[&user].keys.iter().map(|key| key.id).collect();
        keys.into_iter().for_each(|key| self.end_key_of(user, n, key));
    }

    /// The code for the password of this account that is not used, though it may be over.
    pub fn unused_code_for(&self, account: u64) -> Option<&str> {
        let mut all = self.kept.invitations.values();
        let unused = all.find(|one| one.resets == Some(account))?;
        let is_it = |shown: &&(String, u64)| read_code(&shown.0).as_ref() == Some(&unused.code);
        self.resets.iter().find(is_it).map(|(shown, _)| shown.as_str())
    }

    /// The name of somebody for whose password an admin has made a code.
    pub fn name_with_code_of_admin(&self) -> Option<&str> {
        let mut all = self.kept.invitations.values();
        let of_admin = all.find(|one| {
            one.resets.is_some() && self.kept.accounts.get(&one.by).is_some_and(|by| by.role == 1)
        })?;
        Some(&self.user(of_admin.resets?).name)
    }

    /// A code for a password by somebody who may not make one for that account any more, and what
    /// that is called.
    fn code_without_power(&self) -> Option<(String, String)> {
        let mut all = self.kept.invitations.values().filter_map(|one| Some((one.by, one.resets?)));
        let (_, account) = all.find(|(by, account)| !self.may_reset(*by, *account))?;
        Some((self.unused_code_for(account)?.to_owned(), self.user(account).name.clone()))
    }

    /// When the next code for a password is over, if there is one.
    pub fn next_end_of_code(&self) -> Option<(u64, u64)> {
        let all = self.kept.invitations.values();
        let ends = all.filter_map(|one| Some((one.until_ms, one.resets?)));
        ends.filter(|(until_ms, _)| *until_ms > self.unix_ms).min()
    }

    /// A code for the password of an account, mostly one that is not as good any more as it was, or
    /// the newest, which may be over; and what the account is called, if there is one.
    pub fn code_for_password(&self, back: usize) -> Option<(String, String)> {
        if let Some(found) = self.code_without_power().filter(|_| back == 0) {
            return Some(found);
        }
        let (code, account) = self.resets.iter().rev().nth(back)?;
        let name = self.kept.users.get(account).map_or("eve", |user| &user.name);
        Some((code.clone(), name.to_owned()))
    }
}
