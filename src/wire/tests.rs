//! Wires as their server drives them.
