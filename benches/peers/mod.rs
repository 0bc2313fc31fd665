//! Servers written the usual way, to compare with. Started by the load benchmark as processes of their own.

mod bare;
mod tokio_echo;
mod tokio_lines;
mod tokio_websocket;

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// Runs until the process is ended.
pub fn run(kind: &str, port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    if kind == "bare" {
        return bare::run(listener);
    }
    // One thread, since all servers get one core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    match kind {
        "tokio-echo" => runtime.block_on(tokio_echo::run(listener)),
        "tokio-lines" => runtime.block_on(tokio_lines::run(listener)),
        "tokio-websocket" => runtime.block_on(tokio_websocket::run(listener)),
        other => Err(io::Error::other(format!("no peer server {other:?}"))),
    }
}
