//! Being logged in, and out.

use log::info;

use super::prove::password_to_try;
use crate::chat::Chat;
use crate::chat::dialect::Dialect;
use crate::chat::dialect::reply::Reply;
use crate::chat::handlers::{Context, Done, bare_name, called};
use crate::chat::ids::UserId;
use crate::chat::logins::Prompt;
use crate::chat::name::{Name, RoomName};
use crate::chat::record::Kept;
use crate::chat::request::RequestError;
use crate::chat::settings::{ACCOUNTS_MAX, Registration};
use crate::chat::state::accounts::{Invitation, Role, SecretHash};
use crate::chat::{LOBBY, lobby};
use crate::ids::ClientId;
use crate::secrets::{code_of, read_code};

/// A password has at least so many characters, and at most so many bytes.
const PASSWORD_CHARS_MIN: usize = 8;
pub(super) const PASSWORD_BYTES_MAX: usize = 256;

impl Chat {
    pub(in crate::chat::handlers) fn login(
        &mut self,
        cx: &mut Context<'_>,
        name: Option<&str>,
        has_password: bool,
        token: Option<&str>,
    ) -> Done {
        self.check_guest(cx)?;
        if let Some(token) = token {
            let hash = SecretHash::of(token);
            let found = self.state.accounts().find_key(hash, cx.unix_ms());
            let Some((account, key)) = found else { return Err(wrong_token()) };
            self.check_banned(account, cx.unix_ms())?;
            self.become_account(cx, account);
            self.sessions.set_key(cx.client, key);
            return self.logged_in(cx);
        }
        let typed = name.unwrap_or_default();
        if !has_password {
            let named = Name::parse(bare_name(typed));
            let name = named.map_err(|error| RequestError::of("name_refused", &error))?;
            return match self.sessions.is_private(cx.client) {
                true => self.prompt(cx, Prompt::Login { name: name.as_str().into() }),
                false => self.offer_confirmation(cx, name),
            };
        }
        let account = self.account_called(typed);
        if let Err(error) = self.take_proof(cx, account) {
            // What is nobody's name may be a password that was typed in its place.
            let name = account.and_then(|account| self.name_of(account));
            let name = name.map_or("nobody who is known", Name::as_str);
            info!("{}: refused a login as {name}", cx.peer);
            return Err(error);
        }
        let Some(account) = account else { return Err(wrong_password()) };
        // Only who knows the password is told.
        self.check_banned(account, cx.unix_ms())?;
        self.become_account(cx, account);
        self.logged_in(cx)
    }

    /// The account that has this name.
    pub(in crate::chat::handlers) fn account_called(&self, typed: &str) -> Option<UserId> {
        let name = called(typed)?;
        let user = self.state.users().find(name.key())?.id;
        self.state.accounts().contains(user).then_some(user)
    }

    /// A client is an account now, and is told so.
    fn logged_in(&mut self, cx: &mut Context<'_>) -> Done {
        self.outside.remove(&cx.client);
        if let Some(name) = self.name_of(cx.user) {
            info!("{} is logged in as {name}", cx.peer);
        }
        self.tell_account(cx);
        if cx.dialect() == Dialect::Json {
            let client = cx.client;
            self.tell_rooms(cx, client);
        }
        self.tell_who_asks(cx);
        let current = self.current_room(cx).and_then(|id| self.state.rooms().get(id));
        if let Some(room) = current {
            cx.notice(format_args!("* You talk in {}. /history shows what was said.", room.name));
        }
        self.remind_of_being_away(cx);
        self.tell_unread(cx);
        Ok(())
    }

    /// Only guests become somebody.
    pub(super) fn check_guest(&self, cx: &Context<'_>) -> Done {
        let Some(name) = self.name_of(cx.user).filter(|_| self.state.accounts().contains(cx.user))
        else {
            return Ok(());
        };
        let message = format!("You are logged in as {name}. /logout first.");
        Err(RequestError::new("logged_in", message))
    }

    /// Asks a terminal for a secret, which is its next line.
    pub(super) fn prompt(&mut self, cx: &mut Context<'_>, prompt: Prompt) -> Done {
        self.check_private(cx)?;
        let asked = match &prompt {
            Prompt::Login { name } => format!("Password of {name}"),
            Prompt::Register { name, .. } => format!("A password for {name}, to be"),
            Prompt::OldPassword | Prompt::Delete => "Your password".to_owned(),
            Prompt::NewPassword { .. } => "The new password".to_owned(),
        };
        self.logins.ask(cx.client, prompt);
        cx.notice(format_args!("* {asked} (it is not shown; Enter alone stops):"));
        Ok(())
    }

    /// Whether passwords may be read from this client.
    ///
    /// # Errors
    /// Others could read them on their way.
    pub(super) fn check_private(&self, cx: &Context<'_>) -> Done {
        if self.sessions.is_private(cx.client) {
            return Ok(());
        }
        let message = "Passwords are not taken here, as others could read them on their way. Use \
                       https, TLS, or a terminal on the server itself.";
        Err(RequestError::new("not_private", message.to_owned()))
    }

    /// A terminal whose passwords others could read gets a code, which somebody who is logged in
    /// elsewhere confirms.
    fn offer_confirmation(&mut self, cx: &mut Context<'_>, name: Name) -> Done {
        let Some(proof) = self.logins.proofs.take(cx.client) else { return Err(unavailable()) };
        let code = code_of(&proof.random);
        let (client, peer, unix_ms) = (cx.client, cx.peer, cx.unix_ms());
        let plain = read_code(&code).unwrap_or_default();
        self.logins.await_confirmation(&plain, client, peer, name, unix_ms);
        cx.notice(format_args!(
            "* Others could read a password on its way here. Where you are logged in, in a page \
             or a terminal, type within 5 minutes: /confirm {code}"
        ));
        Ok(())
    }

    /// Lets a terminal in that shows this code.
    pub(in crate::chat::handlers) fn confirm(
        &mut self,
        cx: &mut Context<'_>,
        typed: &str,
        sure: bool,
    ) -> Done {
        let code = read_code(typed).ok_or_else(wrong_confirmation)?;
        let found = self.logins.confirmation(&code, cx.unix_ms());
        let own = self.name_of(cx.user);
        let found = found.filter(|found| Some(&found.name) == own);
        let found = found.ok_or_else(wrong_confirmation)?;
        let (client, peer) = (found.client, found.peer);
        let address = peer.ip().to_string();
        let reference = cx.reference;
        let account = cx.user;
        if sure {
            self.logins.confirmed(&code);
            let Some(guest) = self.sessions.get(client).map(|session| session.user) else {
                return Err(wrong_confirmation());
            };
            if self.state.accounts().contains(guest) {
                return Err(wrong_confirmation());
            }
            let out = &mut *cx.out;
            let other = &mut Context { client, peer, user: guest, reference: None, out };
            self.become_account(other, account);
            self.logged_in(other)?;
        }
        cx.reply(&Reply::Confirm { address: &address, done: sure, code: typed, reference });
        Ok(())
    }

    pub(in crate::chat::handlers) fn logout(&mut self, cx: &mut Context<'_>) -> Done {
        let key = self.sessions.key_of(cx.client);
        let account = cx.user;
        // What a browser is known by ends with it, wherever else it is open.
        let is_browser = |key: &u32| {
            let account = self.state.accounts().get(account);
            account.and_then(|account| account.key(*key)).is_some_and(|key| !key.is_token)
        };
        if let Some(key) = key.filter(is_browser) {
            self.happen(cx, Kept::KeyEnded { key });
            let others = self.sessions.with_key(account, key).filter(|&one| one != cx.client);
            for device in others.collect::<Vec<_>>() {
                self.end_device(cx, device);
            }
        }
        self.become_guest(cx);
        if cx.dialect() == Dialect::Text && self.settings.guests {
            let lobby = RoomName::parse(LOBBY).map(|name| self.enter(cx, name));
            drop(lobby);
        }
        self.tell_account(cx);
        Ok(())
    }

    // ---- Passwords ----

    pub(in crate::chat::handlers) fn register(
        &mut self,
        cx: &mut Context<'_>,
        typed: &str,
        password: Option<&str>,
        code: Option<&str>,
    ) -> Done {
        self.check_guest(cx)?;
        let allowed = self.check_code(cx, code, typed)?;
        let name = self.name_for(cx, typed, allowed)?;
        if password.is_none() {
            let (name, code) = (name.as_str().into(), code.and_then(read_code).map(Box::from));
            return self.prompt(cx, Prompt::Register { name, code });
        }
        let proof = self.take_proof(cx, None)?;
        let (role, invitation) = match allowed {
            Allowed::Invited(invitation) => (Role::None, Some(invitation)),
            Allowed::Resetting { invitation, account } => {
                let Some(password) = proof.hash else { return Err(unavailable()) };
                self.check_banned(account, cx.unix_ms())?;
                return self.reset_password(cx, invitation, account, password);
            }
            Allowed::Anybody => (Role::None, None),
            Allowed::IfOwner if proof.had_code => (Role::Owner, None),
            // It was an invitation's, which somebody else has used up meanwhile.
            Allowed::IfOwner => return Err(wrong_code()),
        };
        let before = self.name_of(cx.user).cloned();
        info!(
            "{} makes the account {name} ({})",
            before.map_or(String::new(), |name| name.to_string()),
            cx.peer
        );
        let rooms = invitation.map_or(Vec::new(), |id| self.rooms_of_invitation(id));
        self.happen(cx, Kept::AccountMade { name, password: proof.hash, role, invitation });
        self.sessions.attach(cx.client, cx.user);
        // Who has come to have an account begins where all do.
        let begun = self.outside.remove(&cx.client).and_then(|_| self.enter(cx, lobby()).ok());
        if role == Role::Owner {
            self.follow_role(cx, cx.user);
            let name = self.shown_name(cx.user);
            self.log_act(cx, &format!("{name} came by the owner's link, and owns this server."));
        }
        let entered = self.enter_invited(cx, rooms);
        self.tell_account(cx);
        for room in entered {
            self.tell_joined(cx, room, &[cx.client]);
        }
        if let Some(lobby) = begun {
            self.replay(cx, lobby, None, None);
        }
        Ok(())
    }

    /// Sets the password of somebody who has lost it, and logs this client in. Nobody else is this
    /// account any more, nor one of its bots, whatever they were known by: it may not be by chance
    /// that its owner could not come. What it has let others do with its power ends as well.
    fn reset_password(
        &mut self,
        cx: &mut Context<'_>,
        invitation: u64,
        account: UserId,
        password: Box<str>,
    ) -> Done {
        info!("{}: a new password by a code, for {account:?}", cx.peer);
        self.become_account(cx, account);
        self.happen(cx, Kept::InvitationEnded { id: invitation });
        self.happen(cx, Kept::PasswordSet { password });
        self.end_reset_codes(cx, |one| one.by == account);
        for bot in self.state.accounts().bots_of(account).collect::<Vec<UserId>>() {
            self.with_client(cx, ClientId::NOBODY, bot, Chat::end_keys);
        }
        self.end_keys(cx);
        for device in self.other_devices(cx) {
            self.end_device(cx, device);
        }
        let act = format!("{} has a new password, by a code.", self.shown_name(account));
        self.log_act(cx, &act);
        cx.notice(format_args!(
            "* The password of {} is another one now. Browsers, programs and bots log in anew; \
             invitations and hooks stay.",
            self.shown_name(account)
        ));
        self.logged_in(cx)
    }

    /// A name that an account can have; of one that gets a new password, its own.
    pub(super) fn name_for(
        &self,
        cx: &Context<'_>,
        typed: &str,
        allowed: Allowed,
    ) -> Result<Name, RequestError> {
        let Allowed::Resetting { account, .. } = allowed else {
            return self.free_name(typed, Some(cx.user), cx.unix_ms());
        };
        let own = self.account_called(typed).filter(|&called| called == account);
        own.and_then(|account| self.name_of(account).cloned()).ok_or_else(wrong_code)
    }

    /// Whether there are as many accounts as there can be.
    pub(super) fn has_all_accounts(&self) -> bool {
        let accounts = self.state.accounts();
        accounts.count() + accounts.reserved().len() >= ACCOUNTS_MAX
    }

    /// What allows somebody to have an account of this name. A code that is of no use for that is
    /// answered as one that there is not, at the same time: nobody learns of others by guessing.
    ///
    /// # Errors
    /// Nothing does.
    pub(super) fn check_code(
        &self,
        cx: &Context<'_>,
        code: Option<&str>,
        name: &str,
    ) -> Result<Allowed, RequestError> {
        let (accounts, is_full) = (self.state.accounts(), self.has_all_accounts());
        let Some(code) = code else {
            return match self.settings.registration {
                Registration::Open if is_full => Err(full()),
                Registration::Open => Ok(Allowed::Anybody),
                Registration::Invited => {
                    let message = "An account takes an invitation: /register CODE NAME. Anybody \
                                   with an account can make one with /invite.";
                    Err(RequestError::new("code_required", message.to_owned()))
                }
            };
        };
        let code = read_code(code).ok_or_else(wrong_code)?;
        let found = self.good_invitation(cx, &code);
        let found = found.and_then(|id| Some((id, accounts.invitation(id)?)));
        let named = self.account_called(name);
        match found {
            Some((invitation, Invitation { resets: Some(account), by, .. }))
                if named == Some(*account) && self.may_reset(*by, *account) =>
            {
                Ok(Allowed::Resetting { invitation, account: *account })
            }
            _ if is_full => Err(full()),
            Some((invitation, one)) if one.makes_account => Ok(Allowed::Invited(invitation)),
            _ => Ok(Allowed::IfOwner),
        }
    }

    pub(in crate::chat::handlers) fn set_password(
        &mut self,
        cx: &mut Context<'_>,
        old: Option<&str>,
        new: Option<&str>,
    ) -> Done {
        match (old, new) {
            (None, _) => return self.prompt(cx, Prompt::OldPassword),
            (Some(old), None) => {
                return self.prompt(cx, Prompt::NewPassword { old: password_to_try(old)? });
            }
            (Some(_), Some(_)) => {}
        }
        let proof = self.take_proof(cx, Some(cx.user))?;
        let Some(password) = proof.hash else { return Err(unavailable()) };
        self.happen(cx, Kept::PasswordSet { password });
        // No code is needed for a password that is known.
        let account = cx.user;
        self.end_reset_codes(cx, |one| one.resets == Some(account));
        self.end_browsers(cx);
        self.tell_done(cx, "password", "Your password is another one now. Browsers log in anew.");
        Ok(())
    }

    /// All other devices but programs with a token have to log in anew.
    fn end_browsers(&mut self, cx: &mut Context<'_>) {
        let account = cx.user;
        let Some(found) = self.state.accounts().get(account) else { return };
        let here = self.sessions.key_of(cx.client);
        let keys = found.keys().iter().filter(|key| !key.is_token && Some(key.id) != here);
        let keys: Vec<u32> = keys.map(|key| key.id).collect();
        let tokens: Vec<u32> =
            found.keys().iter().filter(|key| key.is_token).map(|key| key.id).collect();
        for key in keys {
            self.happen(cx, Kept::KeyEnded { key });
        }
        for device in self.other_devices(cx) {
            let key = self.sessions.key_of(device);
            let stays = key.is_some_and(|key| tokens.contains(&key) || Some(key) == here);
            if !stays {
                self.end_device(cx, device);
            }
        }
    }
}

/// What lets somebody have an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Anybody,
    Invited(u64),
    /// This account is to have a new password.
    Resetting {
        invitation: u64,
        account: UserId,
    },
    /// Its code is no invitation that it could have an account by: it may be the one that makes an
    /// owner.
    IfOwner,
}

/// Whether this can be a password, of somebody with this name.
///
/// # Errors
/// Why not.
pub(super) fn check_password(password: &str, name: &str) -> Done {
    let refused = |message: String| Err(RequestError::new("password_refused", message));
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return refused(format!("A password has at least {PASSWORD_CHARS_MIN} characters."));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return refused(format!("A password has at most {PASSWORD_BYTES_MAX} bytes."));
    }
    if password.eq_ignore_ascii_case(name) {
        return refused("A password is not one's name.".to_owned());
    }
    Ok(())
}

pub(super) fn wrong_password() -> RequestError {
    RequestError::new("login_failed", "The name or the password is wrong.".to_owned())
}

pub(super) fn full() -> RequestError {
    let message = "This server has as many accounts as it can have.".to_owned();
    RequestError::new("too_many", message)
}

fn wrong_token() -> RequestError {
    RequestError::new("login_failed", "This token is not known, or not any more.".to_owned())
}

fn wrong_confirmation() -> RequestError {
    let message = "No terminal that waits to be logged in as you shows this code.";
    RequestError::new("code_refused", message.to_owned())
}

pub(in crate::chat::handlers) fn wrong_code() -> RequestError {
    let message = "This code is not known, or has been used, or is over.";
    RequestError::new("code_refused", message.to_owned())
}

pub(super) fn unavailable() -> RequestError {
    RequestError::new("no_accounts", "There are no accounts on this server.".to_owned())
}
