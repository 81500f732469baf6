//! THE one table from what a client saw to what is written into the history. The native client,
//! the HTTP client and the drivers all ask it; nobody else decides between `fail` and `info`.
//!
//! Invariant: `fail` is said only where the operation certainly neither happened nor will. What is
//! not listed as such is `info`, and for a read, which changes nothing, `fail`.

use statekeeper_protocol::ExceptionCode;

use super::Outcome;

/// What an operation does to the objects, as far as the table needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: not to know its answer is to know nothing.
    Read,
    /// A change that no client and no server repeats: a code that says "repeat it" means that it
    /// did not happen.
    Once,
    /// A change that carries an identity or may be done twice without harm, so that the same code
    /// is given, or an earlier try was made, where it may have happened.
    Repeated,
}

impl Effect {
    /// The effect of an operation of the models. One that is not known is taken for the worst.
    pub fn of(object: &str, f: &str) -> Self {
        match (object, f) {
            ("lock", "is-locked" | "lock-count" | "get-fence") => Self::Read,
            ("lock" | "flake" | "session", _) => Self::Repeated,
            (
                _,
                "get" | "read" | "contains" | "size" | "is-empty" | "keys" | "entries" | "get-all",
            ) => Self::Read,
            ("map" | "set" | "counter", _) => Self::Once,
            (_, _) => Self::Repeated,
        }
    }
}

/// Why an operation has no answer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing left this client.
    NotSent(String),
    /// The server's, or a client's own, exception.
    Exception {
        /// The code of the protocol.
        code: ExceptionCode,
        /// What it says.
        message: String,
    },
    /// A problem of the HTTP API.
    Problem {
        /// Its stable code.
        code: String,
        /// What it says.
        message: String,
    },
    /// No answer in time.
    TimedOut,
    /// The connection ended after the request, or a part of it, was sent.
    ConnectionLost(String),
    /// An exception of a client library that the protocol does not know.
    Foreign {
        /// Its class.
        class: String,
        /// What it says.
        message: String,
    },
    /// What came is no answer to what was asked.
    OutsideProtocol(String),
}

/// What a row of the table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    /// It did not happen.
    Refused,
    /// It did not happen, unless the operation is one that is repeated.
    RefusedOnce,
    /// It may have happened.
    Unknown,
    /// The answer is none.
    Violation,
}

/// Exceptions that client libraries raise by themselves, by class in Java and in Python.
const CLIENTS_OWN: [(&str, &str, Row); 3] = [
    // Said before a try is sent; of a repeated operation an earlier try may have been.
    (
        "com.hazelcast.client.HazelcastClientOfflineException",
        "ClientOfflineError",
        Row::RefusedOnce,
    ),
    // Also said of calls on their way.
    (
        "com.hazelcast.client.HazelcastClientNotActiveException",
        "HazelcastClientNotActiveError",
        Row::Unknown,
    ),
    // The driver's own: the call never reached the client.
    ("statekeeper.NotStarted", "NotStarted", Row::Refused),
];

/// Names in Python that do not follow from those in Java.
const PYTHON_NAMES: [(&str, ExceptionCode); 8] = [
    ("HazelcastEOFError", ExceptionCode::EndOfFile),
    ("HazelcastIOError", ExceptionCode::Io),
    ("HazelcastInterruptedError", ExceptionCode::Interrupted),
    ("HazelcastRuntimeError", ExceptionCode::Runtime),
    ("HazelcastTimeoutError", ExceptionCode::Timeout),
    ("HazelcastAssertionError", ExceptionCode::AssertionError),
    ("HazelcastError", ExceptionCode::Hazelcast),
    ("UndefinedErrorCodeError", ExceptionCode::Undefined),
];

impl Failure {
    /// An exception by the class name that a driver gives, in Java or in Python.
    pub fn of_class(class: &str, message: &str) -> Self {
        let (class, message) = (class.to_owned(), message.to_owned());
        match code_of_class(&class) {
            Some(code) => Self::Exception { code, message },
            None => Self::Foreign { class, message },
        }
    }

    /// An exception by its number on the wire. One that the protocol does not have is no answer.
    pub fn of_number(number: i32, message: &str) -> Self {
        match ExceptionCode::from_number(number) {
            Some(code) => Self::Exception { code, message: message.to_owned() },
            None => Self::OutsideProtocol(format!("error number {number}: {message}")),
        }
    }

    /// What is written down for an operation of this effect.
    pub fn outcome(&self, effect: Effect) -> Outcome {
        let error = self.to_string();
        match (self.row(), effect) {
            (Row::Violation, _) => Outcome::Violation { error },
            (Row::Refused, _)
            | (Row::RefusedOnce, Effect::Once | Effect::Read)
            | (Row::Unknown, Effect::Read) => Outcome::Fail { error },
            (Row::RefusedOnce, Effect::Repeated)
            | (Row::Unknown, Effect::Once | Effect::Repeated) => Outcome::Info { error },
        }
    }

    fn row(&self) -> Row {
        match self {
            Self::NotSent(_) => Row::Refused,
            Self::Exception { code, .. } => row_of_exception(*code),
            Self::Problem { code, .. } => row_of_problem(code),
            Self::TimedOut | Self::ConnectionLost(_) => Row::Unknown,
            Self::Foreign { class, .. } => CLIENTS_OWN
                .iter()
                .find(|(java, python, _)| class == java || class == python)
                .map_or(Row::Unknown, |(_, _, row)| *row),
            Self::OutsideProtocol(_) => Row::Violation,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "not sent: {why}"),
            Self::Exception { code, message } => write!(f, "{code:?}: {message}"),
            Self::Problem { code, message } => write!(f, "{code}: {message}"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::ConnectionLost(why) => write!(f, "connection lost: {why}"),
            Self::Foreign { class, message } => write!(f, "{class}: {message}"),
            Self::OutsideProtocol(what) => write!(f, "outside the protocol: {what}"),
        }
    }
}

/// Without `_`: a new code asks for its row.
fn row_of_exception(code: ExceptionCode) -> Row {
    use ExceptionCode as E;
    match code {
        // Judged before anything happens.
        E::Authentication
        | E::HazelcastOverload
        | E::IllegalArgument
        | E::IllegalMonitorState
        | E::InvalidConfiguration
        | E::ReachedMaxSize
        | E::SplitBrainProtection
        | E::Security
        | E::AccessControl
        | E::Login
        | E::UnsupportedOperation
        | E::UnsupportedCallback
        | E::MaxMessageSizeExceeded
        | E::DistributedObjectDestroyed
        | E::SessionExpired
        | E::WaitKeyCancelled
        | E::LockAcquireLimitReached
        | E::LockOwnershipLost
        | E::CpGroupDestroyed
        | E::VersionMismatch
        | E::ConfigMismatch => Row::Refused,
        // Nothing was appended; clients repeat these by themselves.
        E::RetryableHazelcast
        | E::HazelcastInstanceNotActive
        | E::CallerNotMember
        | E::TargetNotMember
        | E::WrongTarget
        | E::PartitionMigrating
        | E::NotLeader
        | E::CannotReplicate
        | E::NoDataMember => Row::RefusedOnce,
        // What was sent is not understood, or what came.
        E::HazelcastSerialization | E::UtfDataFormat | E::ClassCast | E::ClassNotFound => {
            Row::Violation
        }
        E::Undefined
        | E::ArrayIndexOutOfBounds
        | E::ArrayStore
        | E::Cache
        | E::CacheLoader
        | E::CacheNotExists
        | E::CacheWriter
        | E::Cancellation
        | E::ConcurrentModification
        | E::EndOfFile
        | E::EntryProcessor
        | E::Execution
        | E::Hazelcast
        | E::Io
        | E::IllegalAccessException
        | E::IllegalAccessError
        | E::IllegalState
        | E::IllegalThreadState
        | E::IndexOutOfBounds
        | E::Interrupted
        | E::InvalidAddress
        | E::MemberLeft
        | E::NegativeArraySize
        | E::NoSuchElement
        | E::NotSerializable
        | E::NullPointer
        | E::OperationTimeout
        | E::Query
        | E::QueryResultSizeExceeded
        | E::RejectedExecution
        | E::ResponseAlreadySent
        | E::RetryableIo
        | E::Runtime
        | E::Socket
        | E::StaleSequence
        | E::TargetDisconnected
        | E::Timeout
        | E::TopicOverload
        | E::Transaction
        | E::TransactionNotActive
        | E::TransactionTimedOut
        | E::UriSyntax
        | E::Xa
        | E::ReplicatedMapCantBeCreated
        | E::WanReplicationQueueFull
        | E::AssertionError
        | E::OutOfMemory
        | E::StackOverflow
        | E::NativeOutOfMemory
        | E::ServiceNotFound
        | E::StaleTask
        | E::DuplicateTask
        | E::StaleTaskId
        | E::LocalMemberReset
        | E::IndeterminateOperationState
        | E::FlakeIdNodeIdOutOfRange
        | E::TargetNotReplica
        | E::MutationDisallowed
        | E::ConsistencyLost
        | E::LeaderDemoted
        | E::StaleAppendRequest
        | E::NoSuchMethodError
        | E::NoSuchMethodException
        | E::NoSuchFieldError
        | E::NoSuchFieldException
        | E::NoClassDefFound
        | E::CpLeaderSteppingDown => Row::Unknown,
    }
}

/// Problems of the HTTP API that are told before anything happens; `docs/errors/` has their pages.
const PROBLEMS_REFUSED: [&str; 16] = [
    "SK0100", "SK0101", "SK0102", "SK0103", "SK0104", "SK0105", "SK0106", "SK0107", "SK0108",
    "SK0109", "SK0110", "SK0111", "SK0112", "SK0113", "SK0114", "SK0115",
];

fn row_of_problem(code: &str) -> Row {
    match code {
        refused if PROBLEMS_REFUSED.contains(&refused) => Row::Refused,
        "SK0116" | "SK0117" => Row::Unknown,
        _ => Row::Violation,
    }
}

fn code_of_class(class: &str) -> Option<ExceptionCode> {
    if let Some((_, code)) = PYTHON_NAMES.iter().find(|(name, _)| *name == class) {
        return Some(*code);
    }
    let known = ExceptionCode::ALL.iter().copied();
    if class.contains('.') {
        return known.into_iter().find(|code| code.class_name() == class);
    }
    // Python: the last word, with another ending and some letters in another case.
    let core = |name: &str| {
        let name = name.rsplit(['.', '$']).next().unwrap_or(name);
        let name = name.strip_suffix("Exception").or(name.strip_suffix("Error")).unwrap_or(name);
        name.to_ascii_lowercase()
    };
    let mut same = known.filter(|code| core(code.class_name()) == core(class));
    let first = same.next();
    // `IllegalAccessError` and `IllegalAccessException` differ by their ending alone.
    same.find(|code| code.class_name().ends_with(class)).or(first)
}

#[cfg(test)]
mod tests;
