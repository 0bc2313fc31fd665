//! Bots: accounts of programs, each of which somebody has made.

use log::info;

use super::keys::token_of;
use super::login::full;
use crate::chat::Chat;
use crate::chat::dialect::reply::{BotLine, Reply};
use crate::chat::handlers::{Context, Done};
use crate::chat::ids::UserId;
use crate::chat::record::Kept;
use crate::chat::request::RequestError;
use crate::chat::settings::BOTS_MAX;
use crate::chat::text::quote;
use crate::ids::ClientId;

/// How a bot lists its own token.
const TOKEN_LABEL: &str = "bot";

impl Chat {
    /// Makes a bot of the account that asks. One that it has is given another token, and what it was
    /// known by before ends.
    pub(in crate::chat::handlers) fn make_bot(
        &mut self,
        cx: &mut Context<'_>,
        typed: &str,
    ) -> Done {
        let token = token_of(&self.random(cx)?);
        let bot = match self.own_bot(cx, typed) {
            Some(bot) => bot,
            None => self.add_bot(cx, typed)?,
        };
        self.with_client(cx, ClientId::NOBODY, bot, |chat, cx| {
            chat.end_keys(cx);
            chat.add_key(cx, &token, true, TOKEN_LABEL);
        });
        let (name, token, reference) = (self.shown_name(bot), &*token, cx.reference);
        info!("{} has the bot {name} ({})", self.shown_name(cx.user), cx.peer);
        cx.reply(&Reply::Bot { name, token, reference });
        Ok(())
    }

    fn add_bot(&mut self, cx: &mut Context<'_>, typed: &str) -> Result<UserId, RequestError> {
        let name = self.free_bot_name(typed, cx.user, cx.unix_ms())?;
        if self.state.accounts().bots_of(cx.user).count() >= BOTS_MAX {
            let message = format!("You have {BOTS_MAX} bots. End one with /bots end NAME.");
            return Err(RequestError::new("too_many", message));
        }
        if self.has_all_accounts() {
            return Err(full());
        }
        let bot = self.state.users().next_id();
        self.happen(cx, Kept::BotMade { bot, name });
        Ok(bot)
    }

    /// The bot of this name, if it is one of the account that asks.
    fn own_bot(&self, cx: &Context<'_>, typed: &str) -> Option<UserId> {
        let named = self.account_called(typed);
        named.filter(|&bot| self.state.accounts().owner_of(bot) == Some(cx.user))
    }

    pub(in crate::chat::handlers) fn end_bot(&mut self, cx: &mut Context<'_>, typed: &str) -> Done {
        let Some(bot) = self.own_bot(cx, typed) else {
            let message = format!("You have no bot {}. /bots lists yours.", quote(typed, 32));
            return Err(RequestError::new("no_account", message));
        };
        let line = format!("The bot {} has ended. What it has said stays.", self.shown_name(bot));
        self.with_client(cx, ClientId::NOBODY, bot, Chat::end_account);
        self.tell_done(cx, "end_bot", &line);
        Ok(())
    }

    pub(in crate::chat::handlers) fn tell_bots(&self, cx: &mut Context<'_>) {
        let accounts = self.state.accounts();
        let line = |bot: UserId| BotLine {
            name: self.shown_name(bot),
            created: accounts.get(bot).map_or(0, |account| account.created_ms),
            connected: self.clients_of(bot).count(),
        };
        let (bots, reference) = (accounts.bots_of(cx.user).map(line).collect(), cx.reference);
        cx.reply(&Reply::Bots { bots, reference });
    }
}
