//! The stable codes of the API's problems. Each has a page in `docs/errors/`, which the API serves
//! itself under the address in a problem's `type`.

/// A kind of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ProblemCode {
    /// The request says something that cannot be.
    Invalid,
    /// No such path.
    NoRoute,
    /// The path does not know the method.
    MethodNotAllowed,
    /// It comes from a web page of somebody else.
    ForeignOrigin,
    /// The thing is not there.
    NotFound,
    /// The record is another than was expected.
    VersionDiffers,
    /// Larger than a limit allows.
    TooLarge,
    /// Neither JSON nor text.
    MediaType,
    /// Too many bytes of headers.
    HeadersTooLarge,
    /// Too many requests at one time.
    Busy,
    /// A rule of safety forbids it.
    Refused,
    /// The state holds as many as it may.
    LimitReached,
    /// No leader answered in time; nothing happened.
    NoQuorum,
    /// Memory or disk run short.
    Pressure,
    /// The node stops.
    ShuttingDown,
    /// The cluster is not founded yet.
    NotFounded,
    /// It may have happened.
    OutcomeUnknown,
    /// The node itself failed.
    Failed,
}

impl ProblemCode {
    /// All of them.
    pub(super) const ALL: [Self; 18] = [
        Self::Invalid,
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::ForeignOrigin,
        Self::NotFound,
        Self::VersionDiffers,
        Self::TooLarge,
        Self::MediaType,
        Self::HeadersTooLarge,
        Self::Busy,
        Self::Refused,
        Self::LimitReached,
        Self::NoQuorum,
        Self::Pressure,
        Self::ShuttingDown,
        Self::NotFounded,
        Self::OutcomeUnknown,
        Self::Failed,
    ];

    /// The code.
    pub(super) fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status.
    pub(super) fn status(self) -> u16 {
        self.row().1
    }

    /// A few words, the same for every problem of the kind.
    pub(super) fn title(self) -> &'static str {
        self.row().2
    }

    /// The page of the code.
    pub(super) fn page(self) -> &'static str {
        self.row().3
    }

    /// The kind with this code.
    pub(super) fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == code)
    }

    fn row(self) -> (&'static str, u16, &'static str, &'static str) {
        macro_rules! row {
            ($code:literal, $status:literal, $title:literal) => {
                ($code, $status, $title, include_str!(concat!("../../docs/errors/", $code, ".md")))
            };
        }
        match self {
            Self::Invalid => row!("SK0100", 400, "the request is not valid"),
            Self::NoRoute => row!("SK0101", 404, "there is no such path"),
            Self::MethodNotAllowed => row!("SK0102", 405, "the path does not know this method"),
            Self::ForeignOrigin => row!("SK0103", 403, "requests of other web pages are refused"),
            Self::NotFound => row!("SK0104", 404, "not found"),
            Self::VersionDiffers => row!("SK0105", 412, "the record is not the expected one"),
            Self::TooLarge => row!("SK0106", 413, "larger than a limit allows"),
            Self::MediaType => row!("SK0107", 415, "the body's media type is not known"),
            Self::HeadersTooLarge => row!("SK0108", 431, "the headers are too large"),
            Self::Busy => row!("SK0109", 429, "too many requests at one time"),
            Self::Refused => row!("SK0110", 409, "refused by a rule"),
            Self::LimitReached => row!("SK0111", 409, "a limit of the state is reached"),
            Self::NoQuorum => row!("SK0112", 503, "no leader answered in time"),
            Self::Pressure => row!("SK0113", 503, "memory or disk run short"),
            Self::ShuttingDown => row!("SK0114", 503, "this node is shutting down"),
            Self::NotFounded => row!("SK0115", 503, "the cluster is not founded yet"),
            Self::OutcomeUnknown => row!("SK0116", 504, "the outcome is unknown"),
            Self::Failed => row!("SK0117", 500, "this node failed"),
        }
    }
}
