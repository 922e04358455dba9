//! One head of a grid.

use crate::methods::{Method, ParamError, Params, Value};

/// One head to be trained: a method with resolved hyper-parameters and a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The method.
    pub method: &'static Method,
    /// Its resolved hyper-parameters.
    pub params: Params,
    /// Seed of everything random.
    pub seed: u64,
}

impl Point {
    /// The point with another value of one parameter.
    ///
    /// # Errors
    /// [`ParamError`] where the method has no such parameter or it no such value.
    pub fn with(self, name: &str, value: &Value) -> Result<Self, ParamError> {
        let mut given = self.params.values();
        given.push((name, value.clone()));
        Ok(Self { params: Params::resolve(self.method, &given)?, ..self })
    }

    /// Equal for equal points; the texts of a million would take a gigabyte.
    pub(super) fn digest(&self) -> [u8; 32] {
        let text = format!("{} {} {}", self.method.name, self.params, self.seed);
        *blake3::hash(text.as_bytes()).as_bytes()
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
