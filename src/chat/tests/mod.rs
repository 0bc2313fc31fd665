//! Conversations: what people and programs say to the chat alone, and every word that each of them
//! is told.

mod away;
mod bots;
mod coming;
mod conversations;
mod conversations_naive;
mod crowds;
mod deletions;
mod determinism;
mod groups;
mod guesses;
mod hooks;
mod joints;
mod json;
mod kept;
#[path = "../../../tests/common/known_secrets.rs"]
pub mod known_secrets;
mod limits;
mod lines;
mod names;
mod order;
mod people;
mod preferences;
mod presence;
mod readings;
mod replays;
mod resuming;
mod returning;
mod rights;
mod rights_in_rooms;
mod rooms;
mod rooms_kept;
mod rooms_private;
mod search;
mod sent_again;
mod stage;
mod talking;
mod unsaid;
mod waiting;
