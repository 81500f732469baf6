//! How long files and lines may be, how a file begins, and what no line may hold.

use crate::tree::{Text, expect_none, rust, texts};

const LINE_COLUMNS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 600;
/// Tests are read one by one, so that a longer list of them does no harm.
const TEST_FILE_LINES_MAX: usize = 800;
/// Tables of which a row is a line.
const WIDE: [(&str, &str); 1] = [("src/config/keys.rs", "a key's name, kind, default and help")];
/// Bytes of others, kept as they came.
const AS_THEY_CAME: [&str; 4] =
    ["LICENSE", "tests/openlookeng/seeds/", "tests/wire/captures/", "Cargo.lock"];

#[test]
fn lines_have_at_most_100_columns() {
    let mut faults = Vec::new();
    for text in texts().iter().filter(|text| text.is(&["rs", "java", "py", "js"])) {
        if WIDE.iter().any(|(path, _)| text.path == *path) {
            continue;
        }
        for (number, line) in text.numbered() {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX {
                faults.push(format!("{}:{number} has {columns}", text.path));
            }
        }
    }
    expect_none("lines with more than 100 columns", &faults);
}

#[test]
fn files_have_at_most_600_lines_without_their_tests() {
    let mut faults = Vec::new();
    for text in texts().iter().filter(|text| text.is(&["rs", "java", "py", "js"])) {
        let lines = text.without_tests().lines().count();
        let max = if text.is_test() { TEST_FILE_LINES_MAX } else { FILE_LINES_MAX };
        if lines > max {
            faults.push(format!("{} has {lines} of {max}", text.path));
        }
    }
    expect_none("files that are too long", &faults);
}

#[test]
fn no_line_ends_with_blanks_and_every_file_ends_with_a_line() {
    let kept = |text: &&Text| !AS_THEY_CAME.iter().any(|path| text.path.starts_with(path));
    let mut faults = Vec::new();
    for text in texts().iter().filter(kept) {
        for (number, line) in text.numbered() {
            if line.trim_end() != line && !text.path.ends_with(".snap") {
                faults.push(format!("{}:{number} ends with a blank", text.path));
            }
        }
        if text.is(&["rs", "md", "toml"]) && !text.content.is_empty() {
            let end = text.content.trim_end().len();
            if &text.content[end..] != "\n" {
                faults.push(format!("{} does not end with one line feed", text.path));
            }
        }
    }
    expect_none("blanks at the end", &faults);
}

#[test]
fn every_module_says_what_it_is_for() {
    let mut faults = Vec::new();
    for text in rust() {
        let first = text.content.lines().find(|line| {
            // Attributes of the whole file may stand before.
            !line.starts_with("#![") && !line.trim().is_empty()
        });
        if !first.is_some_and(|line| line.starts_with("//! ")) {
            faults.push(text.path);
        }
    }
    expect_none("modules that do not open with //!", &faults);
}

#[test]
fn things_to_do_have_a_number() {
    // Put together, so that this file does not name them.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut faults = Vec::new();
    for text in rust() {
        for (number, line) in text.numbered() {
            for word in words {
                let after = line.split_once(word).map(|(_, after)| after);
                if after.is_some_and(|after| !after.starts_with("(#")) {
                    faults.push(format!("{}:{number}", text.path));
                }
            }
        }
    }
    expect_none("things to do without a number", &faults);
}

#[test]
fn nothing_names_the_machine_it_was_made_on() {
    let words = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/home", "/")];
    let mut faults = Vec::new();
    for text in texts() {
        for (number, line) in text.numbered() {
            if words.iter().any(|word| line.contains(word)) {
                faults.push(format!("{}:{number}", text.path));
            }
        }
    }
    expect_none("paths of one machine", &faults);
}

#[test]
fn libraries_come_from_the_usual_registries() {
    let lists = ["Cargo.lock", "package-lock.json", "requirements.txt", ".npmrc", "pom.xml"];
    let usual = ["https://github.com/rust-lang/crates.io-index", "https://registry.npmjs.org/"];
    let mut faults = Vec::new();
    for text in texts().iter().filter(|text| lists.iter().any(|list| text.path.ends_with(list))) {
        for (number, line) in text.numbered() {
            let names_a_host = line.contains("://") && !line.contains("\"url\":");
            if names_a_host && !usual.iter().any(|host| line.contains(host)) {
                faults.push(format!("{}:{number} {}", text.path, line.trim()));
            }
        }
    }
    expect_none("other registries", &faults);
}
