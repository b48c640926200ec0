//! Average pooling with a stride and a border, beside PyTorch's values and candle's operation.
#![allow(clippy::unwrap_used)]

use candle_core::{DType, Device, Tensor, Var};
use layers::{Masks, Mode, Windows, avg_pool2d, dropout};

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn map(shape: [usize; 3], dtype: DType) -> Tensor {
    let [h, w, c] = shape;
    let all: Vec<f64> = (1..=h * w * c).map(|n| (n * 7 % 23) as f64).collect();
    let map = Tensor::from_vec(all, (1, 1, h, w, c), &Device::Cpu).unwrap();
    map.to_dtype(dtype).unwrap()
}

/// `AvgPool2d(3, stride=2, padding=1)` of 1 to 9 divides every window by 9, whatever of it lies
/// outside: PyTorch gives 12/9, 16/9, 24/9, 28/9, and without `count_include_pad` 3, 4, 6, 7.
#[test]
fn pixels_of_the_border_count() {
    let x = Tensor::arange(1.0f64, 10.0, &Device::Cpu).unwrap().reshape((1, 1, 3, 3, 1)).unwrap();
    let y = Windows { side: 3, stride: 2, padding: 1 }.average(&x).unwrap();
    assert_eq!(y.dims(), [1, 1, 2, 2, 1]);
    let expected = [12.0, 16.0, 24.0, 28.0].map(|sum| sum / 9.0);
    for (found, expected) in values(&y).into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{found}, expected {expected}");
    }
}

#[test]
fn without_a_border_it_is_candle_s_and_with_stride_and_window_equal_ours() {
    for (side, stride) in [(2, 2), (3, 2), (3, 1), (2, 3), (5, 4), (1, 2)] {
        for shape in [[9, 7, 2], [5, 5, 1], [6, 8, 3]] {
            let x = map(shape, DType::F64);
            let found = Windows { side, stride, padding: 0 }.average(&x).unwrap();
            let first = x.squeeze(0).unwrap().permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
            let theirs = first.avg_pool2d_with_stride(side, stride).unwrap();
            let theirs = theirs.permute((0, 2, 3, 1)).unwrap().unsqueeze(0).unwrap();
            assert_eq!(found.dims(), theirs.dims(), "{side}, {stride}, {shape:?}");
            let apart = values(&(&found - &theirs).unwrap());
            assert!(
                apart.iter().all(|d| d.abs() < 1e-12),
                "{side}, {stride}, {shape:?}: {apart:?}"
            );
            if side == stride {
                let ours = values(&(found - avg_pool2d(&x, side).unwrap()).unwrap());
                assert!(ours.iter().all(|d| d.abs() < 1e-12), "{side}, {shape:?}");
            }
        }
    }
}

/// With a border: candle's operation on a map that was given one, and each pixel's gradient is what
/// its windows have, a part of 1/k² each.
#[test]
fn a_border_is_a_larger_map_and_the_gradient_is_shared() {
    for (side, stride, padding) in [(3, 2, 1), (2, 1, 1), (5, 3, 2), (3, 3, 1)] {
        let windows = Windows { side, stride, padding };
        let x = Var::from_tensor(&map([8, 6, 2], DType::F64)).unwrap();
        let y = windows.average(&x).unwrap();
        let larger = x.pad_with_zeros(2, padding, padding).unwrap();
        let larger = larger.pad_with_zeros(3, padding, padding).unwrap();
        let plain = Windows { padding: 0, ..windows }.average(&larger).unwrap();
        assert_eq!(values(&y), values(&plain), "{windows:?}");

        let [rows, columns] = [windows.across(8).unwrap(), windows.across(6).unwrap()];
        assert_eq!(y.dims(), [1, 1, rows, columns, 2], "{windows:?}");
        let g = map([rows, columns, 2], DType::F64);
        let gradients = (&y * &g).unwrap().sum_all().unwrap().backward().unwrap();
        let found = values(gradients.get(&x).unwrap());
        let g = values(&g);
        let mut expected = vec![0.0; 8 * 6 * 2];
        for (i, g) in g.iter().enumerate() {
            let (row, column, channel) = (i / 2 / columns, i / 2 % columns, i % 2);
            for member in 0..side * side {
                let h = (row * stride + member / side).wrapping_sub(padding);
                let w = (column * stride + member % side).wrapping_sub(padding);
                if h < 8 && w < 6 {
                    expected[(h * 6 + w) * 2 + channel] += g / (side * side) as f64;
                }
            }
        }
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{windows:?}: {found}, expected {expected}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = map([4, 4, 1], DType::F32);
    for (side, padding, words) in [(3, 2, "at most 1"), (6, 0, "larger maps"), (9, 2, "found 4")] {
        let refused = Windows { side, stride: 2, padding }.average(&x).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn a_mask_of_each_step_is_a_function_of_seed_name_and_step() {
    let x = Tensor::ones((6, 2, 5, 5, 4), DType::F32, &Device::Cpu).unwrap();
    let drop = |masks: Masks, name: &str, mode| masks.drop(&x, 0.5, name, mode).unwrap();
    let train = |seed| Mode::Train { seed };
    let steps = drop(Masks::Step, "DP-1", train(3));
    let all: Vec<Vec<f64>> = (0..6).map(|t| values(&steps.get(t).unwrap())).collect();
    for (t, step) in all.iter().enumerate() {
        assert!(step.iter().all(|v| [0.0, 2.0].contains(v)), "step {t}");
        assert!(!all[..t].contains(step), "step {t} has the mask of one before");
    }
    let kept = all.concat().iter().filter(|v| **v == 2.0).count();
    assert!((500..700).contains(&kept), "{kept} of 1200 kept");
    assert_eq!(values(&drop(Masks::Step, "DP-1", train(3))), all.concat());
    assert_ne!(values(&drop(Masks::Step, "DP-1", train(4))), all.concat());
    assert_ne!(values(&drop(Masks::Step, "DP-2", train(3))), all.concat());
    // a shorter pass has the same masks: a step's depends on no other
    let short = x.narrow(0, 0, 2).unwrap();
    let short = Masks::Step.drop(&short, 0.5, "DP-1", train(3)).unwrap();
    assert_eq!(values(&short), all[..2].concat());
    for masks in [Masks::Pass, Masks::Step] {
        assert_eq!(values(&drop(masks, "DP-1", Mode::Eval)), values(&x));
    }
    let pass = dropout(&x, 0.5, "DP-1", train(3)).unwrap();
    assert_eq!(values(&drop(Masks::Pass, "DP-1", train(3))), values(&pass));
}
