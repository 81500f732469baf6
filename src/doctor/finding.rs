//! What an operator is told: one line each, with what to do about it.

use serde::Serialize;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Odd, or about to go wrong.
    Warning,
    /// It keeps a node or the cluster from coming up.
    Failure,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How serious.
    pub level: Level,
    /// What was looked at: `port`, `data`, `address`.
    pub check: &'static str,
    /// What was found, in one line.
    pub text: String,
    /// What to do about it.
    pub fix: Option<String>,
    /// The stable code, where there is one.
    pub code: Option<String>,
}

/// How many findings there are of each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// As they should be.
    pub ok: usize,
    /// Warnings.
    pub warnings: usize,
    /// Failures.
    pub failures: usize,
}

impl Level {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self { level: Level::Ok, check, text: text.into(), fix: None, code: None }
    }

    /// Something to look at.
    pub fn warning(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        let fix = Some(fix.into());
        Self { level: Level::Warning, check, text: text.into(), fix, code: None }
    }

    /// Something to mend.
    pub fn failure(check: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Failure, ..Self::warning(check, text, fix) }
    }

    /// With its stable code.
    #[must_use]
    pub fn coded(self, code: &str) -> Self {
        Self { code: Some(code.to_owned()), ..self }
    }

    /// From a message in the form of the house: `SK0020 what; what to do`, and its causes.
    pub fn from_message(check: &'static str, message: &str, causes: &[String]) -> Self {
        let (code, rest) = match message.split_once(' ') {
            Some((code, rest)) if is_code(code) => (Some(code.to_owned()), rest),
            Some(_) | None => (None, message),
        };
        let (what, fix) = rest.split_once("; ").unwrap_or((rest, "mend what it names"));
        let mut text = what.to_owned();
        for cause in causes {
            text.push_str(": ");
            text.push_str(cause);
        }
        Self { code, ..Self::failure(check, text, fix) }
    }

    /// From an error whose message has that form.
    pub fn from_error(check: &'static str, error: &dyn std::error::Error) -> Self {
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(next) = cause {
            causes.push(next.to_string());
            cause = next.source();
        }
        Self::from_message(check, &error.to_string(), &causes)
    }
}

impl Counts {
    /// Counts findings.
    pub fn of(findings: &[Finding]) -> Self {
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        Self {
            ok: count(Level::Ok),
            warnings: count(Level::Warning),
            failures: count(Level::Failure),
        }
    }
}

fn is_code(word: &str) -> bool {
    word.strip_prefix("SK")
        .is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}
