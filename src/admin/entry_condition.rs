//! What must hold for a write of a record (RFC 9110, 13.1).

use super::call::Call;
use super::problem::Problem;

/// A condition on the record that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing: the write happens.
    None,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match: *`.
    Present,
    /// `If-Match: "7"`.
    Version(u64),
}

impl Condition {
    /// Reads the headers of a call.
    pub(super) fn of(call: &Call) -> Result<Self, Problem> {
        match (call.if_match.as_deref(), call.if_none_match.as_deref()) {
            (None, None) => Ok(Self::None),
            (None, Some("*")) => Ok(Self::Absent),
            (None, Some(_)) => Err(Problem::invalid("If-None-Match", "must be *")),
            (Some("*"), None) => Ok(Self::Present),
            (Some(tag), None) => {
                // One strong tag: a list of versions would be no compare-and-set.
                let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
                let version = version.and_then(|digits| digits.parse().ok());
                let wrong = "must be * or one version in quotes, as ETag told it";
                version.map(Self::Version).ok_or_else(|| Problem::invalid("If-Match", wrong))
            }
            (Some(_), Some(_)) => {
                Err(Problem::invalid("If-None-Match", "cannot go together with If-Match"))
            }
        }
    }

    /// The answer when it does not hold.
    pub(super) fn unmet(self) -> Problem {
        let expected = match self {
            Self::None => "the record was there".to_owned(),
            Self::Absent => "there is a record already".to_owned(),
            Self::Present => "there is no record".to_owned(),
            Self::Version(version) => format!("the record's version is not {version}"),
        };
        Problem::VersionDiffers { expected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(
        if_match: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Result<Condition, Problem> {
        Condition::of(&Call {
            if_match: if_match.map(str::to_owned),
            if_none_match: if_none_match.map(str::to_owned),
            ..Call::default()
        })
    }

    #[test]
    fn headers_say_what_must_be_there() {
        assert_eq!(condition(None, None), Ok(Condition::None));
        assert_eq!(condition(Some("\"7\""), None), Ok(Condition::Version(7)));
        assert_eq!(condition(Some("*"), None), Ok(Condition::Present));
        assert_eq!(condition(None, Some("*")), Ok(Condition::Absent));
    }

    #[test]
    fn anything_else_is_refused_rather_than_ignored() {
        for tag in ["7", "\"7", "W/\"7\"", "\"7\", \"8\"", "\"-1\"", ""] {
            assert!(condition(Some(tag), None).is_err(), "{tag}");
        }
        assert!(condition(None, Some("\"7\"")).is_err());
        assert!(condition(Some("*"), Some("*")).is_err());
    }
}
