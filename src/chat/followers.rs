//! Those that hear some rooms of their account alone, and how far each has come in them.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::ClientId;

/// The rooms of one of them, by the keys of their names, and the last message that it has been told
/// of each, if that is known. A map would have room for ten more in each of them.
///
/// Invariant: in the order of their names.
#[derive(Debug)]
struct Places(Vec<(Box<str>, Option<u64>)>);

impl Places {
    fn find(&self, room: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| (**name).cmp(room))
    }

    fn put(&mut self, room: &str, place: Option<u64>) {
        match self.find(room) {
            Ok(at) => self.0[at].1 = place,
            Err(at) => self.0.insert(at, (room.into(), place)),
        }
    }

    fn remove(&mut self, room: &str) -> Option<Option<u64>> {
        self.find(room).ok().map(|at| self.0.remove(at).1)
    }
}

/// All of them.
///
/// Invariant: `with_ids` are those that show what they were told last when they connect anew, and
/// follow several rooms: what each is told is known by its place in all of them, which it has in
/// common with nobody.
#[derive(Debug, Default)]
pub struct Followers {
    places: BTreeMap<ClientId, Places>,
    with_ids: BTreeSet<ClientId>,
}

impl Followers {
    /// A client hears these rooms alone. `shows_ids`: it shows again by what it knows the last event.
    pub fn begin(
        &mut self,
        client: ClientId,
        places: BTreeMap<Box<str>, Option<u64>>,
        shows_ids: bool,
    ) {
        if shows_ids && places.len() > 1 {
            self.with_ids.insert(client);
        }
        self.places.insert(client, Places(places.into_iter().collect()));
    }

    pub fn end(&mut self, client: ClientId) {
        self.places.remove(&client);
        self.with_ids.remove(&client);
    }

    pub fn has(&self, client: ClientId) -> bool {
        !self.places.is_empty() && self.places.contains_key(&client)
    }

    /// Whether a client is to hear this room, if its account is in it.
    pub fn hears(&self, client: ClientId, room: &str) -> bool {
        self.places.is_empty()
            || self.places.get(&client).is_none_or(|places| places.find(room).is_ok())
    }

    /// The rooms of a client.
    pub fn rooms_of(&self, client: ClientId) -> Option<BTreeSet<Box<str>>> {
        self.places
            .get(&client)
            .map(|places| places.0.iter().map(|(room, _)| room.clone()).collect())
    }

    /// The room that a client has asked for by one name has another one by now, and it goes on there
    /// behind this message.
    pub fn came_in(&mut self, client: ClientId, asked: &str, room: &str, at: u64) {
        if let Some(places) = self.places.get_mut(&client) {
            places.remove(asked);
            places.put(room, Some(at));
        }
    }

    /// A client has been told this message of a room, and all before it.
    pub fn told(&mut self, client: ClientId, room: &str, id: u64) {
        if let Some(places) = self.places.get_mut(&client)
            && let Ok(at) = places.find(room)
        {
            places.0[at].1 = Some(id);
        }
    }

    /// A room is called otherwise from now on.
    pub fn renamed(&mut self, from: &str, to: &str) {
        for places in self.places.values_mut() {
            if let Some(place) = places.remove(from) {
                places.put(to, place);
            }
        }
    }

    /// How far a client has come in each of its rooms.
    pub fn places_of(&self, client: ClientId) -> Option<impl Iterator<Item = (&str, u64)>> {
        let places = self.places.get(&client)?;
        Some(places.0.iter().filter_map(|(room, place)| Some((&**room, (*place)?))))
    }

    /// Whether there is any of those that are told what others are not.
    #[inline]
    pub fn have_ids(&self) -> bool {
        !self.with_ids.is_empty()
    }

    pub fn has_ids(&self, client: ClientId) -> bool {
        self.with_ids.contains(&client)
    }

    /// Those of them that follow this room.
    pub fn with_ids_in(&self, room: &str) -> impl Iterator<Item = ClientId> {
        self.with_ids.iter().copied().filter(move |&client| self.hears(client, room))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_followed_under_the_name_that_it_has() {
        let (one, other) = (ClientId::new(1, 1), ClientId::new(2, 2));
        let mut followers = Followers::default();
        assert!(followers.hears(one, "#dev") && !followers.has(one) && !followers.have_ids());
        let places = |rooms: &[&str]| rooms.iter().map(|room| ((*room).into(), None)).collect();
        followers.begin(one, places(&["#dev", "#ops"]), true);
        followers.begin(other, places(&["#dev"]), true);
        assert!(followers.has_ids(one) && !followers.has_ids(other), "it follows one alone");
        // It has asked by a name that the room had once.
        followers.came_in(one, "#dev", "#news", 7);
        followers.told(one, "#ops", 3);
        followers.told(one, "#else", 9);
        let places_of = |followers: &Followers| -> Vec<(String, u64)> {
            let places = followers.places_of(one).expect("it follows");
            places.map(|(room, id)| (room.to_owned(), id)).collect()
        };
        assert_eq!(places_of(&followers), [("#news".to_owned(), 7), ("#ops".to_owned(), 3)]);
        followers.renamed("#news", "#talk");
        assert!(followers.hears(one, "#talk") && !followers.hears(one, "#news"));
        assert_eq!(places_of(&followers), [("#ops".to_owned(), 3), ("#talk".to_owned(), 7)]);
        assert_eq!(followers.with_ids_in("#talk").collect::<Vec<_>>(), [one]);
        assert_eq!(followers.with_ids_in("#dev").count(), 0);
        followers.end(one);
        assert!(!followers.have_ids() && followers.has(other));
    }
}
