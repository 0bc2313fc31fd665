//! What is made of the flags for others to read: manuals, and what shells complete.

use clap::{CommandFactory, Subcommand};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Config;

/// What to print.
#[derive(Clone, Debug, Subcommand)]
pub enum PageTool {
    /// Prints what a shell needs to complete flags and commands.
    Completions {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Prints the manual for man(1), or that of one command.
    Man {
        /// The command, as in `backup`.
        #[arg(value_name = "COMMAND")]
        of: Option<String>,
    },
}

impl PageTool {
    /// The page.
    ///
    /// # Errors
    /// That there is no such command, in one line.
    pub fn text(&self) -> Result<String, String> {
        let mut command = Config::command();
        let name = command.get_name().to_owned();
        let mut page = Vec::new();
        match self {
            PageTool::Completions { shell } => {
                clap_complete::generate(*shell, &mut command, &name, &mut page);
            }
            PageTool::Man { of } => {
                // Its commands are called after it from here on.
                command.build();
                let of = match of {
                    None => &command,
                    Some(of) => command
                        .find_subcommand(of)
                        .ok_or_else(|| format!("there is no command {of:?} (see --help)"))?,
                };
                Man::new(of.clone()).render(&mut page).map_err(|error| error.to_string())?;
            }
        }
        let page = String::from_utf8(page).map_err(|error| error.to_string())?;
        // clap_complete 4.6 writes our hyphen in two ways for bash, and so completes nothing behind
        // a command.
        Ok(page.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__")))
    }
}
