//! Search: what is typed becomes a question to the store, and what was found an answer.

use super::{Context, Done, no_such_room, not_in_room};
use crate::chat::Chat;
use crate::chat::dialect::reply::Reply;
use crate::chat::ids::UserId;
use crate::chat::name::RoomName;
use crate::chat::questions::{Finding, NextPage, Question};
use crate::chat::request::{Request, RequestError};
use crate::chat::settings::SEARCH_TOKENS;
use crate::delivery::Wait;
use crate::store::search::query::{self, Query};
use crate::store::{Found, Hit, SearchRequest, StoreError};

impl Chat {
    /// Asks the store for what a search is for, and says what it waits for then. One that will be
    /// refused waits for nothing.
    pub(in crate::chat) fn look_up(
        &mut self,
        cx: &Context<'_>,
        request: &Request<'_>,
    ) -> Option<Wait> {
        let Request::Search { text, room, before, limit } = request else { return None };
        let (text, cursor) = self.searched(cx, text.as_deref(), *before).ok()?;
        let question = self.question(cx, &text, room.as_deref(), cursor, *limit).ok()?;
        self.ask(cx, question)
    }

    /// The text that is searched for, and where the page begins. Without a text, it is the next
    /// page of the last search.
    fn searched(
        &self,
        cx: &Context<'_>,
        text: Option<&str>,
        before: Option<u64>,
    ) -> Result<(Box<str>, Option<u64>), RequestError> {
        if self.keeping.is_none() {
            let message = "Nothing is kept here (--data none), so there is nothing to search.";
            return Err(RequestError::new("search_unavailable", message.to_owned()));
        }
        match text {
            Some(text) => Ok((text.into(), before)),
            None => match self.questions.next(cx.client) {
                Some(next) => Ok((next.text.clone(), Some(next.cursor))),
                None => {
                    let message = "There is nothing more to show. Search with /search WORDS.";
                    Err(RequestError::new("search_refused", message.to_owned()))
                }
            },
        }
    }

    fn question(
        &self,
        cx: &Context<'_>,
        text: &str,
        room: Option<&str>,
        cursor: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Question, RequestError> {
        let query = match room {
            None => query::parse(text),
            Some(_) => query::parse_in_room(text),
        };
        let query = query.map_err(|error| RequestError::of("search_refused", &error))?;
        let Query { words, room: typed, from, before_ms, after_ms } = query;
        let typed = room.or(typed.as_deref());
        let with = typed.and_then(|typed| typed.strip_prefix(['@', '＠']));
        let rooms = with.map(|with| self.searched_conversation(cx, with)).transpose()?;
        let room = match typed.filter(|_| rooms.is_none()) {
            None => None,
            Some(typed) => Some(self.searched_room(cx, typed)?),
        };
        let search = SearchRequest {
            words: words.into(),
            rooms,
            reader: self.state.account(cx.user).map(UserId::get),
            restricted: self.state.restricted(cx.user, cx.unix_ms()),
            from: from.map(Into::into),
            before_ms,
            after_ms,
            cursor,
            hits_max: cx.dialect().search_limit(limit) as usize,
        };
        Ok(Question::Search { room, search })
    }

    /// The name of the room that is searched, which may not be in memory.
    fn searched_room(&self, cx: &Context<'_>, typed: &str) -> Result<RoomName, RequestError> {
        let Some(room) = self.find_room(cx, typed) else {
            return RoomName::parse(typed).map_err(|_| no_such_room(typed));
        };
        match self.state.sees_from(cx.user, room.id, cx.unix_ms()) {
            Some(_) => Ok(room.name.clone()),
            None => Err(not_in_room(typed)),
        }
    }

    /// Answers a search that the store has answered, or says why it could not.
    pub(super) fn search(
        &mut self,
        cx: &mut Context<'_>,
        text: Option<&str>,
        room: Option<&str>,
        before: Option<u64>,
    ) -> Done {
        let answer = self.questions.take_search(cx.client);
        let (text, cursor) = self.searched(cx, text, before)?;
        let question = self.question(cx, &text, room, cursor, None)?;
        if let Some(session) = self.sessions.get_mut(cx.client) {
            // One was taken as the request was read.
            session.bucket.spend(SEARCH_TOKENS - 1, cx.out.now().ms, &self.settings.rate);
        }
        let found = match answer {
            Some(Ok(Finding::Search(found))) => found,
            // It may be one in which nothing was said yet.
            Some(Ok(Finding::NoRoom)) => self.nothing_in(cx, &question)?,
            Some(Err(error)) => return Err(failed(&error)),
            Some(Ok(
                Finding::Room(_) | Finding::Page(..) | Finding::Last(_) | Finding::Deleted { .. },
            ))
            | None => {
                return Err(failed(&StoreError::Failed("it was not answered".into())));
            }
        };
        if cx.dialect().remembers_searches() {
            let next = found.next.map(|cursor| NextPage { text, cursor });
            self.questions.set_next(cx.client, next);
        }
        // A name that was an ended account's may be somebody else's by now.
        let by_name = matches!(&question, Question::Search { search, .. } if search.from.is_some());
        let is_meant = |hit: &Hit| {
            let author = hit.message.account.and_then(UserId::new).filter(|_| by_name);
            author.is_none_or(|author| self.state.accounts().contains(author))
        };
        let shown = found.hits.iter().filter(|hit| self.may_show(cx, hit) && is_meant(hit));
        let shown = shown.filter_map(|hit| self.hit_line(cx, hit)).collect();
        let hits = self.without_ignored_hits(cx, shown);
        cx.reply(&Reply::Found { hits, next: found.next, reference: cx.reference });
        Ok(())
    }

    fn nothing_in(&self, cx: &Context<'_>, question: &Question) -> Result<Found, RequestError> {
        let name = match question {
            Question::Search { room: Some(room), .. } => room.as_str(),
            _ => "",
        };
        self.known_room(cx, name).map(|_| Found::default())
    }
}

fn failed(error: &StoreError) -> RequestError {
    match error {
        StoreError::TooSlow => RequestError::of("search_slow", error),
        StoreError::Failed(_) => RequestError::of("search_unavailable", error),
    }
}
