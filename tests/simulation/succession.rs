//! The server goes on as another one, as in another process: all that is handed over is written down
//! and read again, and connections are where they were.

use std::collections::BTreeMap;

use chat_server::clock::Now;
use chat_server::server::Server;
use chat_server::server::succession::{ConnectionSnapshot, Leaving, ServerSnapshot};
use chat_server::service::Service;

use crate::stage::Stage;
use crate::stream::Near;

/// A server that is not quiet by then goes on as it was.
pub const SETTLING_STEPS: usize = 30;

/// As it comes to the other process.
fn carried(snapshot: &ConnectionSnapshot) -> ConnectionSnapshot {
    let text = serde_json::to_string(snapshot).expect("it can be written down");
    serde_json::from_str(&text).expect("and read again")
}

impl<A: Service> Stage<A> {
    /// The other server has opened what this one has closed, and ends before it goes on with it.
    pub fn hand_over_in_vain(&mut self, start: impl FnOnce() -> Server<Near, A>) {
        self.server.release().expect("it can be closed");
        drop(start());
        self.server.take_back().expect("it can be opened again");
        self.server.resume();
    }

    /// Puts another server in the place of the one that is quiet. `start` opens what the one before
    /// has closed.
    pub fn hand_over(&mut self, start: impl FnOnce() -> Server<Near, A>) {
        let ServerSnapshot { serial, service } =
            self.server.snapshot().expect("it can be handed over");
        self.server.release().expect("it can be closed");
        let (mut connections, mut left) = (Vec::new(), Vec::new());
        for key in self.server.keys() {
            match self.server.snapshot_of(key) {
                Some(Leaving::Goes(snapshot)) => connections.push((key, snapshot)),
                Some(Leaving::Stays(snapshot)) => left.push(snapshot),
                None => {}
            }
        }
        let mut server = start();
        let now: Now = self.now();
        server.restore(serial, &service, now).expect("it makes sense");
        let mut keys = BTreeMap::new();
        for (key, snapshot) in &connections {
            let wire = self.wire_of(*key);
            wire.borrow_mut().is_handed_over = true;
            let restored = server.restore_connection(Some(Near(wire)), carried(snapshot), now);
            keys.insert(*key, restored.expect("it makes sense"));
        }
        for snapshot in &left {
            server.restore_connection(None, carried(snapshot), now).expect("it makes sense");
        }
        self.replace_server(server, &keys);
    }
}
