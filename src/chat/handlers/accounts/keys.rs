//! What browsers and programs are known by, and invitations.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::login::unavailable;
use crate::chat::Chat;
use crate::chat::dialect::reply::{InvitationLine, Reply};
use crate::chat::handlers::{Context, Done, shown};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::record::Kept;
use crate::chat::request::RequestError;
use crate::chat::state::accounts::{AccessKey, Invitation, Role, SecretHash};
use crate::chat::text::quote;
use crate::secrets::{self, SECRET_BYTES, code_of, read_code};

/// An account has at most so many tokens, and so many browsers: of those, the oldest makes place.
const TOKENS_MAX: usize = 50;
const BROWSERS_MAX: usize = 50;

/// A label has at most so many bytes.
const LABEL_BYTES_MAX: usize = 64;

/// An account has at most so many invitations at a time, each for so long if it does not say, and
/// at most.
const INVITATIONS_MAX: usize = 100;
const INVITATION_HOURS: u32 = 7 * 24;
const INVITATION_HOURS_MAX: u32 = 365 * 24;

/// A code for a new password is good for so long.
const RESET_HOURS: u32 = 24;

const HOUR_MS: u64 = 60 * 60 * 1000;

/// So a token is known as one, wherever it is written.
pub const TOKEN_PREFIX: &str = "cst_";

/// Of what looks like a token in a text, or like a code, so many are looked up: each takes a hash.
const SECRETS_LOOKED_UP: usize = 64;

/// A token has so many bytes: its prefix, and 32 bytes in base64.
const TOKEN_BYTES: usize = TOKEN_PREFIX.len() + 43;

/// A token, if these bytes are random.
pub fn token_of(random: &[u8; SECRET_BYTES]) -> String {
    format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

impl Chat {
    pub(in crate::chat::handlers) fn make_token(
        &mut self,
        cx: &mut Context<'_>,
        label: &str,
    ) -> Done {
        let label = label_of(label)?;
        let keys = self.state.accounts().get(cx.user).map_or(&[][..], |account| account.keys());
        if keys.iter().filter(|key| key.is_token).count() >= TOKENS_MAX {
            let message = format!("You have {TOKENS_MAX} tokens. End one with /sessions end N.");
            return Err(RequestError::new("too_many", message));
        }
        let random = self.random(cx)?;
        let token = token_of(&random);
        let id = self.add_key(cx, &token, true, &label);
        let reference = cx.reference;
        cx.reply(&Reply::Token { token: &token, id, label: &label, reference });
        Ok(())
    }

    pub(in crate::chat::handlers) fn make_cookie(
        &mut self,
        cx: &mut Context<'_>,
        label: Option<&str>,
    ) -> Done {
        self.check_private(cx)?;
        let label = label_of(label.unwrap_or("browser"))?;
        let random = self.random(cx)?;
        let value = URL_SAFE_NO_PAD.encode(random);
        // Who sees one of the two does not know the other.
        let code = URL_SAFE_NO_PAD.encode(SecretHash::of(&format!("code of {value}")).0);
        let whose = (cx.client, cx.user);
        if !self.logins.offer_cookie(&code, whose, value.as_str().into(), cx.unix_ms()) {
            let message = "Too many browsers log in at this moment. Try again in a minute.";
            return Err(RequestError::new("busy", message.to_owned()));
        }
        let keys = self.state.accounts().get(cx.user).map_or(&[][..], |account| account.keys());
        let browsers: Vec<u32> =
            keys.iter().filter(|key| !key.is_token).map(|key| key.id).collect();
        if browsers.len() >= BROWSERS_MAX {
            self.end_key(cx, browsers[0]);
        }
        let id = self.add_key(cx, &value, false, &label);
        self.sessions.set_key(cx.client, id);
        let reference = cx.reference;
        cx.reply(&Reply::Cookie { code: &code, id, reference });
        Ok(())
    }

    /// What would let others in is not shown to them.
    ///
    /// # Errors
    /// This has it in it.
    pub(in crate::chat::handlers) fn check_secrets(&self, cx: &Context<'_>, text: &str) -> Done {
        self.check_is_no_login(cx, text)?;
        self.check_tokens(text, cx.unix_ms())
    }

    fn check_tokens(&self, text: &str, unix_ms: u64) -> Done {
        let (accounts, guests) = (self.state.accounts(), self.state.guest_tokens());
        if accounts.is_empty() && guests.is_empty() {
            return Ok(());
        }
        // Who hides a token behind others gives it away on purpose. A byte is looked for, and not
        // the prefix: to begin to look for that takes longer than most messages are.
        let ends = memchr::memchr_iter(b'_', text.as_bytes()).map(|at| at + 1);
        let found = ends.filter_map(|end| end.checked_sub(TOKEN_PREFIX.len()));
        let found = found.filter(|&at| text.as_bytes()[at..].starts_with(TOKEN_PREFIX.as_bytes()));
        let is_live = |at: usize| {
            let token = text.get(at..at + TOKEN_BYTES).map(SecretHash::of);
            token.is_some_and(|hash| {
                accounts.find_key(hash, unix_ms).is_some()
                    || guests.find(hash).is_some()
                    || self.state.hooks().find(hash).is_some()
            })
        };
        if found.take(SECRETS_LOOKED_UP).any(is_live) {
            let message =
                "There is a token in that by which somebody is known, so it was not said.";
            return Err(RequestError::new("not_said", message.to_owned()));
        }
        Ok(())
    }

    /// What somebody meant to log in with is not said.
    ///
    /// # Errors
    /// It is that.
    pub(in crate::chat::handlers) fn check_is_no_login(
        &self,
        cx: &Context<'_>,
        text: &str,
    ) -> Done {
        // A bot types nothing, and may have much to say of logins.
        if self.is_login_without_slash(text) && self.state.accounts().owner_of(cx.user).is_none() {
            let message = "That looks like a command without its slash, with a password in it, so \
                           it was not said.";
            return Err(RequestError::new("not_said", message.to_owned()));
        }
        Ok(())
    }

    /// What would let others in is not shown to a room. An invitation can be sent to one person.
    ///
    /// # Errors
    /// This has it in it.
    pub(in crate::chat::handlers) fn check_public(&self, cx: &Context<'_>, text: &str) -> Done {
        self.check_secrets(cx, text)?;
        self.check_codes(text, cx.unix_ms())
    }

    /// The same of what no person has typed.
    ///
    /// # Errors
    /// This has it in it.
    pub(in crate::chat::handlers) fn check_hidden(&self, text: &str, unix_ms: u64) -> Done {
        self.check_tokens(text, unix_ms)?;
        self.check_codes(text, unix_ms)
    }

    /// All are shown a name, and the log is.
    ///
    /// # Errors
    /// This has in it what would let others in, or may have.
    pub(in crate::chat::handlers) fn check_name_is_no_secret(
        &self,
        code: &'static str,
        name: &str,
        unix_ms: u64,
    ) -> Done {
        self.check_hidden(name, unix_ms).map_err(|_| {
            let message = "There is a code or a token in that name, by which others could come \
                           in. Choose another one.";
            RequestError::new(code, message.to_owned())
        })
    }

    /// Whether a text that has no hyphen has to be looked at for codes. Each message is asked.
    pub(in crate::chat::handlers) fn may_have_code(&self, text: &str) -> bool {
        let accounts = self.state.accounts();
        let has_codes = accounts.invitations().next().is_some() || !accounts.has_owner();
        has_codes && secrets::may_have_code(text)
    }

    fn check_codes(&self, text: &str, unix_ms: u64) -> Done {
        let accounts = self.state.accounts();
        if !secrets::may_have_code(text) {
            return Ok(());
        }
        let mut live = accounts.invitations().filter(|(_, one)| one.is_good(unix_ms));
        let codes = secrets::codes_in(text).take(SECRETS_LOOKED_UP);
        let hashes: Vec<SecretHash> = codes.map(|code| SecretHash::of(&code)).collect();
        if !hashes.is_empty() && live.any(|(_, one)| hashes.contains(&one.hash)) {
            let message = "There is a code in that by which anybody who reads it could have an \
                           account, so it was not said. /msg NAME tells it to one person.";
            return Err(RequestError::new("not_said", message.to_owned()));
        }
        // What the owner's code is only another thread knows, but for its form.
        if !self.has_owner() && secrets::has_lone_code(text)
            || text.contains("#setup=") && secrets::has_code(text)
        {
            let message = "That may be the code of the owner's link: whoever reads it could own \
                           this server, so it was not said.";
            return Err(RequestError::new("not_said", message.to_owned()));
        }
        Ok(())
    }

    /// `login alice secret`, `register CODE alice`: nobody begins a sentence of so few words with
    /// these, nor one that goes on with a name or a code. There are words in a password, too.
    fn is_login_without_slash(&self, text: &str) -> bool {
        let text = text.trim_ascii_start();
        // Each message comes by here, and hardly any begins like these.
        if !text.starts_with(['l', 'L', 'r', 'R']) {
            return false;
        }
        let mut words = text.split_ascii_whitespace();
        let is_command = words.next().is_some_and(|word| {
            ["login", "register"].iter().any(|name| word.eq_ignore_ascii_case(name))
        });
        let Some(named) = words.next().filter(|_| is_command) else { return false };
        words.count() < 2 || self.account_called(named).is_some() || read_code(named).is_some()
    }

    pub(super) fn add_key(
        &mut self,
        cx: &mut Context<'_>,
        secret: &str,
        is_token: bool,
        label: &str,
    ) -> u32 {
        let account = self.state.accounts().get(cx.user);
        let id = account.map_or(1, |account| account.next_key());
        let (hash, label, created_ms) = (SecretHash::of(secret), label.into(), cx.unix_ms());
        self.happen(cx, Kept::KeyMade(AccessKey { id, hash, is_token, label, created_ms }));
        id
    }

    pub(in crate::chat::handlers) fn random(
        &mut self,
        cx: &Context<'_>,
    ) -> Result<[u8; SECRET_BYTES], RequestError> {
        let proof = self.logins.proofs.take(cx.client);
        proof.map(|proof| proof.random).ok_or_else(unavailable)
    }

    // ---- Invitations ----

    pub(in crate::chat::handlers) fn invite(
        &mut self,
        cx: &mut Context<'_>,
        uses: Option<u32>,
        hours: Option<u32>,
        rooms: &[Cow<'_, str>],
        accounts: Option<bool>,
    ) -> Done {
        let rooms = self.rooms_to_invite_into(cx, rooms)?;
        let makes_account = accounts.unwrap_or(true);
        if rooms.is_empty() && !makes_account {
            let message = "An invitation makes an account, or lets into rooms, or both.";
            return Err(RequestError::new("bad_field", message.to_owned()));
        }
        let hours = hours.unwrap_or(INVITATION_HOURS);
        if hours == 0 || hours > INVITATION_HOURS_MAX || uses == Some(0) {
            let message = format!(
                "An invitation is good at least once, and for 1 to {INVITATION_HOURS_MAX} hours."
            );
            return Err(RequestError::new("bad_field", message));
        }
        let uses = uses.unwrap_or(1);
        self.make_invitation(cx, uses, hours, Target { resets: None, rooms, makes_account })
    }

    /// Makes a code by which somebody can set a new password.
    pub(in crate::chat::handlers) fn reset(&mut self, cx: &mut Context<'_>, name: &str) -> Done {
        let accounts = self.state.accounts();
        let Some(account) = self.account_called(name) else {
            let message = format!("There is no account {}.", quote(name, 32));
            return Err(RequestError::new("no_account", message));
        };
        if accounts.owner_of(account).is_some() {
            let message = "A bot has no password. Its owner makes it a token: /bot NAME.";
            return Err(RequestError::new("not_allowed", message.to_owned()));
        }
        if !self.may_reset(cx.user, account) {
            let message = "Only owners of this server can do that for admins and owners.";
            return Err(RequestError::new("not_allowed", message.to_owned()));
        }
        let (resets, rooms) = (Some(account), Vec::new());
        let target = Target { resets, rooms, makes_account: false };
        self.make_invitation(cx, 1, RESET_HOURS, target)?;
        let (by, name) = (self.shown_name(cx.user), self.shown_name(account));
        let act = format!("{by} made a code by which {name} can set a new password.");
        self.log_act(cx, &act);
        Ok(())
    }

    /// Whether one may let another account have a new password, at the time when that is set as well:
    /// nobody comes to more than it may do by way of somebody else.
    pub(super) fn may_reset(&self, by: UserId, account: UserId) -> bool {
        let accounts = self.state.accounts();
        match accounts.role(by) {
            Role::Owner => true,
            Role::Admin => accounts.role(account) == Role::None,
            Role::None => false,
        }
    }

    /// Ends codes by which somebody could have a new password: `are` says which.
    pub(super) fn end_reset_codes(
        &mut self,
        cx: &mut Context<'_>,
        are: impl Fn(&Invitation) -> bool,
    ) {
        let all = self.state.accounts().invitations();
        let found = all.filter(|(_, one)| one.resets.is_some() && are(one));
        for id in found.map(|(id, _)| id).collect::<Vec<u64>>() {
            self.happen(cx, Kept::InvitationEnded { id });
        }
    }

    fn make_invitation(
        &mut self,
        cx: &mut Context<'_>,
        uses: u32,
        hours: u32,
        target: Target,
    ) -> Done {
        let Target { resets, rooms, makes_account } = target;
        let unix_ms = cx.unix_ms();
        // Those that are over make place, and so does the code before for the same account.
        let all = self.state.accounts().invitations();
        let is_over =
            |one: &Invitation| !one.is_good(unix_ms) || resets.is_some() && one.resets == resets;
        let over: Vec<u64> = all.filter(|(_, one)| is_over(one)).map(|(id, _)| id).collect();
        for id in over {
            self.happen(cx, Kept::InvitationEnded { id });
        }
        let own = self.state.accounts().invitations().filter(|(_, one)| one.by == cx.user);
        if own.count() >= INVITATIONS_MAX {
            let message =
                format!("You have {INVITATIONS_MAX} invitations. End one with /invitations end N.");
            return Err(RequestError::new("too_many", message));
        }
        let code = code_of(&self.random(cx)?);
        let plain = read_code(&code).ok_or_else(unavailable)?;
        let id = self.state.accounts().next_invitation();
        let (uses, until_ms) = (Some(uses), Some(unix_ms + u64::from(hours) * HOUR_MS));
        let hash = SecretHash::of(&plain);
        let accounts = resets.is_some() || makes_account;
        let rooms_shown = self.invited_into(cx, &rooms);
        let resets_shown = resets.map(|account| self.shown_name(account).to_owned());
        let line = InvitationLine {
            id,
            uses,
            until: until_ms,
            accounts,
            resets: resets_shown,
            rooms: rooms_shown,
        };
        let by = cx.user;
        let invitation = Invitation { hash, by, resets, uses, until_ms, rooms, makes_account };
        self.happen(cx, Kept::Invited { id, invitation });
        let url = self.settings.public_url.as_deref();
        let link = url.map(|url| format!("{url}#invite={code}"));
        let reference = cx.reference;
        cx.reply(&Reply::Invitation { code: &code, line, link: link.as_deref(), reference });
        Ok(())
    }

    pub(in crate::chat::handlers) fn invitations(&self, cx: &mut Context<'_>) -> Done {
        let unix_ms = cx.unix_ms();
        let all = self.state.accounts().invitations();
        let own = all.filter(|(_, one)| one.by == cx.user && one.is_good(unix_ms));
        let line = |(id, one): (u64, &Invitation)| InvitationLine {
            id,
            uses: one.uses,
            until: one.until_ms,
            accounts: one.makes_account,
            resets: one.resets.map(|account| self.shown_name(account).to_owned()),
            rooms: self.invited_into(cx, &one.rooms),
        };
        let invitations = own.map(line).collect();
        let reference = cx.reference;
        cx.reply(&Reply::Invitations { invitations, reference });
        Ok(())
    }

    pub(in crate::chat::handlers) fn uninvite(&mut self, cx: &mut Context<'_>, id: u64) -> Done {
        let found = self.state.accounts().invitation(id);
        if found.is_none_or(|found| found.by != cx.user) {
            let message = format!("You have no invitation {id}. /invitations lists them.");
            return Err(RequestError::new("no_such_invitation", message));
        }
        self.happen(cx, Kept::InvitationEnded { id });
        self.tell_done(cx, "end_invitation", &format!("Invitation {id} has ended."));
        Ok(())
    }
}

/// What a code is for.
struct Target {
    resets: Option<UserId>,
    rooms: Vec<RoomId>,
    makes_account: bool,
}

/// Whether there is something in a text that looks like a code or a token.
pub(in crate::chat) fn has_secret_form(text: &str) -> bool {
    text.contains(TOKEN_PREFIX) || secrets::has_code(text)
}

/// What somebody calls a browser or a program.
fn label_of(typed: &str) -> Result<String, RequestError> {
    let label = shown(typed)?;
    let label = label.trim();
    if label.len() > LABEL_BYTES_MAX {
        let message = format!("A label has at most {LABEL_BYTES_MAX} bytes.");
        return Err(RequestError::new("text_refused", message));
    }
    Ok(label.to_owned())
}
