use neuron::Pooling;

/// Spikes of each window of maps `[n, h, w, c]`: how many of its members fired, or under max
/// pooling whether any did; as [`neuron::Fired::counts`].
pub fn pool_spikes(fired: &[u8], [_, h, w, c]: [usize; 4], pool: Pooling, counts: &mut [u8]) {
    let k = pool.side();
    if k == 1 {
        counts.copy_from_slice(fired);
        return;
    }
    counts.fill(0);
    let any = matches!(pool, Pooling::Max(_));
    let (rows, columns) = (h / k, w / k);
    for (p, counts) in counts.chunks_exact_mut(c).enumerate() {
        let (map, row, column) = (p / (rows * columns), p / columns % rows, p % columns);
        for i in 0..k * k {
            let pixel = (map * h + row * k + i / k) * w + column * k + i % k;
            let fired = counts.iter_mut().zip(&fired[pixel * c..][..c]);
            fired.for_each(|(count, fired)| {
                *count = if any { *count | fired } else { *count + fired };
            });
        }
    }
}
