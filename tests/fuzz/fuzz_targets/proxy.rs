#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| chat_server_fuzz::proxy::run(input));
