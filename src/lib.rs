//! A chat server: one thread, one poll loop, one port.
//!
//! The modules in reading order:
//!
//! - [`config`]: flags, environment and every limit; [`clock`]: time as a turn sees it; [`logging`]: the log, which nobody
//!   waits for.
//! - [`event_loop`]: the only place that knows `mio`, the clock and signals. It accepts connections and turns the server.
//!   [`addresses`]: what one address may have; [`refusal`]: how a connection is turned away; [`origin`]: whose pages may
//!   connect.
//! - [`server`]: a turn's work over any byte stream and any service: read, tick, flush, reap; what a client's bytes mean, and
//!   how it leaves. [`timers`]: its deadlines. [`throttle`]: how often something may be done.
//! - [`client`]: one connection: stream, inbox, outbox and lifecycle.
//! - [`wire`]: bytes to messages, without I/O: lines and telnet, HTTP, WebSocket. [`encode`]: messages to bytes, once for all
//!   clients of one format.
//! - [`outgoing`]: what goes to whom, one vectored write per client and turn, and who waits when somebody is behind.
//!   [`rooms`]: membership, and a batch that all members share.
//! - [`service`]: what the server does with a message: [`service::echo`], [`service::broadcast`], [`service::chat`].
//!
//! What one turn does, in order: poll for readiness; accept connections; read once from everybody who is ready and hand whole
//! messages to the service, which says through [`outgoing::Outgoing`] what should go where; let deadlines pass; hand the
//! rooms' batches to their members and write once to everybody who is owed something; drop the clients that have gone.
//! When many speak to many, the batches are kept a moment longer, so that one write carries more: `gathering` says when.

#![deny(unsafe_code)]

pub mod addresses;
pub mod client;
pub mod clock;
pub mod config;
pub mod encode;
pub mod event_loop;
mod gathering;
pub mod logging;
mod memory;
pub mod origin;
pub mod outgoing;
pub mod refusal;
pub mod rooms;
pub mod server;
pub mod service;
mod signals;
pub mod throttle;
pub mod timers;
pub mod wire;
