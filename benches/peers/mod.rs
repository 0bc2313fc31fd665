//! Servers written the usual way, to compare with. Started by the load benchmark as processes of
//! their own.

pub mod bare;
mod bare_echo;
mod tokio_echo;
mod tokio_lines;
mod tokio_websocket;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// Runs until the process is ended.
pub fn run(kind: &str, port: u16) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    if kind == "bare" {
        return bare::run(listener);
    }
    if kind == "bare-echo" {
        return bare_echo::run(listener);
    }
    // One thread, since all servers get one core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener)?;
    match kind {
        "tokio-echo" => runtime.block_on(tokio_echo::run(listener)),
        "tokio-lines" => runtime.block_on(tokio_lines::run(listener, false)),
        "tokio-lines-at-once" => runtime.block_on(tokio_lines::run(listener, true)),
        "tokio-websocket" => runtime.block_on(tokio_websocket::run(listener)),
        other => Err(io::Error::other(format!("no peer server {other:?}"))),
    }
}
