//! A WebSocket chat the usual way, after the pattern of tokio-tungstenite's own documentation: for
//! each client a task that reads, a channel, and the channel forwarded to the socket. The path is
//! the room; /echo is not shared.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use futures_channel::mpsc::{UnboundedSender, unbounded};
use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

type Rooms = Arc<Mutex<HashMap<String, HashMap<u64, UnboundedSender<Message>>>>>;

pub async fn run(listener: TcpListener) -> io::Result<()> {
    let rooms = Rooms::default();
    for id in 0.. {
        let (stream, _) = listener.accept().await?;
        let rooms = rooms.clone();
        tokio::spawn(async move { client(stream, id, rooms).await });
    }
    Ok(())
}

async fn client(stream: TcpStream, id: u64, rooms: Rooms) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut room = String::new();
    #[allow(clippy::result_large_err)] // The type is the crate's.
    let note_path = |request: &Request, response: Response| {
        room = request.uri().path().to_owned();
        Ok(response)
    };
    let socket = accept_hdr_async(stream, note_path).await?;
    if room == "/echo" {
        return echo(socket).await;
    }
    let (outgoing, incoming) = socket.split();
    let (sender, receiver) = unbounded();
    rooms.lock().expect("rooms").entry(room.clone()).or_default().insert(id, sender);
    let read = incoming.try_for_each(|message| {
        if (message.is_text() || message.is_binary())
            && let Some(members) = rooms.lock().expect("rooms").get(&room)
        {
            for member in members.values() {
                let _ = member.unbounded_send(message.clone());
            }
        }
        future::ready(Ok(()))
    });
    let write = receiver.map(Ok).forward(outgoing);
    future::select(read, write).await;
    if let Some(members) = rooms.lock().expect("rooms").get_mut(&room) {
        members.remove(&id);
    }
    Ok(())
}

async fn echo(mut socket: WebSocketStream<TcpStream>) -> Result<(), Error> {
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
