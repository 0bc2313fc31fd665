mod deflate;
mod frame;
mod handshake;
mod mask;
mod message;

/// `"9f" -> [0x9f]`, blanks ignored: test vectors look as they do in the RFCs.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
