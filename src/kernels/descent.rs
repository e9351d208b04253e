//! The arithmetic of an optimiser, in place.

use super::on_cpu;
use super::ops::floats;
use candle_core::{CpuStorage, CustomOp1, InplaceOp2, InplaceOp3, Layout, Result, Shape, Tensor, bail};

/// The numbers of a contiguous f32 storage, to be changed.
fn floats_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let (CpuStorage::F32(values), Some((from, to))) = (storage, layout.contiguous_offsets()) else {
        bail!("the CPU kernels take contiguous f32 tensors")
    };
    Ok(&mut values[from..to])
}

/// What becomes of a moving average: `kept · a + taken · x`, or `… x²`.
#[derive(Clone, Copy, Debug)]
pub struct Blend {
    /// The factor of the average.
    pub kept: f64,
    /// The factor of what comes in.
    pub taken: f64,
    /// Whether what comes in is squared.
    pub squared: bool,
}

impl InplaceOp2 for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn cpu_fwd(&self, a: &mut CpuStorage, la: &Layout, x: &CpuStorage, lx: &Layout) -> Result<()> {
        let (kept, taken) = (self.kept as f32, self.taken as f32);
        let pairs = floats_mut(a, la)?.iter_mut().zip(floats(x, lx)?);
        if self.squared {
            pairs.for_each(|(a, x)| *a = kept * *a + taken * x * x);
        } else {
            pairs.for_each(|(a, x)| *a = kept * *a + taken * x);
        }
        Ok(())
    }
}

impl Blend {
    /// Changes the average.
    ///
    /// # Errors
    /// When the shapes differ or memory runs out.
    pub fn apply(&self, average: &mut Tensor, x: &Tensor) -> Result<()> {
        if average.shape() != x.shape() {
            bail!("{:?} cannot be blended into {:?}", x.shape(), average.shape());
        }
        if on_cpu(average) && average.is_contiguous() {
            return average.inplace_op2(&x.detach().contiguous()?, self);
        }
        let x = if self.squared { x.detach().sqr()? } else { x.detach() };
        *average = (average.affine(self.kept, 0.0)? + x.affine(self.taken, 0.0)?)?;
        Ok(())
    }
}

/// Adam's step: `p − rate · m/(√(v · unbias) + ε)`.
#[derive(Clone, Copy, Debug)]
pub struct Descent {
    /// The learning rate over the bias of `m`.
    pub rate: f64,
    /// One over the bias of `v`.
    pub unbias: f64,
    /// ε.
    pub eps: f64,
}

impl InplaceOp3 for Descent {
    fn name(&self) -> &'static str {
        "descent"
    }

    fn cpu_fwd(
        &self,
        p: &mut CpuStorage,
        lp: &Layout,
        m: &CpuStorage,
        lm: &Layout,
        v: &CpuStorage,
        lv: &Layout,
    ) -> Result<()> {
        let (rate, unbias, eps) = (self.rate as f32, self.unbias as f32, self.eps as f32);
        let moments = floats(m, lm)?.iter().zip(floats(v, lv)?);
        for (p, (m, v)) in floats_mut(p, lp)?.iter_mut().zip(moments) {
            *p -= rate * m / ((v * unbias).sqrt() + eps);
        }
        Ok(())
    }
}

impl Descent {
    /// Changes the parameters.
    ///
    /// # Errors
    /// When the shapes differ or memory runs out.
    pub fn apply(&self, parameters: &candle_core::Var, m: &Tensor, v: &Tensor) -> Result<()> {
        if parameters.shape() != m.shape() || parameters.shape() != v.shape() {
            bail!("moments {:?} and {:?} do not fit {:?}", m.shape(), v.shape(), parameters.shape());
        }
        if on_cpu(parameters) && parameters.is_contiguous() {
            return parameters.as_tensor().inplace_op3(&m.contiguous()?, &v.contiguous()?, self);
        }
        let change =
            m.affine(self.rate, 0.0)?.div(&v.affine(self.unbias, 0.0)?.sqrt()?.affine(1.0, self.eps)?)?;
        parameters.set(&parameters.as_tensor().detach().sub(&change)?)
    }
}

struct SumOfSquares;

impl CustomOp1 for SumOfSquares {
    fn name(&self) -> &'static str {
        "sum_of_squares"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout) -> Result<(CpuStorage, Shape)> {
        // Sixteen sums side by side are one vector's work.
        let (chunks, rest) = floats(x, lx)?.as_chunks::<16>();
        let mut sums = [0.0f64; 16];
        for chunk in chunks {
            for (sum, v) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(*v) * f64::from(*v);
            }
        }
        let rest: f64 = rest.iter().map(|v| f64::from(*v) * f64::from(*v)).sum();
        Ok((CpuStorage::F64(vec![sums.iter().sum::<f64>() + rest]), Shape::from(())))
    }
}

/// `Σ x²`.
///
/// # Errors
/// When memory runs out.
pub fn sum_of_squares(x: &Tensor) -> Result<f64> {
    let x = x.detach().contiguous()?;
    if on_cpu(&x) {
        return x.apply_op1_no_bwd(&SumOfSquares)?.to_scalar();
    }
    x.sqr()?.sum_all()?.to_scalar::<f32>().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};

    #[test]
    fn a_step_is_that_of_the_formulas() {
        let numbers = |seed: f64| {
            let values: Vec<f32> = (0..21).map(|i| (seed * f64::from(i)).sin() as f32).collect();
            Tensor::from_vec(values, (3, 7), &Device::Cpu).unwrap()
        };
        let (grad, m, v) = (numbers(1.0), numbers(2.0), numbers(3.0).sqr().unwrap());
        let plain =
            |t: &Tensor| t.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let mut blended = m.copy().unwrap();
        // A transposed gradient, as a linear layer's is.
        let turned = grad.t().unwrap().contiguous().unwrap().t().unwrap();
        Blend { kept: 0.9, taken: 0.2, squared: true }.apply(&mut blended, &turned).unwrap();
        let parameters = Var::from_tensor(&numbers(5.0)).unwrap();
        let before = plain(&parameters);
        Descent { rate: 0.1, unbias: 2.0, eps: 1e-3 }.apply(&parameters, &m, &v).unwrap();
        let (grads, ms, vs) = (plain(&grad), plain(&m), plain(&v));
        for i in 0..21 {
            assert!((plain(&blended)[i] - (0.9 * ms[i] + 0.2 * grads[i] * grads[i])).abs() < 1e-6);
            let p = before[i] - 0.1 * ms[i] / ((2.0 * vs[i]).sqrt() + 1e-3);
            assert!((plain(&parameters)[i] - p).abs() < 1e-5, "{i}");
        }
        let squares: f64 = grads.iter().map(|g| g * g).sum();
        assert!((sum_of_squares(&turned).unwrap() - squares).abs() < 1e-6);
        let wrong = Tensor::zeros(21, DType::F32, &Device::Cpu).unwrap();
        assert!(Blend { kept: 1.0, taken: 1.0, squared: false }.apply(&mut blended, &wrong).is_err());
        assert!(Descent { rate: 0.1, unbias: 2.0, eps: 1e-3 }.apply(&parameters, &wrong, &v).is_err());
    }
}
