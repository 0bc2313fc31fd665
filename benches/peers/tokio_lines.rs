//! A line chat the usual way: a task that reads, a channel and a task that writes for each client,
//! one map of rooms. The first line of a client is its room. Each message is a write, as in tokio's
//! own chat example; a kinder variant writes all that is queued at once.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

type Line = Arc<[u8]>;
type Rooms = Arc<Mutex<HashMap<Vec<u8>, HashMap<u64, UnboundedSender<Line>>>>>;

pub async fn run(listener: TcpListener, at_once: bool) -> io::Result<()> {
    let rooms = Rooms::default();
    for id in 0.. {
        let (stream, _) = listener.accept().await?;
        let rooms = rooms.clone();
        tokio::spawn(async move { client(stream, id, rooms, at_once).await });
    }
    Ok(())
}

async fn client(stream: TcpStream, id: u64, rooms: Rooms, at_once: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut room = Vec::new();
    reader.read_until(b'\n', &mut room).await?;
    let (sender, receiver) = unbounded_channel();
    let _ = sender.send(Line::from(&b"* joined\n"[..]));
    rooms.lock().expect("rooms").entry(room.clone()).or_default().insert(id, sender);
    tokio::spawn(write(writer, receiver, at_once));
    let result = read(&mut reader, &room, &rooms).await;
    if let Some(members) = rooms.lock().expect("rooms").get_mut(&room) {
        members.remove(&id);
    }
    result
}

async fn read(
    reader: &mut (impl AsyncBufReadExt + Unpin),
    room: &[u8],
    rooms: &Rooms,
) -> io::Result<()> {
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        let shared = Line::from(&line[..]);
        if let Some(members) = rooms.lock().expect("rooms").get(room) {
            for member in members.values() {
                let _ = member.send(shared.clone());
            }
        }
        line.clear();
    }
    Ok(())
}

async fn write(
    writer: OwnedWriteHalf,
    mut lines: UnboundedReceiver<Line>,
    at_once: bool,
) -> io::Result<()> {
    let mut writer = BufWriter::new(writer);
    while let Some(line) = lines.recv().await {
        writer.write_all(&line).await?;
        while at_once && let Ok(line) = lines.try_recv() {
            writer.write_all(&line).await?;
        }
        writer.flush().await?;
    }
    Ok(())
}
