//! What `/help` shows on one screen: what one needs first, and what there is besides.

/// Commands that are explained at once.
pub const FIRST: [&str; 8] = ["nick", "join", "leave", "rooms", "who", "msg", "login", "quit"];

/// All others, by what they are for.
pub const TOPICS: [(&str, &[&str]); 6] = [
    (
        "talking",
        &[
            "me",
            "say",
            "reply",
            "history",
            "search",
            "unread",
            "level",
            "conversations",
            "topic",
            "whois",
            "away",
            "back",
        ],
    ),
    (
        "rooms",
        &[
            "where",
            "room",
            "keep",
            "rename",
            "delete-room",
            "invite",
            "invitations",
            "accept",
            "refuse",
        ],
    ),
    (
        "order",
        &[
            "delete", "report", "ignore", "unignore", "kick", "mute", "unmute", "ban", "unban",
            "bans", "role",
        ],
    ),
    (
        "your account",
        &["account", "register", "logout", "password", "sessions", "confirm", "delete-account"],
    ),
    ("programs and admins", &["token", "bot", "bots", "hook", "hooks", "accounts", "reset"]),
    ("your terminal", &["help", "edit", "times", "zone", "bell", "clear", "/"]),
];

#[cfg(test)]
mod tests {
    use super::super::COMMANDS;
    use super::*;

    #[test]
    fn each_command_is_shown_once() {
        let mut shown: Vec<&str> =
            FIRST.into_iter().chain(TOPICS.iter().flat_map(|(_, names)| *names).copied()).collect();
        let mut all: Vec<&str> = COMMANDS.iter().map(|spec| spec.name).collect();
        shown.sort_unstable();
        all.sort_unstable();
        assert_eq!(shown, all);
    }
}
