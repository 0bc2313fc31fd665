//! Order: what admins and owners can do about people, and what people can do themselves.

mod bans;
mod deletions;
mod ignores;
mod mutes;
mod reports;
mod staff;

use super::{Context, Done, MINUTE_MS, shown};
use crate::chat::Chat;
use crate::chat::request::{OrderRequest, RequestError};
use crate::chat::settings::REASON_BYTES_MAX;

impl Chat {
    /// Does what is asked for about order.
    pub(super) fn execute_of_order(
        &mut self,
        cx: &mut Context<'_>,
        request: OrderRequest<'_>,
    ) -> Done {
        match request {
            OrderRequest::Ban { whom, minutes, reason } => {
                self.ban(cx, &whom, minutes, reason.as_deref())
            }
            OrderRequest::Unban { whom } => self.unban(cx, &whom),
            OrderRequest::Bans { after, limit } => {
                self.bans_page(cx, after, limit);
                Ok(())
            }
            OrderRequest::Mute { room, name, minutes, reason } => {
                self.mute(cx, room.as_deref(), &name, minutes, reason.as_deref())
            }
            OrderRequest::Unmute { room, name } => self.unmute(cx, room.as_deref(), &name),
            OrderRequest::Ignore { name } => self.ignore(cx, &name),
            OrderRequest::Unignore { name } => self.unignore(cx, &name),
            OrderRequest::Ignored => {
                self.tell_ignored(cx);
                Ok(())
            }
            OrderRequest::Report { room, which, reason } => {
                self.report(cx, room.as_deref(), which, reason.as_deref())
            }
            OrderRequest::DeleteMessage { room, which } => self.delete(cx, room.as_deref(), which),
            OrderRequest::Deletions { room, after, before } => {
                self.tell_deletions(cx, room.as_deref(), after, before)
            }
        }
    }

    /// Why something is done, as others are shown it; empty if nothing is said.
    pub(super) fn reason_of(
        &self,
        cx: &Context<'_>,
        reason: Option<&str>,
    ) -> Result<Box<str>, RequestError> {
        let Some(reason) = reason.map(str::trim).filter(|reason| !reason.is_empty()) else {
            return Ok("".into());
        };
        self.check_public(cx, reason)?;
        let reason = shown(reason)?;
        if reason.len() > REASON_BYTES_MAX {
            let message = format!("A reason has at most {REASON_BYTES_MAX} bytes. Shorten it.");
            return Err(RequestError::new("text_refused", message));
        }
        Ok(reason.into())
    }
}

/// When something ends that begins now.
fn until_ms(cx: &Context<'_>, minutes: Option<u32>) -> Result<Option<u64>, RequestError> {
    match minutes {
        Some(0) => {
            let message = "It holds for a minute at least, or without a number until it is ended.";
            Err(RequestError::new("bad_field", message.to_owned()))
        }
        minutes => Ok(minutes.map(|minutes| cx.unix_ms() + u64::from(minutes) * MINUTE_MS)),
    }
}
