//! The protocol's exception numbers and the Java class names that go with them.
//!
//! Which inner error becomes which of these is decided elsewhere, in the endpoint.

macro_rules! exception_codes {
    ($($code:literal $variant:ident $class:literal,)*) => {
        /// A number of the protocol's fixed list; clients build their exception from it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i32)]
        #[allow(missing_docs, reason = "each variant is named as the exception it stands for")]
        pub enum ExceptionCode {
            $($variant = $code,)*
        }

        impl ExceptionCode {
            /// Every code, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code with this number.
            #[must_use]
            pub fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The class name to send along: clients show it for codes they do not know.
            #[must_use]
            pub fn class_name(self) -> &'static str {
                match self {
                    $(Self::$variant => $class,)*
                }
            }
        }
    };
}

impl ExceptionCode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> i32 {
        self as i32
    }
}

// spec: client-protocol 3
exception_codes! {
    0 Undefined "com.hazelcast.client.UndefinedErrorCodeException",
    1 ArrayIndexOutOfBounds "java.lang.ArrayIndexOutOfBoundsException",
    2 ArrayStore "java.lang.ArrayStoreException",
    3 Authentication "com.hazelcast.client.AuthenticationException",
    4 Cache "javax.cache.CacheException",
    5 CacheLoader "javax.cache.integration.CacheLoaderException",
    6 CacheNotExists "com.hazelcast.cache.CacheNotExistsException",
    7 CacheWriter "javax.cache.integration.CacheWriterException",
    8 CallerNotMember "com.hazelcast.spi.exception.CallerNotMemberException",
    9 Cancellation "java.util.concurrent.CancellationException",
    10 ClassCast "java.lang.ClassCastException",
    11 ClassNotFound "java.lang.ClassNotFoundException",
    12 ConcurrentModification "java.util.ConcurrentModificationException",
    13 ConfigMismatch "com.hazelcast.internal.cluster.impl.ConfigMismatchException",
    14 DistributedObjectDestroyed "com.hazelcast.spi.exception.DistributedObjectDestroyedException",
    15 EndOfFile "java.io.EOFException",
    16 EntryProcessor "javax.cache.processor.EntryProcessorException",
    17 Execution "java.util.concurrent.ExecutionException",
    18 Hazelcast "com.hazelcast.core.HazelcastException",
    19 HazelcastInstanceNotActive "com.hazelcast.core.HazelcastInstanceNotActiveException",
    20 HazelcastOverload "com.hazelcast.core.HazelcastOverloadException",
    21 HazelcastSerialization "com.hazelcast.nio.serialization.HazelcastSerializationException",
    22 Io "java.io.IOException",
    23 IllegalArgument "java.lang.IllegalArgumentException",
    24 IllegalAccessException "java.lang.IllegalAccessException",
    25 IllegalAccessError "java.lang.IllegalAccessError",
    26 IllegalMonitorState "java.lang.IllegalMonitorStateException",
    27 IllegalState "java.lang.IllegalStateException",
    28 IllegalThreadState "java.lang.IllegalThreadStateException",
    29 IndexOutOfBounds "java.lang.IndexOutOfBoundsException",
    30 Interrupted "java.lang.InterruptedException",
    31 InvalidAddress "com.hazelcast.internal.util.AddressUtil$InvalidAddressException",
    32 InvalidConfiguration "com.hazelcast.config.InvalidConfigurationException",
    33 MemberLeft "com.hazelcast.core.MemberLeftException",
    34 NegativeArraySize "java.lang.NegativeArraySizeException",
    35 NoSuchElement "java.util.NoSuchElementException",
    36 NotSerializable "java.io.NotSerializableException",
    37 NullPointer "java.lang.NullPointerException",
    38 OperationTimeout "com.hazelcast.core.OperationTimeoutException",
    39 PartitionMigrating "com.hazelcast.spi.exception.PartitionMigratingException",
    40 Query "com.hazelcast.query.QueryException",
    41 QueryResultSizeExceeded "com.hazelcast.map.QueryResultSizeExceededException",
    42 SplitBrainProtection "com.hazelcast.splitbrainprotection.SplitBrainProtectionException",
    43 ReachedMaxSize "com.hazelcast.map.ReachedMaxSizeException",
    44 RejectedExecution "java.util.concurrent.RejectedExecutionException",
    45 ResponseAlreadySent "com.hazelcast.spi.exception.ResponseAlreadySentException",
    46 RetryableHazelcast "com.hazelcast.spi.exception.RetryableHazelcastException",
    47 RetryableIo "com.hazelcast.spi.exception.RetryableIOException",
    48 Runtime "java.lang.RuntimeException",
    49 Security "java.lang.SecurityException",
    50 Socket "java.net.SocketException",
    51 StaleSequence "com.hazelcast.ringbuffer.StaleSequenceException",
    52 TargetDisconnected "com.hazelcast.spi.exception.TargetDisconnectedException",
    53 TargetNotMember "com.hazelcast.spi.exception.TargetNotMemberException",
    54 Timeout "java.util.concurrent.TimeoutException",
    55 TopicOverload "com.hazelcast.topic.TopicOverloadException",
    56 Transaction "com.hazelcast.transaction.TransactionException",
    57 TransactionNotActive "com.hazelcast.transaction.TransactionNotActiveException",
    58 TransactionTimedOut "com.hazelcast.transaction.TransactionTimedOutException",
    59 UriSyntax "java.net.URISyntaxException",
    60 UtfDataFormat "java.io.UTFDataFormatException",
    61 UnsupportedOperation "java.lang.UnsupportedOperationException",
    62 WrongTarget "com.hazelcast.spi.exception.WrongTargetException",
    63 Xa "javax.transaction.xa.XAException",
    64 AccessControl "java.security.AccessControlException",
    65 Login "javax.security.auth.login.LoginException",
    66 UnsupportedCallback "javax.security.auth.callback.UnsupportedCallbackException",
    67 NoDataMember "com.hazelcast.partition.NoDataMemberInClusterException",
    68 ReplicatedMapCantBeCreated
        "com.hazelcast.replicatedmap.ReplicatedMapCantBeCreatedOnLiteMemberException",
    69 MaxMessageSizeExceeded
        "com.hazelcast.client.impl.protocol.exception.MaxMessageSizeExceeded",
    70 WanReplicationQueueFull "com.hazelcast.wan.WanQueueFullException",
    71 AssertionError "java.lang.AssertionError",
    72 OutOfMemory "java.lang.OutOfMemoryError",
    73 StackOverflow "java.lang.StackOverflowError",
    74 NativeOutOfMemory "com.hazelcast.memory.NativeOutOfMemoryError",
    75 ServiceNotFound "com.hazelcast.spi.impl.servicemanager.ServiceNotFoundException",
    76 StaleTask "com.hazelcast.scheduledexecutor.StaleTaskException",
    77 DuplicateTask "com.hazelcast.scheduledexecutor.DuplicateTaskException",
    78 StaleTaskId "com.hazelcast.durableexecutor.StaleTaskIdException",
    79 LocalMemberReset "com.hazelcast.core.LocalMemberResetException",
    80 IndeterminateOperationState "com.hazelcast.core.IndeterminateOperationStateException",
    81 FlakeIdNodeIdOutOfRange
        "com.hazelcast.flakeidgen.impl.NodeIdOutOfRangeException",
    82 TargetNotReplica "com.hazelcast.crdt.TargetNotReplicaException",
    83 MutationDisallowed "com.hazelcast.crdt.MutationDisallowedException",
    84 ConsistencyLost "com.hazelcast.core.ConsistencyLostException",
    85 SessionExpired "com.hazelcast.cp.internal.session.SessionExpiredException",
    86 WaitKeyCancelled
        "com.hazelcast.cp.internal.datastructures.exception.WaitKeyCancelledException",
    87 LockAcquireLimitReached "com.hazelcast.cp.lock.exception.LockAcquireLimitReachedException",
    88 LockOwnershipLost "com.hazelcast.cp.lock.exception.LockOwnershipLostException",
    89 CpGroupDestroyed "com.hazelcast.cp.exception.CPGroupDestroyedException",
    90 CannotReplicate "com.hazelcast.cp.exception.CannotReplicateException",
    91 LeaderDemoted "com.hazelcast.cp.exception.LeaderDemotedException",
    92 StaleAppendRequest "com.hazelcast.cp.exception.StaleAppendRequestException",
    93 NotLeader "com.hazelcast.cp.exception.NotLeaderException",
    94 VersionMismatch "com.hazelcast.internal.cluster.impl.VersionMismatchException",
    95 NoSuchMethodError "java.lang.NoSuchMethodError",
    96 NoSuchMethodException "java.lang.NoSuchMethodException",
    97 NoSuchFieldError "java.lang.NoSuchFieldError",
    98 NoSuchFieldException "java.lang.NoSuchFieldException",
    99 NoClassDefFound "java.lang.NoClassDefFoundError",
    100 CpLeaderSteppingDown "com.hazelcast.cp.exception.CPLeaderSteppingDownException",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_complete_and_in_order() {
        let numbers = ExceptionCode::ALL.iter().map(|code| code.number());
        assert!(numbers.eq(0..=100));
        for code in ExceptionCode::ALL {
            assert_eq!(ExceptionCode::from_number(code.number()), Some(*code));
        }
        assert_eq!(ExceptionCode::from_number(101), None);
        assert_eq!(ExceptionCode::from_number(-1), None);
    }

    #[test]
    fn every_code_has_a_class_of_its_own() {
        let mut classes: Vec<_> = ExceptionCode::ALL.iter().map(|code| code.class_name()).collect();
        classes.sort_unstable();
        classes.dedup();
        assert_eq!(classes.len(), ExceptionCode::ALL.len());
    }
}
