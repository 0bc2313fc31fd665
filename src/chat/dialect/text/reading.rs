//! What people at terminals are told of what is unread.

use super::line;
use crate::chat::dialect::reply::{UnreadRoom, Where};
use crate::delivery::encoding::Encoder;

/// `* Unread: #dev 12 (2 for you), #ops 3; 1 from bob.`
pub fn unread(to: &mut Encoder, rooms: &[UnreadRoom]) {
    if rooms.is_empty() {
        return line(to, format_args!("* Nothing is unread."));
    }
    let (mut of_rooms, mut of_people) = (Vec::new(), Vec::new());
    for UnreadRoom { place, unread, mentions, .. } in rooms {
        match place {
            Where::Room(room) if *mentions == 0 => of_rooms.push(format!("{room} {unread}")),
            Where::Room(room) => of_rooms.push(format!("{room} {unread} ({mentions} for you)")),
            Where::With(_) => of_people.push(format!("{unread} {place}")),
        }
    }
    let lists = [of_rooms, of_people].into_iter().filter(|list| !list.is_empty());
    let lists: Vec<String> = lists.map(|list| list.join(", ")).collect();
    line(to, format_args!("* Unread: {}.", lists.join("; ")));
}
