//! A case: one scan, one acquisition, one method, one result. It is a value that can be written down and run again.

mod budget;
mod excerpt;
mod finish;
mod kept;
mod methods;
mod opened;
mod options;
mod outputs;
mod result;
mod run;
mod solve;
mod spec;
mod target;
mod trial;

pub use methods::{Method, Methods, Pace};
pub use options::{Options, Outcome, Watch};
pub use outputs::Outputs;
pub(crate) use run::inputs;
pub use run::{run, target};
pub use solve::{SliceRecord, Solved, Solver};
pub use spec::{CaseSpec, SCHEMA, Schema};
pub use target::{Target, check_folder, check_npy, check_path, overwrite, sibling};
pub use trial::{Estimate, estimate};
