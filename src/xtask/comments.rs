//! Wraps comments at 100 columns: rustfmt leaves them as they are.
//!
//! Only a paragraph with a line that is too long is touched. Code in fences, tables and headings
//! stay; items of a list keep their indentation.

use std::fs;

use anyhow::Context;

use crate::repository::{files_below, root};

const COLUMNS: usize = 100;

/// Wraps the comments of every Rust file.
pub(crate) fn wrap_all() -> anyhow::Result<()> {
    for folder in ["src", "tests"] {
        for file in files_below(&root().join(folder), "rs")? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let wrapped = wrap(&text);
            if wrapped != text {
                fs::write(&file, wrapped)
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
    }
    Ok(())
}

fn wrap(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut in_fence = false;
    while let Some(line) = lines.get(at) {
        let taken = match Comment::read(line) {
            Some(comment) => {
                in_fence ^= comment.body.starts_with("```");
                let paragraph = if in_fence { 1 } else { comment.paragraph(&lines[at..]) };
                let part = &lines[at..at + paragraph];
                if !in_fence && part.iter().any(|line| line.chars().count() > COLUMNS) {
                    comment.reflow(part, &mut out);
                } else {
                    keep(part, &mut out);
                }
                paragraph
            }
            None => {
                keep(&lines[at..=at], &mut out);
                1
            }
        };
        at += taken;
    }
    out
}

fn keep(lines: &[&str], out: &mut String) {
    for line in lines {
        out.push_str(line);
        out.push('\n');
    }
}

/// A line that is nothing but a comment.
struct Comment<'a> {
    /// Blanks and the slashes.
    prefix: &'a str,
    body: &'a str,
}

impl<'a> Comment<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let indent = line.len() - line.trim_start().len();
        let marker = ["//!", "///", "//"].into_iter().find(|m| line[indent..].starts_with(m))?;
        let (prefix, body) = line.split_at(indent + marker.len());
        Some(Self { prefix, body: body.strip_prefix(' ').unwrap_or(body) })
    }

    fn is_item(&self) -> bool {
        let number = self.body.trim_start_matches(|c: char| c.is_ascii_digit());
        self.body.starts_with("- ") || (number.len() < self.body.len() && number.starts_with(". "))
    }

    fn is_verbatim(&self) -> bool {
        self.body.is_empty() || self.body.starts_with(['#', '|', '`', ' ', '['])
    }

    /// How many of the lines, of which this is the first, belong together.
    fn paragraph(&self, lines: &[&str]) -> usize {
        if self.is_verbatim() && !self.body.starts_with(['`', '[']) {
            return 1;
        }
        let goes_on = |line: &&&str| {
            Comment::read(line).is_some_and(|next| {
                let continues_item = self.is_item() && next.body.starts_with("  ");
                let plain = !next.is_item() && !next.body.starts_with(['#', '|', ' ', '-']);
                let says_something = !next.body.is_empty() && !next.body.starts_with("```");
                next.prefix == self.prefix && says_something && (plain || continues_item)
            })
        };
        1 + lines[1..].iter().take_while(goes_on).count()
    }

    fn reflow(&self, lines: &[&str], out: &mut String) {
        let bodies = lines.iter().filter_map(|line| Comment::read(line)).map(|c| c.body);
        let words: Vec<&str> = bodies.flat_map(str::split_whitespace).collect();
        let hanging = if self.is_item() { "   " } else { " " };
        let mut line = format!("{} ", self.prefix);
        let mut empty = true;
        for word in words {
            if !empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
                keep(&[&line], out);
                line = format!("{}{hanging}", self.prefix);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        keep(&[&line], out);
    }
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn a_long_paragraph_is_wrapped_and_its_neighbours_stay() {
        let long = "word ".repeat(30);
        let text =
            format!("//! short\n//! lines\n//!\n//! {}\n//! end.\nfn f() {{}}\n", long.trim());
        let wrapped = wrap(&text);
        assert!(wrapped.lines().all(|line| line.chars().count() <= 100), "{wrapped}");
        assert!(wrapped.starts_with("//! short\n//! lines\n//!\n//! word"), "{wrapped}");
        assert!(wrapped.ends_with("word end.\nfn f() {}\n"), "{wrapped}");
        assert_eq!(wrap(&wrapped), wrapped);
    }

    #[test]
    fn items_hang_and_code_stays() {
        let long = "word ".repeat(30);
        let text = format!("    /// - {}\n    /// - next\n", long.trim());
        let wrapped = wrap(&text);
        assert!(wrapped.contains("\n    ///   word"), "{wrapped}");
        assert!(wrapped.ends_with("\n    /// - next\n"), "{wrapped}");
        let code = format!("/// ```\n/// {}\n/// ```\nlet x = \"{}\";\n", long.trim(), long.trim());
        assert_eq!(wrap(&code), code);
    }
}
