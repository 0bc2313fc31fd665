//! The only code that touches the system: sockets, clocks, signals, threads.

pub mod event_loop;
pub mod logging;
pub mod rejection;
mod signals;
mod trim;
