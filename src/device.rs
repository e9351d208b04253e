//! Where the networks run: the only place that chooses.

use candle_core::Device;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// What the user asked for with `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU when this build and machine have one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|number| number.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "give auto, cpu, cuda or cuda:N".into()),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl Serialize for DeviceChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A device that was asked for by name and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cuda:{number}: {reason}; use --device cpu")]
pub struct DeviceError {
    /// The number of the CUDA device.
    pub number: usize,
    /// Why it cannot be used.
    pub reason: String,
}

impl DeviceChoice {
    /// The device, and its name for logs and sidecars.
    ///
    /// # Errors
    /// When a CUDA device was asked for by name and is not there.
    pub fn open(self) -> Result<(Device, String), DeviceError> {
        match self {
            Self::Cpu => Ok((Device::Cpu, "cpu".into())),
            Self::Cuda(number) => {
                cuda(number).map_err(|reason| DeviceError { number, reason: reason.to_string() })
            }
            Self::Auto => Ok(cuda(0).unwrap_or_else(|reason| (Device::Cpu, reason.fallback()))),
        }
    }
}

/// Why a GPU cannot be used.
enum Unusable {
    /// The program was built without CUDA.
    Build,
    /// There is no GPU or no driver.
    Machine,
    /// Something else, as the libraries say it.
    Broken(String),
}

impl Unusable {
    /// The name of the CPU that is used instead. A machine without a GPU is as it should be; a GPU that cannot be
    /// used must not go unnoticed.
    fn fallback(&self) -> String {
        match self {
            Self::Build | Self::Machine => "cpu".into(),
            Self::Broken(_) => format!("cpu (cuda:0: {self})"),
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build => f.write_str("this build has no CUDA (docs/cuda.md says how to make one)"),
            Self::Machine => f.write_str("there is no such GPU here, or no driver"),
            Self::Broken(cause) => f.write_str(cause),
        }
    }
}

/// What the driver says of a machine without a GPU or without itself, and of a number that no GPU has.
const NO_GPU: [&str; 2] = ["CUDA_ERROR_NO_DEVICE", "CUDA_ERROR_INVALID_DEVICE"];

fn cuda(number: usize) -> Result<(Device, String), Unusable> {
    if !candle_core::utils::cuda_is_available() {
        return Err(Unusable::Build);
    }
    let device = Device::new_cuda(number).map_err(|error| {
        let cause = error.to_string().lines().next().unwrap_or_default().to_owned();
        if NO_GPU.iter().any(|code| cause.contains(code)) {
            Unusable::Machine
        } else {
            Unusable::Broken(cause)
        }
    })?;
    keep_freed_memory(&device);
    let name = gpu_name(&device).map_or_else(String::new, |name| format!(" ({name})"));
    Ok((device, format!("cuda:{number}{name}")))
}

/// Leaves freed memory with the process. Without it the driver takes all of it back whenever the program waits for a
/// result, once a network call, and the next call has to ask for the same gigabyte again.
#[cfg(feature = "cuda")]
fn keep_freed_memory(device: &Device) {
    use candle_core::cuda_backend::cudarc::driver::{result, sys};
    let Ok(gpu) = device.as_cuda_device() else { return };
    let mut kept = u64::MAX;
    // SAFETY: the context is alive and has the device's number; the threshold is a 64-bit number, which is read during
    // the call. A driver without pools refuses, and nothing changes.
    let _ = unsafe {
        result::device::get_default_mem_pool(gpu.cuda_stream().context().cu_device()).and_then(|pool| {
            let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
            result::mem_pool::set_attribute(pool, threshold, (&raw mut kept).cast())
        })
    };
}

#[cfg(not(feature = "cuda"))]
fn keep_freed_memory(_device: &Device) {}

/// What the GPU calls itself.
#[cfg(feature = "cuda")]
fn gpu_name(device: &Device) -> Option<String> {
    device.as_cuda_device().ok()?.cuda_stream().context().name().ok()
}

#[cfg(not(feature = "cuda"))]
fn gpu_name(_device: &Device) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_they_are_parsed() {
        for name in ["auto", "cpu", "cuda:0", "cuda:3"] {
            assert_eq!(name.parse::<DeviceChoice>().map(|choice| choice.to_string()), Ok(name.to_owned()));
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert!("gpu".parse::<DeviceChoice>().is_err() && "cuda:x".parse::<DeviceChoice>().is_err());
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert!(DeviceChoice::Auto.open().is_ok());
        assert_eq!(DeviceChoice::Cpu.open().map(|(_, name)| name).ok().as_deref(), Some("cpu"));
    }
}
