//! Extension offers (RFC 6455 9.1) and what becomes of permessage-deflate (RFC 7692 7.1).

use serde::{Deserialize, Serialize};

/// LZ77 windows have 2^8 to 2^15 bytes.
const WINDOW_BITS_MAX: u8 = 15;

/// permessage-deflate as it was agreed on, always without context takeover on either side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeflateParams {
    /// The client's window for what it receives; `None` is 15, and then not said in the response.
    server_max_window_bits: Option<u8>,
}

impl DeflateParams {
    /// Whether a message of this size may be sent compressed by the server's one Deflater. What
    /// refers back never refers further than the message is long, so a smaller window than the
    /// Deflater's is kept to by sending longer messages uncompressed. This also spares us zlib's
    /// troubles with a window of 8 bits.
    pub fn may_compress(self, message_bytes: usize) -> bool {
        match self.server_max_window_bits {
            None | Some(WINDOW_BITS_MAX..) => true,
            Some(bits) => message_bytes <= 1 << bits,
        }
    }

    /// The value of the response's Sec-WebSocket-Extensions.
    pub(crate) fn to_field(self) -> String {
        let mut field =
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
                .to_string();
        if let Some(bits) = self.server_max_window_bits {
            field.push_str("; server_max_window_bits=");
            field.push_str(&bits.to_string());
        }
        field
    }
}

/// The field does not follow the grammar of RFC 6455 9.1.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Picks the first offer of permessage-deflate that can be accepted, in the client's order of
/// preference. `fields` are the values of all Sec-WebSocket-Extensions.
pub fn negotiate_deflate<'b>(
    fields: impl Iterator<Item = &'b [u8]>,
) -> Result<Option<DeflateParams>, Malformed> {
    let mut accepted = None;
    for field in fields {
        let mut cursor = Cursor { rest: field };
        loop {
            cursor.skip_empty_members();
            if cursor.rest.is_empty() {
                break;
            }
            let offered = parse_offer(&mut cursor)?;
            accepted = accepted.or(offered);
        }
    }
    Ok(accepted)
}

/// What the parameters of one offer say so far.
#[derive(Default)]
struct Offer {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_max_window_bits: bool,
    is_declined: bool,
}

impl Offer {
    /// RFC 7692 7.1: an offer is declined for an unknown parameter, a bad value, or a parameter
    /// that is there twice.
    fn take(&mut self, name: &[u8], value: Option<&[u8]>) {
        let is_good = match (name, value) {
            (b"server_no_context_takeover", None) => {
                !std::mem::replace(&mut self.server_no_context_takeover, true)
            }
            (b"client_no_context_takeover", None) => {
                !std::mem::replace(&mut self.client_no_context_takeover, true)
            }
            (b"server_max_window_bits", Some(value)) => match parse_window_bits(value) {
                Some(bits) => self.server_max_window_bits.replace(bits).is_none(),
                None => false,
            },
            // Only a hint: the Inflater's window is the largest, so nothing has to be asked of the
            // client.
            (b"client_max_window_bits", value) => {
                value.is_none_or(|value| parse_window_bits(value).is_some())
                    && !std::mem::replace(&mut self.client_max_window_bits, true)
            }
            _ => false,
        };
        self.is_declined |= !is_good;
    }
}

/// RFC 7692 7.1.2: 8 to 15, in decimal without leading zeros.
fn parse_window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// `token *( ";" token [ "=" ( token | quoted-string ) ] )`, up to a comma or the end. `None`:
/// another extension, or an offer that is declined.
fn parse_offer(cursor: &mut Cursor<'_>) -> Result<Option<DeflateParams>, Malformed> {
    let mut offer =
        Offer { is_declined: cursor.token()? != b"permessage-deflate", ..Offer::default() };
    loop {
        match cursor.next_delimiter() {
            None | Some(b',') => break,
            Some(b';') => {}
            Some(_) => return Err(Malformed),
        }
        let name = cursor.token()?;
        if !cursor.take(b'=') {
            offer.take(name, None);
        } else if cursor.take(b'"') {
            offer.take(name, Some(&cursor.quoted_string()?));
        } else {
            offer.take(name, Some(cursor.token()?));
        }
    }
    let accepted = DeflateParams { server_max_window_bits: offer.server_max_window_bits };
    Ok((!offer.is_declined).then_some(accepted))
}

/// What of a field has not been read.
struct Cursor<'b> {
    rest: &'b [u8],
}

impl<'b> Cursor<'b> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// RFC 9110 5.6.1.2: empty members of a list are ignored.
    fn skip_empty_members(&mut self) {
        self.skip_space();
        while self.take(b',') {}
    }

    /// A token, with the space around it.
    fn token(&mut self) -> Result<&'b [u8], Malformed> {
        self.skip_space();
        let token_bytes = self.rest.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let (token, rest) = self.rest.split_at(token_bytes);
        self.rest = rest;
        self.skip_space();
        if token.is_empty() { Err(Malformed) } else { Ok(token) }
    }

    /// Takes `byte` and the space after it, if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                if byte != b'"' {
                    self.skip_space();
                }
                true
            }
            _ => false,
        }
    }

    fn next_delimiter(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// What is between quotes, the first of which has been taken. RFC 6455 9.1: unescaped, it must
    /// be a token.
    fn quoted_string(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut value = Vec::new();
        loop {
            match self.next_delimiter().ok_or(Malformed)? {
                b'"' => break,
                b'\\' => value.push(self.next_delimiter().ok_or(Malformed)?),
                byte => value.push(byte),
            }
        }
        self.skip_space();
        let is_token = !value.is_empty() && value.iter().copied().all(is_token_byte);
        if is_token { Ok(value) } else { Err(Malformed) }
    }
}

/// RFC 9110 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
