//! Search: an index of all that was said, derived from what is kept.
//!
//! The index is a file of its own, `search.db`: SQLite has one writer a file, and merging an index
//! takes long at times. It may be deleted at any time, and is made anew if it is missing, damaged
//! or of other data. A message is indexed by its append number, so newest first is the order in
//! which an index answers.
//!
//! - [`bigrams`]: from text to terms that can be found in any script.
//! - [`query`]: what people type, and what the index is asked for then.
//! - [`SearchIndex`]: the thread that follows what is committed.
//! - [`Searcher`]: answers on another thread.

pub mod bigrams;
pub mod file;
mod forgetting;
mod index;
mod pace;
pub mod query;
mod searcher;
mod snippet;

pub use index::{Follower, SearchIndex, is_damage};
pub use searcher::Searcher;
pub use snippet::snippet;
