//! Subcommands: what is done with the history instead of serving, and with who owns it; and what is
//! at the other end of a line.

use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::pages::PageTool;
use crate::net::client::health::Pages;
use crate::net::client::{Destination, Trust};
use crate::store::sqlite::tools::Format;
use crate::wire::http::public_url::PublicUrl;

/// Where history is.
#[derive(Clone, Debug, Args)]
pub struct Data {
    /// Chat: the directory in which what is said is kept, made if it is not there; or `none`: in
    /// memory. By default $STATE_DIRECTORY, or else `chat-server` in the directory that this
    /// platform has for data (~/.local/share).
    #[arg(long = "data", value_name = "DIR", env = "CHAT_DATA", hide_env_values = true,
          value_parser = NonEmptyStringValueParser::new().map(PathBuf::from))]
    pub directory: Option<PathBuf>,
}

/// What to do instead of serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Tool {
    /// Talks to a server, this one or another, as telnet does. What comes from a pipe is sent line by
    /// line.
    Connect(Connect),
    /// Asks a server whether it is well, as `GET /healthz` does, and says what it answers; exit code 1
    /// if it is not. For checks where there is no other program, such as in a container.
    Health(Health),
    #[command(flatten)]
    History(HistoryTool),
    #[command(flatten)]
    Page(PageTool),
}

/// Whom to talk to.
#[derive(Clone, Debug, Args)]
pub struct Connect {
    /// HOST, HOST:PORT or :PORT; tls:HOST, or the URL of the page, for one that speaks TLS.
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub to: Destination,

    #[command(flatten)]
    pub trusted: Trusted,
}

/// Whom to ask whether it is well.
#[derive(Clone, Debug, Args)]
pub struct Health {
    /// HOST, HOST:PORT or :PORT; tls:HOST for one that speaks TLS; or the URL of the page, whose path
    /// counts. By default 127.0.0.1:8080, and the path in $CHAT_BASE_PATH.
    #[arg(value_name = "ADDRESS")]
    pub pages: Option<Pages>,

    #[command(flatten)]
    pub trusted: Trusted,
}

/// Who may be at the other end of a line.
#[derive(Clone, Debug, Args)]
pub struct Trusted {
    /// With TLS: trust the authorities in FILE (PEM), and no others. By default those that this
    /// system trusts.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// With TLS: talk to the server whoever it is. Somebody in between can then read and write
    /// everything.
    #[arg(long, conflicts_with = "ca")]
    insecure: bool,
}

impl Trusted {
    pub fn trust(&self) -> Trust {
        match &self.ca {
            _ if self.insecure => Trust::Anybody,
            Some(file) => Trust::File(file.clone()),
            None => Trust::System,
        }
    }
}

/// What to do with the history.
#[derive(Clone, Debug, Subcommand)]
pub enum HistoryTool {
    /// Copies the history to FILE; a server goes on meanwhile.
    Backup {
        file: PathBuf,
        #[command(flatten)]
        data: Data,
    },
    /// Makes a backup the history; no server may use the directory.
    Restore {
        file: PathBuf,
        /// Although there is a history already; what was there is kept beside it.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        data: Data,
    },
    /// Checks that the history is whole.
    Check {
        #[command(flatten)]
        data: Data,
    },
    /// Writes what was said in a room to standard output.
    Export {
        /// The room, as in '#lobby'; quote it, as # begins a comment in a shell. Or @alice:bob, what
        /// these two accounts have said to each other.
        room: String,
        /// `text`, `json` (one object a line) or `html`.
        #[arg(long, value_enum, default_value_t = Format::Text, hide_possible_values = true)]
        format: Format,
        #[command(flatten)]
        data: Data,
    },
    /// Has the server that runs go on as the program that is now where it was started from: nobody
    /// on a connection without TLS notices.
    Upgrade {
        #[command(flatten)]
        data: Data,
    },
    /// Prints a link that makes an owner of who opens it: once, within 30 minutes, while the
    /// server runs. It takes the place of the last one.
    Owner {
        /// The URL at which people find the page. By default where the server says that it is.
        #[arg(long, value_name = "URL", env = "CHAT_PUBLIC_URL", hide_env_values = true)]
        public_url: Option<PublicUrl>,
        #[command(flatten)]
        data: Data,
    },
}

impl HistoryTool {
    pub fn data(&self) -> &Data {
        match self {
            HistoryTool::Upgrade { data }
            | HistoryTool::Backup { data, .. }
            | HistoryTool::Restore { data, .. }
            | HistoryTool::Check { data }
            | HistoryTool::Export { data, .. }
            | HistoryTool::Owner { data, .. } => data,
        }
    }
}
