//! Which part of shared work a process does: as it is told, or as the scheduler that started it says.

mod choice;
mod part;
mod scheduler;

pub use choice::PartitionChoice;
pub use part::{MOST_PARTS, Partition};
pub use scheduler::{Numbering, Task, UnknownTask};
