//! The limits of a run: small, so that every one of them is met.

use chat_server::chat::presence::PresenceLimits;
use chat_server::chat::settings::{ChatSettings, Registration};
use chat_server::chat::state::history::HistoryLimits;
use chat_server::chat::state::rooms::RoomLimits;
use chat_server::delivery::limits::DeliveryLimits;
use chat_server::server::protection::Plain;
use chat_server::server::settings::ConnectionLimits;
use chat_server::throttle::Rate;
use chat_server::wire::Timeouts;
use fastrand::Rng;

pub fn limits(rng: &mut Rng) -> ConnectionLimits {
    let outbox_mark_bytes = rng.usize(400..3000);
    // Not drawn by itself: all other draws stay what they are.
    let withhold_ms = if outbox_mark_bytes.is_multiple_of(2) { 100 } else { 160 };
    // Everybody has to go, or those who do not read, or nobody.
    let memory_bytes_max = match outbox_mark_bytes % 8 {
        0 | 1 => 6 * outbox_mark_bytes,
        2 | 3 => 24 * outbox_mark_bytes,
        _ => usize::MAX,
    };
    // As in production, or so much that who is freed of it is over the limit at once.
    let held_bytes_max = outbox_mark_bytes * if outbox_mark_bytes % 5 < 2 { 64 } else { 16 };
    ConnectionLimits {
        delivery: DeliveryLimits {
            clients_expected: 0,
            outbox_mark_bytes,
            // As in production; there is room for one of the largest messages besides.
            outbox_max_bytes: 16 * outbox_mark_bytes + 1000,
            memory_bytes_max,
            held_bytes_max,
            too_slow_ms: 1200,
            stalled_ms: 300,
            pace_ahead_ms: rng.bool().then(|| rng.u64(0..1000)),
        },
        message_bytes_max: rng.usize(300..500),
        read_bytes_max: rng.usize(64..700),
        requests: match rng.bool() {
            true => Rate::limited(rng.u32(1..10), rng.u32(1..50)).expect("in range"),
            false => Rate::Off,
        },
        requests_max: rng.usize(1..100),
        late_requests_max: rng.usize(1..100),
        deadlines_max: rng.usize(8..60),
        writes_max: rng.usize(2..40),
        write_bytes_each: 16 * 1024,
        bulk_writes_min: rng.usize(1..4),
        last_words_ms: 40_000,
        wire: Timeouts {
            linger_ms: rng.u64(100..1500),
            linger_sending_ms: rng.u64(1500..3000),
            // As in production, or no later than what is held is released.
            greet_after_ms: withhold_ms.max(160),
            greet_after_remote_ms: withhold_ms.max(160),
            withhold_ms,
            header_ms: 300,
            header_start_ms: 100,
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

/// Who may come without TLS. Not drawn: all draws stay what they are.
pub fn plain(seed: u64) -> Plain {
    if seed / 8 % 4 == 3 { Plain::Off } else { Plain::Any }
}

/// A rate as it is written: so many at once, and so many a second.
pub type Written = Option<(u32, u32)>;

fn read(rate: Written) -> Rate {
    rate.map_or(Rate::Off, |(burst, per_second)| {
        Rate::limited(burst, per_second).expect("in range")
    })
}

/// How the chat behaves, and its rates once more: of messages, and of comings and goings.
pub fn chat(rng: &mut Rng, limits: &ConnectionLimits) -> (ChatSettings, Written, Written) {
    let rate = rng.bool().then(|| (rng.u32(1..20), rng.u32(2..50)));
    let presence_rate = (rng.u32(0..4) > 0).then(|| (rng.u32(1..5), rng.u32(1..5)));
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
        replay_bytes_max: pick(rng, 100..1500, 32 * 1024),
        rate: read(rate),
        announce_below: [0, 3, 100][rng.usize(0..3)],
        presence: PresenceLimits { rate: read(presence_rate), sum_ms: rng.u64(1..2000) },
        message_bytes_max: limits.message_bytes_max,
        answer_bytes_max: pick(rng, 100..2000, 256 * 1024),
        // Not drawn by itself either.
        direct_patience_ms: 20 + limits.delivery.outbox_mark_bytes as u64 % 8 * 50,
        grace_ms: limits.wire.ping_after_ms,
        guests: true,
        registration: Registration::default(),
        proxies: Vec::new(),
        public_url: None,
        base_path: "/".to_owned(),
        times: false,
        epoch: "now".to_owned(),
    };
    (settings, rate, presence_rate)
}
