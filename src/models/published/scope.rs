//! How a network asks for its tensors: by name, shape and whether training changes them.

use crate::models::Parameter;
use candle_core::{DType, Device, Result, Tensor, bail};
use std::cell::RefCell;
use std::fmt::Display;

/// A place in the tree of names. The constructors of the networks ask here, in upstream's order of
/// registration, so that they are the one description of names, shapes and order.
pub(super) struct Scope<'a> {
    path: String,
    take: &'a dyn Fn(Parameter) -> Result<Tensor>,
}

impl<'a> Scope<'a> {
    /// The part called `name`.
    pub(super) fn at(&self, name: impl Display) -> Scope<'a> {
        Scope { path: self.name(name), take: self.take }
    }

    /// A tensor that training changes.
    pub(super) fn trained(&self, name: &str, shape: impl Into<Vec<usize>>) -> Result<Tensor> {
        (self.take)(Parameter::trainable(self.name(name), shape))
    }

    /// A tensor that training leaves alone.
    pub(super) fn fixed(&self, name: &str, shape: impl Into<Vec<usize>>) -> Result<Tensor> {
        (self.take)(Parameter::fixed(self.name(name), shape))
    }

    fn name(&self, last: impl Display) -> String {
        if self.path.is_empty() { last.to_string() } else { format!("{}.{last}", self.path) }
    }
}

/// What `build` makes of the tensors that `get` finds by name.
pub(super) fn load<N>(
    build: impl FnOnce(&Scope<'_>) -> Result<N>,
    get: &dyn Fn(&str) -> Result<Tensor>,
) -> Result<N> {
    let take = |parameter: Parameter| {
        let tensor = get(&parameter.name)?;
        if tensor.dims() != parameter.shape {
            bail!("tensor {} has shape {:?}, not {:?}", parameter.name, tensor.dims(), parameter.shape)
        }
        Ok(tensor)
    };
    build(&Scope { path: String::new(), take: &take })
}

/// The tensors that `build` asks for, in order.
///
/// Every answer is one byte seen as a tensor of the shape asked for: nothing large is made, and layers
/// leave tensors that are not `f32` as they are.
pub(super) fn list<N>(build: impl FnOnce(&Scope<'_>) -> Result<N>) -> Result<Vec<Parameter>> {
    let found = RefCell::new(Vec::new());
    let take = |parameter: Parameter| {
        let stand_in = Tensor::zeros(1, DType::U8, &Device::Cpu)?.broadcast_as(parameter.shape.as_slice())?;
        found.borrow_mut().push(parameter);
        Ok(stand_in)
    };
    build(&Scope { path: String::new(), take: &take })?;
    Ok(found.into_inner())
}
