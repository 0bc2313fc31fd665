//! What people at terminals are told of what is unread.

use super::line;
use crate::chat::dialect::reply::UnreadRoom;
use crate::delivery::encoding::Encoder;

/// `* Unread: #dev 12 (2 for you), #ops 3.`
pub fn unread(to: &mut Encoder, rooms: &[UnreadRoom]) {
    if rooms.is_empty() {
        return line(to, format_args!("* Nothing is unread."));
    }
    let rooms = rooms.iter().map(|UnreadRoom { room, unread, mentions, .. }| match mentions {
        0 => format!("{room} {unread}"),
        mentions => format!("{room} {unread} ({mentions} for you)"),
    });
    line(to, format_args!("* Unread: {}.", rooms.collect::<Vec<String>>().join(", ")));
}
