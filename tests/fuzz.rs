//! The fuzz targets, on every input that is checked in: the seeds from which fuzzing starts, and
//! what it has found.
//!
//! `.ci/fuzz 600` fuzzes each target for ten minutes. An input that finds something goes to
//! `tests/fuzz/seeds/TARGET/`, under a name that says what it is, and is tried here from then on.

#[path = "fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

/// Names the input that failed.
struct Named(PathBuf);

impl Drop for Named {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("\nthe input: {}\n", self.0.display());
        }
    }
}

fn replay(target: &str, run: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut inputs: Vec<PathBuf> =
        fs::read_dir(&seeds).expect("seeds").map(|entry| entry.expect("an input").path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no seeds in {}", seeds.display());
    for input in inputs {
        let bytes = fs::read(&input).expect("an input");
        let _named = Named(input);
        run(&bytes);
    }
}

macro_rules! replay {
    ($($target:ident)*) => {
        const TARGETS: &[&str] = &[$(stringify!($target)),*];

        $(
        #[test]
        fn $target() {
            replay(stringify!($target), targets::$target::run);
        }
        )*
    };
}

replay!(chat deflate frames handshake http lines names proxy requests search);

#[test]
fn no_seeds_are_forgotten() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/fuzz_targets");
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds");
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut names: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        names.sort();
        names.iter().map(|path| path.file_stem().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&seeds), names(&targets));
    assert_eq!(names(&seeds), TARGETS);
}
