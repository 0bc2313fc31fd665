//! People do at random all that they can, on a real store: no group of what they change may fail, as
//! that takes back what others have changed. `GROUPS_SEED` and `GROUPS_RUNS` play more of it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::known_secrets::{KnownSecrets, OWNER_CODE};
use super::stage::{JSON, LINES, Showing, Stage, Visit, settings};
use crate::chat::settings::{ChatSettings, Registration};
use crate::chat::state::history::HistoryLimits;
use crate::chat::state::rooms::RoomLimits;
use crate::delivery::Wait;
use crate::ids::GroupId;
use crate::service::Outcome;
use crate::store::sqlite::{Durability, SqliteStore, StoreSettings};
use crate::store::{Change, Expired, Loaded, Progress, Reader, Space, Store, StoreError, Wake};

#[derive(Debug)]
struct Strict(SqliteStore);

impl Store for Strict {
    fn append(&mut self, group: GroupId, changes: Vec<Change>) {
        let shown = format!("{changes:#?}");
        self.0.append(group, changes);
        let began = Instant::now();
        loop {
            match self.0.progress() {
                Progress::Durable(durable) if durable < group => {}
                Progress::Durable(_) => return,
                other => panic!("{other:?}: {shown}"),
            }
            assert!(began.elapsed() < Duration::from_secs(20));
            std::thread::yield_now();
        }
    }
    fn set_wake(&mut self, wake: Wake) {
        self.0.set_wake(wake);
    }
    fn progress(&mut self) -> Progress {
        self.0.progress()
    }
    fn space(&self) -> Space {
        self.0.space()
    }
    fn take_expired(&mut self) -> Vec<Expired> {
        self.0.take_expired()
    }
    fn reader(&self) -> Arc<dyn Reader> {
        self.0.reader()
    }
    fn reload(&mut self) -> Result<Loaded, StoreError> {
        self.0.reload()
    }
}

struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % bound
    }
    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

fn chat_settings() -> ChatSettings {
    let history = HistoryLimits { messages_max: 3, bytes_max: 100_000 };
    let rooms = RoomLimits { rooms_max: 6, history, ..settings().rooms };
    ChatSettings { rooms, registration: Registration::Open, rooms_per_client_max: 4, ..settings() }
}

const NAMES: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];
const ROOMS: [&str; 6] = ["#a", "#b", "#c", "#d", "#lobby", "#staff-log"];

fn start(path: &Path, secrets: &Arc<KnownSecrets>) -> Stage {
    let settings = StoreSettings {
        durability: Durability::Process,
        free_bytes_min: 0,
        ..StoreSettings::default()
    };
    let began = Instant::now();
    let (store, loaded) = loop {
        match SqliteStore::open(path, settings.clone()) {
            Ok(opened) => break opened,
            Err(error) => {
                assert!(began.elapsed() < Duration::from_secs(20), "{error}");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    };
    let mut stage = Stage::with_store(chat_settings(), Box::new(Strict(store)), loaded);
    stage.chat = stage.chat.with_secrets(Arc::clone(secrets) as Arc<dyn crate::secrets::Secrets>);
    stage
}

fn request(rng: &mut Rng, codes: &[String]) -> Vec<String> {
    let (name, room) = (rng.pick(&NAMES), rng.pick(&ROOMS));
    let other = rng.pick(&NAMES);
    let number = rng.below(4);
    let code =
        if codes.is_empty() { "x".to_owned() } else { codes[rng.below(codes.len())].clone() };
    let one = |text: String| vec![text];
    match rng.below(49) {
        0..4 => one(format!("/join {room}")),
        4 => one(format!("/leave {room}")),
        5..8 => one("hello".to_owned()),
        8 => one(format!("@{name} and @{other}")),
        9 => one("@all".to_owned()),
        10 | 11 => one(format!("/msg {name} hi")),
        12 => one(format!("/nick {name}")),
        13 => one(format!("/topic t{number}")),
        14 | 15 => vec![format!("/register {name}"), format!("password of {name}")],
        16 => vec![format!("/login {name}"), format!("password of {name}")],
        17 => one("/logout".to_owned()),
        18 => vec!["/delete-account".to_owned(), format!("password of {name}")],
        19 => one(format!("/ignore {name}")),
        20 => one(format!("/unignore {name}")),
        21 => one(format!("/mute {name} {}", number + 1)),
        22 => one(format!("/unmute {name}")),
        23 => one(format!("/ban {name} {}", number + 1)),
        24 => one(format!("/unban {name}")),
        25 => one(format!("/kick {name} {number} spam")),
        26 => one(format!("/kick {name}")),
        27 => one(format!("/invite {name} {room}")),
        28 => one(format!("/invite {room} 2 24")),
        29 => one(format!("/join {room} {code}")),
        30 => vec![format!("/register {code} {name}"), format!("password of {name}")],
        31 => {
            one(format!("/room {room} entry {}", rng.pick(&["all", "accounts", "ask", "invited"])))
        }
        32 => one(format!("/room {room} newcomers-see {}", rng.pick(&["all", "now"]))),
        33 => one(format!("/room {room} archived {}", rng.pick(&["yes", "no"]))),
        34 => one(format!("/rename {room}")),
        35 => one(format!("/delete-room {room}")),
        36 => one(format!("/keep {room}")),
        37 => one(format!("/role {name} {} {room}", rng.pick(&["owner", "moderator", "member"]))),
        38 => one(format!("/role {name} {}", rng.pick(&["owner", "admin", "member"]))),
        39 => one(format!("/accept {name} {room}")),
        40 => one(format!("/refuse {name} {room}")),
        41 => one(format!("/unread {}", rng.pick(&["", "#a", "@bob", "#lobby"]))),
        42 => one(format!("/level {}", rng.pick(&["all", "mentions", "none", "hidden"]))),
        43 => one(format!("/report {} {}", rng.pick(&["", "@ann", "@bob"]), number + 1)),
        44 => one(format!("/history {}", rng.pick(&["", "@ann", "#b 10"]))),
        45 => one("/accounts".to_owned()),
        46 => one(format!("/bot {name}")),
        47 => one(format!("/bots end {name}")),
        _ => vec![format!("/register {OWNER_CODE} {name}"), format!("password of {name}")],
    }
}

fn offer(stage: &mut Stage, actor: &str, text: &str) {
    if !stage.is_here(actor) {
        return;
    }
    for _ in 0..20 {
        match stage.offer(actor, text.as_bytes()) {
            Outcome::Blocked(Wait::Ticket(_)) => stage.turn(),
            _ => return,
        }
        if !stage.is_here(actor) {
            return;
        }
    }
}

fn play(seed: u64, steps: usize) {
    let path = std::env::temp_dir();
    let path = path.join(format!("chat-server-groups-{}-{seed}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a directory");
    let mut rng = Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let secrets = Arc::new(KnownSecrets::default());
    let mut stage = start(&path, &secrets);
    let mut codes: Vec<String> = Vec::new();
    let mut token = String::new();
    let actors = ["p", "q", "r", "s", "t", "u"];
    for _ in 0..steps {
        let actor = rng.pick(&actors);
        if !stage.is_here(actor) {
            if actor == "u" {
                let resume = Some(&*token);
                let showing = Showing { resume, ..Showing::default() };
                let room = Some(rng.pick(&ROOMS));
                stage.open_showing(actor, JSON, Visit { name: None, room }, showing);
            } else {
                stage.open(actor, LINES, Visit { name: Some(rng.pick(&NAMES)), room: None });
            }
        } else if rng.below(25) == 0 && stage.chat.sessions.get(stage.id(actor)).is_some() {
            stage.leave(actor);
        } else if actor == "u" {
            let (room, name) = (rng.pick(&ROOMS), rng.pick(&NAMES));
            let text = match rng.below(8) {
                0 => format!(r##"{{"type":"join","room":"{room}"}}"##),
                1 => format!(r##"{{"type":"say","room":"{room}","text":"@{name} x"}}"##),
                2 => format!(
                    r##"{{"type":"register","name":"{name}","password":"password of {name}"}}"##
                ),
                3 => format!(
                    r##"{{"type":"login","name":"{name}","password":"password of {name}"}}"##
                ),
                4 => format!(
                    r##"{{"type":"read","room":"{room}","id":{},"back":true}}"##,
                    rng.below(4)
                ),
                5 => format!(
                    r##"{{"type":"read","to":"{name}","id":{},"back":true}}"##,
                    rng.below(4)
                ),
                6 => format!(r##"{{"type":"delete_room","room":"{room}","name":"{room}"}}"##),
                _ => format!(r##"{{"type":"level","to":"{name}","level":"hidden"}}"##),
            };
            offer(&mut stage, actor, &text);
        } else {
            for text in request(&mut rng, &codes) {
                offer(&mut stage, actor, &text);
            }
        }
        if rng.below(3) == 0 {
            stage.turn();
            for actor in actors {
                if !stage.is_here(actor) {
                    continue;
                }
                for line in stage.hear(actor) {
                    if line.starts_with("* Invitation") {
                        codes.extend(line.rsplit(' ').next().map(str::to_owned));
                    }
                    if let Some(at) = line.find("cst_") {
                        token = line[at..at + 47].to_owned();
                    }
                }
            }
        }
        if rng.below(20) == 0 {
            let ms = [100, 2_500, 61_000, 3_600_000, 40 * 86_400_000][rng.below(5)];
            stage.turn();
            stage.pass(ms);
            stage.turn();
        }
        if rng.below(150) == 0 {
            stage.turn();
            let now = stage.now;
            drop(stage);
            stage = start(&path, &secrets);
            stage.pass(now.ms);
        }
    }
    stage.turn();
    drop(stage);
    let _ = std::fs::remove_dir_all(&path);
}

#[test]
fn no_group_fails() {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let first = number("GROUPS_SEED").unwrap_or(1);
    let count = number("GROUPS_RUNS").unwrap_or(12);
    (first..first + count).for_each(|seed| play(seed, 300));
}
