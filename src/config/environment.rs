//! The environment, as flags have it: what is empty is not set, errors name the variable, and a name
//! that nothing has is refused, as a misspelt limit would be none.

use std::env;
use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Error};

use crate::chat::text::nearest;

/// All names that begin so are ours.
const PREFIX: &str = "CHAT_";

/// The same command, to which variables that are empty are not set.
pub fn without_empty(command: Command) -> Command {
    let is_empty =
        |arg: &Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    let forget = move |arg: Arg| if is_empty(&arg) { arg.env(NO_VARIABLE) } else { arg };
    command.mut_args(forget).mut_subcommands(without_empty)
}

const NO_VARIABLE: Option<&str> = None;

/// Looks for variables that are set and that no flag reads.
///
/// # Errors
/// One line: the first of them, and which is meant perhaps.
pub fn check_names(command: &Command) -> Result<(), String> {
    let commands = || std::iter::once(command).chain(command.get_subcommands());
    let known: Vec<&str> = commands()
        .flat_map(Command::get_arguments)
        .filter_map(|arg| arg.get_env()?.to_str())
        .collect();
    let set = env::vars_os().filter(|(_, value)| !value.is_empty());
    let set = set.map(|(name, _)| name.to_string_lossy().into_owned());
    let unknown = set.filter(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str()));
    let Some(unknown) = unknown.min() else { return Ok(()) };
    let meant = match nearest(&unknown, known) {
        Some(meant) => format!("; did you mean {meant}?"),
        None => String::new(),
    };
    Err(format!("{unknown} is no variable of this program{meant}"))
}

/// The variable that an error is about, if it is not about what was typed.
pub fn blamed(error: &Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    let about = |error: &Error| match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(about)) => Some(about.clone()),
        _ => None,
    };
    let flag = about(error)?;
    let mut built = command.clone();
    built.build();
    let commands = || std::iter::once(&built).chain(built.get_subcommands());
    let mut args = commands().flat_map(Command::get_arguments);
    let name = args.find_map(|arg| arg.get_env().filter(|_| arg.to_string() == flag))?.to_owned();
    let error = without(command.clone(), &name).try_get_matches_from(arguments).err();
    let is_typed = error.is_some_and(|error| about(&error) == Some(flag));
    (!is_typed).then(|| name.to_string_lossy().into_owned())
}

fn without(command: Command, name: &OsStr) -> Command {
    let forget = |arg: Arg| match arg.get_env() == Some(name) {
        true => arg.env(NO_VARIABLE),
        false => arg,
    };
    command.mut_args(forget).mut_subcommands(|command| without(command, name))
}
