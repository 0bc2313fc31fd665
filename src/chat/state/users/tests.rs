//! Names against a list that is searched from end to end.

use proptest::prelude::*;

use super::*;

impl Users {
    pub(in crate::chat) fn ids(&self) -> Vec<UserId> {
        self.users.iter().map(|user| user.id).collect()
    }

    /// The invariant, and no two people with one name.
    pub(in crate::chat) fn check(&self) {
        assert!(self.further.values().all(|further| !further.is_empty()), "an empty list is kept");
        let here = self.users.iter();
        assert_eq!(
            self.by_name.count(),
            here.clone().count(),
            "everybody is found by name, and nobody else"
        );
        for person in here {
            let found = self.find(person.name.key());
            assert_eq!(found.map(|user| user.id), Some(person.id), "{} is found", person.name);
            assert!(person.id < self.next_id, "{}", person.name);
            let alike = self.find_alike(&person.name, Some(person.id)).map(|other| &other.name);
            assert_eq!(alike, None, "nobody looks like {}", person.name);
        }
    }
}

/// Spellings of a few names: those in one row are one name.
const NAMES: [[&str; 3]; 5] = [
    ["alice", "Alice", "ＡＬＩＣＥ"],
    ["straße", "STRASSE", "Strasse"],
    ["アリス", "ｱﾘｽ", "アリス"],
    ["é", "e\u{301}", "É"],
    ["🦀", "🦀\u{FE0F}", "🦀"],
];

#[derive(Clone, Debug)]
enum Step {
    Come(usize, usize, usize),
    Go(usize),
    Rename(usize, usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (place, row, spelling) = (0..6usize, 0..NAMES.len(), 0..3usize);
    prop_oneof![
        2 => (place.clone(), row.clone(), spelling.clone()).prop_map(|(place, row, spelling)| Step::Come(place, row, spelling)),
        1 => place.clone().prop_map(Step::Go),
        2 => (place, row, spelling).prop_map(|(place, row, spelling)| Step::Rename(place, row, spelling)),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_list(steps in prop::collection::vec(step(), 0..100)) {
        let mut people = Users::default();
        let mut here: Vec<Option<(UserId, usize, &str)>> = vec![None; 6];
        let mut gone = Vec::new();
        let mut next_id = UserId::FIRST;
        for step in steps {
            match step {
                Step::Come(place, row, spelling) if here[place].is_none() && !has(&here, row) => {
                    let (id, typed) = (people.next_id(), NAMES[row][spelling]);
                    prop_assert_eq!(id, next_id, "no id is given out twice");
                    next_id = next_id.next();
                    here[place] = Some((id, row, typed));
                    people.add(id, Name::parse(typed).expect("a name"));
                    people.add(id, Name::parse("nobody-else").expect("a name"));
                }
                Step::Go(place) => {
                    if let Some((id, ..)) = here[place].take() {
                        people.remove(id);
                        people.remove(id);
                        gone.push(id);
                    }
                }
                Step::Rename(place, row, spelling) => {
                    let Some((id, old, _)) = here[place] else { continue };
                    if old == row || !has(&here, row) {
                        here[place] = Some((id, row, NAMES[row][spelling]));
                        people.rename(id, Name::parse(NAMES[row][spelling]).expect("a name"));
                    }
                }
                Step::Come(..) => continue,
            }
            people.check();
            prop_assert_eq!(people.count(), here.iter().flatten().count());
            for (row, spellings) in NAMES.iter().enumerate() {
                let owner = here.iter().flatten().find(|person| person.1 == row);
                for typed in spellings {
                    let found = people.find(Name::parse(typed).expect("a name").key());
                    prop_assert_eq!(found.map(|user| user.id), owner.map(|owner| owner.0), "{}", typed);
                }
            }
            for (id, _, typed) in here.iter().flatten() {
                let person = people.get(*id).expect("it is here");
                let shown = Name::parse(typed).expect("a name");
                prop_assert_eq!(person.name.as_str(), shown.as_str(), "shown as it was typed last");
            }
            prop_assert!(gone.iter().all(|id| people.get(*id).is_none()), "those who have gone stay gone");
        }
    }
}

#[test]
fn who_looks_like_whom() {
    let mut people = Users::default();
    let [alice, bill] = [UserId::FIRST, UserId::FIRST.next()];
    let name = |typed| Name::parse(typed).expect("a name");
    people.add(alice, name("coco"));
    people.add(bill, name("Bill"));
    let alike = |people: &Users, typed, except| {
        people.find_alike(&name(typed), except).map(|it| it.name.to_string())
    };
    assert_eq!(alike(&people, "сосо", None).as_deref(), Some("coco"));
    assert_eq!(alike(&people, "сосо", Some(alice)), None, "one's own name may look like itself");
    assert_eq!(alike(&people, "BiII", Some(alice)).as_deref(), Some("Bill"));
    people.rename(bill, name("carol"));
    assert_eq!(alike(&people, "BiII", None), None);
    people.remove(alice);
    assert_eq!(alike(&people, "coco", None), None);
    assert_eq!(people.find("carol").map(|user| user.id), Some(bill));
    people.check();
}

fn has(here: &[Option<(UserId, usize, &str)>], row: usize) -> bool {
    here.iter().flatten().any(|person| person.1 == row)
}
