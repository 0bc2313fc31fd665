//! Crowds: everybody does something at random, many things a turn, and everybody's transcript is
//! what a model says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::stage::{LINES, Stage, Visit, settings};
use crate::chat::settings::ChatSettings;
use crate::service::Outcome;

const PEOPLE: usize = 6;
const ROOMS: [&str; 3] = ["#lobby", "#dev", "#tea"];

#[derive(Clone, Debug)]
enum Step {
    Say(usize, usize),
    Join(usize, usize),
    Leave(usize, usize),
    Nick(usize),
    Ask(usize),
    Direct(usize, usize),
    Go(usize),
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let (who, room) = (0..PEOPLE, 0..ROOMS.len());
    prop_oneof![
        6 => (who.clone(), room.clone()).prop_map(|(who, room)| Step::Say(who, room)),
        3 => (who.clone(), room.clone()).prop_map(|(who, room)| Step::Join(who, room)),
        2 => (who.clone(), room).prop_map(|(who, room)| Step::Leave(who, room)),
        1 => who.clone().prop_map(Step::Nick),
        1 => who.clone().prop_map(Step::Ask),
        1 => (who.clone(), who.clone()).prop_map(|(from, to)| Step::Direct(from, to)),
        1 => who.prop_map(Step::Go),
        3 => Just(Step::Turn),
    ]
}

/// The chat as one would write it on a napkin. What each one hears is kept by source, since only
/// the order within one room, and of what is said to one alone, is promised.
#[derive(Default)]
struct Model {
    /// By person: its name and the rooms that it is in.
    people: BTreeMap<usize, (String, BTreeSet<usize>)>,
    heard: BTreeMap<(usize, String), Vec<String>>,
    said: BTreeMap<usize, u64>,
}

impl Model {
    fn tell(&mut self, who: usize, source: &str, line: String) {
        self.heard.entry((who, source.to_owned())).or_default().push(line);
    }

    fn tell_room(&mut self, room: usize, but: usize, line: &str) {
        let members: Vec<usize> = self
            .people
            .iter()
            .filter(|(who, (_, rooms))| **who != but && rooms.contains(&room))
            .map(|(who, _)| *who)
            .collect();
        for member in members {
            self.tell(member, ROOMS[room], line.to_owned());
        }
    }
}

/// Which source a line that somebody heard belongs to: a room, or what it is told alone.
fn source(line: &str) -> String {
    match ROOMS
        .iter()
        .find(|room| line.starts_with(&format!("[{room}]")) || line.ends_with(&format!(" {room}.")))
    {
        Some(room) if !line.starts_with("* You") => (*room).to_owned(),
        _ => String::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn everybody_hears_its_rooms_in_their_order(steps in prop::collection::vec(step(), 0..150)) {
        let mut stage = Stage::new(ChatSettings { replay: 0, ..settings() });
        let mut model = Model::default();
        let mut transcripts: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for who in 0..PEOPLE {
            let name = format!("p{who}");
            stage.open(&name, LINES, Visit { name: Some(&name), room: Some("#lobby") });
            model.people.insert(who, (name, BTreeSet::from([0])));
        }
        stage.forget();
        for (number, step) in steps.into_iter().enumerate() {
            let (Step::Say(who, _) | Step::Join(who, _) | Step::Leave(who, _) | Step::Nick(who) | Step::Ask(who)
                | Step::Direct(who, _) | Step::Go(who)) = step else {
                hear(&mut stage, &model, &mut transcripts);
                continue;
            };
            let Some((name, rooms)) = model.people.get(&who).cloned() else { continue };
            let actor = format!("p{who}");
            let mut take = |line: &str| assert_eq!(stage.offer(&actor, line.as_bytes()), Outcome::Done);
            match step {
                // A line client talks in the room that it joined last, so it joins the room first:
                // silently, as it is there.
                Step::Say(_, room) if rooms.contains(&room) => {
                    take(&format!("/join {}", ROOMS[room]));
                    take(&format!("number {number}"));
                    let said = model.said.entry(room).or_default();
                    *said += 1;
                    model.tell_room(room, who, &format!("[{}] {name}: number {number}", ROOMS[room]));
                }
                Step::Join(_, room) if !rooms.contains(&room) => {
                    take(&format!("/join {}", ROOMS[room]));
                    model.tell_room(room, who, &format!("* {name} joined {}.", ROOMS[room]));
                    model.people.get_mut(&who).expect("here").1.insert(room);
                }
                Step::Leave(_, room) if rooms.contains(&room) => {
                    take(&format!("/leave {}", ROOMS[room]));
                    model.people.get_mut(&who).expect("here").1.remove(&room);
                    model.tell_room(room, who, &format!("* {name} left {}.", ROOMS[room]));
                }
                Step::Nick(_) => {
                    take(&format!("/nick n{number}"));
                    model.people.get_mut(&who).expect("here").0 = format!("n{number}");
                }
                Step::Ask(_) => take("/rooms"),
                Step::Direct(_, to) if model.people.contains_key(&to) && to != who => {
                    let to_name = model.people[&to].0.clone();
                    take(&format!("/msg {to_name} number {number}"));
                    model.tell(to, "", format!("[{name} -> you] number {number}"));
                    model.tell(who, "", format!("[you -> {to_name}] number {number}"));
                }
                Step::Go(_) => {
                    hear(&mut stage, &model, &mut transcripts);
                    stage.leave(&actor);
                    model.people.remove(&who);
                    for room in rooms {
                        model.tell_room(room, who, &format!("* {name} left {}.", ROOMS[room]));
                    }
                }
                _ => {}
            }
        }
        hear(&mut stage, &model, &mut transcripts);
        for who in model.people.keys() {
            let mut heard: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for line in transcripts.remove(who).unwrap_or_default() {
                let source = source(&line);
                // Answers and renamings are of other tests.
                if !source.is_empty() || line.starts_with('[') {
                    heard.entry(source).or_default().push(line);
                }
            }
            for source in ROOMS.iter().chain(&[""]) {
                let expected = model.heard.remove(&(*who, (*source).to_owned())).unwrap_or_default();
                prop_assert_eq!(heard.remove(*source).unwrap_or_default(), expected, "p{} of {:?}", who, source);
            }
        }
        // And the histories hold it all.
        for (room, said) in &model.said {
            let room = stage.chat.state.rooms().find(ROOMS[*room]);
            let next = room.map(|room| room.history.next_id());
            prop_assert_eq!(next, Some(said + 1));
        }
    }
}

fn hear(stage: &mut Stage, model: &Model, transcripts: &mut BTreeMap<usize, Vec<String>>) {
    for who in model.people.keys() {
        transcripts.entry(*who).or_default().extend(stage.hear(&format!("p{who}")));
    }
}
