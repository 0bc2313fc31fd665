//! Scripts and style sheets without the white space that nobody but people needs: a tenth of what
//! is left of them compressed. tests/web/joined.js holds that a script stays the same, word for
//! word. Comments are gone already; every statement of ours ends with a semicolon.

/// A script. Strings and texts between backticks stay as they are, and so do regular expressions.
pub(super) fn script(code: &str) -> String {
    let mut compact = Script { rest: code, out: String::with_capacity(code.len()) };
    while !compact.rest.is_empty() {
        compact.code();
        // A brace that closes nothing would end it.
        compact.take(compact.rest.chars().next().map_or(0, char::len_utf8));
    }
    compact.out
}

struct Script<'a> {
    rest: &'a str,
    out: String,
}

impl Script<'_> {
    /// Copies so many bytes.
    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.out.push_str(taken);
        self.rest = rest;
    }

    /// All up to a brace that was opened before it.
    fn code(&mut self) {
        let mut depth = 0;
        while let Some(next) = self.rest.chars().next() {
            match next {
                '}' if depth == 0 => return,
                '\'' | '"' => self.quoted(next),
                '`' => self.template(),
                '/' if self.begins_expression() => self.regular_expression(),
                _ if next.is_whitespace() => self.blank(),
                _ => {
                    depth += usize::from(next == '{');
                    depth -= usize::from(next == '}');
                    self.take(next.len_utf8());
                }
            }
        }
    }

    /// White space stays as one blank between two words, and two signs.
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
        let (before, after) = (self.out.chars().next_back(), self.rest.chars().next());
        let (Some(before), Some(after)) = (before, after) else { return };
        let is_sign = |c| matches!(c, '+' | '-' | '/');
        if (is_word(before) && is_word(after)) || (is_sign(before) && is_sign(after)) {
            self.out.push(' ');
        }
    }

    fn quoted(&mut self, quote: char) {
        let mut is_escaped = true;
        let is_end = |c: char| {
            let ends = c == quote && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        };
        let end = self.rest.find(is_end).expect("tests parse every module");
        self.take(end + 1);
    }

    fn template(&mut self) {
        self.take(1);
        loop {
            let at = self.rest.find(['`', '\\', '$']).expect("tests parse every module");
            self.take(at);
            if self.rest.starts_with("${") {
                self.take(2);
                self.code();
            }
            let is_end = self.rest.starts_with('`');
            let bytes = if self.rest.starts_with('\\') { 2 } else { 1 };
            self.take(bytes);
            if is_end {
                return;
            }
        }
    }

    /// Whether a slash is the beginning of a regular expression: behind a value it divides.
    fn begins_expression(&self) -> bool {
        let before = self.out.trim_end();
        let is_value = before.ends_with(|c| is_word(c) || matches!(c, ')' | ']' | '}'));
        !is_value || before.ends_with("return")
    }

    fn regular_expression(&mut self) {
        let (mut is_escaped, mut is_class) = (true, false);
        let is_end = |c: char| {
            let ends = c == '/' && !is_escaped && !is_class;
            if !is_escaped && matches!(c, '[' | ']') {
                is_class = c == '[';
            }
            is_escaped = c == '\\' && !is_escaped;
            ends
        };
        let end = self.rest.find(is_end).expect("tests parse every module");
        self.take(end + 1);
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '#') || !c.is_ascii()
}

/// A style sheet. Between two words, or a word and a sign, a blank means something.
pub(super) fn style(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    for word in code.split_whitespace() {
        let is_needed = out.ends_with(|c| !matches!(c, '{' | '}' | ';' | ':' | ','));
        if is_needed && !word.starts_with(['{', '}']) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out.replace(";}", "}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_keeps_what_it_does() {
        for (code, expected) in [
            ("const a = 1;\nlet b = a + +a - -a;\n", "const a=1;let b=a+ +a- -a;"),
            ("f(' a  b', \"it's\", 'it\\'s  `');\n", "f(' a  b',\"it's\",'it\\'s  `');"),
            ("return / [/] +\\/ '/.test(a) / 2;", "return/ [/] +\\/ '/.test(a)/2;"),
            (
                "x = `a  ${ b ? `c  ${ { d: 1 } }` : '' } \\`  $e`;",
                "x=`a  ${b?`c  ${{d:1}}`:''} \\`  $e`;",
            ),
            (
                "class A {\n  #b = 1;\n  get c() { return this.#b in d; }\n}\n",
                "class A{#b=1;get c(){return this.#b in d;}}",
            ),
            ("for (const é of list) é.f();", "for(const é of list)é.f();"),
        ] {
            assert_eq!(script(code), expected, "{code}");
        }
    }

    #[test]
    fn a_style_sheet_keeps_what_it_means() {
        let code = "a :hover, b > c { margin: 0 calc(1px + 2px); }\n@media (x: 1) and (y) {\n  d { e: f; }\n}\n";
        let expected = "a :hover,b > c{margin:0 calc(1px + 2px)}@media (x:1) and (y){d{e:f}}";
        assert_eq!(style(code), expected);
    }
}
