//! The functions and classes that a checkpoint may name.

use crate::models::checkpoint::element::Element;
use crate::models::checkpoint::fault::{Outcome, fault};

/// What a pickle may name; nothing here is ever run, each stands for a rule of [`super::call`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::models::checkpoint) enum Global {
    /// A dictionary, ordered or with a default.
    Dict,
    /// A dictionary whose first argument makes default values.
    DefaultDict,
    /// A list, a set or `torch.Size`.
    List,
    /// `torch.device`.
    Device,
    /// `torch._utils._rebuild_tensor` and its second and third form.
    Tensor,
    /// `torch._utils._rebuild_parameter`.
    Parameter,
    /// A typed storage.
    Storage(Element),
    /// A `torch.dtype`.
    Dtype(Element),
    /// `numpy.core.multiarray.scalar`.
    NumpyScalar,
    /// `numpy.dtype`.
    NumpyDtype,
    /// `numpy.core.multiarray._reconstruct`.
    NumpyReconstruct,
    /// `numpy.ndarray`.
    NumpyArray,
    /// `_codecs.encode`.
    Encode,
}

impl Global {
    /// The global of this name.
    pub(super) fn named(module: &str, name: &str) -> Outcome<Self> {
        let known = match (module, name) {
            ("collections", "OrderedDict") | ("builtins" | "__builtin__", "dict") => Some(Self::Dict),
            ("collections", "defaultdict") => Some(Self::DefaultDict),
            ("builtins" | "__builtin__", "list" | "set" | "frozenset") => Some(Self::List),
            ("_codecs", "encode") => Some(Self::Encode),
            ("numpy", _) => numpy(name),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Some(Self::NumpyScalar),
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Some(Self::NumpyReconstruct)
            }
            ("torch" | "torch.cuda" | "torch.storage", _) => torch(name),
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => {
                Some(Self::Tensor)
            }
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Some(Self::Parameter),
            _ => None,
        };
        match known {
            Some(global) => Ok(global),
            None => fault(format!(
                "asks for {module}.{name}, which a checkpoint of weights does not need; refused"
            )),
        }
    }
}

fn numpy(name: &str) -> Option<Global> {
    match name {
        "dtype" => Some(Global::NumpyDtype),
        "ndarray" => Some(Global::NumpyArray),
        _ => None,
    }
}

fn torch(name: &str) -> Option<Global> {
    match name {
        "Size" => Some(Global::List),
        "device" => Some(Global::Device),
        _ => Element::of_storage(name)
            .map(Global::Storage)
            .or_else(|| Element::of_name(name).map(Global::Dtype)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed_names_pass() {
        assert_eq!(Global::named("torch.cuda", "HalfStorage"), Ok(Global::Storage(Element::F16)));
        assert_eq!(Global::named("torch", "float64"), Ok(Global::Dtype(Element::F64)));
        assert_eq!(Global::named("numpy._core.multiarray", "scalar"), Ok(Global::NumpyScalar));
        for (module, name) in
            [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("numpy", "load"), ("", "")]
        {
            let refusal = Global::named(module, name).unwrap_err().0;
            assert!(refusal.contains(&format!("{module}.{name}")), "{refusal}");
        }
    }
}
