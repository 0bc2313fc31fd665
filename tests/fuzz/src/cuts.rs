//! How an input says where it is to be cut.

/// The first byte, modulo 8, is how many lengths follow, a byte each. The rest is cut into pieces
/// of these lengths, taken in turn over and over; 0 is as much as there is, and so is no length at
/// all.
#[derive(Clone, Copy, Debug)]
pub struct Cuts<'a> {
    lengths: &'a [u8],
}

impl<'a> Cuts<'a> {
    /// Nothing is cut.
    pub const NONE: Cuts<'static> = Cuts { lengths: &[] };

    /// What the input says of cuts, and what is to be cut.
    pub fn read(input: &'a [u8]) -> (Cuts<'a>, &'a [u8]) {
        let Some((&first, rest)) = input.split_first() else { return (Cuts::NONE, input) };
        let (lengths, rest) = rest.split_at(usize::from(first % 8).min(rest.len()));
        (Cuts { lengths }, rest)
    }

    pub fn pieces(self, mut payload: &[u8]) -> impl Iterator<Item = &[u8]> {
        let lengths =
            self.lengths.iter().map(|&length| if length == 0 { usize::MAX } else { length.into() });
        let mut lengths = lengths.chain((self.lengths.is_empty()).then_some(usize::MAX)).cycle();
        std::iter::from_fn(move || {
            let length = lengths.next()?.min(payload.len());
            let (piece, rest) = payload.split_at(length);
            payload = rest;
            (!piece.is_empty()).then_some(piece)
        })
    }
}
