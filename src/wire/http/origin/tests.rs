use super::*;

/// How an origin is kept, or why it is refused.
fn given(text: &str) -> Result<String, String> {
    match text.parse() {
        Ok(Allowed::Any) => Ok("*".to_owned()),
        Ok(Allowed::This(origin)) => Ok(origin.to_string()),
        Err(OriginError(what)) => Err(what),
    }
}

#[test]
fn an_origin_has_one_form_for_all_ways_to_write_it() {
    for (text, kept) in [
        ("https://chat.example.com", "https://chat.example.com"),
        ("https://chat.example.com/", "https://chat.example.com"),
        ("  https://chat.example.com ", "https://chat.example.com"),
        ("HTTPS://Chat.Example.COM", "https://chat.example.com"),
        ("https://chat.example.com:443", "https://chat.example.com"),
        ("https://chat.example.com:0443/", "https://chat.example.com"),
        ("https://chat.example.com:", "https://chat.example.com"),
        ("http://chat.example.com:80", "http://chat.example.com"),
        ("http://chat.example.com:443", "http://chat.example.com:443"),
        ("https://chat.example.com:80", "https://chat.example.com:80"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("http://[0:0:0::1]:3000", "http://[::1]:3000"),
        ("https://[2001:DB8::A]", "https://[2001:db8::a]"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://chat.example.com.", "https://chat.example.com."),
        ("null", "null"),
        ("*", "*"),
        ("file://", "file://"),
        ("tauri://localhost", "tauri://localhost"),
        ("capacitor://localhost/", "capacitor://localhost"),
        (
            "chrome-extension://Abcdefghijklmnopabcdefghijklmnop",
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
        ),
        (
            "moz-extension://0c1e0b2a-8d55-4f7c-9d3b-1c2d3e4f5a6b",
            "moz-extension://0c1e0b2a-8d55-4f7c-9d3b-1c2d3e4f5a6b",
        ),
    ] {
        assert_eq!(given(text).as_deref(), Ok(kept), "{text}");
        assert_eq!(given(kept).as_deref(), Ok(kept), "{text}: it is kept as it is");
    }
}

#[test]
fn what_no_browser_ever_sends_is_refused_with_what_to_do() {
    for (text, what) in [
        ("", "missing"),
        ("   ", "missing"),
        ("chat.example.com", "did you mean https://chat.example.com?"),
        ("chat.example.com:8443", "did you mean https://chat.example.com:8443?"),
        ("localhost:3000", "did you mean http://localhost:3000?"),
        ("[::1]:3000", "did you mean http://[::1]:3000?"),
        ("https:chat.example.com", "SCHEME://HOST"),
        ("//chat.example.com", "SCHEME://HOST"),
        ("https://*.example.com", "* alone"),
        ("https://*", "* alone"),
        ("http://localhost:*", "is no port"),
        ("chrome-extension://*", "* alone"),
        ("*.example.com", "SCHEME://HOST"),
        ("https://chat.example.com/chat", "no path"),
        ("https://chat.example.com//", "no path"),
        ("https://chat.example.com?x", "no path"),
        ("https://chat.example.com#x", "no path"),
        ("https://me:secret@chat.example.com", "no user name"),
        ("https://b\u{fc}cher.example", "xn--"),
        ("https://chat.example.com:65536", "65535"),
        ("https://chat.example.com:x", "is no port"),
        ("https://chat.example.com:-1", "is no port"),
        ("https://", "is no host"),
        ("https:///", "is no host"),
        ("https://:443", "is no host"),
        ("https://chat example.com", "is no host"),
        ("https://chat%2eexample.com", "is no host"),
        ("https://127.1", "no IPv4 address"),
        ("https://0x7f.1", "no IPv4 address"),
        ("https://2130706433", "no IPv4 address"),
        ("https://127.0.0.01", "no IPv4 address"),
        ("https://[::g]", "no IPv6 address"),
        ("https://[::1", "no IPv6 address"),
        ("wss://chat.example.com", "give https:// in place of wss://"),
        ("ws://chat.example.com", "give http:// in place of ws://"),
        ("ftp://chat.example.com", "give http:// or https://"),
        ("htps://chat.example.com", "did you mean https?"),
        ("htttp://localhost:3000", "did you mean https?"),
        ("https://chat.example.com:0", "no port that a page comes from"),
        ("https://a..b", "has an empty part"),
        ("https://.example.com", "has an empty part"),
        ("https://.", "has an empty part"),
        ("1https://chat.example.com", "is no scheme"),
        ("file:///home/alice/chat.html", "file:// or null"),
        ("https://a.example https://b.example", "no path"),
        ("https://a.example;https://b.example", "no path"),
    ] {
        let said = given(text).expect_err(text);
        assert!(said.contains(what), "{text}: {said}");
        assert!(!said.contains('\n'), "{text}: {said}");
    }
}

fn allowed(list: &[&str]) -> AllowedOrigins {
    list.iter().map(|one| one.parse().expect("an origin")).collect::<Vec<Allowed>>().into()
}

#[test]
fn origins_of_requests_are_compared_in_that_form() {
    let friends =
        allowed(&["HTTPS://Chat.example:443/", "http://[0::1]:80", "null", "tauri://localhost"]);
    for origin in [
        "https://chat.example",
        "https://CHAT.example",
        "http://[::1]",
        "null",
        "tauri://localhost",
    ] {
        assert!(friends.allows(origin), "{origin}");
    }
    for origin in [
        "http://chat.example",
        "https://chat.example:8443",
        "https://chat.example.evil.example",
        "https://chat.example/",
        "https://chat.example https://evil.example",
        "chat.example",
        "",
        "*",
        "file://",
        "http://tauri://localhost",
    ] {
        assert!(!friends.allows(origin), "{origin}");
        assert!(allowed(&["*"]).allows(origin), "{origin}");
    }
    assert!(!AllowedOrigins::default().allows("null"));
}

#[test]
fn a_host_is_named_by_an_origin_whatever_its_port() {
    let friends = allowed(&["https://chat.example:8443", "http://[::2]", "null"]);
    for host in ["chat.example", "CHAT.example.:80", "chat.example:8443", "[::2]:1"] {
        assert!(friends.names_host(host), "{host}");
    }
    for host in ["", ":80", "evil.example", "chat.example.evil.example", "[::3]", "null."] {
        assert!(!friends.names_host(host), "{host}");
    }
}

#[test]
fn loopback_names_are_those_that_nobody_can_point_elsewhere() {
    for host in [
        "localhost",
        "LocalHost:8080",
        "localhost.",
        "localhost.:1",
        "chat.localhost:8080",
        "127.0.0.1",
        "127.255.3.4:80",
        "[::1]",
        "[0:0::1]:8080",
        "[::ffff:127.0.0.1]:1",
        "[::1%25lo]",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "",
        ":8080",
        "evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "127.evil.example",
        "128.0.0.1",
        "0.0.0.0",
        "192.168.0.1",
        "[::]",
        "[::2]:80",
        "::1",
        "127.1",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}
