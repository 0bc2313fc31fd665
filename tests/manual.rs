//! The manual and the completions that the program makes of its flags.

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::program;

fn printed(arguments: &[&str]) -> String {
    let output = program().args(arguments).output().expect("the program runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The flags that help names.
fn flags(arguments: &[&str]) -> Vec<String> {
    let page = printed(arguments);
    let lines = page.lines().map(str::trim).filter(|line| line.starts_with('-'));
    let flags = lines.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")));
    flags.map(str::to_owned).collect()
}

const COMMANDS: [&str; 8] =
    ["connect", "health", "upgrade", "backup", "restore", "check", "export", "owner"];

#[test]
fn manuals_have_every_flag_and_command() {
    let page = printed(&["man"]);
    assert!(page.contains("\n.TH chat-server 1 "), "{page}");
    for command in COMMANDS {
        assert!(page.contains(&format!("chat\\-server\\-{command}(1)")), "{command}");
    }
    assert!(page.contains("CHAT_METRICS_FROM"), "variables are told");
    let of_commands = COMMANDS.map(|command| (vec![command], vec!["man", command]));
    for (of, man) in [(vec![], vec!["man"])].into_iter().chain(of_commands) {
        let page = printed(&man);
        let help = [of, vec!["--help"]].concat();
        let flags = flags(&help);
        assert!(flags.len() > 1, "{flags:?}");
        for flag in flags {
            let written = flag.replace('-', "\\-");
            assert!(page.contains(&written), "{man:?} lacks {flag}");
        }
    }
    let page = printed(&["man", "backup"]);
    assert!(page.contains("\n.TH chat-server-backup 1 "), "{page}");
    let wrong = program().args(["man", "dance"]).output().expect("the program runs");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!((wrong.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("no command \"dance\""), "{said}");
}

/// What bash completes at the end of these words.
fn bash_completes(words: &[&str]) -> Vec<String> {
    let script = printed(&["completions", "bash"]);
    let mut bash = Command::new("bash")
        .args(["--norc", "-s", "--"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash");
    let call = "COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))\n\
                _chat__server chat-server \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"\n\
                printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let mut input = bash.stdin.take().expect("piped");
    input.write_all(format!("{script}\n{call}").as_bytes()).expect("it reads");
    drop(input);
    let output = bash.wait_with_output().expect("it ends");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_flags_their_values_and_commands() {
    assert_eq!(
        bash_completes(&["chat-server", "--metrics-"]),
        ["--metrics-from", "--metrics-token"]
    );
    assert_eq!(bash_completes(&["chat-server", "--mode", ""]), ["chat", "echo", "broadcast"]);
    assert!(bash_completes(&["chat-server", "exp"]).contains(&"export".to_owned()));
    let of_export = bash_completes(&["chat-server", "export", "--f"]);
    assert_eq!(of_export, ["--format"]);
}

#[test]
fn every_shell_gets_what_it_completes() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        assert!(script.contains("metrics-from") && script.contains("backup"), "{shell}: {script}");
    }
    let wrong = program().args(["completions", "csh"]).output().expect("the program runs");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!((wrong.status.code(), said.lines().count()), (Some(2), 1), "{said}");
}
