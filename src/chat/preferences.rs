//! What people at terminals have chosen, for as long as they are connected.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

use crate::chat::dialect::clock::Clock;
use crate::chat::ids::UserId;
use crate::clock::{Millis, Now};
use crate::ids::ClientId;

/// The program has all zones in it: they are the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// What one has chosen, and who has said something to it only.
#[derive(Debug, Default)]
struct Preferences {
    /// Its zone, and when it will be off UTC by something else, in milliseconds since 1970.
    zone: Option<(TimeZone, Option<u64>)>,
    rings: bool,
    /// Who has said something to it only, last.
    told_by: Option<UserId>,
}

/// What one has chosen, for another process.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreferencesSnapshot {
    /// As [`find_zone`] takes it.
    zone: Option<String>,
    rings: bool,
    told_by: Option<UserId>,
}

/// By client; those who have chosen nothing are not in it.
#[derive(Debug, Default)]
pub struct AllPreferences {
    by_client: BTreeMap<ClientId, Preferences>,
    /// Those whose terminals ring.
    ringing: usize,
    /// When the first zone changes.
    next_change: Option<Millis>,
}

/// A zone as people type it: by its name, or the last part of it, in any case; or how far it is from
/// UTC: `+9`, `-3:30`.
pub fn find_zone(typed: &str) -> Option<TimeZone> {
    if let Some(minutes) = offset_minutes(typed) {
        let offset = Offset::from_seconds(minutes * 60).ok()?;
        return Some(TimeZone::fixed(offset));
    }
    let typed = typed.replace(' ', "_");
    let city =
        |name: &str| name.rsplit('/').next().is_some_and(|it| it.eq_ignore_ascii_case(&typed));
    let found = ZONES.get(&typed).ok();
    found.or_else(|| {
        let name = ZONES.available().find(|name| city(name.as_str()))?;
        ZONES.get(name.as_str()).ok()
    })
}

fn offset_minutes(typed: &str) -> Option<i32> {
    let bare = typed.strip_prefix("UTC").or_else(|| typed.strip_prefix("GMT")).unwrap_or(typed);
    let sign = match bare.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = bare[1..].split_once(':').unwrap_or((&bare[1..], "0"));
    let number = |digits: &str| {
        let is_number =
            (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.parse::<i32>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let sum = sign * (hours * 60 + minutes);
    (minutes < 60 && (-12 * 60..=14 * 60).contains(&sum)).then_some(sum)
}

/// How far from UTC a zone is, in minutes, and when that changes.
fn offset_at(zone: &TimeZone, unix_ms: u64) -> (i32, Option<u64>) {
    // After the last year of jiff's calendar it is as it was at its end.
    let now = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let now = now.unwrap_or(Timestamp::MAX);
    let next = zone.following(now).next().map(|it| it.timestamp().as_millisecond());
    (zone.to_offset(now).seconds().div_euclid(60), next.and_then(|ms| u64::try_from(ms).ok()))
}

impl AllPreferences {
    /// The clock of a client that has this one, in another zone; until that zone changes.
    pub fn set_zone(&mut self, client: ClientId, zone: TimeZone, clock: Clock, now: Now) -> Clock {
        let (minutes, until) = offset_at(&zone, now.unix_ms);
        self.by_client.entry(client).or_default().zone = Some((zone, until));
        if let Some(until) = until {
            let at = now.ms.saturating_add(until.saturating_sub(now.unix_ms));
            self.next_change = Some(self.next_change.map_or(at, |other| other.min(at)));
        }
        clock.offset(minutes)
    }

    pub fn has_zone(&self, client: ClientId) -> bool {
        self.by_client.get(&client).is_some_and(|it| it.zone.is_some())
    }

    /// What a zone is called that somebody has chosen.
    pub fn zone_name(&self, client: ClientId) -> Option<&str> {
        let (zone, _) = self.by_client.get(&client)?.zone.as_ref()?;
        zone.iana_name()
    }

    /// When [`AllPreferences::take_changed`] has something.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.next_change
    }

    /// Those whose zone has changed, with it.
    pub fn take_changed(&mut self, now: Now) -> Vec<(ClientId, TimeZone)> {
        if self.next_change.is_none_or(|at| at > now.ms) {
            return Vec::new();
        }
        let zones =
            self.by_client.iter().filter_map(|(client, it)| Some((client, it.zone.as_ref()?)));
        let (mut changed, mut next) = (Vec::new(), None);
        for (client, (zone, until)) in zones {
            let Some(until) = *until else { continue };
            if until <= now.unix_ms {
                changed.push((*client, zone.clone()));
            } else {
                let at = now.ms.saturating_add(until - now.unix_ms);
                next = Some(next.map_or(at, |other: Millis| other.min(at)));
            }
        }
        self.next_change = next;
        changed
    }

    pub fn set_ringing(&mut self, client: ClientId, on: bool) {
        let before = std::mem::replace(&mut self.by_client.entry(client).or_default().rings, on);
        self.ringing = self.ringing + usize::from(on) - usize::from(before);
    }

    /// Whether it rings: asked for each message, and hardly any does.
    #[inline]
    pub fn rings(&self, client: ClientId) -> bool {
        self.ringing > 0 && self.by_client.get(&client).is_some_and(|it| it.rings)
    }

    /// Whether any does.
    #[inline]
    pub fn any_rings(&self) -> bool {
        self.ringing > 0
    }

    pub fn set_told_by(&mut self, client: ClientId, user: UserId) {
        self.by_client.entry(client).or_default().told_by = Some(user);
    }

    pub fn told_by(&self, client: ClientId) -> Option<UserId> {
        self.by_client.get(&client)?.told_by
    }

    /// What one has chosen, for another process to go on with; `None`: nothing.
    pub fn snapshot(&self, client: ClientId) -> Option<PreferencesSnapshot> {
        let Preferences { zone, rings, told_by } = self.by_client.get(&client)?;
        let zone = zone.as_ref().map(|(zone, _)| match zone.iana_name() {
            Some(name) => name.to_owned(),
            None => zone.to_fixed_offset().map_or(String::new(), |offset| offset.to_string()),
        });
        Some(PreferencesSnapshot { zone, rings: *rings, told_by: *told_by })
    }

    pub fn restore(
        &mut self,
        client: ClientId,
        snapshot: PreferencesSnapshot,
        clock: Clock,
        now: Now,
    ) {
        let PreferencesSnapshot { zone, rings, told_by } = snapshot;
        if let Some(zone) = zone.and_then(|zone| find_zone(&zone)) {
            // It is the clock that it has already.
            self.set_zone(client, zone, clock, now);
        }
        if rings {
            self.set_ringing(client, rings);
        }
        if let Some(user) = told_by {
            self.set_told_by(client, user);
        }
    }

    /// A client has gone.
    pub fn forget(&mut self, client: ClientId) {
        if !self.by_client.is_empty()
            && let Some(gone) = self.by_client.remove(&client)
        {
            self.ringing -= usize::from(gone.rings);
        }
    }
}
