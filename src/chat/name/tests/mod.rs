use super::*;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

fn name(typed: &str) -> Name {
    Name::parse(typed).unwrap_or_else(|error| panic!("{}: {error}", typed.escape_unicode()))
}

fn error_kind(typed: &str) -> NameErrorKind {
    match Name::parse(typed) {
        Ok(name) => panic!("{} is a name: {name:?}", typed.escape_unicode()),
        Err(error) => error.kind,
    }
}

#[test]
fn names_in_many_scripts() {
    for typed in [
        "a",
        "alice",
        "Alice",
        "guest-1",
        "x_y",
        "j.r.",
        "a/b",
        "C#",
        "wow?",
        "q&a",
        "7",
        "it's",
        "T_T",
        "(o)",
        "a=b",
        "José",
        "Zoë",
        "Łukasz",
        "Ångström",
        "straße",
        "Đặng",
        "Ελένη",
        "Борис",
        "Ђорђе",
        "Հայկ",
        "アリス",
        "ありす",
        "有栖",
        "髙橋",
        "𠮷野家",
        "ｱﾘｽ",
        "ﾀﾞｲｽｹ",
        "Ａｌｉｃｅ",
        "ジョン・スミス",
        "モーニング娘。",
        "山田【公式】",
        "々々",
        "ー太郎",
        "김철수",
        "ㅋㅋㅋ",
        "李小龍",
        "ไทย",
        "กำ",
        "हिन्दी",
        "தமிழ்",
        "বাংলা",
        "ქართული",
        "አማርኛ",
        "ᏣᎳᎩ",
        "דנה",
        "שָׁלוֹם",
        "דנה_1",
        "דנה\u{5B8}",
        "℁",
        "↔\u{FE0F}",
        "محمد",
        "محمد٣",
        "فارسی",
        "می\u{200C}خواهم",
        "क\u{94D}\u{200D}ष",
        "क\u{94D}\u{200C}ष",
        "🦀",
        "🤖bot",
        "crab🦀",
        "❤\u{FE0F}",
        "👍🏽",
        "👩\u{200D}💻",
        "👨\u{200D}👩\u{200D}👧\u{200D}👦",
        "🇯🇵",
        "🇯🇵🇯🇵",
        "1\u{FE0F}\u{20E3}",
        "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
        "a❤\u{FE0F}b",
        "דנה🦀",
        "🦀דנה",
        "☃",
        "🫠",
        "🪿",
    ] {
        let name = name(typed);
        assert_eq!(name.as_str(), typed.nfc().collect::<String>(), "shown as typed");
    }
}

#[test]
fn names_that_are_one_name() {
    for same in [
        &[
            "alice",
            "Alice",
            "ALICE",
            "ａｌｉｃｅ",
            "Ａｌｉｃｅ",
            " alice\t",
            "\u{3000}alice",
            "𝓐𝓵𝓲𝓬𝓮",
            "ⓐⓛⓘⓒⓔ",
        ][..],
        &["アリス", "ｱﾘｽ"],
        &["ダイスケ", "ﾀﾞｲｽｹ", "タ\u{3099}イスケ"],
        &["José", "JOSÉ", "jose\u{301}"],
        &["straße", "STRASSE", "STRAẞE"],
        &["Σίσυφος", "ΣΊΣΥΦΟΣ", "σίσυφοσ"],
        &["ᾳδης", "α\u{345}δης", "ᾼδης", "αιδης"],
        &["ᾳ\u{323}δης", "α\u{323}\u{345}δης", "α\u{345}\u{323}δης", "αι\u{323}δης"],
        &["office", "oﬃce", "OFFICE"],
        &["kelvin", "\u{212A}elvin"],
        &["ı1", "i1", "I1"],
        &["한글", "\u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF}"],
        &["❤\u{FE0F}", "❤"],
        &["👩\u{200D}💻", "👩💻"],
        &["می\u{200C}خواهم", "میخواهم"],
        &["ᏣᎳᎩ", "ꮳꮃꭹ"],
        &["№1", "No1", "ＮＯ１"],
        &["x２", "x2", "x²"],
    ] {
        let first = name(same[0]);
        for typed in same {
            assert_eq!(name(typed).key(), first.key(), "{typed} and {first}");
            assert_eq!(name(typed), first);
        }
    }
}

#[test]
fn names_that_are_two_names() {
    for (one, other) in [
        ("alice", "alicia"),
        ("アリス", "ありす"),
        ("jose", "josé"),
        ("は", "ば"),
        ("👍🏻", "👍🏿"),
        ("🇯🇵", "🇫🇷"),
        ("guest-1", "guest-11"),
        ("a.b", "a_b"),
    ] {
        assert_ne!(name(one), name(other));
    }
}

#[test]
fn every_refusal() {
    use NameErrorKind::*;
    let limits = (32, 128);
    for (typed, expected) in [
        ("", Empty),
        (" \t\u{3000}\r\n", Empty),
        ("...", OnlyPunctuation),
        ("_", OnlyPunctuation),
        ("^_^", OnlyPunctuation),
        ("。。。", OnlyPunctuation),
        (&"x".repeat(33), TooLong { clusters: 33, clusters_max: limits.0 }),
        (&"é".repeat(33), TooLong { clusters: 33, clusters_max: limits.0 }),
        (
            &"👨\u{200D}👩\u{200D}👧\u{200D}👦".repeat(6),
            TooManyBytes { bytes: 150, bytes_max: limits.1 },
        ),
        (&"x".repeat(385), TooManyBytes { bytes: 385, bytes_max: limits.1 }),
        (&"é".repeat(1 << 20), TooManyBytes { bytes: 2 << 20, bytes_max: limits.1 }),
        ("a b", WhiteSpace { found: ' ' }),
        ("a\tb", WhiteSpace { found: '\t' }),
        ("山田\u{3000}太郎", WhiteSpace { found: '\u{3000}' }),
        ("é\u{A0}b", WhiteSpace { found: '\u{A0}' }),
        ("é\u{2028}b", WhiteSpace { found: '\u{2028}' }),
        ("é\u{85}b", WhiteSpace { found: '\u{85}' }),
        ("/nick", ForbiddenStart { found: '/' }),
        ("／nick", ForbiddenStart { found: '／' }),
        ("#lobby", ForbiddenStart { found: '#' }),
        ("＃lobby", ForbiddenStart { found: '＃' }),
        ("#\u{FE0F}\u{20E3}", ForbiddenStart { found: '#' }),
        ("-v", ForbiddenStart { found: '-' }),
        ("+v", ForbiddenStart { found: '+' }),
        ("!", ForbiddenStart { found: '!' }),
        ("！エラー", ForbiddenStart { found: '！' }),
        ("*", ForbiddenStart { found: '*' }),
        ("＊注意", ForbiddenStart { found: '＊' }),
        ("@op", ForbiddenStart { found: '@' }),
        ("&local", ForbiddenStart { found: '&' }),
        ("~owner", ForbiddenStart { found: '~' }),
        ("[bob", Punctuation { found: '[' }),
        ("［bob", Punctuation { found: '［' }),
        ("<bob", Punctuation { found: '<' }),
        ("bob:", Punctuation { found: ':' }),
        ("bob：", Punctuation { found: '：' }),
        ("bob∶", Punctuation { found: '∶' }),
        ("bob]", Punctuation { found: ']' }),
        ("アリス〕", Punctuation { found: '〕' }),
        ("a->b", Punctuation { found: '>' }),
        ("a→b", Punctuation { found: '→' }),
        ("a,b", Punctuation { found: ',' }),
        ("ア、イ", Punctuation { found: '、' }),
        ("a!b@c", Punctuation { found: '!' }),
        ("a*b", Punctuation { found: '*' }),
        ("é*\u{FE0F}\u{20E3}", Punctuation { found: '*' }),
        ("a\u{226F}b", Punctuation { found: '\u{226F}' }),
        ("a\0b", Invisible { found: '\0' }),
        ("a\u{1b}[2J", Invisible { found: '\u{1b}' }),
        ("a\u{7F}", Invisible { found: '\u{7F}' }),
        ("a\u{9B}2J", Invisible { found: '\u{9B}' }),
        ("a\u{202E}b", Invisible { found: '\u{202E}' }),
        ("a\u{2066}b", Invisible { found: '\u{2066}' }),
        ("a\u{200E}", Invisible { found: '\u{200E}' }),
        ("a\u{200B}b", Invisible { found: '\u{200B}' }),
        ("a\u{200D}b", Invisible { found: '\u{200D}' }),
        ("a\u{200C}b", Invisible { found: '\u{200C}' }),
        ("م\u{200C}", Invisible { found: '\u{200C}' }),
        ("🦀\u{200D}", Invisible { found: '\u{200D}' }),
        ("\u{200D}🦀", Invisible { found: '\u{200D}' }),
        ("a\u{FE0F}", Invisible { found: '\u{FE0F}' }),
        ("\u{FE0F}a", Invisible { found: '\u{FE0F}' }),
        ("🦀\u{FE0F}\u{FE0F}", Invisible { found: '\u{FE0F}' }),
        ("葛\u{E0100}", Invisible { found: '\u{E0100}' }),
        ("🦀\u{E0041}", Invisible { found: '\u{E0041}' }),
        ("a\u{AD}b", Invisible { found: '\u{AD}' }),
        ("a\u{FFF9}b", Invisible { found: '\u{FFF9}' }),
        ("a\u{FEFF}", Invisible { found: '\u{FEFF}' }),
        ("\u{3164}", Invisible { found: '\u{3164}' }),
        ("\u{FFA0}", Invisible { found: '\u{FFA0}' }),
        ("\u{115F}", Invisible { found: '\u{115F}' }),
        ("\u{2800}", Invisible { found: '\u{2800}' }),
        ("\u{34F}a", Invisible { found: '\u{34F}' }),
        ("a\u{600}", Invisible { found: '\u{600}' }),
        ("a\u{E000}", Unassigned { found: '\u{E000}' }),
        ("a\u{378}", Unassigned { found: '\u{378}' }),
        ("a\u{FFFF}", Unassigned { found: '\u{FFFF}' }),
        ("a\u{10FFFE}", Unassigned { found: '\u{10FFFE}' }),
        ("\u{1100}", Disallowed { found: '\u{1100}' }),
        ("مح\u{640}مد", Disallowed { found: '\u{640}' }),
        ("a\u{20DD}", Disallowed { found: '\u{20DD}' }),
        ("1\u{20E3}", Disallowed { found: '\u{20E3}' }),
        ("🇯", Disallowed { found: '🇯' }),
        ("🇯🇵🇯", Disallowed { found: '🇯' }),
        ("a´", Disallowed { found: '´' }),
        ("\u{FDFA}", Disallowed { found: '\u{FDFA}' }),
        ("a\u{FFFD}", Disallowed { found: '\u{FFFD}' }),
        ("a\u{345}", Disallowed { found: '\u{345}' }),
        ("0\u{345}\u{FF9E}a", Disallowed { found: '\u{345}' }),
        ("α\u{345}\u{323}\u{345}", Disallowed { found: '\u{345}' }),
        ("\u{301}", LoneMark { found: '\u{301}' }),
        ("\u{301}a", LoneMark { found: '\u{301}' }),
        ("\u{3099}", LoneMark { found: '\u{3099}' }),
        ("क\u{94D}\u{200D}\u{94D}\u{200D}", TooManyMarks { found: '\u{94D}' }),
        ("x\u{310}\u{310}", TooManyMarks { found: '\u{310}' }),
        ("x\u{310}\u{311}\u{312}\u{313}\u{314}", TooManyMarks { found: '\u{314}' }),
        ("דנהabc", MixedDirection),
        ("abcדנה", MixedDirection),
        ("1דנה", MixedDirection),
        ("דנה-", MixedDirection),
        ("محمد1٣", MixedDirection),
        ("٣", MixedDirection),
        ("you", Reserved { name: "you" }),
        ("ＹＯＵ", Reserved { name: "you" }),
        ("Server", Reserved { name: "server" }),
        ("All", Reserved { name: "all" }),
        ("ſystem", Reserved { name: "system" }),
    ] {
        assert_eq!(error_kind(typed), expected, "{}", typed.escape_unicode());
    }
}

#[test]
fn rooms() {
    for (typed, shown, key) in [
        ("dev", "#dev", "#dev"),
        ("#dev", "#dev", "#dev"),
        (" #Dev ", "#Dev", "#dev"),
        ("﹟dev", "#dev", "#dev"),
        ("＃Ｄｅｖ", "#Ｄｅｖ", "#dev"),
        ("#雑談", "#雑談", "#雑談"),
        ("ｶﾌｪ", "#ｶﾌｪ", "#カフェ"),
        ("🦀", "#🦀", "#🦀"),
        ("you", "#you", "#you"),
        ("עברית", "#עברית", "#עברית"),
    ] {
        let room = RoomName::parse(typed).unwrap_or_else(|error| panic!("{typed}: {error}"));
        assert_eq!((room.as_str(), room.key()), (shown, key));
    }
    assert_eq!(RoomName::parse(&"あ".repeat(64)).map(|room| room.as_str().len()), Ok(1 + 64 * 3));
    assert_eq!(
        RoomName::parse(&format!("#{}", "x".repeat(64))).map(|room| room.as_str().len()),
        Ok(65)
    );
}

#[test]
fn refused_rooms() {
    use NameErrorKind::*;
    for (typed, expected) in [
        ("", Empty),
        ("#", Empty),
        ("＃", Empty),
        ("##dev", ForbiddenStart { found: '#' }),
        ("#＃dev", ForbiddenStart { found: '＃' }),
        ("# dev", WhiteSpace { found: ' ' }),
        ("#a,#b", Punctuation { found: ',' }),
        ("#a]", Punctuation { found: ']' }),
        ("#\u{301}", LoneMark { found: '\u{301}' }),
        (&"x".repeat(65), TooLong { clusters: 65, clusters_max: 64 }),
        (&"👩\u{200D}💻".repeat(24), TooManyBytes { bytes: 264, bytes_max: 256 }),
    ] {
        let error = RoomName::parse(typed).expect_err(typed);
        assert_eq!((error.owner, error.kind), (NameOwner::Room, expected));
        assert!(error.to_string().starts_with("a room's name "), "{error}");
    }
}

#[test]
fn a_name_is_three_words_and_one_allocation() {
    assert_eq!((size_of::<Name>(), size_of::<RoomName>(), size_of::<Option<Name>>()), (24, 24, 24));
    assert_eq!(name("alice").0.0.len(), 5);
    assert_eq!(&*name("Alice").0.0, "Alicealice\0\u{5}");
    assert_eq!(&*name("有栖").0.0, "有栖");
}

#[test]
fn guests_have_names_that_can_be_typed() {
    for number in [0, 1, 42, u64::MAX] {
        let guest = Name::guest(number);
        assert_eq!(guest.as_str(), format!("guest-{number}"));
        assert_eq!(guest, name(&format!("Ｇuest-{number}")));
    }
}

#[test]
fn names_are_equal_by_key_and_shown_as_typed() {
    assert_eq!(name("Ａｌｉｃｅ"), name("ALICE"));
    assert_eq!(format!("{0} {0:?}", name("Ａｌｉｃｅ")), "Ａｌｉｃｅ Name(\"Ａｌｉｃｅ\")");
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    for (typed, error) in [
        (" ", "a name cannot be empty; give one, such as alice"),
        ("...", "a name needs a letter, a digit or an emoji; add one"),
        ("a b", "a name cannot have white space in it, here U+0020; use - or _ in its place"),
        ("＃a", "a name cannot begin with ＃ (U+FF03); leave it out"),
        ("a:", "a name cannot have : (U+003A) in it; leave it out"),
        ("a\u{202E}b", "a name cannot have U+202E in it, which is invisible here; leave it out"),
        ("\u{301}", "a name cannot begin with the accent or mark U+0301; put a letter before it"),
        ("YOU", "\"you\" is reserved; choose another name"),
    ] {
        assert_eq!(Name::parse(typed).expect_err(typed).to_string(), error);
    }
    let long = Name::parse(&"x".repeat(33)).expect_err("long").to_string();
    assert_eq!(long, "a name can have 32 characters and that has 33; shorten it");
}

#[test]
fn a_key_that_does_not_settle_is_none() {
    assert_eq!(comparison::key("𝓐", 1), None);
    assert_eq!(comparison::key("𝓐", 2), None, "an A, an a, and no look whether it stays");
    assert_eq!(comparison::key("𝓐", 3).as_deref(), Some("a"));
    assert_eq!(comparison::PASSES_MAX, 4);
}

#[test]
fn every_error_is_one_line_with_advice() {
    use NameErrorKind::*;
    let found = '\u{202E}';
    for kind in [
        Empty,
        OnlyPunctuation,
        TooLong { clusters: 40, clusters_max: 32 },
        TooManyBytes { bytes: 400, bytes_max: 128 },
        WhiteSpace { found },
        ForbiddenStart { found },
        Punctuation { found },
        Invisible { found },
        Unassigned { found },
        Disallowed { found },
        LoneMark { found },
        TooManyMarks { found },
        MixedDirection,
        Unstable,
        Reserved { name: "you" },
        ConfusableWithReserved { name: "you" },
        LikeHook,
        MixedScripts,
    ] {
        for owner in [NameOwner::User, NameOwner::Room] {
            let error = NameError { owner, kind }.to_string();
            assert!(error.is_ascii() && !error.contains(hostile), "{error}");
            assert_eq!(error.matches("; ").count(), 1, "{error}");
        }
    }
}

#[test]
fn what_was_kept_is_a_name_though_it_is_refused_today() {
    for name in ["all", "Here", "admin", "alice"] {
        assert_eq!(Name::kept(name).map(|kept| kept.as_str().to_owned()), Ok(name.to_owned()));
    }
    assert!(Name::kept("two words").is_err() && Name::kept("").is_err());
}

#[test]
fn a_name_that_looks_reserved_is_refused() {
    for typed in [
        "\u{430}dmin",
        "\u{410}DMIN",
        "\u{410}dmin",
        "ADMlN",
        "s\u{443}stem",
        "mod\u{435}rator",
        "ｓerνer",
        "y0u",
        "Y0U",
        "rne",
        "n0body",
        "every\u{3BF}ne",
        "admin.",
        "admin_",
        "_admin_",
        "'admin'",
        "(admin)",
        "admin·",
        "admin`",
        "ｓystem．",
        "𝐬𝐲𝐬𝐭𝐞𝐦．",
        "moderator\u{2019}",
        "admi\u{307}n",
        "Admln",
        "adm1n",
        "\u{E1}dmin",
        "ad\u{1E43}in",
        "=admin=",
        "admin\u{2BC}",
    ] {
        let kind = Name::parse(typed).map_err(|error| error.kind);
        let is_right = matches!(kind, Err(NameErrorKind::ConfusableWithReserved { .. }));
        assert!(is_right, "{typed} ({}): {kind:?}", typed.escape_unicode());
    }
    for typed in [
        "administration",
        "alice",
        "admin2",
        "youth",
        "meg",
        "server-room",
        "アドミン",
        "sysadmin",
        "Noboby",
    ] {
        assert_eq!(name(typed).as_str(), typed);
    }
    let error = Name::parse("\u{430}dmin").expect_err("a look-alike").to_string();
    assert_eq!(error, "a name cannot look like \"admin\", which is reserved; choose another name");
}

#[test]
fn nobody_is_called_like_a_hook() {
    for typed in [
        "deploy(hook)",
        "deploy-(hook)",
        "DEPLOY(HOOK)",
        "deploy(h00k)",
        "deploy\u{FF08}hook\u{FF09}",
        "deploy\u{2768}hook\u{2769}",
        "deploy\u{207D}hook\u{207E}",
        "deploy\u{2045}hook\u{2046}",
        "deploy{hook}",
        "deploy(hook",
        "deploy(hook)_",
        "deploy(-hook-)",
        "deploy(h\u{F6}\u{F3}k)",
        "deploy(h\u{43E}\u{43E}k)",
        "deploy(\u{1D421}ook)",
        "deploy\u{24A3}\u{24AA}\u{24AA}\u{24A6}",
        "deploy(hook)\u{1F980}",
        "デプロイ(hook)",
        "(hook)",
    ] {
        let kind = Name::parse(typed).map_err(|error| error.kind);
        let is_right =
            matches!(kind, Err(NameErrorKind::LikeHook | NameErrorKind::Punctuation { .. }));
        assert!(is_right, "{typed} ({}): {kind:?}", typed.escape_unicode());
    }
    for typed in ["hook", "webhook", "web-hook", "alice(hooks)", "alice(away)", "hook)"] {
        assert_eq!(name(typed).as_str(), typed);
    }
    assert_eq!(
        Name::parse("deploy(hook)").expect_err("a look-alike").to_string(),
        "a name cannot end in (hook), as hooks do; leave that out"
    );
    assert!(Name::kept("deploy(hook)").is_ok());
}

#[test]
fn letters_of_one_script_do_not_hide_among_those_of_another() {
    for typed in [
        "\u{430}lice",
        "ali\u{441}e",
        "\u{3B1}lpha",
        "b\u{43E}b",
        "\u{13AA}lice",
        "p\u{430}ypal",
        "сосo",
    ] {
        let kind = Name::parse(typed).map_err(|error| error.kind);
        assert_eq!(kind, Err(NameErrorKind::MixedScripts), "{}", typed.escape_unicode());
        let kind = RoomName::parse(typed).map_err(|error| error.kind);
        assert_eq!(kind, Err(NameErrorKind::MixedScripts), "{}", typed.escape_unicode());
    }
    for typed in [
        "сосо",
        "Вася-dev",
        "яAlex",
        "アリスAlice",
        "太郎ロボ",
        "Ωmega",
        "한국Korea",
        "αβγ",
        "名前2",
        "ñandú",
        "🦀ferris",
        "Łukasz",
    ] {
        assert_eq!(name(typed).as_str(), typed);
        assert_eq!(RoomName::parse(typed).expect("a room").as_str().strip_prefix('#'), Some(typed));
    }
}

#[test]
fn what_looks_alike() {
    let are_alike = |one: &str, other: &str| {
        let skeletons = name(other).skeletons();
        name(one).skeletons().iter().any(|skeleton| skeletons.contains(skeleton))
    };
    for (one, other) in [
        ("Bill", "Bi11"),
        ("Bill", "BiII"),
        ("modern", "modem"),
        ("guest-1", "guest-l"),
        ("guest-1", "guest-I"),
        ("guest-2", "ɡuest-2"),
        ("bob", "b0b"),
        ("coco", "\u{441}\u{43E}\u{441}\u{43E}"),
        ("alice", "alice."),
        ("alice", "alice_"),
        ("alice", "_alice·"),
        ("ロ", "口"),
        ("カ", "力"),
        ("o'neil", "o’neil"),
    ] {
        assert!(are_alike(one, other) && are_alike(other, one), "{one} and {other}");
    }
    for (one, other) in [
        ("alice", "alicia"),
        ("alice", "alicé"),
        ("alia", "alla"),
        ("bob", "bod"),
        ("guest-1", "guest-11"),
        ("anna", "anne"),
        ("C#", "C"),
        ("c++", "c"),
        ("太郎", "太朗"),
        ("ガガ", "カカ"),
        ("иван", "ivan"),
        ("😀", "😃"),
    ] {
        assert!(!are_alike(one, other) && !are_alike(other, one), "{one} and {other}");
    }
}

fn hostile(c: char) -> bool {
    use GeneralCategory::*;
    matches!(
        c.general_category(),
        Control | Format | Surrogate | PrivateUse | Unassigned | LineSeparator | ParagraphSeparator
    )
}

mod properties;
