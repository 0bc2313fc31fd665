//! Who may do what in a room: every request about one, by everybody, in every kind of room, held to
//! rules that are written down here once more.

use serde_json::Value;

use super::rights::chat;
use super::stage::{JSON, Stage, Visit};

/// Somebody who asks.
#[derive(Clone, Copy)]
struct Person {
    name: &'static str,
    is_account: bool,
    /// In the room: as a member at least.
    is_in: bool,
    /// Of the room's.
    is_moderator: bool,
    is_owner: bool,
    /// Of the server's.
    is_staff: bool,
    owns_server: bool,
}

const GUEST: Person = Person {
    name: "",
    is_account: false,
    is_in: false,
    is_moderator: false,
    is_owner: false,
    is_staff: false,
    owns_server: false,
};
const ACCOUNT: Person = Person { is_account: true, ..GUEST };
const MEMBER: Person = Person { is_in: true, ..ACCOUNT };
const STAFF: Person = Person { is_staff: true, ..ACCOUNT };

/// Those who are in it came while everybody might.
const PEOPLE: [Person; 10] = [
    Person { name: "x", ..GUEST },
    Person { name: "gus", is_in: true, ..GUEST },
    Person { name: "sam", ..ACCOUNT },
    Person { name: "tim", ..MEMBER },
    Person { name: "max", is_moderator: true, ..MEMBER },
    Person { name: "mia", is_moderator: true, is_owner: true, ..MEMBER },
    Person { name: "ada", ..STAFF },
    Person { name: "olga", owns_server: true, ..STAFF },
    Person { name: "ann", is_in: true, ..STAFF },
    Person { name: "otto", is_in: true, owns_server: true, ..STAFF },
];

/// A kind of room, as mia sets it up after all have come.
#[derive(Clone, Copy)]
struct Kind {
    entry: &'static str,
    posting: &'static str,
    invites: &'static str,
    is_archived: bool,
}

const KIND: Kind = Kind { entry: "all", posting: "all", invites: "members", is_archived: false };

const KINDS: [Kind; 9] = [
    KIND,
    Kind { entry: "accounts", ..KIND },
    Kind { entry: "ask", ..KIND },
    Kind { entry: "invited", ..KIND },
    Kind { entry: "accounts", posting: "moderators", ..KIND },
    Kind { entry: "accounts", invites: "moderators", ..KIND },
    Kind { entry: "invited", invites: "moderators", ..KIND },
    Kind { entry: "accounts", is_archived: true, ..KIND },
    Kind { entry: "invited", is_archived: true, ..KIND },
];

impl Kind {
    /// Whether the room is there for somebody.
    fn is_known_to(self, who: Person) -> bool {
        self.entry != "invited" || who.is_in
    }

    fn may_talk(self, who: Person) -> bool {
        who.is_in && !self.is_archived && (self.posting == "all" || who.is_moderator)
    }

    /// Whether somebody may come in at once.
    fn may_enter(self, who: Person) -> bool {
        who.is_in
            || match self.entry {
                "all" => true,
                "accounts" => who.is_account,
                _ => false,
            }
    }

    fn may_invite(self, who: Person) -> bool {
        let members_may = self.invites == "members" && self.entry != "ask";
        let may = who.is_moderator || members_may && who.is_in;
        may && who.is_account && !self.is_archived
    }

    /// The staff of the server does where the room is not for invited people only.
    fn keeps_order(self, who: Person) -> bool {
        who.is_moderator || who.is_staff && who.is_in && self.entry != "invited"
    }
}

type Rule = fn(Kind, Person) -> bool;

const ONLY_IN: Rule = |_, who| who.is_in;
const KNOWS: Rule = |kind, who| kind.is_known_to(who);
const ACCOUNT_IN: Rule = |_, who| who.is_in && who.is_account;
const MODERATOR: Rule = |_, who| who.is_moderator;
const OWNER: Rule = |_, who| who.is_owner;

/// What changes nothing of who may do what: `ENTRY`, `POSTING`, `INVITES` and `ARCHIVED` stand for
/// what holds already, and `N` for the number of a message that nobody has removed.
const REQUESTS: [(&str, Rule); 26] = [
    (r#""type":"say","text":"hello""#, |kind, who| kind.may_talk(who)),
    (r#""type":"me","text":"waves""#, |kind, who| kind.may_talk(who)),
    (r#""type":"topic","text":"tea""#, |kind, who| kind.may_talk(who)),
    (r#""type":"topic""#, ONLY_IN),
    (r#""type":"history""#, ONLY_IN),
    (r#""type":"who""#, |kind, who| kind.may_enter(who)),
    (r#""type":"report","id":1"#, ONLY_IN),
    (r#""type":"deletions""#, ONLY_IN),
    (r#""type":"read","id":1"#, ACCOUNT_IN),
    (r#""type":"level","level":"all""#, ACCOUNT_IN),
    (r#""type":"room""#, KNOWS),
    (r#""type":"room","listed":true"#, MODERATOR),
    (r#""type":"room","newcomers_see":"all""#, MODERATOR),
    (r#""type":"room","posting":"POSTING""#, MODERATOR),
    (r#""type":"room","invites":"INVITES""#, MODERATOR),
    (r#""type":"room","entry":"ENTRY""#, OWNER),
    (r#""type":"room","archived":ARCHIVED"#, OWNER),
    (r#""type":"role","name":"kim","role":"member""#, OWNER),
    (r#""type":"admit","name":"kim""#, |kind, who| kind.may_invite(who)),
    (r#""type":"refuse","name":"kim""#, MODERATOR),
    (r#""type":"hooks""#, MODERATOR),
    (r#""type":"end_hook","name":"none""#, MODERATOR),
    (r#""type":"kick","name":"nobody""#, MODERATOR),
    (r#""type":"mute","name":"kim""#, |kind, who| who.is_account && kind.keeps_order(who)),
    (r#""type":"unmute","name":"kim""#, |kind, who| who.is_account && kind.keeps_order(who)),
    (r#""type":"delete","id":N"#, |kind, who| kind.keeps_order(who)),
];

/// What changes the room, or who is in it.
const LAST_REQUESTS: [(&str, Rule); 6] = [
    (r#""type":"join""#, |kind, who| kind.may_enter(who) || kind.entry == "ask" && who.is_account),
    (r#""type":"leave""#, ONLY_IN),
    (r#""type":"kick","name":"kim""#, MODERATOR),
    (r#""type":"hook","name":"deploy""#, |kind, who| who.is_moderator && !kind.is_archived),
    (r##""type":"room_name","name":"#other""##, OWNER),
    (r##""type":"delete_room","name":"#team""##, |kind, who| {
        who.is_owner || who.owns_server && kind.entry != "invited"
    }),
];

const REFUSALS: [&str; 7] = [
    "login_required",
    "not_allowed",
    "not_in_room",
    "no_such_room",
    "room_refused",
    "moderators_only",
    "room_archived",
];

/// A room of mia's, in which kim has said something, and who is to be in it is.
fn room(kind: Kind) -> Stage {
    let (mut stage, _) = chat(true);
    for name in ["kim", "tim", "max", "sam", "ann", "otto"] {
        stage.open(name, JSON, Visit::default());
        let register = r#"{"type":"register","password":"hunter-22","name":"#;
        stage.say(name, &format!(r#"{register}"{name}"}}"#));
    }
    stage.open("x", JSON, Visit::default());
    stage.open("gus", JSON, Visit { name: Some("gus"), room: None });
    stage.say("olga", r#"{"type":"role","name":"ann","role":"admin"}"#);
    stage.say("olga", r#"{"type":"role","name":"otto","role":"owner"}"#);
    stage.say("mia", r##"{"type":"join","room":"#team"}"##);
    stage.say("mia", r##"{"type":"room","room":"#team","entry":"all"}"##);
    let inside = PEOPLE.into_iter().filter(|who| who.is_in).map(|who| who.name);
    for name in inside.chain(["kim"]) {
        stage.say(name, r##"{"type":"join","room":"#team"}"##);
    }
    stage.say("mia", r##"{"type":"role","room":"#team","name":"max","role":"moderator"}"##);
    for _ in PEOPLE {
        stage.say("kim", r##"{"type":"say","room":"#team","text":"a word"}"##);
    }
    let settings = filled(
        r#""entry":"ENTRY","posting":"POSTING","invites":"INVITES","archived":ARCHIVED"#,
        kind,
        0,
    );
    stage.say("mia", &format!(r##"{{"type":"room","room":"#team",{settings}}}"##));
    stage.forget();
    stage
}

fn filled(request: &str, kind: Kind, at: usize) -> String {
    let archived = if kind.is_archived { "true" } else { "false" };
    let places = [
        ("ENTRY", kind.entry),
        ("POSTING", kind.posting),
        ("INVITES", kind.invites),
        ("ARCHIVED", archived),
    ];
    let filled = places.into_iter().fold(request.to_owned(), |all, (at, is)| all.replace(at, is));
    filled.replace(":N", &format!(":{}", at + 1))
}

/// Has somebody ask for that. Returns what differs from the rule, if anything does.
fn difference(
    stage: &mut Stage,
    kind: Kind,
    at: usize,
    (request, rule): (&str, Rule),
) -> Option<String> {
    let who = PEOPLE[at];
    let asked = format!(r##"{{"room":"#team",{}}}"##, filled(request, kind, at));
    stage.say(who.name, &asked);
    let told = stage.objects(who.name);
    stage.forget();
    let codes: Vec<&str> = told.iter().filter_map(|one| one["code"].as_str()).collect();
    let may = !codes.iter().any(|code| REFUSALS.contains(code));
    let place =
        format!("{} in {} {} {}: {asked}", who.name, kind.entry, kind.posting, kind.invites);
    if may != rule(kind, who) {
        return Some(format!("{place}: {codes:?} {}", kind.is_archived));
    }
    // A room that somebody may not know of is one that there is not.
    let is_hidden = !may && !kind.is_known_to(who);
    // So no room of its name can be made.
    let as_of_none = ["no_such_room", "login_required", "not_in_room", "room_refused"];
    let tells = is_hidden && !codes.iter().all(|code| as_of_none.contains(code));
    tells.then(|| format!("{place} tells of the room: {codes:?}"))
}

#[test]
fn everybody_may_in_a_room_what_the_rules_say_and_nothing_else() {
    let mut differences = Vec::new();
    for kind in KINDS {
        let mut stage = room(kind);
        for request in REQUESTS {
            for at in 0..PEOPLE.len() {
                differences.extend(difference(&mut stage, kind, at, request));
            }
        }
        for request in LAST_REQUESTS {
            for at in 0..PEOPLE.len() {
                differences.extend(difference(&mut room(kind), kind, at, request));
            }
        }
    }
    assert_eq!(differences, Vec::<String>::new());
}

/// All that names a room is asked for, or says why not.
#[test]
fn all_that_is_asked_for_of_a_room_is_in_the_table() {
    let asked = REQUESTS.into_iter().chain(LAST_REQUESTS).map(|(request, _)| request);
    let types: Vec<Value> = asked
        .map(|request| {
            let filled = filled(request, KIND, 0);
            let object: Value = serde_json::from_str(&format!("{{{filled}}}")).expect("an object");
            object["type"].clone()
        })
        .collect();
    let page = include_str!("../../../docs/protocol.md");
    let (_, requests) = page.split_once("| type | fields | answered by |").expect("the table");
    let (requests, _) = requests.split_once("\n\n").expect("its end");
    let of_rooms = requests.lines().filter(|row| row.contains("`room`"));
    let named: Vec<&str> = of_rooms.filter_map(|row| row.split('`').nth(1)).collect();
    assert!(named.len() > 20, "{named:?}");
    // What somebody types is told to others or to nobody, all of a guest's rooms can be kept, and what
    // a search finds only a store knows.
    let elsewhere = ["typing", "keep", "search"];
    let is_missing =
        |kind: &&str| !elsewhere.contains(kind) && !types.iter().any(|one| one == *kind);
    assert_eq!(named.into_iter().filter(is_missing).collect::<Vec<_>>(), Vec::<&str>::new());
}
