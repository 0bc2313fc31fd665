//! The limits of a run: small, so that every one of them is met.

use chat_server::chat::settings::ChatSettings;
use chat_server::chat::state::history::HistoryLimits;
use chat_server::chat::state::rooms::RoomLimits;
use chat_server::delivery::limits::DeliveryLimits;
use chat_server::server::settings::ConnectionLimits;
use chat_server::throttle::Rate;
use chat_server::wire::Timeouts;
use fastrand::Rng;

pub fn limits(rng: &mut Rng) -> ConnectionLimits {
    let outbox_mark_bytes = rng.usize(400..3000);
    // Not drawn by itself: all other draws stay what they are.
    let hold_ms = if outbox_mark_bytes.is_multiple_of(2) { 100 } else { 160 };
    ConnectionLimits {
        delivery: DeliveryLimits {
            clients_expected: 0,
            outbox_mark_bytes,
            // As in production; there is room for one of the largest messages besides.
            outbox_max_bytes: 16 * outbox_mark_bytes + 1000,
            too_slow_ms: 1200,
            stalled_ms: 300,
            pace_ahead_ms: rng.bool().then(|| rng.u64(0..1000)),
        },
        message_bytes_max: rng.usize(300..500),
        read_bytes_max: rng.usize(64..700),
        writes_max: rng.usize(2..40),
        bulk_writes_min: rng.usize(1..4),
        last_words_ms: 40_000,
        wire: Timeouts {
            linger_ms: rng.u64(100..1500),
            linger_sending_ms: rng.u64(1500..3000),
            // As in production, or no later than what is held is released.
            greet_after_ms: hold_ms.max(160),
            greet_after_remote_ms: hold_ms.max(160),
            hold_ms,
            head_ms: 500,
            keep_alive_ms: rng.u64(500..1200),
            ping_after_ms: rng.u64(400..1000),
            pong_ms: 500,
        },
        // Some stall before they are established.
        establish_ms: 10_000,
        drain_ms: 600,
    }
}

/// How the chat behaves, and its rate once more: messages at once, and messages a second.
pub fn chat(rng: &mut Rng, limits: &ConnectionLimits) -> (ChatSettings, Option<(u32, u32)>) {
    let rate = rng.bool().then(|| (rng.u32(1..20), rng.u32(2..50)));
    let pick = |rng: &mut Rng, small: std::ops::Range<usize>, large| {
        if rng.bool() { rng.usize(small) } else { large }
    };
    let settings = ChatSettings {
        rooms: RoomLimits {
            rooms_max: pick(rng, 1..5, 100),
            history: HistoryLimits {
                messages_max: pick(rng, 0..12, 1000),
                bytes_max: pick(rng, 100..1000, 4 * limits.delivery.outbox_mark_bytes),
            },
            history_bytes_max: pick(rng, 500..3000, 1_000_000),
        },
        rooms_per_client_max: rng.usize(1..5),
        replay: rng.u32(0..12),
        rate: rate.map_or(Rate::Off, |(burst, per_second)| {
            Rate::limited(burst, per_second).expect("in range")
        }),
        announce_below: [0, 3, 100][rng.usize(0..3)],
        message_bytes_max: limits.message_bytes_max,
        answer_bytes_max: pick(rng, 100..2000, 256 * 1024),
        // Not drawn by itself either.
        direct_patience_ms: 20 + limits.delivery.outbox_mark_bytes as u64 % 8 * 50,
        epoch: "now".to_owned(),
    };
    (settings, rate)
}
