//! What delivery has done since the server's start.

use std::fmt;

use super::Delivery;
use crate::metrics::Exposition;

/// Counters; they only grow. Each is incremented where it happens, and none costs anything per
/// member of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryMetrics {
    /// Messages published to channels, each once, however many members and encodings there are.
    pub messages_published: u64,
    /// Published messages times the members that their channel had.
    pub deliveries: u64,
    /// Times that one client was sent something by the service: one message or several.
    pub sends: u64,
    /// Bytes of published and sent messages and of sender copies, as encoded: once per encoding in
    /// use, and not per member.
    pub bytes_encoded: u64,
    /// Batches shared by the members of a channel that have one encoding.
    pub batches_frozen: u64,
    /// Writes that the kernel was asked for and did not fail.
    pub writes: u64,
    /// Writes of which the kernel took a part or nothing.
    pub writes_blocked: u64,
    /// Bytes that the kernel took.
    pub bytes_written: u64,
    /// Times that a client had to wait before its next message was taken.
    pub waits: u64,
    /// Times that a client went over the high-water mark, not counting those while it was still
    /// being watched for the last time.
    pub clients_over_mark: u64,
    /// Clients that were closed as too slow.
    pub clients_too_slow: u64,
}

/// For the log: each counter after its name.
impl fmt::Display for DeliveryMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeliveryMetrics {
            messages_published,
            deliveries,
            sends,
            bytes_encoded,
            batches_frozen,
            ..
        } = self;
        let DeliveryMetrics { writes, writes_blocked, bytes_written, waits, .. } = self;
        let DeliveryMetrics { clients_over_mark, clients_too_slow, .. } = self;
        write!(
            f,
            "messages published {messages_published}, deliveries {deliveries}, sends {sends}, \
             bytes encoded {bytes_encoded}, batches {batches_frozen}, writes {writes}, blocked \
             {writes_blocked}, bytes written {bytes_written}, waits {waits}, clients over the mark \
             {clients_over_mark}, too slow {clients_too_slow}"
        )
    }
}

impl Delivery {
    /// Writes what monitors are told of it.
    pub(crate) fn write_metrics(&self, out: &mut Exposition) {
        let DeliveryMetrics { messages_published, deliveries, sends, .. } = self.metrics;
        let DeliveryMetrics { bytes_encoded, bytes_written, writes, .. } = self.metrics;
        let DeliveryMetrics { writes_blocked, waits, clients_over_mark, .. } = self.metrics;
        out.counter(
            "chat_server_published_messages_total",
            "Messages published to rooms, each once.",
            messages_published,
        );
        out.counter(
            "chat_server_deliveries_total",
            "Published messages times the members that they were for.",
            deliveries,
        );
        out.counter(
            "chat_server_sends_total",
            "Times that one client alone was told something.",
            sends,
        );
        out.counter(
            "chat_server_encoded_bytes_total",
            "Bytes of messages, once for each encoding in use.",
            bytes_encoded,
        );
        out.counter("chat_server_writes_total", "Writes to connections.", writes);
        out.counter(
            "chat_server_blocked_writes_total",
            "Writes of which the kernel took a part or nothing.",
            writes_blocked,
        );
        out.counter(
            "chat_server_sent_bytes_total",
            "Bytes that the kernel took for clients.",
            bytes_written,
        );
        out.counter(
            "chat_server_waits_total",
            "Times that a client had to wait before its next message was taken.",
            waits,
        );
        out.counter(
            "chat_server_congestions_total",
            "Times that more than 256 KiB waited for one client.",
            clients_over_mark,
        );
        let (newest, durable) = self.groups();
        out.gauge(
            "chat_server_unstored_groups",
            "Turns whose changes are not durable yet, so that nobody is shown them.",
            newest.0.saturating_sub(durable.0),
        );
        out.gauge(
            "chat_server_unstored_bytes",
            "Bytes that wait for the disk: changes, and what follows from them for clients.",
            self.recipients.held.bytes(),
        );
    }
}
