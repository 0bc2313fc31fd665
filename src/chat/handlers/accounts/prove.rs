//! What requests have to prove, and what has to be random of them.

use super::login::{
    Allowed, PASSWORD_BYTES_MAX, check_password, unavailable, wrong_code, wrong_password,
};
use crate::chat::Chat;
use crate::chat::handlers::{Context, called};
use crate::chat::ids::UserId;
use crate::chat::proofs::{Proof, Whose, Work};
use crate::chat::request::{AccountRequest, Request, RequestError, RoomRequest};
use crate::delivery::Wait;
use crate::secrets::read_code;

/// What a request needs, and whose password is tried. `None`: nothing.
type Needed = Option<(Work, Option<Whose>)>;

impl Chat {
    /// Has done what a request needs of secrets before it is executed, and says what it waits for.
    ///
    /// # Errors
    /// It cannot be done, or not so often.
    pub(in crate::chat) fn prove(
        &mut self,
        cx: &Context<'_>,
        request: &Request<'_>,
    ) -> Result<Option<Wait>, RequestError> {
        if !matches!(request, Request::Account(_) | Request::Room(RoomRequest::Hook { .. })) {
            return Ok(None);
        }
        if self.logins.proofs.has(cx.client) {
            return Ok(None);
        }
        if let Some(ticket) = self.logins.proofs.waits(cx.client) {
            return Ok(Some(Wait::Ticket(ticket)));
        }
        let needed = match request {
            Request::Account(AccountRequest::Register { name, password, code: Some(code) }) => {
                self.work_of_guess(cx, name, password.as_deref(), code)?
            }
            Request::Account(request) => self.work_of(cx, request)?,
            _ => Some((Work::default(), None)),
        };
        let Some((work, whose)) = needed else { return Ok(None) };
        let Some(secrets) = self.logins.secrets.clone() else { return Err(unavailable()) };
        if work != Work::default() {
            if self.logins.proofs.is_busy() {
                let message = "Too many people log in at this moment. Try again in a second.";
                return Err(RequestError::new("busy", message.to_owned()));
            }
            if !self.logins.attempts.may_try(cx.peer, whose.as_ref(), cx.out.now().ms) {
                return Err(too_many_attempts());
            }
        }
        Ok(Some(Wait::Ticket(self.logins.proofs.ask(cx.client, work, whose, secrets))))
    }

    fn work_of(
        &self,
        cx: &Context<'_>,
        request: &AccountRequest<'_>,
    ) -> Result<Needed, RequestError> {
        let is_private = self.sessions.is_private(cx.client);
        Ok(match request {
            AccountRequest::Login { name: Some(name), password: Some(password), .. } => {
                self.check_private(cx)?;
                Some(self.work_of_login(name, password)?)
            }
            AccountRequest::Login { password: None, token: None, .. } if !is_private => {
                Some((Work::default(), None))
            }
            AccountRequest::Register { name, password, code } => {
                self.check_guest(cx)?;
                self.work_of_register(cx, name, password.as_deref(), code.as_deref())?
            }
            AccountRequest::Password { old: Some(old), new: Some(new) } => {
                self.check_private(cx)?;
                check_password(new, self.name_of(cx.user).map_or("", |name| name.as_str()))?;
                let verify = Some((password_to_try(old)?, self.hash_of(Some(cx.user))));
                let hash = Some(Box::from(&**new));
                Some((Work { verify, hash, owner_code: None }, Some(Whose::Account(cx.user))))
            }
            AccountRequest::Delete { password: Some(password) } => {
                self.check_private(cx)?;
                let verify = Some((password_to_try(password)?, self.hash_of(Some(cx.user))));
                Some((Work { verify, ..Work::default() }, Some(Whose::Account(cx.user))))
            }
            AccountRequest::Token { .. }
            | AccountRequest::Cookie { .. }
            | AccountRequest::Invite { .. }
            | AccountRequest::Bot { .. }
            | AccountRequest::Reset { .. } => Some((Work::default(), None)),
            // A terminal is asked for the rest first, or nothing secret is needed.
            AccountRequest::Login { .. }
            | AccountRequest::Password { .. }
            | AccountRequest::Delete { password: None }
            | AccountRequest::Logout
            | AccountRequest::Show
            | AccountRequest::Sessions
            | AccountRequest::EndSession { .. }
            | AccountRequest::Invitations
            | AccountRequest::Uninvite { .. }
            | AccountRequest::Confirm { .. }
            | AccountRequest::Role { .. }
            | AccountRequest::Accounts { .. }
            | AccountRequest::Bots
            | AccountRequest::EndBot { .. } => None,
        })
    }

    /// The same of a code that somebody shows. Whether it is one is seen from what is refused as well:
    /// so that counts as an attempt, and nothing is said where there were too many.
    fn work_of_guess(
        &mut self,
        cx: &Context<'_>,
        name: &str,
        password: Option<&str>,
        code: &str,
    ) -> Result<Needed, RequestError> {
        self.check_guest(cx)?;
        if !self.logins.attempts.has_try(cx.peer, cx.out.now().ms) {
            return Err(too_many_attempts());
        }
        let needed = self.work_of_register(cx, name, password, Some(code));
        if needed.is_err() {
            self.logins.attempts.may_try(cx.peer, None, cx.out.now().ms);
        }
        needed
    }

    fn work_of_register(
        &self,
        cx: &Context<'_>,
        name: &str,
        password: Option<&str>,
        code: Option<&str>,
    ) -> Result<Needed, RequestError> {
        if password.is_some() {
            self.check_private(cx)?;
        }
        let allowed = self.check_code(cx, code, name)?;
        let shown = self.name_for(cx, name, allowed)?;
        let Some(password) = password else { return Ok(None) };
        check_password(password, shown.as_str())?;
        let code = code.filter(|_| allowed == Allowed::IfOwner);
        let owner_code = code.and_then(read_code).map(Box::from);
        let hash = Some(Box::from(password));
        Ok(Some((Work { owner_code, hash, verify: None }, None)))
    }

    /// Whoever it is: somebody without a password, or nobody, takes as long as others.
    fn work_of_login(
        &self,
        name: &str,
        password: &str,
    ) -> Result<(Work, Option<Whose>), RequestError> {
        let account = self.account_called(name);
        let verify = Some((password_to_try(password)?, self.hash_of(account)));
        let nobody = || called(name).map(|name| Whose::Nobody(name.key().into()));
        let whose = account.map(Whose::Account).or_else(nobody);
        Ok((Work { verify, ..Work::default() }, whose))
    }

    fn hash_of(&self, account: Option<UserId>) -> Option<Box<str>> {
        self.state.accounts().get(account?)?.password.clone()
    }

    /// What has come of a request's work. `account`: whose password it was to be; it may have
    /// another one by now. Wrong passwords are counted.
    ///
    /// # Errors
    /// A password or a code is wrong.
    pub(super) fn take_proof(
        &mut self,
        cx: &Context<'_>,
        account: Option<UserId>,
    ) -> Result<Proof, RequestError> {
        let found = self.logins.proofs.take_tried(cx.client);
        let Some((proof, whose)) = found else { return Err(unavailable()) };
        let is_changed = proof.tried.is_some() && proof.tried != self.hash_of(account);
        match proof {
            Proof { is_right: true, .. } if !is_changed => Ok(proof),
            Proof { had_code: true, .. } => Err(wrong_code()),
            Proof { .. } => {
                if let Some(whose) = whose {
                    self.logins.attempts.note_wrong(whose, cx.out.now().ms);
                }
                Err(wrong_password())
            }
        }
    }
}

pub(in crate::chat::handlers) fn too_many_attempts() -> RequestError {
    let message = "That was tried too often. Wait a minute, and try again.".to_owned();
    RequestError::new("too_many_attempts", message)
}

/// A password that may be somebody's: none of them is longer.
pub(super) fn password_to_try(typed: &str) -> Result<Box<str>, RequestError> {
    match typed.len() {
        ..=PASSWORD_BYTES_MAX => Ok(typed.into()),
        _ => Err(wrong_password()),
    }
}
