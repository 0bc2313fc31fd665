//! Flags and their environment variables, and what each layer is handed of them.

mod environment;
mod exit;
mod listen;
mod monitoring;
mod pages;
mod people;
mod tools;

pub use exit::Exit;
pub use listen::Listen;
pub use monitoring::Monitoring;
pub use pages::PageTool;
pub use people::People;
pub use tools::{Connect, Data, Health, HistoryTool, Tool};

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, NonEmptyStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, ValueEnum};

use exit::{one_line, usage};

use crate::chat::presence::PresenceLimits;
use crate::chat::settings::{
    ANSWER_BYTES_MAX, ChatSettings, DIRECT_PATIENCE_MS, GRACE_MS, PRESENCE_SUM_MS,
    REPLAY_BYTES_MAX, ROOM_HISTORY_BYTES_MAX,
};
use crate::chat::state::history::HistoryLimits;
use crate::chat::state::rooms::RoomLimits;
use crate::clock::Millis;
use crate::delivery::limits::DeliveryLimits;
use crate::net::event_loop::NetSettings;
use crate::net::tls::certificate::{Certificate, CertificateError};
use crate::server::admission::{AddressPolicy, MaxClients};
use crate::server::protection::Plain;
use crate::server::proxies::AddressSource;
use crate::server::settings::{ConnectionLimits, ServerSettings};
use crate::store::sqlite::{Durability, Preload, StoreSettings};
use crate::throttle::Rate;
use crate::wire::http::origin::Allowed;
use crate::wire::http::public_url::{BasePath, PublicUrl};
use crate::wire::websocket::message::frame_bytes_max;
use crate::wire::{Protocols, Timeouts};

/// A read brings a whole message of the largest size, if that is not larger than this.
const READ_BYTES_MAX: usize = 256 * 1024;

/// A chat server: telnet lines in rooms, on one port, in one thread.
///
/// It starts without any configuration. Every option can also be given as an environment variable;
/// an option on the command line wins over its variable.
#[derive(Clone, Debug, Parser)]
#[command(name = "chat-server", version, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Config {
    #[command(subcommand)]
    pub tool: Option<Tool>,

    #[command(flatten)]
    pub listen: Listen,

    /// What to do with a message.
    #[arg(long, value_enum, default_value_t = Mode::Chat, env = "CHAT_MODE", hide_env_values = true)]
    pub mode: Mode,

    /// What the port speaks. `auto` tells HTTP (and so WebSocket) from lines by the first bytes of
    /// each connection.
    #[arg(long, value_enum, default_value_t = Protocols::Auto, env = "CHAT_WIRE", hide_env_values = true)]
    pub wire: Protocols,

    /// Chat, with `--wire auto`: how long a connection may be silent before it is told how to come
    /// in, as a person at a terminal may be looking at it. Browsers open connections ahead of need,
    /// and use one within ten seconds or never. By default 12000 for loopback and private addresses
    /// and 20000 for others; an address that has spoken HTTP in the last ten minutes is told
    /// nothing.
    #[arg(long, value_name = "MILLISECONDS", env = "CHAT_GREET_AFTER", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub greet_after: Option<u32>,

    /// A web page's origin, such as https://chat.example.com, that may open WebSockets here besides
    /// the server's own; can be given several times, or as a list with commas; `*` is any. A server
    /// that listens on loopback only takes its own pages under loopback names alone: name the
    /// origin that a reverse proxy shows. `null` stands for pages that have no origin, `file://` or
    /// `null` for pages from files; other schemes (tauri://localhost, chrome-extension://ID) are
    /// taken too.
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "CHAT_ALLOW_ORIGIN",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub allow_origin: Vec<Allowed>,

    /// The URL at which people find the page, such as https://chat.example.com/chat/, if a proxy
    /// is in between: its pages may connect, and people at terminals are told it.
    #[arg(long, value_name = "URL", env = "CHAT_PUBLIC_URL", hide_env_values = true)]
    pub public_url: Option<PublicUrl>,

    /// The path that everything of HTTP is under, such as /chat/, for a proxy that passes it on. One
    /// that takes it away does not need it: the page goes by relative links.
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/",
        env = "CHAT_BASE_PATH",
        hide_env_values = true
    )]
    pub base_path: BasePath,

    /// Proxies whose word is taken for where their clients come from: addresses, networks such as
    /// 10.0.0.0/8, or `unix` for what connects by a Unix socket; can be given several times, or as
    /// a list with commas. What they say in the PROXY protocol (version 1 or 2) before anything
    /// else, or in X-Forwarded-For, -Proto and -Host of a request, holds for limits, the log and
    /// origins. Name only proxies that say it of every client: behind others, anybody could claim
    /// any address.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "CHAT_PROXY_FROM",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub proxy_from: Vec<AddressSource>,

    /// Compress WebSocket messages for clients that offer it (permessage-deflate). Costs CPU time;
    /// a message to a room is compressed once for all.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "CHAT_COMPRESS", hide_env_values = true)]
    pub compress: bool,

    /// Largest message, in bytes, its line ending not counted. A client that sends a larger one
    /// gets an error line and is disconnected.
    #[arg(long, value_name = "BYTES", default_value_t = 64 * 1024, env = "CHAT_MAX_MESSAGE_BYTES", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=64 * 1024 * 1024))]
    pub max_message_bytes: u32,

    /// Most clients at once; one more is told so and disconnected. By default as many as the
    /// limit of open files allows (the soft limit is raised to the hard one at start).
    #[arg(long, value_name = "CLIENTS", env = "CHAT_MAX_CLIENTS", hide_env_values = true, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_clients: Option<u32>,

    /// Most clients at once from one address (an IPv4 address, or the /64 network of an IPv6
    /// address), or `off`; one more is told so and disconnected. By default 256 for public
    /// addresses, and `off` for loopback and private ones, where reverse proxies and load tests
    /// are; if given, it holds for all. Behind a proxy all clients have its
    /// address, unless it is named (--proxy-from).
    #[arg(
        long,
        value_name = "CLIENTS",
        env = "CHAT_MAX_CLIENTS_PER_ADDRESS",
        hide_env_values = true
    )]
    pub max_clients_per_address: Option<MaxClients>,

    /// How often one address may connect, as BURST:PER_SECOND, or `off`. Over it, it is told so and
    /// disconnected. By default 512:32 for public addresses, and `off` for loopback and private
    /// ones; if given, it holds for all.
    #[arg(long, value_name = "RATE", env = "CHAT_CONNECT_RATE", hide_env_values = true)]
    pub connect_rate: Option<Rate>,

    #[command(flatten)]
    pub tls: Tls,

    #[command(flatten)]
    pub monitoring: Monitoring,

    #[command(flatten)]
    pub people: People,

    #[command(flatten)]
    pub data: Data,

    /// Chat: what a message outlives once anybody was shown it. `power`: a power cut; it costs a
    /// sync of the disk for what is said at one moment. `process`: the end of the server, however
    /// sudden; after a power cut, what was said last may be gone.
    #[arg(long, value_enum, default_value_t = Durability::Power, hide_possible_values = true,
          env = "CHAT_DURABILITY", hide_env_values = true)]
    pub durability: Durability,

    /// Chat: messages older than so many days are forgotten. By default none is.
    #[arg(long, value_name = "DAYS", env = "CHAT_KEEP_DAYS", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub keep_days: Option<u32>,

    /// Chat: the most that the history may have on the disk, in GiB. Then nothing more can be said
    /// until there is room. By default as much as the disk has, but for 64 MiB.
    #[arg(long, value_name = "GIB", env = "CHAT_DATA_MAX_GIB", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub data_max_gib: Option<u32>,

    /// Chat: messages of each room in memory, to show to those who join or come back. Older ones are
    /// read from the disk; with `--data none` these are all.
    #[arg(long, value_name = "MESSAGES", default_value_t = 1000, env = "CHAT_HISTORY_MESSAGES", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub history_messages: u32,

    /// Chat: memory for the messages of all rooms together, in MiB. Past it, rooms that nobody is in
    /// leave it, then what is oldest in the rooms that grow. One room has 1 MiB at most.
    #[arg(long, value_name = "MIB", default_value_t = 256, env = "CHAT_HISTORY_MIB", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub history_mib: u32,

    /// Memory for all clients together, in MiB: what they have sent and the server has not served
    /// yet, and what it has for them and they have not read. Past three quarters of it large
    /// answers wait; past all of it clients are disconnected, first those that do not read, and of
    /// these the ones that hold the most. By default a quarter of what the machine or the control
    /// group has, and at least 64. History is not part of it (--history-mib).
    #[arg(long, value_name = "MIB", env = "CHAT_MEMORY_MIB", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub memory_mib: Option<u32>,

    /// How long a client may take nothing while more than 256 KiB are waiting for it before it is
    /// disconnected; twelve times as long while less is waiting.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, env = "CHAT_TOO_SLOW", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub too_slow: u32,

    /// Chat: messages shown to somebody who joins a room; fewer if they have more than 32 KiB.
    #[arg(long, value_name = "MESSAGES", default_value_t = 20, env = "CHAT_REPLAY", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub replay: u32,

    /// Chat: at terminals, show the time (UTC) before what is said. Everybody can change that with
    /// /times and /zone.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "CHAT_TIMES", hide_env_values = true)]
    pub times: bool,

    /// Chat: flood control, as BURST:PER_SECOND, or `off`. Over it the server reads later from that
    /// client; nothing is lost.
    #[arg(
        long,
        value_name = "RATE",
        default_value = "20:5",
        env = "CHAT_RATE_LIMIT",
        hide_env_values = true
    )]
    pub rate_limit: Rate,

    /// Chat: in rooms of more members than this, comings, goings, renamings and typing are not
    /// announced.
    #[arg(
        long,
        value_name = "MEMBERS",
        default_value_t = 100,
        env = "CHAT_ANNOUNCE_BELOW",
        hide_env_values = true
    )]
    pub announce_below: u32,

    /// Chat: how many comings, goings and renamings one room is told of, as BURST:PER_SECOND, or
    /// `off` for no limit. Those over it are summed up, and told once a second.
    #[arg(
        long,
        value_name = "RATE",
        default_value = "20:2",
        env = "CHAT_ANNOUNCE_RATE",
        hide_env_values = true
    )]
    pub announce_rate: Rate,

    /// Chat: most rooms in memory at once. Past it, rooms that nobody is in make room for new ones;
    /// what was said there stays on the disk.
    #[arg(long, value_name = "ROOMS", default_value_t = 10_000, env = "CHAT_MAX_ROOMS", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub max_rooms: u32,

    /// Chat: most rooms that one client is in at once.
    #[arg(long, value_name = "ROOMS", default_value_t = 50, env = "CHAT_MAX_ROOMS_PER_CLIENT", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max_rooms_per_client: u32,

    /// After SIGINT, SIGTERM or SIGHUP, how long to wait for clients to read what they are still
    /// owed. A second SIGINT or SIGTERM ends the server at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, env = "CHAT_DRAIN_SECONDS", hide_env_values = true,
          value_parser = clap::value_parser!(u32).range(0..=3600))]
    pub drain_seconds: u32,
}

/// TLS, and who may go without.
#[derive(Clone, Debug, Args)]
pub struct Tls {
    /// Speak TLS as well, on the same port, with this certificate: a file in PEM, followed in it by
    /// those that lead to a known authority. Read again when it changes, and at SIGHUP, which does
    /// not stop the server then.
    #[arg(
        long = "tls-cert",
        value_name = "FILE",
        requires = "key",
        env = "CHAT_TLS_CERT",
        hide_env_values = true
    )]
    pub certificate: Option<PathBuf>,

    /// The private key of --tls-cert: a file in PEM.
    #[arg(
        id = "key",
        long = "tls-key",
        value_name = "FILE",
        requires = "certificate",
        env = "CHAT_TLS_KEY",
        hide_env_values = true
    )]
    pub key: Option<PathBuf>,

    /// With --tls-cert: who may go without TLS. `any`: everybody; `local`: those at loopback and
    /// private addresses; `off`: nobody. Others are told how to come: HTTP is redirected to https.
    #[arg(long, value_enum, default_value_t = Plain::Any, hide_possible_values = true,
          env = "CHAT_PLAIN", hide_env_values = true)]
    pub plain: Plain,

    /// Serve the files in DIR/.well-known/acme-challenge, in which a certificate client shows that
    /// this host is its own: certbot with `--webroot -w DIR`, lego with `--http.webroot DIR`.
    #[arg(long, value_name = "DIR", env = "CHAT_ACME_WEBROOT", hide_env_values = true,
          value_parser = NonEmptyStringValueParser::new().try_map(directory))]
    pub acme_webroot: Option<PathBuf>,
}

impl Tls {
    fn load(&self) -> Result<Option<Certificate>, CertificateError> {
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            return Ok(None);
        };
        Certificate::load(certificate, key).map(Some)
    }
}

fn directory(text: String) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    if path.is_dir() { Ok(path) } else { Err("there is no such directory") }
}

/// What the server does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// People talk in rooms.
    Chat,
    /// Each line goes back to its sender, byte for byte.
    Echo,
    /// Each line goes to every client, its sender included, byte for byte and in one order for all.
    Broadcast,
}

impl Config {
    /// Reads the command line (its first item is the program's name) and the environment.
    ///
    /// # Errors
    /// [`Exit`] tells what to print and how to exit.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Config, Exit> {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        let command = environment::without_empty(Config::command());
        let read = command.clone().try_get_matches_from(&arguments).and_then(|matches| {
            let config = Config::from_arg_matches(&matches)?;
            Ok((config, matches))
        });
        let (config, matches) = read.map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Exit::Help(error.render().to_string())
            }
            _ => {
                let line = one_line(&error.render().to_string());
                let variable = environment::blamed(&error, &command, &arguments);
                usage(&variable.map_or(line.clone(), |name| format!("{name}: {line}")))
            }
        })?;
        environment::check_names(&Config::command()).map_err(|line| usage(&line))?;
        if config.tls.plain != Plain::Any && config.tls.certificate.is_none() {
            return Err(usage("--plain has a meaning only with --tls-cert"));
        }
        let listen = config.listen.clone().choose(&matches).map_err(|line| usage(&line))?;
        Ok(Config { listen, ..config })
    }

    /// How the chat behaves; `epoch` tells this run of the server from others.
    pub fn chat(&self, epoch: String) -> ChatSettings {
        ChatSettings {
            rooms: RoomLimits {
                rooms_max: self.max_rooms as usize,
                history: HistoryLimits {
                    messages_max: self.history_messages as usize,
                    bytes_max: ROOM_HISTORY_BYTES_MAX,
                },
                history_bytes_max: self.history_mib as usize * 1024 * 1024,
            },
            rooms_per_client_max: self.max_rooms_per_client as usize,
            replay: self.replay,
            replay_bytes_max: REPLAY_BYTES_MAX,
            rate: self.rate_limit,
            announce_below: self.announce_below,
            presence: PresenceLimits { rate: self.announce_rate, sum_ms: PRESENCE_SUM_MS },
            message_bytes_max: self.max_message_bytes as usize,
            answer_bytes_max: ANSWER_BYTES_MAX,
            direct_patience_ms: DIRECT_PATIENCE_MS,
            grace_ms: GRACE_MS,
            guests: self.people.guests,
            registration: self.people.registration,
            proxies: self.proxy_from.iter().filter_map(|source| source.network()).collect(),
            public_url: self.public_url.as_ref().map(PublicUrl::to_string),
            base_path: self.base_path.as_str().to_owned(),
            times: self.times,
            epoch,
        }
    }

    /// How what is said is kept.
    pub fn store(&self) -> StoreSettings {
        let defaults = StoreSettings::default();
        StoreSettings {
            durability: self.durability,
            keep_days: self.keep_days,
            bytes_max: self.data_max_gib.map(|wanted| u64::from(wanted) * 1024 * 1024 * 1024),
            rooms_max: self.max_rooms as usize,
            preload: Preload { messages_max: self.history_messages as usize, ..defaults.preload },
            ..defaults
        }
    }

    /// Where to listen, and how to treat what connects there. `is_alone`: no sockets were passed
    /// to us.
    ///
    /// # Errors
    /// What is wrong with the certificate.
    pub fn net(&self, is_alone: bool) -> Result<NetSettings, CertificateError> {
        Ok(NetSettings {
            addresses: self.listen.addresses(is_alone),
            clients_max: self.max_clients.map(|wanted| wanted as usize),
            memory_bytes_max: self.memory_mib.map(|wanted| wanted as usize * 1024 * 1024),
            drain: Duration::from_secs(self.drain_seconds.into()),
            certificate: self.tls.load()?,
            acme_webroot: self.tls.acme_webroot.clone(),
            server: self.server(),
        })
    }

    /// Those that are named, and our own.
    fn allowed_origins(&self) -> Vec<Allowed> {
        let own = self.public_url.iter().map(|url| Allowed::This(url.origin().clone()));
        self.allow_origin.iter().cloned().chain(own).collect()
    }

    fn server(&self) -> ServerSettings {
        let message_bytes_max = self.max_message_bytes as usize;
        let defaults = ConnectionLimits::default();
        let delivery = DeliveryLimits::default();
        let timeouts = Timeouts::default();
        let limits = ConnectionLimits {
            message_bytes_max,
            // The rest of a message would take another read, and memory to put it together in.
            read_bytes_max: frame_bytes_max(message_bytes_max)
                .clamp(defaults.read_bytes_max, READ_BYTES_MAX),
            delivery: DeliveryLimits {
                outbox_max_bytes: delivery
                    .outbox_max_bytes
                    .max(1024 * 1024 + 2 * message_bytes_max),
                too_slow_ms: Millis::from(self.too_slow) * 1000,
                ..delivery
            },
            drain_ms: defaults.drain_ms.max(Millis::from(self.drain_seconds) * 1000),
            wire: Timeouts {
                greet_after_ms: self.greet_after.map_or(timeouts.greet_after_ms, Millis::from),
                greet_after_remote_ms: self
                    .greet_after
                    .map_or(timeouts.greet_after_remote_ms, Millis::from),
                ..timeouts
            },
            ..defaults
        };
        ServerSettings {
            limits,
            addresses: AddressPolicy::new(self.max_clients_per_address, self.connect_rate),
            proxies: self.proxy_from.clone().into(),
            metrics: self.monitoring.access(),
            protocols: self.wire,
            allowed_origins: self.allowed_origins().into(),
            base_path: self.base_path.clone(),
            // Known when an address has been bound.
            is_loopback: false,
            compress: self.compress,
            plain: self.tls.plain,
            insecure_logins: self.people.insecure_logins,
        }
    }
}
