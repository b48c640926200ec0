// The small kernels round a stage: what becomes of batch norm's sums. They read and write a few
// numbers a channel.

// 1/√(σ² + ε), scale γ/√(σ² + ε) and shift β − scale·lost of moments [3][sets][C] (mean, variance,
// lost), into factors [3][sets][C]. `bias` is what a convolution would have added to currents that
// are given without it: the batch's own mean has lost it already, a running one has not.
extern "C" __global__ void affine(const real* moments, const real* gamma, const real* beta, double eps, real* factors,
                                  unsigned sets, unsigned c) {
  const size n = (size)sets * c;
  for (size i = (size)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (size)gridDim.x * blockDim.x) {
    const unsigned channel = i % c;
    const real inverse = real(1.0 / sqrt(double(moments[n + i]) + eps));
    const real scale = gamma[channel] * inverse;
    factors[i] = inverse;
    factors[n + i] = scale;
    factors[2 * n + i] = beta[channel] - scale * moments[2 * n + i];
  }
}

// Sums over blocks of part [blocks][sets][2][C] in double, in order, so that they do not depend on
// timing, as p = γ/√(σ² + ε), q = ΣD·x̂/(n√(σ² + ε)), r = ΣD/n in factors [3][sets][C]; the sums
// themselves in totals [sets][2][C].
#define ROWS 8
extern "C" __global__ void __launch_bounds__(256)
finish(const real* part, unsigned blocks, const real* gamma, const real* inverse, double count, real* factors,
       double* totals, unsigned sets, unsigned c) {
  __shared__ double sums[2][ROWS][32];
  const unsigned lane = threadIdx.x % 32, row = threadIdx.x / 32, set = blockIdx.y;
  const unsigned channel = blockIdx.x * 32 + lane;
  double d = 0, x = 0;
  if (channel < c)
    for (unsigned b = row; b < blocks; b += ROWS) {
      const size at = ((size)b * sets + set) * 2 * c + channel;
      d += double(part[at]);
      x += double(part[at + c]);
    }
  sums[0][row][lane] = d;
  sums[1][row][lane] = x;
  __syncthreads();
  if (row || channel >= c) return;
  d = x = 0;
  for (int i = 0; i < ROWS; ++i) {
    d += sums[0][i][lane];
    x += sums[1][i][lane];
  }
  const size n = (size)sets * c, at = (size)set * c + channel;
  totals[(size)set * 2 * c + channel] = d;
  totals[(size)set * 2 * c + c + channel] = x;
  if (factors) {
    factors[at] = gamma[channel] * inverse[at];
    factors[n + at] = real(x / count) * inverse[at];
    factors[2 * n + at] = real(d / count);
  }
}

// Totals over all sets: first [C] = ΣD (∂L/∂β, or a bias's gradient), second [C] = ΣD·x̂ (∂L/∂γ).
extern "C" __global__ void over_sets(const double* totals, real* first, real* second, unsigned sets, unsigned c) {
  const unsigned channel = blockIdx.x * blockDim.x + threadIdx.x;
  if (channel >= c) return;
  double d = 0, x = 0;
  for (unsigned s = 0; s < sets; ++s) {
    d += totals[(size)s * 2 * c + channel];
    x += totals[(size)s * 2 * c + c + channel];
  }
  first[channel] = real(d);
  if (second) second[channel] = real(x);
}
