//! Echo and broadcast: the same server and network around services so simple that their model is a
//! list of bytes.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use chat_server::delivery::encoding::{FrameKind, Framing};
use chat_server::delivery::{Delivery, Wait};
use chat_server::ids::{ClientId, Peer};
use chat_server::server::settings::{ConnectionLimits, ServerSettings};
use chat_server::server::{Server, protection};
use chat_server::service::broadcast::Broadcast;
use chat_server::service::echo::Echo;
use chat_server::service::{Hello, Incoming, Outcome, Service};
use chat_server::wire::Protocols;
use fastrand::Rng;

use crate::habit::Habit;
use crate::settings;
use crate::stage::{Links, Stage, client_of, proxies};
use crate::talker::{End, Talker};
use crate::watch::number;
use crate::world::Tally;

/// One client: what it has sent, and what it is to see.
#[derive(Debug, Default)]
pub struct Ear {
    /// It gets lines, as all do until they have asked for something else.
    pub is_line: bool,
    pub is_open: bool,
    /// The server may send back what this says, and not tell the service of it.
    pub is_echoed: bool,
    /// Sent and not yet heard by the service.
    pub sent: VecDeque<(FrameKind, Vec<u8>)>,
    /// What is to come, of one that reads lines.
    pub bytes: VecDeque<u8>,
    /// What is to come, of one that reads frames.
    pub frames: VecDeque<(FrameKind, Vec<u8>)>,
}

impl Ear {
    fn owe(&mut self, from_line: bool, kind: FrameKind, bytes: &[u8]) {
        match (from_line, self.is_line) {
            (true, true) => self.bytes.extend(bytes),
            (false, true) => self.bytes.extend(bytes.iter().chain(b"\n")),
            (false, false) => self.frames.push_back((kind, bytes.to_vec())),
            (true, false) => {
                let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let kind = if std::str::from_utf8(line).is_ok() {
                    FrameKind::Text
                } else {
                    FrameKind::Binary
                };
                self.frames.push_back((kind, line.to_vec()));
            }
        }
    }

    /// What it has sent comes back, so the server has heard it. Returns whether there was anything.
    pub fn take_echo(&mut self) -> bool {
        if !self.is_echoed {
            return false;
        }
        let Some((kind, bytes)) = self.sent.pop_front() else { return false };
        self.owe(self.is_line, kind, &bytes);
        true
    }

    pub fn is_settled(&self) -> bool {
        self.bytes.is_empty() && self.frames.is_empty()
    }
}

pub type Ears = Rc<RefCell<BTreeMap<usize, Ear>>>;

/// Passes everything on to the service, and notes who is to see what.
struct Witness {
    service: Box<dyn Service>,
    /// Everybody hears it; else its sender alone.
    broadcasts: bool,
    /// The server may send messages back itself.
    echoes: bool,
    ears: Ears,
    limits: ConnectionLimits,
    links: Links,
    ids: BTreeMap<usize, ClientId>,
}

impl Witness {
    /// Somebody whom this client has to wait for before it is heard. What is held back until a wire
    /// is decided does not count.
    fn waited_for(&self, by: ClientId, out: &Delivery) -> Option<usize> {
        if self.broadcasts && self.limits.delivery.pace_ahead_ms.is_some() {
            return None;
        }
        let (links, ears) = (self.links.borrow(), self.ears.borrow());
        let mut audience =
            self.ids.keys().copied().filter(|&number| self.broadcasts || self.ids[&number] == by);
        audience.find(|number| {
            let is_held = ears[number].is_line && links[number].wire.borrow().written == 0;
            !is_held
                && links[number].is_behind(
                    out.unsent_bytes(self.ids[number]),
                    &self.limits,
                    out.now().ms,
                )
        })
    }
}

impl Service for Witness {
    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        assert_eq!(hello.peer, client_of(number(client)).into(), "where {client} comes from");
        self.service.opened(client, hello, out);
        self.ids.insert(number(client), client);
        let is_line = out.encoding(client).framing == Framing::Lines;
        let mut ears = self.ears.borrow_mut();
        let ear = ears.get_mut(&number(client)).expect("it has come");
        assert!(!ear.is_open, "{client} is opened twice");
        // Who has turned out to speak HTTP begins anew, and what it would have seen is forgotten.
        (ear.is_open, ear.is_line) = (true, is_line);
        ear.bytes.clear();
    }

    fn only_echoes(&self) -> bool {
        self.echoes
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        self.service.waits(client, out)
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        assert_eq!(message.peer, client_of(number(client)).into(), "where {client} comes from");
        let waited_for = self.waited_for(client, out);
        let taken = self.service.message(client, message, out);
        if !matches!(taken, Outcome::Blocked(_)) {
            assert_eq!(waited_for, None, "{client} is heard although this one is behind");
            let mut ears = self.ears.borrow_mut();
            let speaker = ears.get_mut(&number(client)).expect("it has come");
            assert!(speaker.is_open, "{client} is heard before it came or after it went");
            let said = Some((message.kind, message.bytes.to_vec()));
            while speaker.sent.front() != said.as_ref() && speaker.take_echo() {}
            assert_eq!(speaker.sent.pop_front(), said, "what {client} said, and what was heard");
            let from_line = speaker.is_line;
            for (other, ear) in ears.iter_mut() {
                if ear.is_open && (self.broadcasts || *other == number(client)) {
                    ear.owe(from_line, message.kind, message.bytes);
                }
            }
        }
        taken
    }

    fn closed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        self.service.closed(client, peer, out);
        self.ids.remove(&number(client));
        let mut ears = self.ears.borrow_mut();
        let ear = ears.get_mut(&number(client)).expect("it has come");
        assert!(std::mem::replace(&mut ear.is_open, false), "{client} is closed twice");
    }
}

pub struct Plain {
    stage: Stage<Witness>,
    protocols: Protocols,
    echoes: bool,
    ears: Ears,
    talkers: Vec<Talker>,
    chattiness: u32,
}

impl Plain {
    pub fn new(seed: u64) -> Plain {
        let mut rng = Rng::with_seed(seed);
        let mut limits = settings::limits(&mut rng);
        limits.delivery.memory_bytes_max = usize::MAX;
        let protocols = [Protocols::Line, Protocols::Http, Protocols::Auto][rng.usize(0..8).min(2)];
        let plain = settings::plain(seed);
        let settings = ServerSettings {
            limits,
            protocols,
            compress: rng.u32(0..4) == 0,
            proxies: proxies(),
            plain,
            ..ServerSettings::default()
        };
        let (ears, links, broadcasts) = (Ears::default(), Links::default(), rng.bool());
        // From numbers of its own, so that the others stay what they are.
        let echoes = !broadcasts && Rng::with_seed(!seed).u32(0..4) > 0;
        let server = Server::new(settings, |out| Witness {
            service: if broadcasts { Box::new(Broadcast::new(out)) } else { Box::new(Echo) },
            broadcasts,
            echoes,
            ears: Rc::clone(&ears),
            limits,
            links: Rc::clone(&links),
            ids: BTreeMap::new(),
        });
        let chattiness = rng.u32(1..80);
        let mut stage = Stage::new(rng, limits, server, links);
        stage.have_proxies();
        if plain == protection::Plain::Off {
            stage.have_tls_only();
        }
        Plain { stage, protocols, echoes, ears, talkers: Vec::new(), chattiness }
    }

    /// A whole run: clients come, talk and go; then the server stops, or all have seen everything
    /// and leave.
    pub fn run(mut self, steps: usize) -> Tally {
        let crowd = self.stage.rng.usize(1..7);
        let mut taken = 0;
        for _ in 0..steps {
            if self.talkers.len() < crowd && self.stage.rng.u32(0..4) == 0 {
                self.connect();
            }
            for talker in &mut self.talkers {
                if talker.end.is_none() && self.stage.rng.u32(0..100) < self.chattiness {
                    taken += 1;
                    talker.talk(&mut self.ears.borrow_mut(), &mut self.stage.rng);
                }
                if talker.end.is_none() && self.stage.rng.u32(0..400) == 0 {
                    talker.leave(
                        &mut self.ears.borrow_mut(),
                        &self.stage.limits,
                        &mut self.stage.rng,
                    );
                }
            }
            self.step(false);
        }
        match self.stage.rng.u32(0..3) {
            0 => self.stop(),
            _ => self.finish(),
        }
        Tally { turns: self.stage.turns, taken }
    }

    fn connect(&mut self) {
        let rng = &mut self.stage.rng;
        let is_line = match self.protocols {
            Protocols::Line => true,
            Protocols::Http => false,
            Protocols::Auto => rng.bool(),
        };
        let habit =
            Some(Habit::draw(rng)).filter(|habit| *habit != Habit::Mute).unwrap_or(Habit::Prompt);
        let capacity = habit.capacity(self.stage.limits.delivery.outbox_mark_bytes, rng);
        let ear = Ear { is_line: true, is_echoed: self.echoes, ..Ear::default() };
        self.ears.borrow_mut().insert(self.stage.next_number(), ear);
        let (number, wire) = self.stage.connect(capacity);
        self.talkers.push(Talker::new(number, wire, is_line, habit, &mut self.stage.rng));
    }

    fn step(&mut self, calm: bool) {
        for talker in &mut self.talkers {
            let now = self.stage.now;
            talker.go_on(
                &mut self.ears.borrow_mut(),
                &mut self.stage.rng,
                now,
                self.stage.limits.delivery.too_slow_ms,
                calm,
            );
        }
        self.stage.poll();
        let wait = if calm { 40 } else { self.stage.rng.u64(0..30) };
        self.stage.pass(wait);
        self.talkers.retain_mut(|talker| {
            let gone = talker.wire.borrow().dropped && talker.is_over();
            if gone {
                talker.judge(&self.ears.borrow()[&talker.number]);
                self.ears.borrow_mut().remove(&talker.number);
            }
            !gone
        });
    }

    /// The server stops, and a client that reads has seen everything that was heard.
    fn stop(&mut self) {
        // The event loop does it right after a turn.
        self.stage.turn();
        for talker in &mut self.talkers {
            let mut ears = self.ears.borrow_mut();
            let ear = &ears[&talker.number];
            let is_asking = ear.is_line && !talker.is_line;
            let is_here = ear.is_open || is_asking || talker.end.is_none();
            if talker.end.is_none() {
                talker.talk(&mut ears, &mut self.stage.rng);
            }
            if is_here && talker.end != Some(End::Reset) {
                talker.end = Some(End::Stopped);
            }
        }
        self.stage.server.drain();
        assert!(self.ears.borrow().values().all(|ear| !ear.is_open), "clients that were not told");
        let until = self.stage.now + 20_000;
        while !self.stage.server.is_drained() {
            self.step(true);
            assert!(self.stage.now < until, "the server does not come to an end");
        }
    }

    /// Everybody ends, has seen everything, and nothing of them stays.
    fn finish(&mut self) {
        for talker in &mut self.talkers {
            talker.finish(&mut self.ears.borrow_mut(), &mut self.stage.rng);
        }
        let until = self.stage.now + 100_000;
        while !self.talkers.is_empty() || !self.stage.server.is_empty() {
            self.step(true);
            assert!(
                self.stage.now < until,
                "{} clients stay after all have left",
                self.stage.server.len()
            );
        }
        assert!(self.ears.borrow().is_empty(), "somebody was seen who was never there");
        self.stage.settle();
        self.stage.server.assert_at_rest();
    }
}
