use super::*;

fn user(id: u64) -> UserId {
    UserId::new(id).expect("not 0")
}

fn account(role: Role) -> Account {
    Account::new(Some("hash".into()), role, 7, Vec::new())
}

fn key(id: u32, secret: &str) -> AccessKey {
    let hash = SecretHash::of(secret);
    AccessKey { id, hash, is_token: true, label: "a program".into(), created_ms: 7 }
}

#[test]
fn a_key_is_found_by_its_secret_as_long_as_it_is_there() {
    let mut accounts = Accounts::default();
    accounts.make(user(3), account(Role::None));
    accounts.add_key(user(3), key(1, "one"));
    accounts.add_key(user(3), key(2, "two"));
    assert_eq!(accounts.find_key(SecretHash::of("two")), Some((user(3), 2)));
    assert_eq!(accounts.get(user(3)).map(Account::next_key), Some(3));
    accounts.end_key(user(3), 1);
    assert_eq!(accounts.find_key(SecretHash::of("one")), None);
    accounts.end(user(3));
    assert_eq!(accounts.find_key(SecretHash::of("two")), None, "it ends with its account");
    assert!(accounts.is_empty() && accounts.by_hash.is_empty());
}

fn forever(hash: SecretHash) -> Invitation {
    let (uses, until_ms, rooms) = (None, None, Vec::new());
    Invitation { hash, by: user(1), resets: None, uses, until_ms, rooms, makes_account: true }
}

#[test]
fn an_invitation_is_good_so_often_and_for_so_long() {
    let mut accounts = Accounts::default();
    let hash = SecretHash::of("code");
    let twice = Invitation { uses: Some(2), until_ms: Some(1000), ..forever(hash) };
    accounts.invite(4, twice);
    assert_eq!(accounts.next_invitation(), 5);
    assert_eq!(accounts.find_invitation(hash, 999), Some(4));
    assert_eq!(accounts.find_invitation(hash, 1000), None, "it is over");
    assert_eq!(accounts.find_invitation(SecretHash::of("cod"), 0), None);
    accounts.use_invitation(4);
    assert_eq!(accounts.find_invitation(hash, 0), Some(4));
    accounts.use_invitation(4);
    assert_eq!(accounts.find_invitation(hash, 0), None, "it was used twice");
}

#[test]
fn invitations_end_with_the_account_that_made_them() {
    let mut accounts = Accounts::default();
    let hash = SecretHash::of("code");
    accounts.make(user(1), account(Role::Owner));
    accounts.invite(1, forever(hash));
    assert!(accounts.has_owner());
    accounts.end(user(1));
    assert!(!accounts.has_owner());
    assert_eq!(accounts.find_invitation(hash, 0), None);
}

#[test]
fn a_reserved_name_is_nobody_elses_until_then_however_it_is_written() {
    let mut accounts = Accounts::default();
    let name = |typed: &str| Name::parse(typed).expect("a name");
    accounts.reserve(Reserved { name: name("Alice"), account: user(2), until_ms: 100 });
    for alike in ["alice", "ALICE", "a1ice"] {
        assert!(accounts.find_reserved(&name(alike), Some(user(1)), 99).is_some(), "{alike}");
        assert!(accounts.find_reserved(&name(alike), None, 99).is_some(), "{alike}");
        assert!(accounts.find_reserved(&name(alike), Some(user(2)), 99).is_none(), "its own");
        assert!(accounts.find_reserved(&name(alike), None, 100).is_none(), "it is over");
    }
    assert!(accounts.find_reserved(&name("bob"), None, 0).is_none());
    assert!(accounts.reserved_alike(&name("a1ice")).is_some(), "over or not, for anybody");
    accounts.release("a1ice");
    assert!(accounts.is_reserved("alice"), "it is another name");
    accounts.release("alice");
    assert!(accounts.reserved().next().is_none() && accounts.reserved_by_name.count() == 0);
}

#[test]
fn a_secret_is_shown_nowhere() {
    let shown = format!("{:?}", key(1, "secret"));
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("SecretHash("), "{shown}");
}

#[test]
fn roles_are_kept_as_numbers_and_typed_as_words() {
    for role in Role::ALL {
        assert_eq!(Role::of_number(role.number()), role);
        assert_eq!(Role::parse(role.as_str()), Some(role));
    }
    assert_eq!(Role::of_number(77), Role::None);
    assert_eq!(Role::parse("king"), None);
}
