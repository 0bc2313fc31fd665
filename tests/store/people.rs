//! What is kept of people, held to a plain model of it.

use super::kept_people::KeptPeople;
use super::*;
use chat_server::store::order::{OrderChange, StoredBan, StoredIgnore, StoredMute, StoredTarget};
use chat_server::store::{
    CALLS_MAX, Loaded, ReadingChange, RulesChange, StoredAccessKey, StoredAccount,
    StoredGuestToken, StoredInvitation, StoredName, StoredPeople, StoredReading, StoredRecord,
    StoredRoomName, StoredSettings,
};

pub fn account(account: u64, name: &str) -> StoredAccount {
    StoredAccount {
        account,
        name: name.into(),
        key: name.to_lowercase().into(),
        password: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into()),
        role: 0,
        created_ms: 1_795_352_709_000,
        owner: None,
    }
}

pub fn access_key(account: u64, key: u32) -> StoredAccessKey {
    StoredAccessKey {
        account,
        key,
        hash: [account as u8; 32],
        is_token: key.is_multiple_of(2),
        label: "Firefox, 日本".into(),
        created_ms: 1_795_352_709_000,
    }
}

fn invitation(invitation: u64, by: u64) -> StoredInvitation {
    StoredInvitation {
        invitation,
        hash: [7; 32],
        by,
        resets: None,
        uses: None,
        until_ms: None,
        rooms: Vec::new(),
        makes_account: true,
    }
}

fn reserved(name: &str, account: u64, until_ms: u64) -> Change {
    let key = name.to_lowercase().into();
    Change::Reserved(StoredName { key, name: name.into(), account, until_ms })
}

fn settings(room: u64) -> Change {
    let (is_listed, newcomers_see, posting, invites, is_archived) = (true, 1, 0, 1, false);
    Change::Rules(RulesChange::Set(StoredSettings {
        room,
        entry: 3,
        is_listed,
        newcomers_see,
        posting,
        invites,
        is_archived,
    }))
}

fn record(room: u64, account: u64, removed_until: Option<u64>) -> Change {
    let (role, may_return, has_asked, sees_from) = (2, true, false, 7);
    Change::Rules(RulesChange::Record(StoredRecord {
        room,
        account,
        role,
        may_return,
        has_asked,
        sees_from,
        removed_until,
    }))
}

fn former(key: &str, room: u64) -> Change {
    let until_ms = 1_795_399_999_000;
    Change::Rules(RulesChange::FormerName(StoredRoomName {
        key: key.into(),
        name: key.to_uppercase().into(),
        room,
        until_ms,
    }))
}

fn guest_token(number: u8, until_ms: u64) -> StoredGuestToken {
    let before = number.is_multiple_of(2).then_some([number + 1; 32]);
    StoredGuestToken { hash: [number; 32], before, name: "Robin さくら".into(), until_ms }
}

fn reading(account: u64, room: u64, read: u64, level: Option<u8>) -> Change {
    Change::Reading(ReadingChange::Set(StoredReading { account, room, read, level }))
}

fn mentioned(room: u64, id: u64, accounts: &[u64]) -> Change {
    Change::Reading(ReadingChange::Mentioned { room, id, accounts: accounts.into() })
}

fn called(room: u64, id: u64) -> Change {
    Change::Reading(ReadingChange::Called { room, id, by: Some(1) })
}

fn read_no_more(account: u64, room: u64) -> Change {
    Change::Reading(ReadingChange::Gone { account, room })
}

/// Two rooms, in which something was said; Alice and Bob, with all that there can be of them.
fn some_people() -> Vec<Change> {
    let owner = StoredAccount { role: 2, password: None, ..account(1, "Alice") };
    vec![
        opened(1, "#a", 1),
        said(1, 1, "hello"),
        opened(2, "#b", 1),
        said(2, 1, "hello"),
        Change::Account(owner),
        Change::Account(account(2, "bob")),
        Change::AccessKey(access_key(2, 1)),
        Change::AccessKey(access_key(1, 2)),
        Change::AccessKey(access_key(1, 1)),
        Change::Member { room: 2, account: 2 },
        Change::Member { room: 1, account: 2 },
        Change::Member { room: 1, account: 1 },
        Change::Invitation(invitation(1, 1)),
        Change::Invitation(StoredInvitation {
            uses: Some(1),
            until_ms: Some(1_795_352_999_000),
            rooms: vec![1, 2],
            makes_account: false,
            ..invitation(2, 2)
        }),
        reserved("Robert", 2, 1_795_399_999_000),
        reserved("Ann", 9, 1_795_388_888_000),
        settings(1),
        record(1, 2, None),
        record(1, 1, Some(i64::MAX as u64)),
        former("#once", 1),
        ban(StoredTarget::Account(2), None),
        ban(StoredTarget::Network("192.0.2.7/32".into()), None),
        ban(StoredTarget::Network("2001:db8::/64".into()), Some(1_795_399_999_000)),
        mute(1, 2),
        Change::Order(OrderChange::Ignored(StoredIgnore { account: 1, ignored: 2 })),
        Change::GuestToken(guest_token(3, 1_795_399_999_000)),
        Change::GuestToken(guest_token(4, 1_795_388_888_000)),
        reading(1, 1, 0, None),
        reading(2, 1, 0, Some(3)),
        reading(2, 2, 1, None),
        mentioned(1, 1, &[1, 2]),
        called(1, 1),
    ]
}

fn ban(target: StoredTarget, until_ms: Option<u64>) -> Change {
    let (by, reason, since_ms) = ("Alice".into(), "spam".into(), 1_795_352_709_000);
    Change::Order(OrderChange::Ban(StoredBan { target, by, reason, since_ms, until_ms }))
}

fn mute(room: u64, account: u64) -> Change {
    let (reason, until_ms) = ("too loud".into(), Some(1_795_399_999_000));
    Change::Order(OrderChange::Mute(StoredMute { room, account, reason, until_ms }))
}

/// What these changes leave.
fn model_of(changes: &[Change]) -> KeptPeople {
    let mut people = KeptPeople::default();
    let of_people = changes
        .iter()
        .filter(|change| !matches!(change, Change::RoomOpened { .. } | Change::Said { .. }));
    of_people.for_each(|change| people.apply(change.clone()));
    people
}

#[test]
fn people_are_there_after_a_restart() {
    let scratch = Scratch::new();
    let (mut store, fresh) = open(&scratch);
    let nobody = StoredPeople { next_account: 1, next_invitation: 1, ..StoredPeople::default() };
    assert_eq!(fresh.people, nobody);
    append(&mut store, 1, some_people());
    close(store);
    let (store, loaded) = open(&scratch);
    assert_eq!(loaded.people, model_of(&some_people()).stored());
    assert_eq!(loaded.order, model_of(&some_people()).order.stored());
    assert_eq!(loaded.people.members, [(2, 2), (1, 2), (1, 1)], "in the order of joining");
    close(store);
}

#[test]
fn what_belongs_to_an_account_or_a_room_goes_with_it() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, some_people());
    append(&mut store, 2, vec![Change::AccountGone { account: 2 }]);
    let Loaded { people, order, .. } = store.reload().expect("it can be read");
    assert_eq!((order.bans.len(), order.mutes.len(), order.ignores.len()), (2, 0, 1));
    assert_eq!(people.accounts.iter().map(|it| it.account).collect::<Vec<_>>(), [1]);
    assert_eq!(people.keys, [access_key(1, 1), access_key(1, 2)]);
    assert_eq!(people.members, [(1, 1)]);
    assert_eq!(people.invitations, [invitation(1, 1)]);
    let names: Vec<&str> = people.reserved.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["Ann", "Robert"], "nobody takes a name because its account is gone");
    assert_eq!((people.next_account, people.next_invitation), (3, 3), "no id is used twice");
    let of: Vec<u64> = people.rules.records.iter().map(|it| it.account).collect();
    assert_eq!((of, people.rules.names.len()), (vec![1], 1), "the room stays");

    append(
        &mut store,
        3,
        vec![
            opened(3, "#c", 1),
            Change::Member { room: 3, account: 1 },
            settings(3),
            record(3, 1, None),
            former("#twice", 3),
            Change::Invitation(StoredInvitation { rooms: vec![1, 3], ..invitation(1, 1) }),
            said(3, 1, "bye"),
            Change::Rules(RulesChange::Renamed {
                room: 3,
                name: "#d".into(),
                key: "#d".into(),
                skeletons: vec!["#d".into()],
            }),
        ],
    );
    let rooms = store.reload().expect("it can be read").rooms;
    let named = rooms.iter().find(|room| room.room == 3).map(|room| &*room.name);
    assert_eq!(named, Some("#d"));
    let emptied = Change::Rules(RulesChange::Emptied { room: 3 });
    append(&mut store, 4, vec![emptied, Change::RoomClosed { room: 3 }]);
    let left = store.reload().expect("it can be read");
    assert_eq!(left.people.members, [(1, 1)]);
    assert_eq!(left.people.rules, people.rules, "all of it went with the room");
    assert_eq!(left.people.invitations[0].rooms, [1]);
    assert_eq!(left.ids_used, 1, "its ids are not used again");
    close(store);
    tools::check(&scratch.0).expect("it is sound");
}

/// A change that hits nothing is not acknowledged, and nothing of its group is kept.
#[test]
fn what_a_change_names_has_to_be_there() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, some_people());
    let before = store.reload().expect("it can be read");
    for wrong in [
        Change::AccountGone { account: 3 },
        Change::Account(StoredAccount { owner: Some(3), ..account(4, "build") }),
        Change::AccessKey(access_key(3, 1)),
        Change::AccessKey(access_key(1, 1)),
        Change::AccessKeyGone { account: 1, key: 3 },
        Change::Member { room: 1, account: 3 },
        Change::Member { room: 3, account: 1 },
        Change::Member { room: 1, account: 1 },
        Change::MemberGone { room: 2, account: 1 },
        Change::Invitation(invitation(3, 3)),
        Change::InvitationGone { invitation: 3 },
        Change::ReservedGone { key: "alice".into() },
        settings(3),
        record(2, 1, None),
        record(1, 3, None),
        former("#x", 3),
        ban(StoredTarget::Account(3), None),
        Change::Order(OrderChange::BanGone { target: StoredTarget::Account(1) }),
        Change::Order(OrderChange::BanGone {
            target: StoredTarget::Network("192.0.2.8/32".into()),
        }),
        mute(3, 1),
        mute(1, 3),
        Change::Order(OrderChange::MuteGone { room: 1, account: 1 }),
        Change::Order(OrderChange::Ignored(StoredIgnore { account: 1, ignored: 2 })),
        Change::Order(OrderChange::IgnoredGone(StoredIgnore { account: 2, ignored: 1 })),
        Change::Rules(RulesChange::RecordGone { room: 2, account: 1 }),
        Change::Rules(RulesChange::NameGone { key: "#never".into() }),
        Change::Invitation(StoredInvitation { rooms: vec![9], ..invitation(3, 1) }),
        Change::Account(account(3, "ALICE")),
        reading(3, 1, 0, None),
        reading(1, 3, 0, None),
        read_no_more(1, 2),
        mentioned(1, 1, &[1]),
        mentioned(1, 2, &[3]),
        called(1, 1),
        called(3, 1),
    ] {
        store.append(GroupId(2), vec![said(1, 2, "with it"), wrong.clone()]);
        wait_for(&mut store, Progress::Lost(GroupId(1)));
        assert_eq!(store.reload().expect("it can be read"), before, "{wrong:?}");
    }
    append(&mut store, 2, vec![said(1, 2, "it goes on")]);
    close(store);
}

#[test]
fn what_was_read_is_for_nobody_any_more_and_of_calls_the_newest_are_kept() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, some_people());
    let many = CALLS_MAX as u64 + 3;
    append(&mut store, 2, (2..=many).map(|id| called(1, id)).collect());
    append(&mut store, 3, vec![reading(1, 1, 1, Some(1))]);
    let people = store.reload().expect("it can be read").people;
    let read = StoredReading { account: 1, room: 1, read: 1, level: Some(1) };
    assert_eq!((people.readings[0], people.mentions), (read, vec![(1, 2, 1)]));
    assert_eq!((people.calls.len(), people.calls[0]), (CALLS_MAX, (1, 4, Some(1))));
    append(&mut store, 4, vec![read_no_more(2, 1)]);
    let people = store.reload().expect("it can be read").people;
    assert_eq!((people.readings.len(), people.mentions), (2, vec![]));
    close(store);
}

#[test]
fn rooms_with_members_are_there_at_the_start_however_many() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let mut changes = vec![Change::Account(account(1, "alice"))];
    for room in 1..=9 {
        changes.push(opened(room, &format!("#room{room}"), 1));
        changes.push(said(room, 1, "hello"));
    }
    changes.extend([2, 9, 4].map(|room| Change::Member { room, account: 1 }));
    // Nothing was ever said there.
    changes.extend([opened(10, "#silent", 1), Change::Member { room: 10, account: 1 }]);
    append(&mut store, 1, changes);
    close(store);
    let preload = Preload { rooms: 3, ..StoreSettings::default().preload };
    let settings = StoreSettings { rooms_max: 2, preload, ..StoreSettings::default() };
    let (store, loaded) = open_with(&scratch, settings);
    let rooms: Vec<(u64, usize)> =
        loaded.rooms.iter().map(|room| (room.room, room.newest.len())).collect();
    assert_eq!(rooms, [(9, 1), (8, 1), (4, 1), (2, 0), (10, 0)]);
    close(store);
}

#[test]
fn a_room_with_members_outlives_what_was_said_in_it() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, some_people());
    append(&mut store, 2, vec![Change::MemberGone { room: 2, account: 2 }]);
    close(store);
    // What was said in these tests was said days ago.
    let settings = StoreSettings { keep_days: Some(1), ..StoreSettings::default() };
    let (store, _) = open_with(&scratch, settings.clone());
    let (reader, began) = (store.reader(), Instant::now());
    while !reader.page(&page(2, 0, u64::MAX)).expect("it can be read").is_empty() {
        assert!(began.elapsed() < DEADLINE, "it expires");
        thread::sleep(Duration::from_millis(5));
    }
    close(store);
    let (mut store, loaded) = open_with(&scratch, settings);
    let rooms: Vec<(u64, u64, u64)> =
        loaded.rooms.iter().map(|room| (room.room, room.first_id, room.next_id)).collect();
    assert_eq!(rooms, [(1, 2, 2)], "the other one has no members any more");
    assert_eq!(loaded.people.members, [(1, 2), (1, 1)]);
    append(&mut store, 1, vec![said(1, 2, "we are still here")]);
    close(store);
    tools::check(&scratch.0).expect("it is sound");
}

#[test]
fn a_backup_has_the_people() {
    let scratch = Scratch::new();
    let (mut store, first) = open(&scratch);
    append(&mut store, 1, some_people());
    let backup = scratch.0.join("backup.db");
    tools::backup(&scratch.0, &backup).expect("a copy");
    append(&mut store, 2, vec![Change::AccessKeyGone { account: 1, key: 1 }]);
    close(store);
    restore(&scratch, &backup, true).expect("it is put in place");
    let (store, loaded) = open(&scratch);
    assert_eq!(loaded.people, model_of(&some_people()).stored(), "as they were then");
    assert_ne!(loaded.epoch, first.epoch);
    close(store);
}

#[test]
fn a_check_finds_what_belongs_to_nobody() {
    for (damage, what) in [
        ("DELETE FROM accounts WHERE account = 1", "2 rows of access_keys belong to none of"),
        ("INSERT INTO members VALUES (9, 9, 1)", "1 rows of members belong to none of rooms"),
        ("INSERT INTO members VALUES (9, 2, 9)", "1 rows of members belong to none of accounts"),
        ("UPDATE invitations SET account = 9", "2 rows of invitations belong to none of accounts"),
        (
            "DROP INDEX accounts_by_key; UPDATE accounts SET key = 'bob'",
            "2 accounts have the name Alice",
        ),
        ("UPDATE access_keys SET hash = x'00'", "Conversion error"),
    ] {
        let scratch = Scratch::new();
        let (mut store, _) = open(&scratch);
        append(&mut store, 1, some_people());
        close(store);
        tools::check(&scratch.0).expect("it is sound");
        sql(&scratch, &format!("PRAGMA foreign_keys = OFF; {damage}"));
        let error = tools::check(&scratch.0).expect_err(damage).to_string();
        assert!(error.contains(what), "{damage}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

// ---- Any order of things ----

/// Rooms and people that change at random.
struct Town {
    random: fastrand::Rng,
    rooms: Vec<u64>,
    rooms_made: u64,
    said: u64,
    people: KeptPeople,
}

impl Town {
    /// One of these; `None` if there is none.
    fn one_of<T: Clone>(&mut self, all: impl Iterator<Item = T>) -> Option<T> {
        let all: Vec<T> = all.collect();
        self.random.choice(all)
    }

    fn any_account(&mut self) -> Option<u64> {
        let ids: Vec<u64> = self.people.accounts.keys().copied().collect();
        self.one_of(ids.into_iter())
    }

    /// Something that can be done now, done.
    fn change(&mut self) -> Option<Change> {
        let change = match self.random.u8(0..23) {
            0..3 => Change::Account(self.new_account()),
            3 => Change::Account(self.changed_account()?),
            4 if self.random.bool() => {
                let account = self.any_account()?;
                let mut all = self.people.accounts.values();
                // Its bots end before it.
                if all.any(|one| one.owner == Some(account)) {
                    return None;
                }
                Change::AccountGone { account }
            }
            5 => Change::AccessKey(self.new_key()?),
            6 => {
                let (account, key) = self.one_of(self.people.keys.clone().into_keys())?;
                Change::AccessKeyGone { account, key }
            }
            7..9 => self.new_member()?,
            9 => {
                let (room, account) = self.one_of(self.people.members.clone().into_iter())?;
                Change::MemberGone { room, account }
            }
            10 => Change::Invitation(self.new_invitation()?),
            11 => {
                let any = self.one_of(self.people.invitations.clone().into_values())?;
                match self.random.bool() {
                    true => Change::InvitationGone { invitation: any.invitation },
                    false => {
                        let uses = any.uses.map_or(Some(9), |uses| uses.checked_sub(1));
                        Change::Invitation(StoredInvitation { uses, ..any })
                    }
                }
            }
            12 => {
                // Ends differ, as the order of equal ones is nobody's concern.
                let until_ms = self.random.u64(0..1 << 40);
                let account = self.random.u64(1..9);
                reserved(&format!("Name{}", self.random.u8(0..5)), account, until_ms)
            }
            13 => {
                Change::ReservedGone { key: self.one_of(self.people.reserved.clone().into_keys())? }
            }
            14 | 15 => {
                let until_ms = self.random.u64(0..1 << 40);
                Change::GuestToken(guest_token(self.random.u8(0..20), until_ms))
            }
            // It need not be there.
            16 => Change::GuestTokenGone { hash: [self.random.u8(0..20); 32] },
            17 => return self.changed_rooms(),
            _ => self.changed_readings()?,
        };
        self.people.apply(change.clone());
        Some(change)
    }

    fn new_account(&mut self) -> StoredAccount {
        // Some ids are left out.
        let id = self.people.stored().next_account + self.random.u64(0..2);
        let owner = self.any_account().filter(|_| self.random.bool());
        let role = self.random.u8(0..3);
        StoredAccount { role, owner, ..account(id, &format!("Person{id}")) }
    }

    fn changed_account(&mut self) -> Option<StoredAccount> {
        let id = self.any_account()?;
        let name = format!("Renamed{id}-{}", self.random.u8(..));
        let password = self.random.bool().then(|| "$argon2id$another".into());
        let owner = self.people.accounts[&id].owner;
        Some(StoredAccount { password, owner, ..account(id, &name) })
    }

    fn new_key(&mut self) -> Option<StoredAccessKey> {
        let account = self.any_account()?;
        let mine = self.people.keys.keys().filter(|(of, _)| *of == account);
        let last = mine.map(|(_, key)| *key).max().unwrap_or(0);
        Some(access_key(account, last + 1))
    }

    fn new_member(&mut self) -> Option<Change> {
        let account = self.any_account()?;
        let room = self.one_of(self.rooms.clone().into_iter())?;
        let is_new = !self.people.members.contains(&(room, account));
        is_new.then_some(Change::Member { room, account })
    }

    fn new_invitation(&mut self) -> Option<StoredInvitation> {
        let by = self.any_account()?;
        let uses = self.random.bool().then(|| self.random.u32(..));
        let until_ms = self.random.bool().then(|| self.random.u64(0..1 << 40));
        let id = self.people.stored().next_invitation;
        Some(StoredInvitation { uses, until_ms, ..invitation(id, by) })
    }

    fn changed_readings(&mut self) -> Option<Change> {
        let (account, room) = (self.any_account()?, self.one_of(self.rooms.clone().into_iter())?);
        self.said += 1;
        Some(match self.random.u8(0..6) {
            0..3 => {
                let level = self.random.bool().then(|| self.random.u8(0..4));
                reading(account, room, self.random.u64(0..=self.said), level)
            }
            3 => {
                let (account, room) = self.one_of(self.people.readings.clone().into_keys())?;
                read_no_more(account, room)
            }
            4 => mentioned(room, self.said, &[account]),
            _ => called(room, self.said),
        })
    }

    fn changed_rooms(&mut self) -> Option<Change> {
        if self.random.u8(0..3) > 0 {
            self.rooms_made += 1;
            self.rooms.push(self.rooms_made);
            return Some(opened(self.rooms_made, &format!("#room{}", self.rooms_made), 1));
        }
        let room = self.one_of(self.rooms.clone().into_iter())?;
        self.rooms.retain(|other| *other != room);
        self.people.close_room(room);
        Some(Change::RoomClosed { room })
    }
}

#[test]
fn people_are_as_lists_in_memory() {
    for seed in 0..12 {
        let scratch = Scratch::new();
        let settings = StoreSettings { rooms_max: 1, ..StoreSettings::default() };
        let (mut store, _) = open_with(&scratch, settings.clone());
        let random = fastrand::Rng::with_seed(seed);
        let people = KeptPeople::default();
        let mut town = Town { random, rooms: Vec::new(), rooms_made: 0, said: 0, people };
        let mut group = 0;
        for _ in 0..30 {
            let changes: Vec<Change> = (0..12).filter_map(|_| town.change()).collect();
            if changes.is_empty() {
                continue;
            }
            group += 1;
            append(&mut store, group, changes);
            let loaded = match town.random.u8(0..8) {
                0 => {
                    close(store);
                    let loaded;
                    (store, loaded) = open_with(&scratch, settings.clone());
                    group = 0;
                    loaded
                }
                _ => store.reload().expect("it can be read"),
            };
            assert_eq!(loaded.people, town.people.stored(), "seed {seed}");
            let has_room = |room: u64| loaded.rooms.iter().any(|it| it.room == room);
            assert!(town.people.members.iter().all(|(room, _)| has_room(*room)), "seed {seed}");
        }
        close(store);
        tools::check(&scratch.0).expect("it is sound");
    }
}
