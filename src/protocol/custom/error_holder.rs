//! One exception of an error answer.

use super::custom_type;

custom_type! {
    /// An exception: clients build theirs from the code and show class and message.
    ErrorHolder {
        /// A number of [`ExceptionCode`](crate::ExceptionCode).
        error_code: i32,
        /// The Java class.
        class_name: String,
        /// What users read.
        message: Option<String>,
        /// May be empty.
        stack_trace_elements: Vec<StackTraceElement>,
    }
}

custom_type! {
    /// One line of a Java stack trace.
    StackTraceElement {
        /// The class.
        class_name: String,
        /// The method.
        method_name: String,
        /// The source file.
        file_name: Option<String>,
        /// The line in it.
        line_number: i32,
    }
}
