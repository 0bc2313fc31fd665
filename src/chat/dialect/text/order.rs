//! What people at terminals are told of order.

use super::{line, page_number};
use crate::chat::dialect::reply::BanLine;
use crate::chat::dialect::term::Term;
use crate::chat::dialect::utc::Utc;
use crate::delivery::encoding::Encoder;

/// A page of the bans. `next`: how many have been seen then, if there are more.
pub fn bans(to: &mut Encoder, bans: &[BanLine], total: usize, after: u64, next: Option<u64>) {
    let plural = if total == 1 { "" } else { "s" };
    match (total, bans.len()) {
        (0, _) => return line(to, format_args!("* Nobody is banned.")),
        (_, 0) => return line(to, format_args!("* {total} ban{plural}: there is no such page.")),
        _ if after == 0 => line(to, format_args!("* {total} ban{plural}:")),
        (_, count) => {
            let (first, last) = (after + 1, after + count as u64);
            line(to, format_args!("* {total} ban{plural}, {first} to {last}:"));
        }
    }
    for BanLine { name, address, by, since, until, reason } in bans {
        let whom = name.or(address.as_deref()).unwrap_or_default();
        let (since, term) = (Utc(*since), Term { until: *until, reason });
        line(to, format_args!("*   {whom}, by {by}, since {since} UTC{term}"));
    }
    if let Some(next) = next.map(page_number) {
        line(to, format_args!("* More with /bans {next}"));
    }
}

/// One may say nothing in a room any more.
pub fn muted(to: &mut Encoder, room: &str, by: &str, until: Option<u64>, reason: &str) {
    let term = Term { until, reason };
    line(to, format_args!("* {by} muted you in {room}{term}"));
}

/// One may speak again.
pub fn unmuted(to: &mut Encoder, room: &str, by: &str) {
    line(to, format_args!("* {by} lets you speak again in {room}."));
}

/// Whom one ignores.
pub fn ignored(to: &mut Encoder, names: &[&str]) {
    match names {
        [] => line(to, format_args!("* You ignore nobody.")),
        names => line(to, format_args!("* You ignore {}.", names.join(", "))),
    }
}
