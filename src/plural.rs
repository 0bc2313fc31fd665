//! Numbers of things in words.

use std::fmt;

/// So many of something that forms its plural with an s: `1 client`, `2 clients`.
#[derive(Clone, Copy, Debug)]
pub struct Count<N>(pub N, pub &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(number, what) = self;
        let ending = if *number == N::from(1) { "" } else { "s" };
        write!(f, "{number} {what}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let counts = [0, 1, 2].map(|number| Count(number, "client").to_string());
        assert_eq!(counts, ["0 clients", "1 client", "2 clients"]);
    }
}
