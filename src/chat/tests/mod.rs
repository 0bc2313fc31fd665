//! Conversations: what people and programs say to the chat alone, and every word that each of them
//! is told.

mod conversations;
mod conversations_naive;
mod crowds;
mod determinism;
mod guesses;
mod json;
mod kept;
#[path = "../../../tests/common/known_secrets.rs"]
pub mod known_secrets;
mod limits;
mod names;
mod people;
mod presence;
mod replays;
mod rights;
mod rooms;
mod search;
mod stage;
mod talking;
mod waiting;
