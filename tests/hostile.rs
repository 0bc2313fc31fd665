//! Attacks over real sockets, while honest people talk beside them.
//!
//! Each attack names how much memory it may cost the server, with the reason; the honest lose
//! nothing and wait for nothing longer than a bound; and the attacker gets a clear end. `cargo test
//! --test hostile -- --nocapture` shows the figures.

#[path = "hostile/attack.rs"]
mod attack;
mod common;
#[path = "hostile/conversation.rs"]
mod conversation;
#[path = "hostile/gauge.rs"]
mod gauge;
#[path = "hostile/herd.rs"]
mod herd;
#[path = "hostile/pingers.rs"]
mod pingers;
#[path = "hostile/siege.rs"]
mod siege;
#[path = "hostile/wire.rs"]
mod wire;

#[path = "hostile/chat.rs"]
mod chat;
#[path = "hostile/crowds.rs"]
mod crowds;
#[path = "hostile/fairness.rs"]
mod fairness;
#[path = "hostile/hoards.rs"]
mod hoards;
#[path = "hostile/http.rs"]
mod http;
#[path = "hostile/lines.rs"]
mod lines;
#[path = "hostile/mix.rs"]
mod mix;
#[path = "hostile/turns.rs"]
mod turns;
#[path = "hostile/websocket.rs"]
mod websocket;

/// Attacks that take their time and little of the machine's: all at once, each on a server of its
/// own, and beside those that keep the machine busy.
#[test]
fn those_who_mostly_wait() {
    let attacks = [
        chat::who_asks_for_much_and_reads_nothing_is_let_go,
        chat::members_who_do_not_read_their_own_answers_hold_up_nobody,
        chat::members_who_are_behind_on_another_room_hold_up_nobody,
        chat::a_flooded_room_with_stuck_members_lags_no_longer_than_documented,
        crowds::who_reads_a_byte_a_second_is_let_go,
        hoards::hoarders_of_half_a_line_are_let_go,
        hoards::memory_comes_back_also_without_a_quiet_moment,
        http::slowloris_in_every_wire,
        http::who_asks_for_pages_and_does_not_read_them_is_let_go,
        http::a_steady_slow_reader_of_pages_is_answered_as_it_reads,
        http::kept_connections_end_when_a_request_is_not_finished,
        lines::who_asks_are_you_there_and_does_not_listen_is_let_go,
        lines::a_request_that_comes_late_is_no_talk,
        websocket::who_pings_and_does_not_read_is_let_go,
    ];
    std::thread::scope(|scope| {
        attacks.map(|attack| scope.spawn(attack)).into_iter().for_each(drop)
    });
}
