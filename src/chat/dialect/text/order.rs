//! What people at terminals are told of order.

use super::{line, page_number};
use crate::chat::dialect::reply::{BanLine, Reply};
use crate::chat::dialect::term::Term;
use crate::chat::dialect::utc::Utc;
use crate::delivery::encoding::Encoder;

/// Appends the lines of a reply about order.
pub fn render(to: &mut Encoder, reply: &Reply) {
    match reply {
        Reply::Bans { bans, total, after, next, .. } => {
            render_bans(to, bans, *total, *after, next.map(page_number));
        }
        Reply::Muted { room, by, until, reason, .. } => {
            render_muted(to, room, by, *until, reason);
        }
        Reply::Unmuted { room, by, .. } => {
            line(to, format_args!("* {by} lets you speak again in {room}."));
        }
        Reply::Ignored { names, .. } => render_ignored(to, names),
        _ => {}
    }
}

/// `next`: the page that comes next.
fn render_bans(to: &mut Encoder, bans: &[BanLine], total: usize, after: u64, next: Option<u64>) {
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
    if let Some(next) = next {
        line(to, format_args!("* More with /bans {next}"));
    }
}

fn render_muted(to: &mut Encoder, room: &str, by: &str, until: Option<u64>, reason: &str) {
    let term = Term { until, reason };
    line(to, format_args!("* {by} muted you in {room}{term}"));
}

fn render_ignored(to: &mut Encoder, names: &[&str]) {
    match names {
        [] => line(to, format_args!("* You ignore nobody.")),
        names => line(to, format_args!("* You ignore {}.", names.join(", "))),
    }
}
