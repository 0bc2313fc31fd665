//! A chat server: one thread for all connections, one poll loop, one port.
//!
//! # Contents, in reading order
//!
//! 1. [`service`]: what a server asks of a service, with two small ones: [`service::echo`] and
//!    [`service::broadcast`].
//! 2. [`server`]: one turn over any byte streams and any service: who is read, what is closed.
//! 3. [`wire`]: framing, bytes to messages and back: [lines](wire::line) and
//!    [telnet](wire::telnet), [HTTP](wire::http), [WebSocket](wire::websocket), and
//!    [which of them](wire::detect) a connection speaks.
//! 4. [`delivery`]: who gets which bytes and when, and who waits for whom.
//! 5. [`chat`]: the service that people use: requests, users, rooms, history, and the dialects in
//!    which terminals and programs are told of them.
//! 6. [`store`]: what is kept on disk, and the threads that write and read it.
//! 7. [`site`]: the page, and everything else that HTTP gets.
//! 8. [`net`]: sockets, clocks, signals, threads; nothing above but the store touches the system.
//! 9. [`config`]: flags and environment; only `main` reads it.
//!
//! [`clock`], [`ids`], [`memory`], [`metrics`], [`plural`], [`secrets`] and [`throttle`] are small and used everywhere.
//! `tests/layers.rs` says who may use whom.
//!
//! # A turn
//!
//! The event loop polls, accepts, has the server receive, tick, keep, deliver and reap, and takes
//! the time once for all of it. Nothing below it knows a socket or a clock, so that any stream and
//! any time will do:
//!
//! ```
//! use std::cell::RefCell;
//! use std::io::{self, Read, Write};
//! use std::rc::Rc;
//!
//! use chat_server::clock::Now;
//! use chat_server::server::{Server, settings::ServerSettings, stream::Stream};
//! use chat_server::service::broadcast::Broadcast;
//!
//! /// A connection in memory: what the client has sent, and what it was sent.
//! #[derive(Clone, Default)]
//! struct Pipe(Rc<RefCell<(Vec<u8>, Vec<u8>)>>);
//!
//! impl Read for Pipe {
//!     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
//!         let sent = &mut self.0.borrow_mut().0;
//!         let count = sent.len().min(buffer.len());
//!         if count == 0 {
//!             return Err(io::ErrorKind::WouldBlock.into());
//!         }
//!         buffer[..count].copy_from_slice(&sent[..count]);
//!         sent.drain(..count);
//!         Ok(count)
//!     }
//! }
//!
//! impl Write for Pipe {
//!     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
//!         self.0.borrow_mut().1.extend_from_slice(bytes);
//!         Ok(bytes.len())
//!     }
//!
//!     fn flush(&mut self) -> io::Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! impl Stream for Pipe {
//!     fn shutdown_write(&mut self) -> io::Result<()> {
//!         Ok(())
//!     }
//! }
//!
//! let at = |ms| Now { ms, unix_ms: 1_795_352_709_000 + ms };
//! let mut server = Server::new(ServerSettings::default(), Broadcast::new);
//! let (talker, listener) = (Pipe::default(), Pipe::default());
//!
//! // Accept: each client has a key, under which its readiness is reported.
//! let peer = "192.0.2.7:50123".parse().expect("an address");
//! let talker_key = server.accept(talker.clone(), peer, at(0));
//! server.accept(listener.clone(), peer, at(0));
//!
//! // The poll says that one can be read; the turn does the rest.
//! talker.0.borrow_mut().0.extend(b"hello\n");
//! server.readable(talker_key);
//! server.turn(at(5));
//! assert_eq!(talker.0.borrow().1, b"hello\n");
//!
//! // The other has sent nothing. It might yet turn out to speak HTTP, so its line is held back
//! // until a deadline, for which the event loop would sleep.
//! assert_eq!(listener.0.borrow().1, b"");
//! let deadline = server.next_deadline().expect("a line is held back");
//! server.turn(at(deadline));
//! assert_eq!(listener.0.borrow().1, b"hello\n");
//! ```
//!
//! # Where to change what
//!
//! | to add | see first | then |
//! |---|---|---|
//! | a command | `src/chat/request/`: the request, its row; `src/chat/access.rs` | `src/chat/handlers/` |
//! | a JSON field of a request | `src/chat/dialect/json/` | `docs/protocol.md` |
//! | a JSON field of what is sent | `src/chat/dialect/reply.rs` | `docs/protocol.md` |
//! | a reply | `src/chat/dialect/reply.rs` | each dialect beside it |
//! | a dialect | `src/chat/dialect/mod.rs` | over lines also `src/wire/detect/`, `src/server/open.rs` |
//! | a kept fact | `src/chat/record.rs` | `src/chat/state/mod.rs`, `src/chat/fanout/mod.rs`, `src/chat/keeping/` |
//! | something to be read from the store | `src/chat/questions/finding.rs`: a question | `src/chat/reading.rs` |
//! | a mode | `src/service/`: a `Service` | `src/config/mod.rs`, `src/main.rs` |
//! | a kept table or column | `src/store/sqlite/schema.rs`: a migration | `src/store/sqlite/database.rs`, `load.rs` |
//! | a command for the history | `src/store/sqlite/tools/mod.rs` | `src/config/tools.rs`, `src/main.rs` |
//! | a wire | `src/wire/mod.rs` | `src/wire/detect/`, `src/server/open.rs`, `src/delivery/encoding.rs` |
//! | a telnet option | `src/wire/terminal.rs`, `src/wire/telnet_client.rs` | `.ci/telnet` |
//! | something to keep | `src/store/mod.rs`: a change | `Delivery::record` before anybody is told |
//! | a close reason | `src/wire/close.rs`: its words | each wire's `write_close`, `src/server/metrics.rs` |
//! | a limit of connections | `src/server/settings.rs` | `src/config/mod.rs` |
//! | a limit of addresses | `src/server/admission/` | `src/config/mod.rs` |
//! | a limit of what waits to be sent | `src/delivery/limits.rs` | `src/config/mod.rs` |
//! | a limit of the chat | `src/chat/settings.rs` | `src/config/mod.rs` |
//! | a flag | `src/config/mod.rs` | `docs/flags.md` |
//! | something of TLS | `src/net/tls/`: a session, the certificate | `src/server/protection.rs`: who begins with it |
//! | a counter | its layer's metrics, as `src/net/metrics.rs` | its `write_metrics`, `docs/monitoring.md` |
//! | something held for clients | `src/memory.rs`: an entry | `Service::held_bytes` for a service |
//! | something slow or random of accounts | `src/chat/proofs.rs`: the work | `src/chat/handlers/accounts/prove.rs` |
//! | slow work | `src/service/mod.rs`: `take_jobs`, `completed` | |
//! | something random, or slow on purpose | `src/secrets.rs` | `src/net/secrets/` |
//! | what a request shows of who asks | `src/wire/http/credential.rs` | `src/service/mod.rs`: `Hello` |
//! | a deadline of the server | `src/server/timers.rs` | |
//! | a deadline of a service | `src/service/mod.rs`: `next_deadline`, `tick` | |

#![deny(unsafe_code)]

/// So that tests of the chat and the simulation have the same disk.
#[cfg(test)]
extern crate self as chat_server;

pub mod chat;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod ids;
pub mod memory;
pub mod metrics;
pub mod net;
pub mod plural;
pub mod secrets;
pub mod server;
pub mod service;
pub mod site;
pub mod store;
pub mod throttle;
pub mod wire;
