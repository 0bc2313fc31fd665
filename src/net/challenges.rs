//! Answers to ACME's http-01 challenges (RFC 8555, 8.3), which a certificate client lays down in a
//! directory.

use std::io::Read;
use std::path::PathBuf;

use crate::net::files::open_at_once;
use crate::server::challenges::Challenges;

/// An answer is a token and the digest of a key, about 87 bytes.
const ANSWER_BYTES_MAX: u64 = 4096;

/// A directory as certbot's `--webroot` and lego's `--http.webroot` want it.
#[derive(Debug)]
pub struct Webroot {
    directory: PathBuf,
}

impl Webroot {
    /// `root` is what a web server would serve as `/`.
    pub fn new(root: PathBuf) -> Webroot {
        Webroot { directory: root.join(".well-known").join("acme-challenge") }
    }
}

impl Challenges for Webroot {
    /// Read in the event loop: a small local file, for a few requests in two months; a name that is
    /// not there costs a look-up.
    fn answer(&self, token: &str) -> Option<Vec<u8>> {
        // A symbolic link could lead out of the directory.
        let file = open_at_once(&self.directory.join(token), libc::O_NOFOLLOW).ok()?;
        let found = file.metadata().ok()?;
        let mut answer = Vec::new();
        (found.is_file() && found.len() <= ANSWER_BYTES_MAX).then_some(())?;
        file.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).ok()?;
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_small_file_is_an_answer_and_nothing_else_is() {
        let root = tempfile();
        let directory = root.join(".well-known/acme-challenge");
        fs::create_dir_all(directory.join("folder")).expect("a directory");
        fs::write(directory.join("token"), "token.digest").expect("a file");
        fs::write(directory.join("large"), [b'x'; 5000]).expect("a file");
        fs::write(root.join("secret"), "secret").expect("a file");
        let webroot = Webroot::new(root.clone());
        assert_eq!(webroot.answer("token").as_deref(), Some(&b"token.digest"[..]));
        for none in ["none", "folder", "large"] {
            assert_eq!(webroot.answer(none), None, "{none}");
        }
        #[cfg(unix)]
        {
            let link = directory.join("link");
            std::os::unix::fs::symlink(root.join("secret"), link).expect("a link");
            assert_eq!(webroot.answer("link"), None, "a link leads out");
        }
        fs::remove_dir_all(root).expect("it is ours");
    }

    fn tempfile() -> PathBuf {
        std::env::temp_dir().join(format!("chat-webroot-{}", std::process::id()))
    }
}
