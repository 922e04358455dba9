//! What libtorch says when it refuses.

use std::fmt;
use tch::TchError;

/// Why libtorch did not do something, for a person: its own message carries the whole C++ call stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The machine has less memory than was asked for.
    Memory {
        /// Bytes of the allocation that failed, where it is told.
        bytes: Option<u64>,
    },
    /// Anything else, in its own words; a GPU's full memory among them.
    Other(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { bytes: Some(bytes) } => write!(f, "not enough memory for {bytes} bytes more"),
            Self::Memory { bytes: None } => f.write_str("not enough memory"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<TchError> for Refusal {
    fn from(error: TchError) -> Self {
        match error {
            TchError::Torch(message) => Self::of(&message),
            other => Self::of(&other.to_string()),
        }
    }
}

impl Refusal {
    fn of(message: &str) -> Self {
        // What C++ and libtorch's allocator on the CPU say of it.
        const OUT_OF_MEMORY: [&str; 3] = ["bad_alloc", "DefaultCPUAllocator", "can't allocate memory"];
        if OUT_OF_MEMORY.iter().any(|sign| message.contains(sign)) {
            let after =
                message.split_once("tried to allocate ").and_then(|(_, rest)| rest.split_once(" bytes"));
            return Self::Memory { bytes: after.and_then(|(bytes, _)| bytes.parse().ok()) };
        }
        Self::Other(message.split("\nException raised from").next().unwrap_or(message).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    #[test]
    fn messages_come_without_cpp_frames() {
        let (left, right) =
            (Tensor::from(1.0).reshape([1, 1]), Tensor::from_slice(&[1.0; 6]).reshape([2, 3]));
        let error = left.f_matmul(&right).unwrap_err();
        assert!(error.to_string().contains("Exception raised from"), "libtorch changed: {error}");
        let message = Refusal::from(error).to_string();
        assert!(message.contains("1x1 and 2x3") && message.lines().count() == 1, "{message}");
    }

    #[test]
    fn memory_that_ran_out_is_said_in_words() {
        let allocator = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you \
            tried to allocate 4096 bytes. Error code 12 (Cannot allocate memory)\nframe #0: c10::ThrowEnforceNotMet";
        let said = |message: &str| Refusal::from(TchError::Torch(message.to_owned())).to_string();
        assert_eq!(said(allocator), "not enough memory for 4096 bytes more");
        assert_eq!(said("std::bad_alloc"), "not enough memory");
        assert_eq!(
            said("CUDA out of memory. Tried to allocate 2 GiB"),
            "CUDA out of memory. Tried to allocate 2 GiB"
        );
    }
}
