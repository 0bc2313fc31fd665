//! What keeping costs: commits of several sizes, pages of a large history while it grows, and a
//! start with one.
//!
//! `cargo bench --bench store` measures with 1,000,000 messages; `-- 100000` with fewer.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chat_server::ids::GroupId;
use chat_server::store::sqlite::{Closer, Durability, SqliteStore, StoreSettings, tools};
use chat_server::store::{Change, PageRequest, Progress, Store, StoredMessage};

const ROOMS: u64 = 1000;
const MESSAGES: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    // Cargo passes `--bench`.
    let messages = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(MESSAGES);
    let scratch = Scratch::new()?;
    commits(&scratch)?;
    let data = scratch.0.join("large");
    fill(&data, messages)?;
    starts(&data)?;
    pages(&data)?;
    starts_after_a_crash(&data)?;
    checks(&data)
}

/// A directory on the disk of cargo's target, as /tmp may be memory.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        let name = format!("store-bench-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A store, and what its rooms go on from.
struct Talk {
    store: SqliteStore,
    closer: Closer,
    group: u64,
    next_ids: Vec<u64>,
    random: fastrand::Rng,
    woken: std::sync::mpsc::Receiver<()>,
}

impl Talk {
    fn open(data: &Path, durability: Durability) -> Result<Talk> {
        let settings = StoreSettings { durability, ..StoreSettings::default() };
        let (mut store, loaded) = SqliteStore::open(data, settings)?;
        let (wake, woken) = channel();
        store.set_wake(Box::new(move || {
            let _ = wake.send(());
        }));
        let closer = store.closer();
        let random = fastrand::Rng::with_seed(14);
        let mut next_ids = vec![1; ROOMS as usize + 1];
        for room in &loaded.rooms {
            next_ids[room.room as usize] = room.next_id;
        }
        let mut talk = Talk { store, closer, group: 0, next_ids, random, woken };
        if loaded.rooms.is_empty() {
            talk.append((1..=ROOMS).map(opened).collect());
            talk.wait()?;
        }
        Ok(talk)
    }

    fn said(&mut self, room: u64) -> Change {
        let id = self.next_ids[room as usize];
        self.next_ids[room as usize] += 1;
        let message = StoredMessage {
            id,
            unix_ms: 1_795_352_709_000 + id,
            is_action: false,
            author: "somebody".into(),
            text: "A sentence as people write it in a chat, with a hundred bytes or so, again and again, and so on.".into(),
            account: None,
        };
        Change::Said { room, message, key: None }
    }

    /// A turn in which so much is said, in rooms up to this one.
    fn say(&mut self, count: usize, rooms: u64) {
        let changes = (0..count)
            .map(|_| {
                let room = self.random.u64(1..=rooms);
                self.said(room)
            })
            .collect();
        self.append(changes);
    }

    fn append(&mut self, changes: Vec<Change>) {
        self.group += 1;
        self.store.append(GroupId(self.group), changes);
    }

    /// Until all is durable.
    fn wait(&mut self) -> Result<()> {
        while self.store.progress() != Progress::Durable(GroupId(self.group)) {
            self.woken.recv_timeout(PATIENCE).with_context(|| format!("{:?}", self.store))?;
        }
        Ok(())
    }

    fn close(self) -> Result<()> {
        drop(self.store);
        Ok(self.closer.close(PATIENCE)?)
    }
}

fn opened(room: u64) -> Change {
    let name = format!("#room{room}");
    Change::RoomOpened {
        room,
        key: name.as_str().into(),
        skeletons: vec![name.as_str().into()],
        name: name.into(),
        first_id: 1,
    }
}

fn percentile(sorted: &[Duration], part: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

/// CPU time of this process's threads with this name.
fn cpu_of(thread: &str) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == thread) {
            let times = fs::read_to_string(task.join("schedstat"))?;
            let ran = times.split(' ').next().context("a time")?;
            nanoseconds += ran.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn commits(scratch: &Scratch) -> Result<()> {
    println!("commits, one after the other, 100 rooms at random");
    println!(
        "{:>10} {:>8} {:>10} {:>10} {:>10} {:>12}",
        "durability", "rows", "p50", "p99", "rows/s", "CPU us/row"
    );
    for durability in [Durability::Power, Durability::Process] {
        for rows in [1, 10, 100, 1000] {
            let data = scratch.0.join(format!("commits-{durability:?}-{rows}"));
            let mut talk = Talk::open(&data, durability)?;
            let count = (200_000 / rows).clamp(200, 3000);
            let mut times = Vec::new();
            let (began, cpu) = (Instant::now(), cpu_of("store")?);
            for _ in 0..count {
                let at = Instant::now();
                talk.say(rows, 100);
                talk.wait()?;
                times.push(at.elapsed());
            }
            let total = (count * rows) as f64;
            let rate = total / began.elapsed().as_secs_f64();
            let cpu = (cpu_of("store")? - cpu).as_secs_f64() * 1e6 / total;
            times.sort();
            let (p50, p99) = (percentile(&times, 0.5), percentile(&times, 0.99));
            println!(
                "{:>10} {rows:>8} {p50:>10.2?} {p99:>10.2?} {rate:>10.0} {cpu:>12.2}",
                format!("{durability:?}")
            );
            talk.close()?;
            fs::remove_dir_all(&data)?;
        }
    }
    Ok(())
}

fn fill(data: &Path, messages: u64) -> Result<()> {
    let mut talk = Talk::open(data, Durability::Process)?;
    let began = Instant::now();
    for _ in 0..messages / 1000 {
        talk.say(1000, ROOMS);
        talk.wait()?;
    }
    talk.close()?;
    let bytes = fs::metadata(data.join("history.db"))?.len();
    println!(
        "\n{messages} messages in {ROOMS} rooms: written in {:.2?}, {} bytes a message",
        began.elapsed(),
        bytes / messages
    );
    Ok(())
}

/// The real program, from its start to its first line; with the most memory it had by then.
fn start(data: &Path) -> Result<(Duration, u64, std::process::Child)> {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_chat-server"))
        .args(["127.0.0.1:0", "--mode", "chat", "--data"])
        .arg(data)
        .env("RUST_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let stdout = child.stdout.take().context("standard output")?;
    BufReader::new(stdout).read_line(&mut line)?;
    let elapsed = began.elapsed();
    if !line.starts_with("Listening on: ") {
        bail!("it says {line:?}");
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("its peak")?;
    let kib = peak.trim().trim_end_matches(" kB").parse::<u64>()?;
    Ok((elapsed, kib / 1024, child))
}

fn starts(data: &Path) -> Result<()> {
    let (elapsed, mib, mut child) = start(data)?;
    println!("start after an orderly end: {elapsed:.2?} to `Listening on`, {mib} MiB at most");
    // An orderly end takes a signal; what follows does not need one.
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn starts_after_a_crash(data: &Path) -> Result<()> {
    let (_, _, mut child) = start(data)?;
    child.kill()?;
    child.wait()?;
    let (elapsed, mib, mut child) = start(data)?;
    println!("start after kill -9 (all pages are checked): {elapsed:.2?}, {mib} MiB at most");
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Pages of 100 anywhere, while 10,000 messages a second are said.
fn pages(data: &Path) -> Result<()> {
    let mut talk = Talk::open(data, Durability::Power)?;
    let reader = talk.store.reader();
    let next_ids = talk.next_ids.clone();
    let asking = thread::spawn(move || -> Result<Vec<Duration>> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut times = Vec::new();
        for _ in 0..5000 {
            let room = random.u64(1..=ROOMS);
            let before = random.u64(1..=next_ids[room as usize]);
            let page = PageRequest {
                room,
                from: 0,
                before,
                newest: true,
                messages_max: 100,
                bytes_max: usize::MAX,
            };
            let at = Instant::now();
            reader.page(&page)?;
            times.push(at.elapsed());
            thread::sleep(Duration::from_micros(200));
        }
        Ok(times)
    });
    let (began, mut said) = (Instant::now(), 0);
    while !asking.is_finished() {
        let due = (began.elapsed().as_secs_f64() * 10_000.0) as usize;
        if due > said {
            talk.say(due - said, ROOMS);
            said = due;
        }
        thread::sleep(Duration::from_millis(1));
    }
    talk.wait()?;
    let mut times = match asking.join() {
        Ok(times) => times?,
        Err(_) => bail!("the thread that asks has panicked"),
    };
    times.sort();
    println!(
        "a page of 100 anywhere, while 10,000 messages/s are said: p50 {:.2?}, p99 {:.2?}",
        percentile(&times, 0.5),
        percentile(&times, 0.99)
    );
    talk.close()
}

fn checks(data: &Path) -> Result<()> {
    let began = Instant::now();
    let line = tools::check(data)?;
    println!("chat-server check: {:.2?} ({line})", began.elapsed());
    Ok(())
}
