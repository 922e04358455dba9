//! What a program of ours is: how it parses, prints, shows progress, is stopped, starts again, which part of shared work it does, and what
//! names it knows.

pub mod console;
pub mod device;
pub mod interrupt;
pub mod manual;
pub mod names;
pub mod partition;
pub mod process;
pub mod progress;
