//! Layers on a CUDA device beside those on the CPU, values and gradients.
//!
//! Without a device they are skipped, and say so; where SPIKEGRAD_CUDA is set they fail instead.
#![cfg(feature = "cuda")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Result, Tensor, Var};
use layers::{BatchNorm, Conv2d, Mode, StatisticsOver, avg_pool2d, max_pool2d, rectify};

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        Tensor::from_vec(
            (0..n).map(|_| 2.0 * self.next() - 1.0).collect::<Vec<f64>>(),
            shape,
            &Device::Cpu,
        )
        .unwrap()
    }

    fn spikes(&mut self, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        let v: Vec<f64> = (0..n).map(|_| (self.next() < 0.3) as u8 as f64).collect();
        Tensor::from_vec(v, shape, &Device::Cpu).unwrap()
    }
}

fn values(t: &Tensor) -> Vec<f64> {
    t.to_device(&Device::Cpu)
        .unwrap()
        .to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

/// Values of `f` and the gradients of its arguments, on both devices and in both precisions.
fn same(there: &Device, arguments: &[Tensor], what: &str, f: &dyn Fn(&[Tensor]) -> Result<Tensor>) {
    for (dtype, limit) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let run = |device: &Device| {
            let vars: Vec<Var> = arguments
                .iter()
                .map(|a| {
                    Var::from_tensor(&a.to_dtype(dtype).unwrap().to_device(device).unwrap())
                        .unwrap()
                })
                .collect();
            let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
            let y = f(&tensors).unwrap();
            let g = Numbers(99).tensor(y.dims()).to_dtype(dtype).unwrap();
            let loss = (y.to_device(&Device::Cpu).unwrap() * g).unwrap().sum_all().unwrap();
            let gradients = loss.backward().unwrap();
            let mut all = vec![values(&y)];
            all.extend(vars.iter().map(|v| values(gradients.get(v).unwrap())));
            all
        };
        for (i, (a, b)) in run(there).iter().zip(run(&Device::Cpu)).enumerate() {
            let scale = b.iter().fold(1e-30f64, |m, v| m.max(v.abs()));
            let off = a.iter().zip(&b).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / scale;
            assert!(
                a.len() == b.len() && off <= limit,
                "{what} {dtype:?}: tensor {i} differs by {off:e}"
            );
        }
    }
}

#[test]
fn pooling_and_rectifier_are_the_same_on_a_device() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    let mut n = Numbers(1);
    for k in [1, 2, 3] {
        // ties everywhere, and sizes that leave rows over
        for x in [n.spikes(&[2, 3, 17, 7, 5]), n.tensor(&[1, 2, 6, 9, 3])] {
            same(&there, std::slice::from_ref(&x), &format!("max {k}"), &|x| max_pool2d(&x[0], k));
            same(&there, &[x], &format!("average {k}"), &|x| avg_pool2d(&x[0], k));
        }
    }
    same(&there, &[n.tensor(&[3, 50])], "rectifier", &|x| rectify(&x[0]));
}

#[test]
fn convolution_is_the_same_on_a_device() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    let mut n = Numbers(2);
    for (k, stride, padding, ci, co) in [(3, 1, 1, 2, 4), (5, 2, 2, 3, 7), (1, 1, 0, 8, 5)] {
        let arguments = [n.spikes(&[2, 3, 9, 8, ci]), n.tensor(&[k, k, ci, co]), n.tensor(&[co])];
        same(&there, &arguments, &format!("convolution {k} {stride}"), &|a| {
            Conv2d { weight: a[1].clone(), bias: Some(a[2].clone()), stride, padding }
                .forward(&a[0])
        });
    }
}

#[test]
fn batch_norm_is_the_same_on_a_device() {
    let Some(there) = device::for_a_test().unwrap() else { return };
    let mut n = Numbers(3);
    // more channels than threads of a block, and fewer
    for c in [3, 20, 300] {
        for over in [StatisticsOver::Step, StatisticsOver::Time] {
            let arguments = [n.tensor(&[3, 2, 4, 3, c]), n.tensor(&[c]), n.tensor(&[c])];
            let norm = |a: &[Tensor]| {
                let running = [a[2].clone(), a[1].abs().unwrap()];
                BatchNorm::new(a[1].clone(), a[2].clone(), running, over)
            };
            let what = format!("{c} channels over {over:?}");
            same(&there, &arguments, &what, &|a| {
                Ok(norm(a).forward(&a[0], Mode::Train { seed: 0 })?.0)
            });
        }
    }
}
