//! Sockets that are listened on: TCP and Unix, our own and those that systemd has opened for us.

use std::fmt;
use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use log::warn;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, SockAddr, SockRef, Type};
use thiserror::Error;

use crate::ids::UNIX_PEER;
use crate::net::listener::configure;
use crate::net::stream::Socket;

/// Connections that the kernel may hold ready for us; Linux cuts it to `net.core.somaxconn`, 4,096
/// by default.
const BACKLOG: i32 = 4096;
/// Who may connect to a Unix socket: its owner and its group, in which a proxy can be.
const UNIX_MODE: u32 = 0o660;

/// Where to listen unless told otherwise: only this machine can connect.
pub const DEFAULT_HOST: &str = "127.0.0.1";
pub const DEFAULT_PORT: u16 = 8080;

/// So many ports are tried for one to name instead of one that is in use.
const ALTERNATIVES_MAX: usize = 20;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// What a name stands for, never nothing: the first that can be had is listened on.
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(candidates) => {
                candidates.first().map_or(Ok(()), |address| address.fmt(f))
            }
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Addresses that are given in one; never none.
#[derive(Clone, Debug)]
pub struct ListenAddresses(pub Vec<ListenAddress>);

impl ListenAddresses {
    /// Looks names up. Several addresses have spaces or commas between them.
    ///
    /// # Errors
    /// What one of them should be.
    pub fn resolve(list: String) -> Result<ListenAddresses, String> {
        let addresses = list.split([',', ' ']).filter(|address| !address.is_empty());
        let found: Vec<ListenAddress> = addresses.map(resolve).collect::<Result<_, _>>()?;
        match found.is_empty() {
            true => Err("there is no address in it".to_owned()),
            false => Ok(ListenAddresses(found)),
        }
    }

    /// Looks a name up; IPv6 addresses need no brackets.
    ///
    /// # Errors
    /// What it should be.
    pub fn of_host(host: &str, port: u16) -> Result<ListenAddresses, String> {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let found = look_up((bare, port))
            .map_err(|error| format!("neither a name nor an address of this host ({error})"))?;
        Ok(ListenAddresses(vec![found]))
    }
}

fn resolve(address: &str) -> Result<ListenAddress, String> {
    if let Some(path) = address.strip_prefix("unix:") {
        return match path.is_empty() {
            true => Err("give the path of the socket, as in unix:/run/chat.sock".to_owned()),
            false => Ok(ListenAddress::Unix(path.into())),
        };
    }
    let port = address.strip_prefix(':').unwrap_or(address);
    let found = match port.parse() {
        Ok(port) => look_up((DEFAULT_HOST, port)),
        Err(_) => look_up(address),
    };
    found.map_err(|error| {
        format!(
            "not an address like 127.0.0.1:8080, [::1]:8080, 8080 or unix:/run/chat.sock ({error})"
        )
    })
}

fn look_up(host: impl ToSocketAddrs) -> io::Result<ListenAddress> {
    let found: Vec<SocketAddr> = host.to_socket_addrs()?.collect();
    match found.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, "this name has no address")),
        false => Ok(ListenAddress::Tcp(found)),
    }
}

/// Where is listened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Bound {
    /// Whether only this machine can connect.
    pub fn is_here(&self) -> bool {
        match self {
            Bound::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Bound::Unix(_) => true,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Tcp(address) => address.fmt(f),
            Bound::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket cannot be had.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}{}", Instead(*.instead))]
pub struct ListenError {
    address: String,
    error: io::Error,
    /// What is free although this is in use.
    instead: Option<SocketAddr>,
}

struct Instead(Option<SocketAddr>);

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |address| write!(f, "; {address} is free"))
    }
}

/// Sockets that were open when the program started (sd_listen_fds(3)), to be listened on.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Listening>);

impl Inherited {
    /// Takes what LISTEN_FDS and LISTEN_PID tell of, and unsets them. To be called before any
    /// thread is started.
    ///
    /// # Errors
    /// One of them is no socket that listens.
    pub fn take() -> Result<Inherited, ListenError> {
        let mut sockets = ListenFd::from_env();
        let count = sockets.len();
        let take = |number| {
            let failed = |error| {
                let address = format!("descriptor {} (LISTEN_FDS)", number + 3);
                ListenError { address, error, instead: None }
            };
            Listening::inherit(&mut sockets, number).map_err(failed)
        };
        (0..count).map(take).collect::<Result<_, _>>().map(Inherited)
    }

    /// Those of another process, which goes on as this one.
    ///
    /// # Errors
    /// What the kernel says of one of them.
    pub(super) fn of_process(sockets: Vec<(HandedListener, OwnedFd)>) -> io::Result<Inherited> {
        let sockets = sockets.into_iter();
        sockets
            .map(|(kind, fd)| Listening::handed_over(kind, fd))
            .collect::<Result<_, _>>()
            .map(Inherited)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What another process has to know of a socket that is listened on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum HandedListener {
    Tcp,
    Unix {
        path: PathBuf,
        /// The file goes with the server.
        is_ours: bool,
    },
}

/// A socket that is listened on.
#[derive(Debug)]
pub(super) struct Listening {
    kind: Kind,
    /// That of a Unix socket, if it is ours to remove.
    file: Option<SocketFile>,
    pub bound: Bound,
    /// There may be connections that have not been accepted.
    pub is_ready: bool,
}

impl Listening {
    /// All that were inherited, and all of these addresses.
    pub fn open_all(
        inherited: Inherited,
        addresses: &[ListenAddress],
    ) -> Result<Vec<Listening>, ListenError> {
        let open = |address: &ListenAddress| {
            let failed = |error: io::Error| {
                let instead = match error.kind() {
                    io::ErrorKind::AddrInUse => free_beside(address),
                    _ => None,
                };
                ListenError { address: address.to_string(), error, instead }
            };
            Listening::open(address).map_err(failed)
        };
        inherited.0.into_iter().map(Ok).chain(addresses.iter().map(open)).collect()
    }

    fn open(address: &ListenAddress) -> io::Result<Listening> {
        match address {
            ListenAddress::Tcp(candidates) => Listening::tcp(listen_on_any(candidates)?),
            ListenAddress::Unix(path) => {
                let (socket, file) = listen_on_file(path)?;
                Ok(Listening::unix(socket, path.clone(), Some(file)))
            }
        }
    }

    fn inherit(sockets: &mut ListenFd, number: usize) -> io::Result<Listening> {
        match sockets.take_tcp_listener(number) {
            Ok(Some(socket)) => {
                socket.set_nonblocking(true)?;
                #[cfg(target_os = "linux")]
                configure(SockRef::from(&socket))?;
                Listening::tcp(TcpListener::from_std(socket))
            }
            _ => {
                let socket = sockets.take_unix_listener(number)?.ok_or(io::ErrorKind::NotFound)?;
                socket.set_nonblocking(true)?;
                let path = socket.local_addr()?.as_pathname().map(Path::to_owned);
                // Its file is systemd's.
                let socket = UnixListener::from_std(socket);
                Ok(Listening::unix(socket, path.unwrap_or_default(), None))
            }
        }
    }

    fn handed_over(kind: HandedListener, fd: OwnedFd) -> io::Result<Listening> {
        match kind {
            HandedListener::Tcp => {
                Listening::tcp(TcpListener::from_std(std::net::TcpListener::from(fd)))
            }
            HandedListener::Unix { path, is_ours } => {
                let socket = UnixListener::from_std(fd.into());
                let file = match is_ours {
                    true => Some(SocketFile {
                        identity: identity(&path)?,
                        path: path.clone(),
                        is_handed_over: false,
                    }),
                    false => None,
                };
                Ok(Listening::unix(socket, path, file))
            }
        }
    }

    /// What another process has to know of it, with its descriptor.
    pub fn to_hand_over(&self) -> (HandedListener, BorrowedFd<'_>) {
        match (&self.kind, &self.bound) {
            (Kind::Unix(socket), Bound::Unix(path)) => {
                let (path, is_ours) = (path.clone(), self.file.is_some());
                (HandedListener::Unix { path, is_ours }, socket.as_fd())
            }
            (Kind::Unix(socket), Bound::Tcp(_)) => (HandedListener::Tcp, socket.as_fd()),
            (Kind::Tcp(socket), _) => (HandedListener::Tcp, socket.as_fd()),
        }
    }

    /// It is listened on elsewhere: its file stays.
    pub fn hand_over(self) {
        if let Some(mut file) = self.file {
            file.is_handed_over = true;
        }
    }

    fn tcp(socket: TcpListener) -> io::Result<Listening> {
        let bound = Bound::Tcp(socket.local_addr()?);
        Ok(Listening { kind: Kind::Tcp(socket), file: None, bound, is_ready: false })
    }

    fn unix(socket: UnixListener, path: PathBuf, file: Option<SocketFile>) -> Listening {
        let kind = Kind::Unix(socket);
        Listening { kind, file, bound: Bound::Unix(path), is_ready: false }
    }

    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp(socket) => registry.register(socket, token, Interest::READABLE),
            Kind::Unix(socket) => registry.register(socket, token, Interest::READABLE),
        }
    }

    /// Accepts a connection, and says where it comes from.
    pub fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp(socket) => registry.deregister(socket),
            Kind::Unix(socket) => registry.deregister(socket),
        }
    }

    pub fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match &self.kind {
            Kind::Tcp(socket) => {
                let (stream, mut peer) = socket.accept()?;
                // The log shows an IPv4 client on a socket for both families as everywhere else.
                peer.set_ip(peer.ip().to_canonical());
                Ok((Socket::Tcp(stream), peer))
            }
            Kind::Unix(socket) => Ok((Socket::Unix(socket.accept()?.0), UNIX_PEER)),
        }
    }
}

// ---- TCP ----

fn listen_on_any(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        result = listen(*address);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// The next port of the same host that can be listened on.
fn free_beside(address: &ListenAddress) -> Option<SocketAddr> {
    let ListenAddress::Tcp(candidates) = address else { return None };
    let taken = candidates.first()?;
    let ports = (taken.port()..=u16::MAX).skip(1).take(ALTERNATIVES_MAX);
    ports.map(|port| SocketAddr::new(taken.ip(), port)).find(|&address| listen(address).is_ok())
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the connections of the last run to time out.
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    configure(SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

// ---- Unix sockets ----

/// The file of a Unix socket, removed when it is no longer listened on, unless another one has
/// taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    /// Another process listens there.
    is_handed_over: bool,
}

/// Which file it is, by whatever name.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = identity(&self.path).is_ok_and(|now| now == self.identity);
        if is_ours
            && !self.is_handed_over
            && let Err(error) = fs::remove_file(&self.path)
        {
            warn!("unix:{}: its file stays: {error}", self.path.display());
        }
    }
}

fn listen_on_file(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    let address = SockAddr::unix(path).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, "the path is too long for a socket")
    })?;
    remove_stale(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&address)?;
    let identity = identity(path)?;
    let file = SocketFile { path: path.to_owned(), identity, is_handed_over: false };
    // Nobody can connect before it listens.
    fs::set_permissions(path, Permissions::from_mode(UNIX_MODE))?;
    socket.listen(BACKLOG)?;
    Ok((UnixListener::from_std(socket.into()), file))
}

/// Removes the file of a server that has ended without doing so.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type().is_socket(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !is_socket {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file of this name that is no socket",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another program listens there")),
    }
}
