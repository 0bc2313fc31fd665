//! What is sent again under the same key, by somebody else or somewhere else by then.

use super::people::{open, register};
use super::stage::{JSON, Visit};

#[test]
fn what_a_guest_has_told_is_not_told_again_when_it_has_logged_in() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.open("g", JSON, Visit::default());
    stage.open("p", JSON, Visit::default());
    stage.forget();
    stage.play(
        r#"
        p> {"type":"msg","to":"bob","text":"hi","key":"k"}
        p< {"type":"direct","from":"guest-4","to":"bob","text":"hi","time":"_","guest":true}
        b< [guest guest-4 -> you] hi
        p> {"type":"msg","to":"guest-3","text":"hi","key":"k"}
        p< {"type":"direct","from":"guest-4","to":"guest-3","text":"hi","time":"_","guest":true}
        g< {"type":"direct","from":"guest-4","to":"guest-3","text":"hi","time":"_","guest":true}
        "#,
    );
    stage.say("p", r#"{"type":"login","name":"alice","password":"password of alice"}"#);
    stage.forget();
    stage.play(
        r#"
        p> {"type":"msg","to":"bob","text":"hi","key":"k"}
        p< {"type":"direct","from":"alice","to":"bob","text":"hi","time":"_","guest":true}
        p> {"type":"msg","to":"guest-3","text":"hi","key":"k"}
        p< {"type":"direct","from":"alice","to":"guest-3","text":"hi","time":"_","guest":true}
        p> {"type":"msg","to":"bob","text":"another one","key":"k"}
        p< {"type":"direct","from":"alice","to":"bob","id":1,"text":"another one","time":"_"}
        a< [you -> bob] another one
        b< [alice -> you] another one
        "#,
    );
}
