//! What is known of people on their way to being logged in, for no longer than that takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chat::ids::UserId;
use crate::chat::name::Name;
use crate::chat::proofs::{Attempts, Proofs};
use crate::chat::request::{AccountRequest, RequestError};
use crate::chat::state::accounts::SecretHash;
use crate::ids::{ClientId, Peer};
use crate::secrets::Secrets;

/// A terminal that cannot be asked for a password may be let in from a page for so long.
pub const CONFIRMATION_MS: u64 = 5 * 60 * 1000;

/// A page may fetch its cookie for so long.
pub const COOKIE_MS: u64 = 60 * 1000;

/// So many cookies may wait to be fetched at a time, and so many of one account: of those, another
/// one makes the oldest worthless.
const COOKIES_MAX: usize = 1024;
const COOKIES_OF_ACCOUNT_MAX: usize = 8;

/// What the next line of a terminal is: a secret that belongs to this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prompt {
    Login { name: Box<str> },
    Register { name: Box<str>, code: Option<Box<str>> },
    OldPassword,
    NewPassword { old: Box<str> },
    Delete,
}

impl Prompt {
    /// The request that a secret makes whole.
    ///
    /// # Errors
    /// An empty line takes it back.
    pub fn answered<'a>(&self, secret: &'a str) -> Result<AccountRequest<'a>, RequestError> {
        let password = (!secret.is_empty()).then_some(secret);
        let Some(password) = password else {
            return Err(RequestError::new("not_done", "Nothing was done.".to_owned()));
        };
        let own = |text: &str| Some(text.to_owned().into());
        Ok(match self {
            Prompt::Login { name } => AccountRequest::Login {
                name: own(name),
                password: Some(password.into()),
                token: None,
            },
            Prompt::Register { name, code } => AccountRequest::Register {
                name: name.to_string().into(),
                password: Some(password.into()),
                code: code.as_deref().and_then(own),
            },
            Prompt::OldPassword => {
                AccountRequest::Password { old: Some(password.into()), new: None }
            }
            Prompt::NewPassword { old } => {
                AccountRequest::Password { old: own(old), new: Some(password.into()) }
            }
            Prompt::Delete => AccountRequest::Delete { password: Some(password.into()) },
        })
    }
}

/// A terminal that waits to be let in by somebody who is logged in elsewhere.
#[derive(Debug)]
pub struct Confirmation {
    pub client: ClientId,
    pub peer: Peer,
    /// As whom it wants to be known.
    pub name: Name,
    until_ms: u64,
}

/// A cookie that waits to be fetched.
#[derive(Debug)]
struct Cookie {
    client: ClientId,
    account: UserId,
    value: Box<str>,
    until_ms: u64,
}

/// What is known of one client.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginSnapshot {
    prompt: Option<Prompt>,
    typed: Option<SecretHash>,
    confirmations: Vec<(SecretHash, Box<str>, u64)>,
    cookies: Vec<(SecretHash, UserId, Box<str>, u64)>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Logins {
    /// Without them there are no accounts.
    pub secrets: Option<Arc<dyn Secrets>>,
    pub proofs: Proofs,
    pub attempts: Attempts,
    prompts: BTreeMap<ClientId, Prompt>,
    /// Secrets that terminals were asked for, until their next line.
    typed: BTreeMap<ClientId, SecretHash>,
    confirmations: BTreeMap<SecretHash, Confirmation>,
    cookies: BTreeMap<SecretHash, Cookie>,
}

impl Logins {
    pub fn prompt(&self, client: ClientId) -> Option<&Prompt> {
        self.prompts.get(&client)
    }

    /// The next line of this client is a secret.
    pub fn ask(&mut self, client: ClientId, prompt: Prompt) {
        self.prompts.insert(client, prompt);
    }

    /// This client has sent a line: the secret, if it was asked for one.
    #[inline]
    pub fn answered(&mut self, client: ClientId, line: Option<&str>) {
        if !self.typed.is_empty() {
            self.typed.remove(&client);
        }
        if !self.prompts.is_empty()
            && self.prompts.remove(&client).is_some()
            && let Some(secret) = line.filter(|line| !line.is_empty())
        {
            self.typed.insert(client, SecretHash::of(secret));
        }
    }

    /// Whether this line is the secret that came in the one before: other programs ask for a new
    /// password twice, and whoever is used to that would say it aloud.
    pub fn has_just_typed(&self, client: ClientId, line: &str) -> bool {
        self.typed.get(&client).is_some_and(|&typed| typed == SecretHash::of(line))
    }

    /// Somebody may let this client in who knows this code and is called that.
    pub fn await_confirmation(
        &mut self,
        code: &str,
        client: ClientId,
        peer: Peer,
        name: Name,
        unix_ms: u64,
    ) {
        self.confirmations.retain(|_, one| one.client != client && unix_ms < one.until_ms);
        let until_ms = unix_ms + CONFIRMATION_MS;
        let confirmation = Confirmation { client, peer, name, until_ms };
        self.confirmations.insert(SecretHash::of(code), confirmation);
    }

    pub fn confirmation(&self, code: &str, unix_ms: u64) -> Option<&Confirmation> {
        let found = self.confirmations.get(&SecretHash::of(code))?;
        (unix_ms < found.until_ms).then_some(found)
    }

    pub fn confirmed(&mut self, code: &str) {
        self.confirmations.remove(&SecretHash::of(code));
    }

    /// A page may fetch a cookie with this code, and not with one that it was given before. Whether
    /// there is room for it.
    pub fn offer_cookie(
        &mut self,
        code: &str,
        (client, account): (ClientId, UserId),
        value: Box<str>,
        unix_ms: u64,
    ) -> bool {
        self.cookies.retain(|_, cookie| cookie.client != client && unix_ms < cookie.until_ms);
        let own = self.cookies.iter().filter(|(_, cookie)| cookie.account == account);
        let mut own: Vec<_> = own.map(|(&hash, cookie)| (cookie.until_ms, hash)).collect();
        own.sort_unstable();
        let too_many = (own.len() + 1).saturating_sub(COOKIES_OF_ACCOUNT_MAX);
        for (_, hash) in own.into_iter().take(too_many) {
            self.cookies.remove(&hash);
        }
        if self.cookies.len() >= COOKIES_MAX {
            return false;
        }
        let until_ms = unix_ms + COOKIE_MS;
        self.cookies.insert(SecretHash::of(code), Cookie { client, account, value, until_ms });
        true
    }

    pub fn take_cookie(&mut self, code: &str, unix_ms: u64) -> Option<Box<str>> {
        let cookie = self.cookies.remove(&SecretHash::of(code))?;
        (unix_ms < cookie.until_ms).then_some(cookie.value)
    }

    /// What is known of a client, for another process to go on with.
    pub fn snapshot(&self, client: ClientId) -> LoginSnapshot {
        let confirmations = self.confirmations.iter().filter(|(_, one)| one.client == client);
        let cookies = self.cookies.iter().filter(|(_, cookie)| cookie.client == client);
        LoginSnapshot {
            prompt: self.prompts.get(&client).cloned(),
            typed: self.typed.get(&client).copied(),
            confirmations: confirmations
                .map(|(&hash, one)| (hash, one.name.as_str().into(), one.until_ms))
                .collect(),
            cookies: cookies
                .map(|(&hash, it)| (hash, it.account, it.value.clone(), it.until_ms))
                .collect(),
        }
    }

    pub fn restore(&mut self, client: ClientId, peer: Peer, snapshot: LoginSnapshot) {
        let LoginSnapshot { prompt, typed, confirmations, cookies } = snapshot;
        self.prompts.extend(prompt.map(|prompt| (client, prompt)));
        self.typed.extend(typed.map(|typed| (client, typed)));
        for (hash, name, until_ms) in confirmations {
            if let Ok(name) = Name::kept(&name) {
                self.confirmations.insert(hash, Confirmation { client, peer, name, until_ms });
            }
        }
        for (hash, account, value, until_ms) in cookies {
            self.cookies.insert(hash, Cookie { client, account, value, until_ms });
        }
    }

    /// A client has gone.
    pub fn forget(&mut self, client: ClientId) {
        self.proofs.forget(client);
        self.answered(client, None);
        if !self.confirmations.is_empty() {
            self.confirmations.retain(|_, one| one.client != client);
        }
    }

    /// Nobody is here any more.
    pub fn clear(&mut self) {
        self.proofs.clear();
        self.prompts.clear();
        self.typed.clear();
        self.confirmations.clear();
        self.cookies.clear();
    }
}
