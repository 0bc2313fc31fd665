//! Names: the first one, and others.

use super::{Context, Done};
use crate::chat::Chat;
use crate::chat::dialect::reply::Reply;
use crate::chat::ids::UserId;
use crate::chat::name::Name;
use crate::chat::record::Presence;
use crate::chat::request::RequestError;

impl Chat {
    /// Gives a client its first name: the one that it asks for, or if that cannot be had, one for a
    /// guest; the error says why.
    pub(super) fn take_first_name(&mut self, cx: &mut Context<'_>, wanted: Option<&str>) -> Done {
        let mut guests = self.state.guests();
        let (name, refused) = match wanted.map(|wanted| self.free_name(wanted, None, cx.unix_ms()))
        {
            Some(Ok(name)) => (name, Ok(())),
            Some(Err(error)) => (self.guest_name(&mut guests), Err(error)),
            None => (self.guest_name(&mut guests), Ok(())),
        };
        self.happen(cx, Presence::Connected { name, guests });
        refused
    }

    /// A name for the next guest, and how many guests there were with this one. Somebody may have
    /// typed one such name.
    fn guest_name(&self, guests: &mut u64) -> Name {
        loop {
            *guests += 1;
            let name = Name::guest(*guests);
            if self.state.users().find_alike(&name, None).is_none() {
                return name;
            }
        }
    }

    /// A name as somebody typed it, if nobody but `owner` has it, or one that looks like it.
    pub(super) fn free_name(
        &self,
        typed: &str,
        owner: Option<UserId>,
        unix_ms: u64,
    ) -> Result<Name, RequestError> {
        let name = self.name_of_nobody(typed, owner, unix_ms)?;
        self.check_reserved(name, owner, unix_ms)
    }

    /// The same of a name for a bot: it may have been one of this account's.
    pub(super) fn free_bot_name(
        &self,
        typed: &str,
        owner: UserId,
        unix_ms: u64,
    ) -> Result<Name, RequestError> {
        let name = self.name_of_nobody(typed, None, unix_ms)?;
        self.check_reserved(name, Some(owner), unix_ms)
    }

    /// The same of a name for a hook.
    pub(super) fn free_hook_name(&self, typed: &str, unix_ms: u64) -> Result<Name, RequestError> {
        let name = self.name_of_nobody(typed, None, unix_ms)?;
        self.check_reserved(name, None, unix_ms)
    }

    fn name_of_nobody(
        &self,
        typed: &str,
        owner: Option<UserId>,
        unix_ms: u64,
    ) -> Result<Name, RequestError> {
        self.check_name_is_no_secret("name_refused", typed, unix_ms)?;
        let name = Name::parse(typed).map_err(|error| RequestError::of("name_refused", &error))?;
        let message = match self.state.users().find_alike(&name, owner) {
            None => return Ok(name),
            Some(other) if other.name == name => {
                format!("The name {name} is taken. Choose another one.")
            }
            Some(other) => format!(
                "The name {name} looks like {}, which is taken. Choose another one.",
                other.name
            ),
        };
        Err(RequestError::new("name_taken", message))
    }

    /// A name that an account has had is nobody else's for a while.
    fn check_reserved(
        &self,
        name: Name,
        owner: Option<UserId>,
        unix_ms: u64,
    ) -> Result<Name, RequestError> {
        let accounts = self.state.accounts();
        let holds = accounts.find_reserved(&name, owner, unix_ms);
        holds.map_or(Ok(name.clone()), |_| {
            let message = format!(
                "The name {name} was somebody's until a short while ago. Choose another one."
            );
            Err(RequestError::new("name_taken", message))
        })
    }

    pub(super) fn nick(&mut self, cx: &mut Context<'_>, typed: &str) -> Done {
        let name = self.free_name(typed, Some(cx.user), cx.unix_ms())?;
        let Some(old) = self.name_of(cx.user).cloned() else { return Ok(()) };
        if old.as_str() != name.as_str() {
            self.check_may_rename(cx)?;
            let is_account = self.state.accounts().contains(cx.user);
            if is_account && old != name {
                self.release_alike(cx);
            }
            self.happen(cx, Presence::Renamed { name: name.clone() });
            if is_account {
                self.release_names(cx);
            }
        }
        let (from, to, time) = (old.as_str(), name.as_str(), cx.unix_ms());
        let renamed =
            |reference| Reply::Renamed { room: None, from, to, time, you: true, reference };
        let others = self.other_devices(cx);
        self.tell_devices(cx, &others, &renamed(None));
        let reference = cx.reference;
        cx.reply(&renamed(reference));
        Ok(())
    }
}
