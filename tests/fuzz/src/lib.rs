//! What is fuzzed, a module each: `run` takes an input and panics if what comes of it is wrong.
//!
//! libFuzzer calls these functions (`.ci/fuzz`), and so does `cargo test --test fuzz`, with the
//! inputs that are checked in. Every input says how it is to be cut (see [`cuts`]), and what comes
//! of it must not depend on that.

pub mod chat;
pub mod cuts;
pub mod deflate;
pub mod frames;
pub mod handshake;
pub mod http;
pub mod lines;
pub mod names;
pub mod proxy;
pub mod requests;
pub mod search;

// The simulation's connections, and its clients' eyes.
#[path = "../../simulation/screen.rs"]
pub mod screen;
#[path = "../../simulation/stream.rs"]
pub mod stream;
