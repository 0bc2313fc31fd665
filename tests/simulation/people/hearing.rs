//! What devices hear, held to what they were to hear.

use std::collections::VecDeque;

use super::following::Followed;
use super::model::Model;
use super::reading::Watched;
use super::told::{Told, hits_announced};

impl Model {
    /// A device hears something.
    pub fn hear(&mut self, n: usize, heard: &str) {
        let past = self.past.get_mut(&n);
        let mut gone = Watched::default();
        let (is_json, expected, last, watched) = match (self.clients.get_mut(&n), past) {
            (Some(client), _) => {
                (client.is_json, &mut client.expected, usize::MAX, &mut client.watched)
            }
            (None, Some(past)) => (past.is_json, &mut past.expected, past.last, &mut gone),
            (None, None) => panic!("client {n} hears {heard:?} when it is nobody any more"),
        };
        if is_json && watched.hear(heard) || !is_json && Told::is_notice(heard) {
            return;
        }
        let fits = |told: &Told| match is_json {
            true => told.fits_object(heard),
            false => told.fits_line(heard),
        };
        let Some(at) = place_of(expected, is_json, fits) else {
            panic!("client {n} was to hear {:?}, and hears {heard:?}", expected.front());
        };
        let (state, told) = expected.remove(at).expect("it is there");
        match told {
            Told::Found { hits, .. } if !is_json => {
                // A line for each of them follows.
                let hits = std::iter::repeat_n((state, Told::Hit(hits)), hits_announced(heard));
                hits.for_each(|hit| expected.push_front(hit));
            }
            Told::OneOf(all) => {
                let lines = all.into_iter().find(|lines| lines[0].fits_line(heard));
                let rest = lines.expect("it fits").into_iter().skip(1).rev();
                rest.for_each(|told| expected.push_front((state, told)));
            }
            Told::Said { of, id, .. } => {
                if let Some(client) = self.clients.get_mut(&n) {
                    client.heard.insert(of, id);
                }
            }
            _ => {}
        }
        assert!(state <= last, "client {n} was told, and it was not kept: {heard:?}");
        if last == usize::MAX {
            self.shown = self.shown.max(state);
        }
        self.heard += 1;
    }

    /// A device is closed, as it is banned: it has been told so, and all that came before.
    pub fn hear_the_end(&mut self, n: usize, reason: &str) {
        assert_eq!(reason, "banned", "client {n} is closed");
        let past = self.past.remove(&n).expect("it has to go");
        assert!(past.expected.is_empty(), "client {n} was to hear {:?} first", past.expected);
    }

    /// What a device has not heard yet.
    pub fn unheard(&self, n: usize) -> Vec<&Told> {
        let client = self.clients.get(&n);
        let followed = client.and_then(|client| client.followed.as_ref());
        assert!(followed.is_none_or(Followed::is_told), "client {n} has missed {followed:?}");
        client.into_iter().flat_map(|client| &client.expected).map(|(_, told)| told).collect()
    }
}

/// Where what is heard stands among what is to be heard. What is said in one room comes in its order,
/// and between rooms there is none; what one device alone is told comes after all that was said
/// before, and before what is said later.
fn place_of(
    expected: &VecDeque<(usize, Told)>,
    is_json: bool,
    fits: impl Fn(&Told) -> bool,
) -> Option<usize> {
    let mut rooms = Vec::new();
    for (at, (_, told)) in expected.iter().enumerate() {
        let Some(room) = told.published_in() else {
            return (at == 0 && fits(told)).then_some(at);
        };
        // People are not told in which room that is, so it may come in the order of any.
        let is_anywhere = !is_json && matches!(told, Told::Renamed { .. });
        if (is_anywhere || !rooms.contains(&room)) && fits(told) {
            return Some(at);
        }
        if !is_anywhere {
            rooms.push(room);
        }
    }
    None
}
