//! The only code that touches the system: sockets, clocks, signals, threads.

mod alarm;
mod challenges;
pub mod client;
pub mod clock;
pub mod event_loop;
mod files;
mod listener;
pub mod listening;
pub mod logging;
mod machine;
pub mod metrics;
mod process;
mod rejection;
pub mod secrets;
mod signals;
pub mod stdout;
pub mod stream;
mod supervisor;
pub mod tls;
mod trim;
pub mod upgrade;
mod worker;
