//! The files of the repository, and how faults are told.

use std::fs;
use std::path::Path;

/// What builds, tests and git fill; in a work tree `.git` is a file.
const NOT_OURS: [&str; 5] = [".git", "data", "node_modules", "target", "__pycache__"];

/// A text file of the repository.
pub(crate) struct Text {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) content: String,
}

impl Text {
    /// Whether it has one of these extensions.
    pub(crate) fn is(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|found| found.to_str());
        extension.is_some_and(|found| extensions.contains(&found))
    }

    /// Whether it holds tests only.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/');
        self.path.starts_with("tests/")
            || parts.any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests"))
    }

    /// The lines before the tests at the foot of the file.
    pub(crate) fn without_tests(&self) -> &str {
        let end = self.content.find("\n#[cfg(test)]\nmod tests {");
        end.map_or(&*self.content, |end| &self.content[..end])
    }

    /// Line numbers from 1, and lines.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.content.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Every file that is UTF-8, in order of the paths.
pub(crate) fn texts() -> Vec<Text> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut texts, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            if NOT_OURS.iter().any(|skipped| name == *skipped) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if let Ok(content) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                texts.push(Text { path, content });
            }
        }
    }
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(texts.len() > 100, "the tree was not found");
    texts
}

/// The Rust files of the repository.
pub(crate) fn rust() -> Vec<Text> {
    texts().into_iter().filter(|text| text.is(&["rs"])).collect()
}

/// Fails with the list of faults.
pub(crate) fn expect_none(rule: &str, faults: &[String]) {
    assert!(faults.is_empty(), "{rule}:\n  {}\n", faults.join("\n  "));
}
