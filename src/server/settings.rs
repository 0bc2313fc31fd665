//! How the server treats its connections: every limit with its unit and its reason.

use super::admission::AddressPolicy;
use crate::clock::Millis;
use crate::delivery::limits::DeliveryLimits;
use crate::wire::Protocols;
use crate::wire::http::origin::AllowedOrigins;

/// How the server treats its connections.
#[derive(Clone, Debug)]
pub struct Settings {
    pub limits: ConnectionLimits,
    /// `--max-clients-per-address` and `--connect-rate`.
    pub addresses: AddressPolicy,
    /// `--wire`.
    pub protocols: Protocols,
    /// `--allow-origin`.
    pub allowed_origins: AllowedOrigins,
    /// Only this machine can connect.
    pub is_loopback: bool,
    /// `--compress`.
    pub compress: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            limits: ConnectionLimits::default(),
            addresses: AddressPolicy::default(),
            protocols: Protocols::Auto,
            allowed_origins: AllowedOrigins::default(),
            is_loopback: false,
            compress: false,
        }
    }
}

/// What a connection may take, and how long.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    pub delivery: DeliveryLimits,
    /// `--max-message-bytes`.
    pub message_bytes_max: usize,
    /// Read from one client in one turn: one large read, small enough that nobody else waits long.
    pub read_bytes_max: usize,
    /// Vectored writes in one turn: about five milliseconds of kernel work.
    pub writes_max: usize,
    /// Writes of these that members of big rooms get even while there is always something more
    /// urgent.
    pub bulk_writes_min: usize,
    /// How long what a client has said is served after its connection broke, as fast as flood
    /// control lets it: so long it keeps its name and its place.
    pub last_words_ms: Millis,
    /// How long a client that we are done with has to close its side too.
    pub linger_ms: Millis,
    /// How long an HTTP client that we are done with may go on sending its body. Many read the
    /// answer only then.
    pub linger_sending_ms: Millis,
    /// `--greet-after`, of loopback and private addresses.
    pub greet_after_ms: Millis,
    /// `--greet-after`, of other addresses, where a packet may be lost on the way.
    pub greet_after_remote_ms: Millis,
    /// Without a greeting: how long what a silent client is sent is held back, because it may turn
    /// out to speak HTTP.
    pub hold_ms: Millis,
    /// How long a request head may take.
    pub head_ms: Millis,
    /// How long a connection is kept for the next request. Longer than the 60 s after which
    /// balancers give idle connections up: who closes first must not be the one that has just been
    /// sent a request.
    pub keep_alive_ms: Millis,
    /// A WebSocket client that has been silent for so long is pinged.
    pub ping_after_ms: Millis,
    /// How long it has to answer.
    pub pong_ms: Millis,
    /// How long a closing client that is owed something may go without reading any of it. Not less
    /// than `--drain-seconds`: when the server stops, the event loop ends the wait.
    pub drain_ms: Millis,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            delivery: DeliveryLimits::default(),
            message_bytes_max: 64 * 1024,
            read_bytes_max: 64 * 1024,
            writes_max: 1024,
            bulk_writes_min: 256,
            last_words_ms: 20_000,
            linger_ms: 1_000,
            linger_sending_ms: 30_000,
            greet_after_ms: 12_000,
            greet_after_remote_ms: 20_000,
            hold_ms: 300,
            head_ms: 10_000,
            keep_alive_ms: 90_000,
            ping_after_ms: 25_000,
            pong_ms: 15_000,
            drain_ms: 5_000,
        }
    }
}
