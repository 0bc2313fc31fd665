//! How the server treats its connections: every limit with its unit and its reason.

use super::admission::AddressPolicy;
use super::monitoring::MetricsAccess;
use super::protection::Plain;
use super::proxies::TrustedProxies;
use crate::clock::Millis;
use crate::delivery::limits::DeliveryLimits;
use crate::throttle::Rate;
use crate::wire::http::origin::AllowedOrigins;
use crate::wire::http::public_url::BasePath;
use crate::wire::{Protocols, Timeouts};

/// How the server treats its connections.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub limits: ConnectionLimits,
    /// `--max-clients-per-address` and `--connect-rate`.
    pub addresses: AddressPolicy,
    /// `--proxy-from`.
    pub proxies: TrustedProxies,
    /// `--wire`.
    pub protocols: Protocols,
    /// `--metrics-from` and `--metrics-token`.
    pub metrics: MetricsAccess,
    /// `--allow-origin`.
    pub allowed_origins: AllowedOrigins,
    /// `--base-path`.
    pub base_path: BasePath,
    /// Only this machine can connect.
    pub is_loopback: bool,
    /// `--compress`.
    pub compress: bool,
    /// `--plain`.
    pub plain: Plain,
    /// `--insecure-logins`.
    pub insecure_logins: bool,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            limits: ConnectionLimits::default(),
            addresses: AddressPolicy::default(),
            proxies: TrustedProxies::default(),
            metrics: MetricsAccess::default(),
            protocols: Protocols::Auto,
            allowed_origins: AllowedOrigins::default(),
            base_path: BasePath::default(),
            is_loopback: false,
            compress: false,
            plain: Plain::default(),
            insecure_logins: false,
        }
    }
}

/// What a connection may take, and how long.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    pub delivery: DeliveryLimits,
    /// `--max-message-bytes`.
    pub message_bytes_max: usize,
    /// Read from one client in one turn: one large read, small enough that nobody else waits long,
    /// and large enough for the largest message if that can be.
    pub read_bytes_max: usize,
    /// Pings, other control frames, fragments, requests and telnet commands of one client. Those
    /// of one that sends more are served after what all others send.
    pub requests: Rate,
    /// Of them, served of one client in one turn: what takes tens of microseconds.
    pub requests_max: usize,
    /// Of them, served in one turn of all clients together that have sent more than `requests`, if
    /// that is more for each.
    pub late_requests_max: usize,
    /// Deadlines handled in one turn: a few milliseconds of work if each has something to send.
    pub deadlines_max: usize,
    /// Vectored writes in one turn: about five milliseconds of kernel work.
    pub writes_max: usize,
    /// A write of more than this counts as two, and so on: copying takes time as well.
    pub write_bytes_each: usize,
    /// Writes of these that members of big rooms get even while there is always something more
    /// urgent.
    pub bulk_writes_min: usize,
    /// How long what a client has said is served after its connection broke, as fast as flood
    /// control lets it: so long it keeps its name and its place.
    pub last_words_ms: Millis,
    /// How long a wire waits for its peer.
    pub wire: Timeouts,
    /// How long a stream may take until it can carry bytes.
    pub establish_ms: Millis,
    /// How long a closing client with something queued may go without reading any of it. Not less
    /// than `--drain-seconds`: when the server stops, the event loop ends the wait.
    pub drain_ms: Millis,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            delivery: DeliveryLimits::default(),
            message_bytes_max: 64 * 1024,
            read_bytes_max: 64 * 1024,
            requests: Rate::limited(100, 50).expect("both are in range"),
            requests_max: 16,
            late_requests_max: 2000,
            deadlines_max: 1024,
            writes_max: 1024,
            write_bytes_each: 16 * 1024,
            bulk_writes_min: 256,
            last_words_ms: 20_000,
            wire: Timeouts::default(),
            establish_ms: 10_000,
            drain_ms: 5_000,
        }
    }
}
