//! The chat goes on in another process, which opens the same store.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::absences::Absence;
use super::away::Away;
use super::dialect::clock::Clock;
use super::handlers::shows_ids;
use super::ids::{RoomId, UserId};
use super::logins::LoginSnapshot;
use super::preferences::PreferencesSnapshot;
use super::questions::NextPage;
use super::session::SessionSnapshot;
use super::state::snapshot::StateSnapshot;
use super::{Chat, Keeping};
use crate::clock::Millis;
use crate::delivery::Delivery;
use crate::ids::{ClientId, Peer};
use crate::service::succession::{Refused, Snapshot, Succession};
use crate::throttle::TokenBucket;

/// What the store does not have, but for what is known of connections.
#[derive(Debug, Serialize, Deserialize)]
struct ChatSnapshot {
    epoch: String,
    state: StateSnapshot,
    said: u64,
    said_in: Vec<(RoomId, [u64; 2])>,
    absent: Vec<AbsenceSnapshot>,
    away: Vec<(UserId, Away)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AbsenceSnapshot {
    user: UserId,
    peer: std::net::SocketAddr,
    bucket: TokenBucket,
    current: Option<RoomId>,
    until_ms: Millis,
}

/// What is known of one connection.
#[derive(Debug, Serialize, Deserialize)]
struct ClientSnapshot {
    session: SessionSnapshot,
    /// Where it talks.
    current: Option<RoomId>,
    /// Of one that follows what is said: the rooms that it has come to. Others hear all of theirs.
    hears: Option<Vec<RoomId>>,
    login: LoginSnapshot,
    preferences: Option<PreferencesSnapshot>,
    next_page: Option<NextPage>,
    missed: Vec<(RoomId, u64)>,
    is_unproven: bool,
    #[serde(default)]
    is_outside: bool,
    /// Whom it has been told of that they are away.
    told: Vec<UserId>,
}

impl Succession for Chat {
    fn check(&self) -> Result<(), Refused> {
        match &self.keeping {
            None => Err("with --data none everything is in memory".into()),
            Some(keeping) if keeping.is_full() => Err("the disk is full".into()),
            Some(keeping) => keeping.check_release().map_err(told),
        }
    }

    fn settle(&mut self, out: &mut Delivery) {
        self.serve_all_backlog(out);
        self.presence.make_due(out.now().ms);
        self.publish_sums(out);
    }

    fn is_settled(&mut self, out: &mut Delivery) -> bool {
        self.write_readings(out);
        if self.keeping.as_ref().is_some_and(Keeping::has_more_to_write) {
            return false;
        }
        let is_looking = self.questions.is_waiting() || self.logins.proofs.is_waiting();
        self.arrivals.is_empty() && !is_looking && self.ended.clients.is_empty()
    }

    fn snapshot(&self) -> Snapshot {
        let (said, said_in) = self.channels.snapshot();
        let absent = self.absences.all().into_iter().map(|(user, absence)| {
            let Absence { peer, bucket, current, until_ms, .. } = absence;
            AbsenceSnapshot { user, peer: peer.into(), bucket, current, until_ms }
        });
        written(&ChatSnapshot {
            epoch: self.settings.epoch.clone(),
            state: self.state.snapshot(),
            said,
            said_in,
            absent: absent.collect(),
            away: self.sessions.aways.all().map(|(user, it)| (user, it.clone())).collect(),
        })
    }

    fn snapshot_of(&self, client: ClientId, out: &Delivery) -> Option<Snapshot> {
        let channel = self.sessions.get(client)?.current;
        let follows = self.sessions.followers.has(client);
        let heard = || out.channels_of(client).filter_map(|channel| self.channels.room(channel));
        Some(written(&ClientSnapshot {
            session: self.sessions.snapshot(client)?,
            current: channel.and_then(|channel| self.channels.room(channel)),
            hears: follows.then(|| heard().collect()),
            login: self.logins.snapshot(client),
            preferences: self.preferences.snapshot(client),
            next_page: self.questions.next(client).cloned(),
            missed: self.written.missed_of(client).collect(),
            is_unproven: self.unproven.contains(&client),
            is_outside: self.outside.contains_key(&client),
            told: self.sessions.aways.told(client).collect(),
        }))
    }

    fn release(&mut self) -> Result<(), Refused> {
        self.keeping.as_mut().map_or(Ok(()), Keeping::release).map_err(told)
    }

    fn take_back(&mut self) -> Result<(), Refused> {
        self.keeping.as_mut().map_or(Ok(()), Keeping::take_back).map_err(told)
    }

    fn retire(&mut self, out: &mut Delivery) {
        self.close_channels(out);
        if let Some(listeners) = self.channels.listeners.take() {
            let members: Vec<ClientId> = out.members(listeners).collect();
            members.into_iter().for_each(|client| out.leave(listeners, client));
        }
        self.forget_all();
        self.keeping = None;
    }

    fn restore(&mut self, snapshot: &RawValue, out: &mut Delivery) -> Result<(), Refused> {
        let ChatSnapshot { epoch, state, said, said_in, absent, away } = read(snapshot)?;
        if epoch != self.settings.epoch {
            return Err("the history is another one".into());
        }
        self.state.restore(state).map_err(told)?;
        for &(room, _) in &said_in {
            if self.state.rooms().get(room).is_some() {
                self.channel_for(room, out);
            }
        }
        self.channels.restore(said, &said_in);
        for AbsenceSnapshot { user, peer, bucket, current, until_ms } in absent {
            let (client, peer) = (ClientId::NOBODY, peer.into());
            self.absences.begin(user, Absence { client, peer, bucket, current, until_ms });
        }
        for (user, away) in away {
            self.sessions.aways.begin(user, away);
        }
        Ok(())
    }

    fn restore_client(
        &mut self,
        client: ClientId,
        peer: Peer,
        snapshot: &RawValue,
        out: &mut Delivery,
    ) -> Result<(), Refused> {
        let ClientSnapshot {
            session,
            current,
            hears,
            login,
            preferences,
            next_page,
            missed,
            is_unproven,
            is_outside,
            told,
        } = read(snapshot)?;
        let user = session.user;
        let slot = self.state.users().slot(user).ok_or("somebody is nobody")?;
        let is_account = self.state.accounts().contains(user);
        let slot = (!is_account).then_some(slot);
        self.sessions.restore(client, peer, session, slot, shows_ids(client, out));
        for room in hears.unwrap_or_else(|| self.state.rooms_of(user).collect()) {
            let channel = self.channel_for(room, out);
            out.join(channel, client);
            // It was told everything before its place was handed over.
            self.note_told(client, room);
        }
        let channel = current.and_then(|room| self.channels.of(room));
        self.sessions.restore_current(client, channel);
        self.logins.restore(client, peer, login);
        if let Some(preferences) = preferences {
            let clock = Clock::of(out.encoding(client).dialect);
            self.preferences.restore(client, preferences, clock, out.now());
        }
        self.questions.set_next(client, next_page);
        for (room, id) in missed {
            self.written.missed(client, room, id);
        }
        for user in told {
            self.sessions.aways.news_for(client, user);
        }
        if is_unproven {
            self.unproven.insert(client);
        }
        if is_outside {
            self.outside.insert(client, false);
        }
        Ok(())
    }
}

fn written(snapshot: &impl Serialize) -> Snapshot {
    to_raw_value(snapshot).expect("its maps have texts as keys")
}

fn read<'a, T: Deserialize<'a>>(snapshot: &'a RawValue) -> Result<T, Refused> {
    serde_json::from_str(snapshot.get()).map_err(told)
}

fn told(error: impl ToString) -> Refused {
    error.to_string().into()
}
