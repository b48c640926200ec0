//! Every kernel of this crate beside its plain definition in candle's own operations, values and
//! gradients.
// Long: one test for each kernel, on the same numbers and gradients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device, Result, Tensor, Var};
use layers::{
    BatchNorm, Conv2d, Depthwise, DepthwiseSizes, Linear, Mode, Product, StatisticsOver,
    avg_pool2d, dropout, max_pool2d, rectify, vote,
};
use proptest::prelude::*;

const TRAIN: Mode = Mode::Train { seed: 3 };

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Uniform in ±1.
    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let n = shape.iter().product();
        Tensor::from_vec(
            (0..n).map(|_| 2.0 * self.next() - 1.0).collect::<Vec<f64>>(),
            shape,
            &Device::Cpu,
        )
        .unwrap()
    }
    /// Spikes with the given rate.
    fn spikes(&mut self, shape: &[usize], rate: f64) -> Tensor {
        let n = shape.iter().product();
        let v: Vec<f64> = (0..n).map(|_| (self.next() < rate) as u8 as f64).collect();
        Tensor::from_vec(v, shape, &Device::Cpu).unwrap()
    }
    fn var(&mut self, shape: &[usize]) -> Var {
        Var::from_tensor(&self.tensor(shape)).unwrap()
    }
}

fn largest(t: &Tensor) -> f64 {
    t.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
}

/// Values and all gradients of two forms of one function, under the same random upstream gradient.
fn same(vars: &[&Var], fast: Tensor, plain: Tensor, what: &str) {
    assert_eq!(fast.dims(), plain.dims(), "{what}");
    let scale = largest(&plain).max(1e-30);
    assert!(largest(&(&fast - &plain).unwrap()) <= 1e-12 * scale, "{what}: values differ");
    let g = Numbers(99).tensor(fast.dims());
    let grads = |y: &Tensor| (y * &g).unwrap().sum_all().unwrap().backward().unwrap();
    let (a, b) = (grads(&fast), grads(&plain));
    for (i, v) in vars.iter().enumerate() {
        let (a, b) = (a.get(v).unwrap(), b.get(v).unwrap());
        let worst = largest(&(a - b).unwrap());
        assert!(worst <= 1e-11 * largest(b).max(1e-30), "{what}: gradient {i} differs by {worst}");
    }
}

/// candle's convolution, which wants channels first.
fn plain_conv(x: &Tensor, w: &Tensor, b: &Tensor, stride: usize, padding: usize) -> Result<Tensor> {
    let (t, n, h, wd, c) = x.dims5()?;
    let x = x.reshape((t * n, h, wd, c))?.permute((0, 3, 1, 2))?.contiguous()?;
    let y = x.conv2d(&w.permute((3, 2, 0, 1))?.contiguous()?, padding, stride, 1, 1)?;
    let y = y.permute((0, 2, 3, 1))?.broadcast_add(b)?;
    let (_, oh, ow, co) = y.dims4()?;
    y.reshape((t, n, oh, ow, co))
}

/// Convolution by its definition, channels last: for each place of the window the pixels under it
/// times that place's matrix. Takes any stride, also one that leaves pixels over.
fn defined_conv(
    x: &Tensor,
    w: &Tensor,
    b: Option<&Tensor>,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let (t, n, h, wd, ci) = x.dims5()?;
    let (k, _, _, co) = w.dims4()?;
    let (oh, ow) = ((h + 2 * padding - k) / stride + 1, (wd + 2 * padding - k) / stride + 1);
    let x = x.pad_with_zeros(2, padding, padding)?.pad_with_zeros(3, padding, padding)?;
    let every = |first: usize, count: usize| {
        Tensor::from_iter((0..count).map(|i| (first + i * stride) as u32), &Device::Cpu)
    };
    let mut y = Tensor::zeros((t * n * oh * ow, co), x.dtype(), x.device())?;
    for (row, column) in (0..k * k).map(|place| (place / k, place % k)) {
        let pixels = x.index_select(&every(row, oh)?, 2)?.index_select(&every(column, ow)?, 3)?;
        y = (y + pixels.reshape((t * n * oh * ow, ci))?.matmul(&w.get(row)?.get(column)?)?)?;
    }
    let y = y.reshape((t, n, oh, ow, co))?;
    b.map_or(Ok(y.clone()), |b| y.broadcast_add(b))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]
    #[test]
    fn convolution(t in 1usize..3, n in 1usize..4, h in 3usize..9, w in 3usize..9, ci in 1usize..6, co in 1usize..6,
                   k in prop::sample::select(vec![1usize, 3]), stride in 1usize..4, padding in 0usize..2, biased: bool,
                   seed: u64) {
        let mut r = Numbers(seed);
        let (x, weight, bias) = (r.var(&[t, n, h, w, ci]), r.var(&[k, k, ci, co]), r.var(&[co]));
        let b = biased.then_some(bias.as_tensor());
        let layer = Conv2d { weight: weight.as_tensor().clone(), bias: b.cloned(), stride, padding };
        let fast = layer.forward(&x).unwrap();
        let plain = defined_conv(&x, &weight, b, stride, padding).unwrap();
        let vars = [&x, &weight, &bias];
        same(if biased { &vars } else { &vars[..2] }, fast, plain.clone(), "convolution");
        // candle's own, which has no input gradient where the stride leaves pixels over
        let candle = plain_conv(&x, &weight, &b.cloned().unwrap_or(bias.zeros_like().unwrap()), stride, padding);
        prop_assert!(largest(&(candle.unwrap() - plain).unwrap()) < 1e-12);
    }

    #[test]
    fn strided_convolution_of_odd_sizes(half in 1usize..5, k in prop::sample::select(vec![1usize, 3, 5]), seed: u64) {
        // what a residual block needs: its body and its 1×1 shortcut make maps of one size, also of
        // an odd one
        let mut r = Numbers(seed);
        let (side, stride) = (2 * half + 1, 2);
        let (x, w, s) = (r.var(&[2, 2, side, side, 3]), r.var(&[k, k, 3, 4]), r.var(&[1, 1, 3, 4]));
        let conv = |w: &Var, padding| Conv2d { weight: w.as_tensor().clone(), bias: None, stride, padding }.forward(&x);
        let fast = (conv(&w, k / 2).unwrap() + conv(&s, 0).unwrap()).unwrap();
        let plain = defined_conv(&x, &w, None, stride, k / 2).unwrap() + defined_conv(&x, &s, None, stride, 0).unwrap();
        prop_assert_eq!(fast.dims(), [2, 2, half + 1, half + 1, 4]);
        same(&[&x, &w, &s], fast, plain.unwrap(), "body and shortcut");
    }

    #[test]
    fn batch_norm(t in 1usize..4, n in 1usize..4, h in 2usize..5, c in 1usize..6, over_time: bool, seed: u64) {
        let mut r = Numbers(seed);
        let (x, weight, bias) = (r.var(&[t, n, h, 3, c]), r.var(&[c]), r.var(&[c]));
        let over = if over_time { StatisticsOver::Time } else { StatisticsOver::Step };
        let running = [r.tensor(&[c]), r.tensor(&[c]).abs().unwrap()];
        let norm = BatchNorm::new(
            weight.as_tensor().clone(), bias.as_tensor().clone(), running, over,
        );
        let (fast, statistics) = norm.forward(&x, TRAIN).unwrap();
        let rows = x.reshape((if over_time { 1 } else { t }, (), c)).unwrap();
        let mean = rows.mean_keepdim(1).unwrap();
        let centred = rows.broadcast_sub(&mean).unwrap();
        let var = centred.sqr().unwrap().mean_keepdim(1).unwrap();
        let plain = centred.broadcast_div(&(&var + 1e-5).unwrap().sqrt().unwrap()).unwrap()
            .broadcast_mul(&weight).unwrap().broadcast_add(&bias).unwrap().reshape(x.shape()).unwrap();
        let count = rows.dim(1).unwrap() as f64;
        let statistics = statistics.unwrap();
        let unbiased = (var.squeeze(1).unwrap() * (count / (count - 1.0))).unwrap();
        prop_assert!(largest(&(&statistics.mean - mean.squeeze(1).unwrap()).unwrap()) < 1e-13);
        prop_assert!(largest(&(&statistics.unbiased_var - unbiased).unwrap()) < 1e-13);
        same(&[&x, &weight, &bias], fast, plain, "batch norm");
    }

    /// Every option beside the formula written out: in training, with the gradients, and in
    /// evaluation.
    #[test]
    fn batch_norm_with_options(
        t in 1usize..4, n in 2usize..4, c in 1usize..5, over_time: bool, by_step: bool,
        running_by_step: bool, shift: bool, scale in 0.2f64..2.0, seed: u64,
    ) {
        let mut r = Numbers(seed);
        let of = |by_step: bool| if by_step { vec![t, c] } else { vec![c] };
        let (x, weight, bias) = (r.var(&[t, n, 3, c]), r.var(&of(by_step)), r.var(&[c]));
        let running = [r.tensor(&of(running_by_step)), r.tensor(&of(running_by_step)).abs().unwrap()];
        let over = if over_time { StatisticsOver::Time } else { StatisticsOver::Step };
        let norm = BatchNorm {
            bias: shift.then(|| bias.as_tensor().clone()), scale, eps: 1e-3,
            ..BatchNorm::new(weight.as_tensor().clone(), bias.as_tensor().clone(), running, over)
        };
        // everything as [T | 1, 1, 1, C]
        let wide = |v: &Tensor| v.reshape(((), 1, 1, c)).unwrap();
        let formula = |mean: Tensor, var: Tensor| {
            let y = x.broadcast_sub(&mean).unwrap()
                .broadcast_div(&(var + 1e-3).unwrap().sqrt().unwrap()).unwrap()
                .broadcast_mul(&(wide(&weight) * scale).unwrap()).unwrap();
            if shift { y.broadcast_add(&bias).unwrap() } else { y }
        };
        let rows = x.reshape((if over_time { 1 } else { t }, (), c)).unwrap();
        let mean = rows.mean_keepdim(1).unwrap();
        let var = rows.broadcast_sub(&mean).unwrap().sqr().unwrap().mean_keepdim(1).unwrap();
        let (fast, statistics) = norm.forward(&x, TRAIN).unwrap();
        let variables = if shift { vec![&x, &weight, &bias] } else { vec![&x, &weight] };
        same(&variables, fast, formula(wide(&mean), wide(&var)), "batch norm with options");
        let (mean, var) = (wide(&norm.running_mean), wide(&norm.running_var));
        let evaluated = norm.forward(&x, Mode::Eval).unwrap().0;
        same(&variables, evaluated, formula(mean, var), "in evaluation");
        // running statistics of each step are moved once by theirs, others once by every row
        let statistics = statistics.unwrap();
        if !(over_time && running_by_step) {
            let (moved, _) = statistics.update(&norm.running_mean, &norm.running_var).unwrap();
            let rows = statistics.mean.to_vec2::<f64>().unwrap();
            let mut plain: Vec<f64> = norm.running_mean.flatten_all().unwrap().to_vec1().unwrap();
            for (row, values) in rows.iter().enumerate() {
                let first = if running_by_step { row * c } else { 0 };
                for (i, value) in values.iter().enumerate() {
                    plain[first + i] = 0.9 * plain[first + i] + 0.1 * value;
                }
            }
            let plain = Tensor::from_vec(plain, moved.shape(), &Device::Cpu).unwrap();
            prop_assert!(largest(&(moved - plain).unwrap()) < 1e-13);
        }
        // one step of a norm that differs from step to step is the norm of that step
        let last = x.narrow(0, t - 1, 1).unwrap();
        let alone = norm.at(t - 1).unwrap().forward(&last, Mode::Eval).unwrap().0;
        let whole = norm.forward(&x, Mode::Eval).unwrap().0.narrow(0, t - 1, 1).unwrap();
        prop_assert!(largest(&(alone - whole).unwrap()) < 1e-13);
    }

    #[test]
    fn pooling(n in 1usize..3, h in 4usize..9, w in 4usize..9, c in 1usize..5, k in 2usize..4, rate in 0.0f64..1.0, seed: u64) {
        let mut r = Numbers(seed);
        let x = Var::from_tensor(&r.spikes(&[2, n, h, w, c], rate)).unwrap();
        same(&[&x], max_pool2d(&x, k).unwrap(), plain_max_pool(&x, k), "max pooling of spikes");
        same(&[&x], avg_pool2d(&x, k).unwrap(), windows(&x, k).mean(0).unwrap(), "average pooling");
        let x = r.var(&[2, n, h, w, c]);
        same(&[&x], max_pool2d(&x, k).unwrap(), plain_max_pool(&x, k), "max pooling of analogue values");
    }
}

/// `[k·k, 2, N, H/k, W/k, C]`: the members of each window in row-major order.
fn windows(x: &Tensor, k: usize) -> Tensor {
    let (t, n, h, w, c) = x.dims5().unwrap();
    let (oh, ow) = (h / k, w / k);
    let x = x.narrow(2, 0, oh * k).unwrap().narrow(3, 0, ow * k).unwrap().contiguous().unwrap();
    let x = x.reshape(&[t * n, oh, k, ow, k * c][..]).unwrap(); // rows within a window, then columns and channels
    let x = x
        .permute([2, 0, 1, 3, 4])
        .unwrap()
        .contiguous()
        .unwrap()
        .reshape(&[k, t * n * oh * ow, k, c][..])
        .unwrap();
    let x = x.permute([0, 2, 1, 3]).unwrap().contiguous().unwrap();
    x.reshape(&[k * k, t, n, oh, ow, c][..]).unwrap()
}

/// The first maximum of each window, picked by a mask that is a constant to autograd.
fn plain_max_pool(x: &Tensor, k: usize) -> Tensor {
    let w = windows(x, k);
    let members: Vec<Vec<f64>> = w.detach().flatten(1, 5).unwrap().to_vec2().unwrap();
    let mut first = vec![vec![0.0; members[0].len()]; members.len()];
    for at in 0..members[0].len() {
        let largest = members.iter().map(|m| m[at]).fold(f64::MIN, f64::max);
        let winner = members.iter().position(|m| m[at] == largest).unwrap();
        first[winner][at] = 1.0;
    }
    let first = Tensor::new(first, &Device::Cpu).unwrap().reshape(w.shape()).unwrap();
    (w * first).unwrap().sum(0).unwrap()
}

#[test]
fn the_gradient_of_a_tie_goes_to_the_top_left() {
    let x = Var::from_tensor(&Tensor::ones((1, 1, 2, 2, 1), DType::F32, &Device::Cpu).unwrap())
        .unwrap();
    let d = max_pool2d(&x, 2).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(
        d.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap(),
        [1.0, 0.0, 0.0, 0.0]
    );
}

#[test]
fn rectify_passes_no_gradient_at_zero() {
    let x = Var::from_vec(vec![-1.0f32, -0.0, 0.0, 2.0], 4, &Device::Cpu).unwrap();
    let y = rectify(&x).unwrap();
    assert_eq!(y.to_vec1::<f32>().unwrap(), [0.0, 0.0, 0.0, 2.0]);
    let d = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(d.get(&x).unwrap().to_vec1::<f32>().unwrap(), [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn single_precision_convolution_of_a_wide_layer_over_several_tiles() {
    let mut r = Numbers(8);
    let x = r.spikes(&[2, 3, 20, 19, 64], 0.2);
    let (w, b) = (r.tensor(&[3, 3, 64, 24]), r.tensor(&[24]));
    let plain = plain_conv(&x, &w, &b, 1, 1).unwrap();
    let narrow = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    let layer = Conv2d { weight: narrow(&w), bias: Some(narrow(&b)), stride: 1, padding: 1 };
    let y = layer.forward(&narrow(&x)).unwrap().to_dtype(DType::F64).unwrap();
    assert!(largest(&(y - &plain).unwrap()) < 1e-5 * largest(&plain));
}

#[test]
fn one_dropout_mask_for_all_steps() {
    let x = Tensor::ones((4, 3, 1000), DType::F32, &Device::Cpu).unwrap();
    let y = dropout(&x, 0.5, "fc", TRAIN).unwrap();
    let step = |t| y.get(t).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!((1..4).all(|t| step(t) == step(0)));
    assert!(step(0).iter().all(|&v| v == 0.0 || v == 2.0));
    let kept = step(0).iter().filter(|&&v| v == 2.0).count();
    assert!((1350..1650).contains(&kept), "{kept} of 3000 kept");
    let other = |name, seed| {
        dropout(&x, 0.5, name, Mode::Train { seed }).unwrap().get(0).unwrap().flatten_all().unwrap()
    };
    assert_ne!(
        other("fc2", 3).to_vec1::<f32>().unwrap(),
        step(0),
        "another layer has another mask"
    );
    assert_ne!(other("fc", 4).to_vec1::<f32>().unwrap(), step(0), "another step has another mask");
    assert_eq!(
        other("fc", 3).to_vec1::<f32>().unwrap(),
        step(0),
        "the same step has the same mask"
    );
    assert_eq!(
        dropout(&x, 0.5, "fc", Mode::Eval).unwrap().to_vec3::<f32>().unwrap(),
        x.to_vec3::<f32>().unwrap()
    );
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut r = Numbers(17);
            let x =
                Var::from_tensor(&r.spikes(&[3, 5, 9, 8, 12], 0.3).to_dtype(DType::F32).unwrap())
                    .unwrap();
            let var = |t: Tensor| Var::from_tensor(&t.to_dtype(DType::F32).unwrap()).unwrap();
            let (w, b, gamma, beta) = (
                var(r.tensor(&[3, 3, 12, 7])),
                var(r.tensor(&[7])),
                var(r.tensor(&[7])),
                var(r.tensor(&[7])),
            );
            let conv = Conv2d {
                weight: w.as_tensor().clone(),
                bias: Some(b.as_tensor().clone()),
                stride: 1,
                padding: 1,
            };
            let of = |v: &Var| v.as_tensor().clone();
            let running = [of(&beta), of(&beta)];
            let norm = BatchNorm::new(of(&gamma), of(&beta), running, StatisticsOver::Step);
            let y = norm.forward(&conv.forward(&x).unwrap(), TRAIN).unwrap().0;
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            [&x, &w, &gamma, &beta]
                .iter()
                .flat_map(|v| {
                    grads.get(v).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
                })
                .map(f32::to_bits)
                .collect::<Vec<_>>()
        })
    };
    let one = bits(1);
    assert_eq!(one, bits(2));
    assert_eq!(one, bits(5));
}

#[test]
fn linear_and_voting_by_hand() {
    let t = |v: &[f32], shape: &[usize]| Tensor::from_slice(v, shape, &Device::Cpu).unwrap();
    let layer =
        Linear { weight: t(&[1.0, 2.0, 3.0, 4.0], &[2, 2]), bias: Some(t(&[0.5, -0.5], &[2])) };
    let y = layer.forward(&t(&[1.0, 0.0, 0.0, 1.0], &[1, 2, 2])).unwrap();
    assert_eq!(y.to_vec3::<f32>().unwrap(), [[[1.5, 1.5], [3.5, 3.5]]]);
    assert_eq!(vote(&y, 2).unwrap().to_vec3::<f32>().unwrap(), [[[1.5], [3.5]]]);
    assert!(vote(&y, 3).unwrap_err().to_string().contains("multiple of 3"));
}

#[test]
fn depthwise_equals_a_convolution_in_groups_and_its_kernels() {
    let mut r = Numbers(11);
    for [n, h, w, c, k] in [[2, 5, 4, 3, 5], [1, 3, 3, 1, 3], [3, 1, 2, 4, 1], [2, 2, 2, 2, 5]] {
        let what = format!("{n}×{h}×{w}×{c}, window {k}");
        let (x, weight) = (r.var(&[1, n, h, w, c]), r.var(&[k, k, 1, c]));
        let layer = Depthwise { weight: weight.as_tensor().clone() };
        let maps = x.squeeze(0).unwrap().permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
        let windows = weight.permute((3, 2, 0, 1)).unwrap().contiguous().unwrap();
        let plain = maps.conv2d(&windows, k / 2, 1, 1, c).unwrap();
        let plain = plain.permute((0, 2, 3, 1)).unwrap().unsqueeze(0).unwrap();
        let y = layer.forward(&x).unwrap();
        // the kernels beside autograd of the definition, for the loss Σy²/2
        let loss = (y.sqr().unwrap().sum_all().unwrap() / 2.0).unwrap();
        let gradients = loss.backward().unwrap();
        let single = |t: &Tensor| -> Vec<f32> {
            t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        let product = Product::Depthwise(DepthwiseSizes::new([n, h, w, c], weight.dims()).unwrap());
        let (x32, w32) = (single(&x), single(&weight));
        let forward = product.dense_forward(&x32, &w32, &vec![0.0; c]);
        let by_weight = product.dense_weight_gradient(&x32, &forward);
        let by_x = product.dense_input_gradient(&w32, &forward);
        for (ours, plain, of) in [
            (&forward, single(&y), "y"),
            (&by_weight, single(gradients.get(&weight).unwrap()), "dw"),
            (&by_x, single(gradients.get(&x).unwrap()), "dx"),
        ] {
            let largest = plain.iter().fold(0f32, |m, v| m.max(v.abs()));
            let off = ours.iter().zip(&plain).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
            assert!(ours.len() == plain.len() && off <= 1e-5 * largest, "{what}: {of} {off}");
        }
        let mut scattered = vec![0.0; h * w * c];
        let entries: Vec<(u32, f32)> = (0..).zip(x32[..h * w * c].iter().copied()).collect();
        product.add(&entries, &w32, &mut scattered);
        let off = scattered.iter().zip(&forward).fold(0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(off < 1e-4, "{what}: scattered {off}");
        same(&[&x, &weight], y, plain, &what);
    }
    let layer =
        Depthwise { weight: Tensor::zeros((3, 3, 1, 2), DType::F32, &Device::Cpu).unwrap() };
    let x = Tensor::zeros((1, 4, 4, 3), DType::F32, &Device::Cpu).unwrap();
    assert!(layer.forward(&x).unwrap_err().to_string().contains("cannot take maps"));
}

#[test]
fn shapes_that_do_not_fit_are_refused_in_one_sentence() {
    let x = Tensor::zeros((1, 1, 4, 4, 3), DType::F32, &Device::Cpu).unwrap();
    let w = Tensor::zeros((3, 3, 2, 5), DType::F32, &Device::Cpu).unwrap();
    let b = Tensor::zeros(5, DType::F32, &Device::Cpu).unwrap();
    let conv = Conv2d { weight: w, bias: Some(b.clone()), stride: 1, padding: 1 };
    assert!(conv.forward(&x).unwrap_err().to_string().contains("cannot take maps"));
    assert!(max_pool2d(&x, 5).unwrap_err().to_string().contains("at least that size"));
    let running = [b.clone(), b.clone()];
    let norm = BatchNorm::new(b.clone(), b, running, StatisticsOver::Step);
    let one = Tensor::zeros((4, 1, 5), DType::F32, &Device::Cpu).unwrap();
    assert!(norm.forward(&one, TRAIN).unwrap_err().to_string().contains("at least two values"));
    assert!(norm.forward(&one, Mode::Eval).is_ok(), "evaluation takes any batch");
}
