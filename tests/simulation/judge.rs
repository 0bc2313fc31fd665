//! How a client has to have ended.

use fastrand::Rng;

use crate::ask::Dialect;
use crate::habit::Habit;
use crate::model::Model;
use crate::person::{End, Person, REFUSALS};

impl Person {
    /// Reads what is left of a connection that is over.
    pub fn outlive(&mut self, model: &mut Model, too_slow_ms: u64, rng: &mut Rng) {
        self.read(usize::MAX, model, rng);
        self.judge_end(model, too_slow_ms);
    }

    /// Checks that it ended as it should have, once nothing more can come.
    pub fn judge_end(&mut self, model: &mut Model, too_slow_ms: u64) {
        let is_told = self.end == Some(End::Superseded) && self.close.is_some();
        if is_told && self.screen.left_over() == 0 {
            let is_right = matches!(self.close, Some(Some(4000 | 1001 | 1012 | 1013)));
            assert!(is_right, "client {} is ended with {:?}", self.number, self.close);
        }
        let wire = self.wire.borrow();
        if wire.reset || self.end == Some(End::Reset) {
            return self.judge_last_words(model);
        }
        if wire.established_at.is_none() {
            // Nothing could be said on it, either way.
            let may_go = model.stopping || self.let_go;
            assert!(may_go, "client {} was not waited for", self.number);
            return;
        }
        // A client that is there when the server stops gets everything, however slowly it reads.
        let is_stopped =
            self.end == Some(End::Stopped { known: true }) && wire.shut && !wire.reset_by_close;
        let is_too_slow = self.close == Some(Some(1013))
            || self.farewell.as_ref().is_some_and(|it| it.starts_with("! too"));
        let behind_ms = model.client(self.number).behind_ms;
        assert!(
            !is_too_slow || self.let_go || behind_ms >= too_slow_ms,
            "client {} was {behind_ms} ms behind",
            self.number
        );
        let is_out_of_memory = self.screen.reason == "out of memory"
            || self.farewell.as_ref().is_some_and(|it| it.starts_with("! out of memory"));
        let held_by_stuck = model.client(self.number).held_by_stuck;
        assert!(
            !is_out_of_memory || held_by_stuck == 0,
            "client {} was let go, and another that took nothing held {held_by_stuck} bytes",
            self.number
        );
        if self.let_go || self.excused && !is_stopped {
            return self.judge_border();
        }
        assert!(!wire.reset_by_close, "client {} lost its last words to a reset", self.number);
        let client = model.client(self.number);
        let missing = client.expected.missing();
        assert!(
            missing.is_empty(),
            "client {} ({:?}) ended without {missing:#?}",
            self.number,
            self.end
        );
        assert_eq!(self.screen.left_over(), 0, "a message cut in the middle");
        if matches!(self.end, Some(End::HalfClosed | End::Close(_))) {
            assert_eq!(client.dropped, 0, "client {} was taken and not heard", self.number);
            assert!(
                client.sent.is_empty(),
                "client {} was not heard: {:?}",
                self.number,
                client.sent
            );
            assert!(client.expected.pongs.is_empty(), "pings were not answered");
        }
        match self.dialect {
            Dialect::Line => self.judge_last_line(),
            _ => self.judge_close(),
        }
    }

    /// Its connection broke. What the server had read of it by then was heard, if nothing else has
    /// ended it.
    fn judge_last_words(&self, model: &mut Model) {
        let is_clean =
            self.end == Some(End::Reset) && self.habit == Habit::Prompt && !model.stopping;
        let is_clean = is_clean && !self.let_go;
        // A request may have been refused for being late, and an empty line decides nothing if more
        // has come behind it.
        let is_sure = self.dialect == Dialect::Line
            && !matches!(self.wire.borrow().first[..], [b'\r' | b'\n', ..]);
        let has_come = is_sure || model.client(self.number).closed;
        if is_clean && has_come {
            let read = self.wire.borrow().read;
            let whole = self.ends.iter().filter(|&&end| end <= read).count();
            let client = model.client(self.number);
            let unheard = client.sent.len() + client.dropped;
            let heard = self.ends.len().saturating_sub(unheard);
            assert!(
                heard >= whole,
                "of client {} {whole} messages were read and {heard} heard",
                self.number
            );
        }
    }

    /// It may have been cut off at any point; what it saw until then was right. A server that has
    /// shut its half in order has said goodbye, on the border of a message.
    fn judge_border(&self) {
        let wire = self.wire.borrow();
        if wire.shut && !wire.reset_by_close {
            let left_over = self.screen.left_over();
            assert_eq!(
                left_over, 0,
                "client {} ({:?}) saw a message cut in the middle",
                self.number, self.end
            );
            assert!(
                self.close.is_some() || !self.upgraded,
                "client {} saw no Close frame",
                self.number
            );
        }
    }

    fn judge_last_line(&self) {
        let expected = match self.end {
            Some(End::Broken(_)) => Some("! line too long"),
            Some(End::Late) => Some("! an HTTP request has to come at once"),
            Some(End::Foreign(answer)) => Some(answer),
            Some(End::Stopped { known }) if known || self.greeted || self.farewell.is_some() => {
                Some("* Goodbye: the server is stopping.")
            }
            Some(_) => None,
            None => panic!("client {} was closed for no reason", self.number),
        };
        let said = self.farewell.as_deref();
        // It was refused before the stop reached it.
        let was_refused = |said: &str| REFUSALS.iter().any(|refusal| said.starts_with(refusal));
        if matches!(self.end, Some(End::Stopped { .. })) && said.is_some_and(was_refused) {
            return;
        }
        let is_right = match (said, expected) {
            (Some(said), Some(expected)) => said.starts_with(expected),
            (said, expected) => said == expected,
        };
        assert!(
            is_right,
            "client {} ({:?}) was bidden farewell with {said:?}",
            self.number, self.end
        );
    }

    fn judge_close(&self) {
        let expected = match self.end {
            Some(End::HalfClosed) => Some(Some(1000)),
            Some(End::Close(code)) => Some(code),
            Some(End::Broken(code)) => Some(Some(code)),
            Some(End::Stopped { known }) => known.then_some(Some(1001)),
            end => panic!("client {} ({end:?}) was closed with {:?}", self.number, self.close),
        };
        assert_eq!(
            self.close, expected,
            "the close code of client {} after {:?}",
            self.number, self.end
        );
    }

    /// Checks one that is still connected after everybody had time to catch up.
    pub fn judge_alive(&self, model: &mut Model) {
        let client = model.client(self.number);
        let missing = client.expected.missing();
        assert!(missing.is_empty(), "client {} still misses {missing:#?}", self.number);
        assert!(client.sent.is_empty(), "client {} was not heard: {:?}", self.number, client.sent);
        assert!(client.parked.is_empty(), "client {} waits: {:?}", self.number, client.parked);
        assert!(client.expected.pongs.is_empty(), "pings were not answered");
        let has_come = self.dialect != Dialect::Line || model.is_here(self.number);
        assert!(self.seen_anything || !has_come, "client {} was never greeted", self.number);
        assert_eq!(self.upgraded, self.dialect != Dialect::Line);
    }
}
