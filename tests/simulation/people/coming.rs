//! Devices come as somebody, and leave.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::bans::network;
use super::model::{Client, Model, ROLES, User, look};
use super::reading::Watched;
use super::told::Told;

impl Model {
    pub fn at(&mut self, unix_ms: u64) {
        self.unix_ms = unix_ms;
    }

    pub fn guest(&mut self, n: usize) {
        loop {
            self.kept.guests += 1;
            let name = format!("guest-{}", self.kept.guests);
            if self.all().all(|(_, user)| look(&user.name) != look(&name)) {
                return self.add_guest(n, name);
            }
        }
    }

    pub fn add_guest(&mut self, n: usize, name: String) {
        let user = self.next_user;
        self.next_user += 1;
        self.guests.insert(user, User { name, rooms: Vec::new() });
        let client = self.clients.get_mut(&n).expect("it is there");
        (client.user, client.key, client.current) = (user, None, None);
    }

    pub fn attach(&mut self, n: usize, account: u64) {
        self.detach(n);
        self.devices.entry(account).or_default().push(n);
        self.clients.get_mut(&n).expect("it is there").user = account;
        self.note_missed(n);
    }

    pub fn detach(&mut self, n: usize) {
        for devices in self.devices.values_mut() {
            devices.retain(|device| *device != n);
        }
        self.clients.get_mut(&n).expect("it is there").key = None;
    }

    pub fn find_key(&self, secret: &str) -> Option<(u64, u32)> {
        self.kept.accounts.iter().find_map(|(user, account)| {
            let key = account.keys.iter().find(|key| key.secret == secret)?;
            Some((*user, key.id))
        })
    }

    pub fn insert_client(&mut self, n: usize, ip: IpAddr, (is_json, is_private): (bool, bool)) {
        let client = Client {
            follows: false,
            followed: None,
            user: 0,
            key: None,
            current: None,
            is_private,
            is_json,
            is_outside: false,
            has_come: false,
            is_terminal: false,
            is_unproven: false,
            ip: network(ip),
            since_ms: self.unix_ms,
            prompt: None,
            typed: None,
            granted: None,
            asked: None,
            watched: Watched::default(),
            printing: Vec::new(),
            heard: BTreeMap::new(),
            missed: BTreeMap::new(),
            expected: VecDeque::new(),
        };
        self.clients.insert(n, client);
    }

    pub fn set_terminal(&mut self, n: usize, is_terminal: bool) {
        if let Some(client) = self.clients.get_mut(&n) {
            client.is_terminal = is_terminal;
        }
    }

    pub fn opened(
        &mut self,
        n: usize,
        ip: IpAddr,
        (is_json, is_private): (bool, bool),
        shown: Option<&str>,
    ) {
        self.insert_client(n, ip, (is_json, is_private));
        match shown.and_then(|secret| self.find_key(secret)).filter(|of| !self.is_banned(of.0)) {
            Some((account, key)) => {
                self.attach(n, account);
                let current = self.user(account).rooms.last().copied();
                let client = self.clients.get_mut(&n).expect("it is there");
                (client.key, client.current) = (Some(key), current);
            }
            None => self.guest(n),
        }
        if is_json {
            let user = self.clients[&n].user;
            let account = self.kept.accounts.get(&user);
            let role = account.map(|account| ROLES[usize::from(account.role)]);
            let User { name, rooms } = self.user(user).clone();
            self.tell(n, Told::Welcome { name, role, resume: None });
            let is_account = role.is_some();
            for room in rooms.into_iter().filter(|_| is_account) {
                self.tell_in_room(n, room);
            }
            self.tell_who_asks(n);
            self.tell_own_away(n);
        }
        self.end_event();
    }

    /// A client is somebody, and in no room before it is known whether it logs in.
    pub fn stays_outside(&mut self, n: usize) {
        self.clients.get_mut(&n).expect("it is there").is_outside = true;
    }

    /// A client has come where it wanted to. `refused`: why not as whose secret it has shown.
    pub fn settled(&mut self, n: usize, refused: Option<&'static str>) {
        let Some(client) = self.clients.get(&n) else { return };
        let (is_json, user) = (client.is_json, client.user);
        let mut entered = Ok(());
        if !self.may(user) {
            if !is_json {
                self.clients.get_mut(&n).expect("it is there").is_outside = true;
                self.tell(n, Told::TurnedAway);
            }
        } else if !is_json {
            let lobby = self.enter(n, "#lobby");
            if let Ok((room, true)) = lobby {
                for other in self.others(n) {
                    self.tell_in_room(other, room);
                }
            }
            entered = lobby.map(drop);
            let name = self.user(user).name.clone();
            self.tell(n, Told::Welcome { name, role: None, resume: None });
            if entered.is_ok() {
                self.tell_own_away(n);
                self.tell_person_unread(n);
            }
        }
        match refused {
            Some("banned") => self.tell(n, Told::Error(&["banned"])),
            Some(_) => self.tell(n, Told::Error(&["session_ended"])),
            None => {}
        }
        if let Err(codes) = entered {
            self.tell(n, Told::Error(codes));
        }
        self.end_event();
    }

    /// Why nobody comes by this secret.
    pub fn refused_secret(&self, secret: &str) -> Option<&'static str> {
        match self.find_key(secret) {
            None => Some("session_ended"),
            Some((user, _)) => self.is_banned(user).then_some("banned"),
        }
    }

    pub fn may(&self, user: u64) -> bool {
        self.rules.guests || self.is_account(user)
    }

    pub fn closed(&mut self, n: usize) {
        let Some(user) = self.clients.get(&n).map(|client| client.user) else { return };
        // The account of one that follows may have ended.
        let is_somebody = self.is_account(user) || !self.clients[&n].follows;
        if is_somebody && !self.is_account(user) {
            if self.goes_away(n) {
                return;
            }
            self.end_guest(n, user);
        }
        self.detach(n);
        self.clients.remove(&n);
        self.end_event();
    }
}
