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
        let (name, refused) = match wanted.map(|wanted| self.free_name(wanted, None)) {
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
    fn free_name(&self, typed: &str, owner: Option<UserId>) -> Result<Name, RequestError> {
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

    pub(super) fn nick(&mut self, cx: &mut Context<'_>, typed: &str) -> Done {
        let name = self.free_name(typed, Some(cx.user))?;
        let Some(old) = self.name_of(cx.user).cloned() else { return Ok(()) };
        if old.as_str() != name.as_str() {
            self.happen(cx, Presence::Renamed { name: name.clone() });
        }
        let (from, to, time) = (old.as_str(), name.as_str(), cx.unix_ms());
        let reference = cx.reference;
        cx.reply(&Reply::Renamed { room: None, from, to, time, you: true, reference });
        Ok(())
    }
}
