use candle_core::{DType, Result, Tensor, bail};
use layers::{Conv2d, Depthwise, Linear};

/// To how many outputs each input value of one sample leads. A synaptic operation is a value that
/// is not 0 meeting a weight that is not 0, so the operations of an input are the sum of its
/// values' fans: whole numbers, exact at every border, and without one product.
pub(crate) struct Fan {
    /// Weights that are not 0, by position in the sample.
    pub effective: Vec<u64>,
    /// All weights that meet one sample: operations if nothing were 0.
    pub dense: u64,
    pub weights: u64,
    pub zero_weights: u64,
    pub biases: u64,
    /// Channels, or units.
    pub outputs: u64,
}

impl Fan {
    /// Of a convolution of maps `[…, H, W, Cin]`.
    pub fn of_conv(conv: &Conv2d, x: &Tensor) -> Result<Fan> {
        let [h, w, _] = *last_three(x)?;
        let (k, _, inputs, outputs) = conv.weight.dims4()?;
        let alive = alive(&conv.weight, outputs)?;
        let mut effective = vec![0; h * w * inputs];
        let mut windows = 0;
        let rows: Vec<Vec<usize>> = (0..k).map(|ky| met(h, k, ky, conv)).collect();
        let columns: Vec<Vec<usize>> = (0..k).map(|kx| met(w, k, kx, conv)).collect();
        for (ky, rows) in rows.iter().enumerate() {
            for (kx, columns) in columns.iter().enumerate() {
                let alive = &alive[(ky * k + kx) * inputs..][..inputs];
                windows += (rows.len() * columns.len()) as u64;
                for y in rows {
                    for x in columns {
                        let fan = &mut effective[(y * w + x) * inputs..][..inputs];
                        fan.iter_mut().zip(alive).for_each(|(fan, alive)| *fan += alive);
                    }
                }
            }
        }
        let dense = windows * (inputs * outputs) as u64;
        Fan::new(effective, dense, &conv.weight, &alive, conv.bias.as_ref())
    }

    /// Of a depthwise convolution of maps `[…, H, W, C]`.
    pub fn of_depthwise(depthwise: &Depthwise, x: &Tensor) -> Result<Fan> {
        let [h, w, c] = *last_three(x)?;
        let weight = &depthwise.weight;
        let (k, ..) = weight.dims4()?;
        // each weight is the row of one channel's only output
        let alive = alive(weight, 1)?;
        let (mut effective, mut windows) = (vec![0; h * w * c], 0);
        let met = |size: usize, tap: usize| {
            (0..size).filter_map(move |at| (at + tap).checked_sub(k / 2)).filter(move |i| *i < size)
        };
        for ky in 0..k {
            for kx in 0..k {
                let alive = &alive[(ky * k + kx) * c..][..c];
                for (y, x) in met(h, ky).flat_map(|y| met(w, kx).map(move |x| (y, x))) {
                    windows += 1;
                    let fan = &mut effective[(y * w + x) * c..][..c];
                    fan.iter_mut().zip(alive).for_each(|(fan, alive)| *fan += alive);
                }
            }
        }
        Fan::new(effective, windows * c as u64, weight, &alive, None)
    }

    /// Of a fully connected layer.
    pub fn of_linear(linear: &Linear) -> Result<Fan> {
        let (_, outputs) = linear.weight.dims2()?;
        let alive = alive(&linear.weight, outputs)?;
        let dense = linear.weight.elem_count() as u64;
        Fan::new(alive.clone(), dense, &linear.weight, &alive, linear.bias.as_ref())
    }

    fn new(
        effective: Vec<u64>,
        dense: u64,
        weight: &Tensor,
        alive: &[u64],
        bias: Option<&Tensor>,
    ) -> Result<Fan> {
        let weights = weight.elem_count() as u64;
        let zero_weights = weights - alive.iter().sum::<u64>();
        let biases = bias.map_or(0, |bias| bias.elem_count() as u64);
        let outputs = weight.dims().last().map_or(0, |&n| n as u64);
        Ok(Fan { effective, dense, weights, zero_weights, biases, outputs })
    }
}

/// Height, width and channels of maps.
fn last_three(x: &Tensor) -> Result<&[usize; 3]> {
    match x.dims().last_chunk() {
        Some(sizes) => Ok(sizes),
        None => bail!(
            "operations of a convolution: expected maps [T, B, H, W, C], found shape {:?}",
            x.shape()
        ),
    }
}

/// The input rows (or columns) that row `offset` of the window meets, once for each output row,
/// without those in the padding.
fn met(size: usize, k: usize, offset: usize, conv: &Conv2d) -> Vec<usize> {
    let outputs = (size + 2 * conv.padding + conv.stride).saturating_sub(k) / conv.stride;
    let input = |output: usize| (output * conv.stride + offset).checked_sub(conv.padding);
    (0..outputs).filter_map(input).filter(|&y| y < size).collect()
}

/// Weights that are not 0 among the `outputs` of each input, `[…, outputs]`.
fn alive(weight: &Tensor, outputs: usize) -> Result<Vec<u64>> {
    let weight: Vec<f64> = weight.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
    Ok(weight
        .chunks_exact(outputs.max(1))
        .map(|row| row.iter().filter(|&&w| w != 0.0).count() as u64)
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    /// NeuroBench's rule: what the layer gives for ones in place of weights and input, 0 for the
    /// bias, where every value that is not 0 is a one already.
    fn by_definition(conv: &Conv2d, x: &Tensor) -> u64 {
        conv.forward(x).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap() as u64
    }

    #[test]
    fn strides_and_paddings_are_followed() {
        let weight: Vec<f32> =
            (0..3 * 3 * 2 * 4).map(|i| f32::from(u8::from(i % 5 != 0))).collect();
        let weight = Tensor::from_vec(weight, (3, 3, 2, 4), &Device::Cpu).unwrap();
        let bias = Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap();
        for (h, w, stride, padding) in
            [(8, 7, 2, 1), (5, 5, 3, 0), (3, 4, 2, 2), (9, 9, 4, 1), (3, 3, 1, 0), (6, 6, 1, 1)]
        {
            let conv = Conv2d { weight: weight.clone(), bias: Some(bias.clone()), stride, padding };
            let ones = Tensor::ones((1, h, w, 2), DType::F32, &Device::Cpu).unwrap();
            let values: Vec<f32> =
                (0..h * w * 2).map(|i| f32::from(u8::from(i % 3 == 1))).collect();
            let x = Tensor::from_vec(values.clone(), (1, h, w, 2), &Device::Cpu).unwrap();
            let fan = Fan::of_conv(&conv, &x).unwrap();
            let place = format!("{h}×{w}, stride {stride}, padding {padding}");
            let found: u64 = fan
                .effective
                .iter()
                .zip(&values)
                .filter(|(_, v)| **v != 0.0)
                .map(|(fan, _)| fan)
                .sum();
            assert_eq!(found, by_definition(&conv, &x), "{place}");
            assert_eq!(fan.effective.iter().sum::<u64>(), by_definition(&conv, &ones), "{place}");
            let full = Conv2d { weight: weight.ones_like().unwrap(), ..conv };
            assert_eq!(fan.dense, by_definition(&full, &ones), "{place}");
        }
    }

    #[test]
    fn a_depthwise_window_meets_its_own_channel() {
        let size = 5 * 5 * 3;
        let weight: Vec<f32> = (0..size).map(|i| f32::from(u8::from(i % 4 != 0))).collect();
        let weight = Tensor::from_vec(weight, (5, 5, 1, 3), &Device::Cpu).unwrap();
        let values: Vec<f32> = (0..4 * 6 * 3).map(|i| f32::from(u8::from(i % 5 < 2))).collect();
        let x = Tensor::from_vec(values.clone(), (1, 4, 6, 3), &Device::Cpu).unwrap();
        let by_definition = |weight: &Tensor, x: &Tensor| {
            let y = Depthwise { weight: weight.clone() }.forward(x).unwrap();
            y.sum_all().unwrap().to_scalar::<f32>().unwrap() as u64
        };
        let fan = Fan::of_depthwise(&Depthwise { weight: weight.clone() }, &x).unwrap();
        let met = fan.effective.iter().zip(&values).filter(|(_, v)| **v != 0.0);
        assert_eq!(met.map(|(fan, _)| fan).sum::<u64>(), by_definition(&weight, &x));
        let ones = x.ones_like().unwrap();
        assert_eq!(fan.dense, by_definition(&weight.ones_like().unwrap(), &ones));
        assert_eq!((fan.weights, fan.zero_weights, fan.outputs), (75, 19, 3));
    }
}
