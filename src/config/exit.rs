//! Why the program does not start, in a line.

/// The text to show instead of starting.
#[derive(Debug)]
pub enum Exit {
    /// Asked for by `--help` or `--version`: standard output, exit code 0.
    Help(String),
    /// One line that says what is wrong: standard error, exit code 2.
    Usage(String),
}

/// Folds clap's error, a small page, into the line that matters.
pub fn one_line(page: &str) -> String {
    let said: Vec<&str> = page
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let said = said.join(" ");
    said.strip_prefix("error: ").unwrap_or(&said).to_owned()
}

pub fn usage(line: &str) -> Exit {
    Exit::Usage(format!("chat-server: {line} (see --help)"))
}
