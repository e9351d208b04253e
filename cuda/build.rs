//! Makes what stands in for the CUDA libraries when a build with `--features cuda` is linked: the program then
//! starts on machines without them and looks for them only when a GPU is wanted. Without the feature this does nothing.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// A library that the linker asks for.
struct Library {
    /// As in `-l`.
    name: &'static str,
    /// C expressions: the file names that the program looks for.
    real: &'static str,
    fallback: &'static str,
    /// What its functions return when it is not there.
    missing: u32,
}

/// The error codes mean: no device; not initialised (cuBLAS and cuBLASLt); initialisation failed; internal error.
const LIBRARIES: [Library; 6] = [
    Library { name: "cuda", real: "\"libcuda.so.1\"", fallback: "NULL", missing: 100 },
    Library { name: "cublas", real: "\"libcublas.so.13\"", fallback: "\"libcublas.so.12\"", missing: 1 },
    Library {
        name: "cublasLt",
        real: "\"libcublasLt.so.13\"",
        fallback: "\"libcublasLt.so.12\"",
        missing: 1,
    },
    Library { name: "curand", real: "\"libcurand.so.10\"", fallback: "NULL", missing: 203 },
    Library { name: "nvrtc", real: "\"libnvrtc.so.13\"", fallback: "\"libnvrtc.so.12\"", missing: 11 },
    // Only candle's kernels of quantised language models use the runtime library; cuda/nvcc leaves them out.
    Library { name: "cudart", real: "NULL", fallback: "NULL", missing: 0 },
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=cuda");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return Ok(());
    }
    let target = (env::var("CARGO_CFG_TARGET_OS")?, env::var("CARGO_CFG_TARGET_ARCH")?);
    if target != ("linux".to_owned(), "x86_64".to_owned()) {
        return Err(format!("--features cuda is for Linux on x86-64, not for {target:?}").into());
    }
    let (source, out) = (PathBuf::from(env::var("CARGO_MANIFEST_DIR")?), PathBuf::from(env::var("OUT_DIR")?));
    for library in &LIBRARIES {
        build(library, &source.join("cuda"), &out)?;
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    Ok(())
}

/// Writes `lib….a`.
fn build(library: &Library, source: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let list = source.join("symbols").join(library.name).with_extension("h");
    let (object, archive) =
        (out.join(format!("{}.o", library.name)), out.join(format!("lib{}.a", library.name)));
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    run(Command::new(compiler)
        .args(["-c", "-O2", "-fPIC", "-fno-lto", "-fno-toplevel-reorder"])
        .arg(format!("-DLIST=\"{}\"", list.display()))
        .arg(format!("-DLIBRARY={}", library.real))
        .arg(format!("-DFALLBACK={}", library.fallback))
        .arg(format!("-DMISSING={}", library.missing))
        .arg(source.join("lazy.c"))
        .arg("-o")
        .arg(&object))?;
    if archive.exists() {
        fs::remove_file(&archive)?;
    }
    run(Command::new("ar").arg("crs").arg(&archive).arg(&object))
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
