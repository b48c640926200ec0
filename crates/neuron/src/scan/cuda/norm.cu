// The small kernels round a stage: what becomes of batch norm's sums. They read and write a few
// numbers a channel.

// 1/√(σ² + ε), scale γ·constant/√(σ² + ε) and shift β − scale·lost of moments [3][sets][C] (mean,
// variance, lost), into factors [3][sets][C]. γ is [C], or `by_set` [sets][C]; where there is no β
// it is 0.
extern "C" __global__ void affine(const real* moments, const real* gamma, const real* beta, double eps, double constant,
                                  real* factors, unsigned sets, unsigned c, int by_set) {
  const size n = (size)sets * c;
  for (size i = (size)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (size)gridDim.x * blockDim.x) {
    const unsigned channel = i % c;
    const real inverse = real(1.0 / sqrt(double(moments[n + i]) + eps));
    const real scale = gamma[by_set ? i : channel] * real(constant) * inverse;
    factors[i] = inverse;
    factors[n + i] = scale;
    factors[2 * n + i] = (beta ? beta[channel] : real(0)) - scale * moments[2 * n + i];
  }
}

// Sums over blocks of part [blocks][sets][2][C] in double, in order, so that they do not depend on
// timing, as p = scale, q = ΣD·x̂/(n√(σ² + ε)), r = ΣD/n in factors [3][sets][C]; the sums
// themselves in totals [sets][2][C].
#define ROWS 8
extern "C" __global__ void __launch_bounds__(256)
finish(const real* part, unsigned blocks, const real* scale, const real* inverse, double count, real* factors,
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
    factors[at] = scale[at];
    factors[n + at] = real(x / count) * inverse[at];
    factors[2 * n + at] = real(d / count);
  }
}

// Totals over all sets: first [C] = ΣD (∂L/∂β, or a bias's gradient), second [C] = constant·ΣD·x̂
// (∂L/∂γ), or `by_set` [sets][C] that of each.
extern "C" __global__ void over_sets(const double* totals, real* first, real* second, double constant, unsigned sets,
                                     unsigned c, int by_set) {
  const unsigned channel = blockIdx.x * blockDim.x + threadIdx.x;
  if (channel >= c) return;
  double d = 0, x = 0;
  for (unsigned s = 0; s < sets; ++s) {
    d += totals[(size)s * 2 * c + channel];
    const double of_set = totals[(size)s * 2 * c + c + channel];
    x += of_set;
    if (second && by_set) second[(size)s * c + channel] = real(of_set) * real(constant);
  }
  first[channel] = real(d);
  if (second && !by_set) second[channel] = real(x) * real(constant);
}

// Sums over rows of part [rows][n] in double, each of the n by a block of its own: rows to threads,
// threads in pairs, so that the order is always the same.
extern "C" __global__ void __launch_bounds__(256)
sum_rows(const double* part, real* out, unsigned rows, unsigned n) {
  __shared__ double sums[256];
  double sum = 0;
  for (unsigned row = threadIdx.x; row < rows; row += 256) sum += part[(size)row * n + blockIdx.x];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = 128; half; half /= 2) {
    if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  if (!threadIdx.x) out[blockIdx.x] = real(sums[0]);
}
