//! What requests have to prove, and what has to be random of them.

use super::login::{
    Allowed, PASSWORD_BYTES_MAX, check_password, unavailable, wrong_code, wrong_password,
};
use crate::chat::Chat;
use crate::chat::handlers::Context;
use crate::chat::ids::UserId;
use crate::chat::proofs::{Proof, Work};
use crate::chat::request::{Request, RequestError};
use crate::delivery::Wait;
use crate::secrets::read_code;

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
        if self.logins.proofs.has(cx.client) {
            return Ok(None);
        }
        if let Some(ticket) = self.logins.proofs.waits(cx.client) {
            return Ok(Some(Wait::Ticket(ticket)));
        }
        let Some((work, account)) = self.work_of(cx, request)? else { return Ok(None) };
        let Some(secrets) = self.logins.secrets.clone() else { return Err(unavailable()) };
        if work != Work::default() {
            let (ip, now_ms) = (cx.peer.ip(), cx.out.now().ms);
            if self.logins.proofs.is_busy() {
                let message = "Too many people log in at this moment. Try again in a second.";
                return Err(RequestError::new("busy", message.to_owned()));
            }
            if !self.logins.attempts.may_try(ip, account, now_ms) {
                let message = "That was tried too often. Wait a minute, and try again.";
                return Err(RequestError::new("too_many_attempts", message.to_owned()));
            }
        }
        Ok(Some(Wait::Ticket(self.logins.proofs.ask(cx.client, work, secrets))))
    }

    /// What a request needs, and the account whose password is tried. `None`: nothing.
    fn work_of(
        &self,
        cx: &Context<'_>,
        request: &Request<'_>,
    ) -> Result<Option<(Work, Option<UserId>)>, RequestError> {
        let is_private = self.sessions.is_private(cx.client);
        Ok(match request {
            Request::Login { name: Some(name), password: Some(password), .. } => {
                self.check_private(cx)?;
                if password.len() > PASSWORD_BYTES_MAX {
                    return Err(wrong_password());
                }
                let account = self.account_called(name);
                let verify = Some((Box::from(&**password), self.hash_of(account)));
                Some((Work { verify, ..Work::default() }, account))
            }
            Request::Login { password: None, token: None, .. } if !is_private => {
                Some((Work::default(), None))
            }
            Request::Register { name, password: Some(password), code } => {
                self.check_private(cx)?;
                let allowed = self.check_code(cx, code.as_deref())?;
                let shown = self.name_for(cx, name, allowed)?;
                check_password(password, shown.as_str())?;
                let code = code.as_deref().filter(|_| allowed == Allowed::IfOwner);
                let owner_code = code.and_then(read_code).map(Box::from);
                let hash = Some(Box::from(&**password));
                Some((Work { owner_code, hash, verify: None }, None))
            }
            Request::Password { old: Some(old), new: Some(new) } => {
                self.check_private(cx)?;
                check_password(new, self.name_of(cx.user).map_or("", |name| name.as_str()))?;
                let verify = Some((Box::from(&**old), self.hash_of(Some(cx.user))));
                let hash = Some(Box::from(&**new));
                Some((Work { verify, hash, owner_code: None }, Some(cx.user)))
            }
            Request::Delete { password: Some(password) } => {
                self.check_private(cx)?;
                let verify = Some((Box::from(&**password), self.hash_of(Some(cx.user))));
                Some((Work { verify, ..Work::default() }, Some(cx.user)))
            }
            Request::Token { .. }
            | Request::Cookie { .. }
            | Request::Invite { .. }
            | Request::Reset { .. } => Some((Work::default(), None)),
            _ => None,
        })
    }

    fn hash_of(&self, account: Option<UserId>) -> Option<Box<str>> {
        self.state.accounts().get(account?)?.password.clone()
    }

    /// What has come of a request's work. `account`: whose password it was to be; it may have
    /// another one by now.
    ///
    /// # Errors
    /// A password or a code is wrong.
    pub(super) fn take_proof(
        &mut self,
        cx: &Context<'_>,
        account: Option<UserId>,
    ) -> Result<Proof, RequestError> {
        let Some(proof) = self.logins.proofs.take(cx.client) else { return Err(unavailable()) };
        if proof.tried.is_some() && proof.tried != self.hash_of(account) {
            return Err(wrong_password());
        }
        match proof {
            Proof { is_right: true, .. } => Ok(proof),
            Proof { had_code: true, .. } => Err(wrong_code()),
            Proof { .. } => Err(wrong_password()),
        }
    }
}
