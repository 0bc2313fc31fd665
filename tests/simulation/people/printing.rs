//! What people at terminals are shown of what is unread.

use std::collections::BTreeSet;

use super::model::{Done, Model, Said};
use super::positions::{Place, Unread};
use super::told::Told;

/// Messages that are shown at once.
const PAGE: usize = 50;

impl Model {
    /// A person who comes is told where something is unread.
    pub fn tell_person_unread(&mut self, n: usize) {
        let user = self.clients[&n].user;
        if self.clients[&n].is_json || !self.is_account(user) {
            return;
        }
        let rooms = self.unread_rooms(user, |unread| match unread.level {
            "all" | "mentions" => unread.unread() > 0,
            "hidden" => unread.mentions > 0,
            _ => false,
        });
        if let Some(line) = self.unread_line(user, &rooms) {
            self.tell(n, line);
        }
    }

    /// Where this holds, but for conversations with those who are ignored.
    fn unread_rooms(&self, user: u64, is_wanted: impl Fn(&Unread) -> bool) -> Vec<(u64, Unread)> {
        let places =
            self.places_of(user).into_iter().filter(|room| !self.is_with_ignored(user, *room));
        let unread = places.map(|room| (room, self.unread(user, room).expect("it reads there")));
        unread.filter(|(_, unread)| is_wanted(unread)).collect()
    }

    pub fn is_with_ignored(&self, user: u64, room: u64) -> bool {
        let between = self.kept.rooms[&room].between;
        between
            .is_some_and(|(one, other)| self.ignores(user, if one == user { other } else { one }))
    }

    fn unread_line(&self, user: u64, rooms: &[(u64, Unread)]) -> Option<Told> {
        let (mut of_rooms, mut of_people) = (Vec::new(), Vec::new());
        for (room, unread) in rooms {
            let (count, mentions) = (unread.unread(), unread.mentions);
            match self.place(user, *room) {
                ("room", name) if mentions > 0 => {
                    of_rooms.push(format!("{name} {count} ({mentions} for you)"));
                }
                ("room", name) => of_rooms.push(format!("{name} {count}")),
                (_, name) => of_people.push(format!("{count} from {name}")),
            }
        }
        let lists = [of_rooms, of_people].into_iter().filter(|list| !list.is_empty());
        let lists: Vec<String> = lists.map(|list| list.join(", ")).collect();
        (!lists.is_empty()).then(|| Told::Line(format!("* Unread: {}.", lists.join("; "))))
    }

    /// The next page of what is unread is shown, and read by that. What was read by typing for it is
    /// not known for sure at times, and neither is what is shown then.
    pub fn print_unread(&mut self, n: usize, named: Option<&str>) -> Done {
        let user = self.clients[&n].user;
        let places = std::mem::take(&mut self.clients.get_mut(&n).expect("it is there").printing);
        let named = named.map(|named| self.place_to_read(n, named)).transpose();
        let mut pages = Vec::new();
        let mut is_nothing = true;
        for room in self.rooms_to_print(n, named.unwrap_or_default(), &places) {
            let place = places.iter().find(|place| place.room == room);
            let Some(Place { least, most, .. }) = place.copied() else { continue };
            let is_shown = |read: &u64| {
                let unread = self.unread_after(user, room, *read).expect("it reads there");
                unread.unread() > 0 && (matches!(named, Ok(Some(_))) || !unread.is_hidden())
            };
            let shown: Vec<u64> = (least..=most).filter(is_shown).collect();
            is_nothing = shown.len() as u64 <= most - least;
            pages.extend(
                shown.into_iter().map(|read| (room, read, self.page_after(user, room, read))),
            );
            if !is_nothing {
                break;
            }
        }
        if named.is_err() {
            pages.clear();
        }
        let mut moved = 0;
        for Place { room, least, most, now } in places {
            if !(least..=most).contains(&now) {
                let last =
                    |(of, _, page): &(u64, u64, Vec<Said>)| (*of, page.last().expect("a page").id);
                assert!(
                    pages.iter().any(|page| last(page) == (room, now)),
                    "{room} is read up to {now}"
                );
                moved += 1;
            }
            self.advance(user, room, now);
        }
        assert!(moved <= 1, "one page is shown");
        named?;
        let rest = self.unread_rooms(user, |unread| unread.unread() > 0 && !unread.is_hidden());
        let (rest, nothing) = (self.unread_line(user, &rest), "* Nothing is unread.".to_owned());
        let mut all: Vec<Vec<Told>> = Vec::new();
        for (room, read, page) in pages {
            let count = self.kept.rooms[&room].next_id - 1 - read;
            let (field, name) = self.place(user, room);
            let place = if field == "room" { format!("in {name}") } else { format!("from {name}") };
            let seen = self.seen(user, &page);
            let mut lines = Vec::new();
            if !seen.is_empty() {
                lines.push(Told::Line(format!("* {count} unread {place} (UTC):")));
                lines.extend(seen.iter().map(Model::line_of));
            }
            lines.extend(
                rest.clone().or_else(|| seen.is_empty().then(|| Told::Line(nothing.clone()))),
            );
            all.push(lines);
        }
        if is_nothing {
            all.push(vec![Told::Line(nothing)]);
        }
        self.tell(n, Told::OneOf(all));
        Ok(())
    }

    /// The room that is named, or where one talks, and then all others in their order.
    fn rooms_to_print(&self, n: usize, named: Option<u64>, places: &[Place]) -> Vec<u64> {
        let (user, current) = (self.clients[&n].user, self.clients[&n].current);
        let mut seen = BTreeSet::new();
        let all = current.into_iter().chain(places.iter().map(|place| place.room));
        match named {
            Some(room) => vec![room],
            None => all
                .filter(|room| seen.insert(*room) && !self.is_with_ignored(user, *room))
                .collect(),
        }
    }

    fn page_after(&self, user: u64, room: u64, read: u64) -> Vec<Said> {
        self.readable(user, room).filter(|said| said.id > read).take(PAGE).cloned().collect()
    }
}
