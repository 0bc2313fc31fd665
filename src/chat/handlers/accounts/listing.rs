//! The list of accounts, for those who look after them.

use crate::chat::Chat;
use crate::chat::dialect::reply::{AccountLine, Reply};
use crate::chat::handlers::Context;
use crate::chat::handlers::lists::{AnswerSize, next, page_length};
use crate::chat::ids::UserId;
use crate::chat::name::Name;

impl Chat {
    /// Tells of the accounts of this server, in the order of their names.
    pub(in crate::chat::handlers) fn accounts_page(
        &mut self,
        cx: &mut Context<'_>,
        after: u64,
        limit: Option<u32>,
    ) {
        let all = self.state.accounts().iter();
        let mut named: Vec<(&Name, UserId)> =
            all.filter_map(|(user, _)| Some((self.name_of(user)?, user))).collect();
        let (total, length) = (named.len(), page_length(limit));
        let skip = usize::try_from(after).unwrap_or(usize::MAX).min(total);
        // There may be many: only those that are listed are put in order.
        let by_key =
            |(one, _): &(&Name, UserId), (other, _): &(&Name, UserId)| one.key().cmp(other.key());
        let mut rest = &mut named[..];
        if skip > 0 && skip < total {
            rest.select_nth_unstable_by(skip, by_key);
        }
        rest = &mut rest[skip..];
        if length < rest.len() {
            rest.select_nth_unstable_by(length, by_key);
            rest = &mut rest[..length];
        }
        rest.sort_unstable_by(by_key);
        let listed = rest.iter().filter_map(|(name, user)| self.account_line(cx, name, *user));
        let accounts: Vec<AccountLine<'_>> = listed.collect();
        let (lines, reference) = (accounts.len(), cx.reference);
        let next = next(after, lines, total);
        cx.reply(&Reply::Accounts { accounts, total, after, next, reference });
        self.charge_answer(cx, AnswerSize { lines, bytes: 0 });
    }

    fn account_line<'a>(
        &'a self,
        cx: &Context<'_>,
        name: &'a Name,
        user: UserId,
    ) -> Option<AccountLine<'a>> {
        let account = self.state.accounts().get(user)?;
        Some(AccountLine {
            name: name.as_str(),
            role: account.role.as_str(),
            created: account.created_ms,
            connected: self.clients_of(user).count(),
            owner: account.owner.map(|owner| self.shown_name(owner)),
            banned: self.check_banned(user, cx.unix_ms()).is_err(),
        })
    }
}
