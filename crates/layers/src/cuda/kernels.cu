// Kernels of the layers: batch norm's moments, weights in the order cuDNN takes, pooling, ReLU,
// votes, the optimiser. `real` is what is computed in, TX the type of what is read, TY of what is
// written.

#define EACH(i, n) \
  for (size i = (size)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (size)gridDim.x * blockDim.x)

// Sums of z − K and (z − K)² of one channel over a block's rows, K the first row's value: a sum of
// squares about a value of the channel itself does not cancel. part [blocks][sets][2][C];
// blockIdx.y counts sets times tiles of THREADS channels.
#define THREADS 256
extern "C" __global__ void __launch_bounds__(THREADS)
moments_part(const TX* __restrict__ z, real* __restrict__ part, unsigned rows, unsigned sets, unsigned c) {
  __shared__ real sums[2][THREADS];
  const unsigned tiles = (c + THREADS - 1) / THREADS, set = blockIdx.y / tiles, tile = blockIdx.y % tiles;
  const unsigned lanes = c < THREADS ? c : THREADS, side = c < THREADS ? THREADS / c : 1;
  const unsigned row = threadIdx.x / lanes, channel = tile * THREADS + threadIdx.x % lanes;
  const bool active = row < side && channel < c;
  const TX* first = z + (size)set * rows * c + channel;
  real a = real(0), b = real(0);
  if (active) {
    const real k = load(first);
    for (size i = (size)blockIdx.x * side + row; i < rows; i += (size)gridDim.x * side) {
      const real d = load(first + i * c) - k;
      a += d;
      b += d * d;
    }
  }
  sums[0][threadIdx.x] = a;
  sums[1][threadIdx.x] = b;
  __syncthreads();
  if (row || channel >= c) return;
  for (unsigned r = 1; r < side; ++r) {
    a += sums[0][r * lanes + threadIdx.x];
    b += sums[1][r * lanes + threadIdx.x];
  }
  const size at = ((size)blockIdx.x * sets + set) * 2 * c + channel;
  part[at] = a;
  part[at + c] = b;
}

// Moments [3][sets][C] (mean, biased variance, what rounding took from the mean), and for the
// running statistics the mean with the bias that z is given without and the unbiased variance,
// `repeat` times each.
#define ROWS 8
extern "C" __global__ void __launch_bounds__(THREADS)
moments(const TX* z, const real* part, unsigned blocks, const real* bias, double n, double unbiased, unsigned rows,
        unsigned sets, unsigned c, unsigned repeat, real* out, real* means, real* variances) {
  __shared__ double sums[2][ROWS][32];
  const unsigned lane = threadIdx.x % 32, row = threadIdx.x / 32, set = blockIdx.y;
  const unsigned channel = blockIdx.x * 32 + lane;
  double a = 0, b = 0;
  if (channel < c)
    for (unsigned i = row; i < blocks; i += ROWS) {
      const size at = ((size)i * sets + set) * 2 * c + channel;
      a += double(part[at]);
      b += double(part[at + c]);
    }
  sums[0][row][lane] = a;
  sums[1][row][lane] = b;
  __syncthreads();
  if (row || channel >= c) return;
  a = b = 0;
  for (int i = 0; i < ROWS; ++i) {
    a += sums[0][i][lane];
    b += sums[1][i][lane];
  }
  const double shift = a / n, mean = double(load(z + (size)set * rows * c + channel)) + shift;
  double var = b / n - shift * shift;
  if (var < 0) var = 0;
  const size total = (size)sets * c, at = (size)set * c + channel;
  out[at] = real(mean);
  out[total + at] = real(var);
  out[2 * total + at] = real(mean - double(real(mean)));
  for (unsigned i = 0; i < repeat; ++i) {
    means[(size)i * total + at] = bias ? real(mean + double(bias[channel])) : real(mean);
    variances[(size)i * total + at] = real(var * unbiased);
  }
}

// Moments [3][sets][C] of running statistics [C], or `by_set` [sets][C], for currents without their
// bias, if there is one: the mean goes into the shift.
extern "C" __global__ void running_moments(const real* mean, const real* var, const real* bias, real* out, unsigned sets,
                                           unsigned c, int by_set) {
  const size n = (size)sets * c;
  EACH(i, n) {
    const unsigned channel = i % c;
    const size from = by_set ? i : channel;
    out[i] = real(0);
    out[n + i] = var[from];
    out[2 * n + i] = mean[from] - (bias ? bias[channel] : real(0));
  }
}

// running ← keep · running + momentum · row, row after row.
extern "C" __global__ void fold(const real* running, const real* rows, real* out, real keep, real momentum, unsigned n,
                                unsigned c) {
  EACH(i, c) {
    real r = running[i];
    for (unsigned row = 0; row < n; ++row) r = r * keep + rows[(size)row * c + i] * momentum;
    out[i] = r;
  }
}

// A weight [k·k, ci, co] as [co, k·k, padded], channels behind ci zero.
extern "C" __global__ void to_cudnn(const TX* w, TY* out, unsigned taps, unsigned ci, unsigned padded, unsigned co) {
  EACH(i, (size)co * taps * padded) {
    const unsigned c = i % padded, tap = i / padded % taps, o = i / padded / taps;
    store(out + i, c < ci ? load(w + ((size)tap * ci + c) * co + o) : real(0));
  }
}

// Its gradient back.
extern "C" __global__ void from_cudnn(const TX* g, TY* out, unsigned taps, unsigned ci, unsigned padded, unsigned co) {
  EACH(i, (size)taps * ci * co) {
    const unsigned o = i % co, c = i / co % ci, tap = i / co / ci;
    store(out + i, load(g + ((size)o * taps + tap) * padded + c));
  }
}

// Pixels of `channels` values as pixels of `padded`, the rest zero: frames as bytes or floats
// become activations.
extern "C" __global__ void expand(const TX* x, TY* out, size n, unsigned channels, unsigned padded) {
  EACH(i, n) {
    const unsigned c = i % padded;
    store(out + i, c < channels ? load(x + i / padded * channels + c) : real(0));
  }
}

// A convolution by its definition, one thread for each result: for what cuDNN has no algorithm for.
// Maps [n, h, w, ci] and [n, oh, ow, co], weight [co, k, k, ci].
extern "C" __global__ void convolve(const TX* x, const TX* weight, TY* y, int n, int h, int w, int ci, int k, int stride,
                                    int padding, int oh, int ow, int co) {
  EACH(i, (size)n * oh * ow * co) {
    const int o = i % co, column = i / co % ow, row = i / co / ow % oh;
    const size map = i / co / ow / oh;
    real sum = real(0);
    for (int ky = 0; ky < k; ++ky)
      for (int kx = 0; kx < k; ++kx) {
        const int r = row * stride + ky - padding, q = column * stride + kx - padding;
        if (r < 0 || q < 0 || r >= h || q >= w) continue;
        const TX* from = x + ((map * h + r) * w + q) * ci;
        const TX* tap = weight + (((size)o * k + ky) * k + kx) * ci;
        for (int c = 0; c < ci; ++c) sum += load(from + c) * load(tap + c);
      }
    store(y + i, sum);
  }
}

extern "C" __global__ void convolve_input(const TX* weight, const TX* g, TY* dx, int n, int h, int w, int ci, int k,
                                          int stride, int padding, int oh, int ow, int co) {
  EACH(i, (size)n * h * w * ci) {
    const int c = i % ci, column = i / ci % w, row = i / ci / w % h;
    const size map = i / ci / w / h;
    real sum = real(0);
    for (int ky = 0; ky < k; ++ky)
      for (int kx = 0; kx < k; ++kx) {
        const int r = row + padding - ky, q = column + padding - kx;
        if (r < 0 || q < 0 || r % stride || q % stride || r / stride >= oh || q / stride >= ow) continue;
        const TX* up = g + ((map * oh + r / stride) * ow + q / stride) * co;
        for (int o = 0; o < co; ++o) sum += load(up + o) * load(weight + (((size)o * k + ky) * k + kx) * ci + c);
      }
    store(dx + i, sum);
  }
}

extern "C" __global__ void convolve_weight(const TX* x, const TX* g, TY* dw, int n, int h, int w, int ci, int k, int stride,
                                           int padding, int oh, int ow, int co) {
  EACH(i, (size)co * k * k * ci) {
    const int c = i % ci, kx = i / ci % k, ky = i / ci / k % k, o = i / ci / k / k;
    real sum = real(0);
    for (int map = 0; map < n; ++map)
      for (int row = 0; row < oh; ++row)
        for (int column = 0; column < ow; ++column) {
          const int r = row * stride + ky - padding, q = column * stride + kx - padding;
          if (r < 0 || q < 0 || r >= h || q >= w) continue;
          sum += load(x + (((size)map * h + r) * w + q) * ci + c) * load(g + (((size)map * oh + row) * ow + column) * co + o);
        }
    store(dw + i, sum);
  }
}

// y = x + b, b [C].
extern "C" __global__ void add_bias(const TX* x, const TX* b, TY* y, size n, unsigned c) {
  EACH(i, n) store(y + i, load(x + i) + load(b + i % c));
}

// Scores [B, K] of spikes [T, B, K·voters]: the mean over steps and voters. Spikes are whole
// numbers: the sum is exact.
extern "C" __global__ void vote(const TX* spikes, float* scores, unsigned steps, unsigned batch, unsigned classes,
                                unsigned voters) {
  EACH(i, (size)batch * classes) {
    float sum = 0;
    for (unsigned t = 0; t < steps; ++t)
      for (unsigned v = 0; v < voters; ++v) sum += load(spikes + ((size)t * batch * classes + i) * voters + v);
    scores[i] = sum / float(voters * steps);
  }
}

// Its gradient for each voter: `share` of that of its class. Scores [B, K] are the same at all steps,
// [T, B, K] are not.
extern "C" __global__ void of_votes(const TX* scores, TY* out, size n, size scored, unsigned voters, float share) {
  EACH(i, n) store(out + i, load(scores + i / voters % scored) * share);
}

// y = a + b, each of which is repeated to the size of y; b may be none, and a or b may be y.
extern "C" __global__ void sum(const TX* a, const TX* b, TY* y, size n, size of_a, size of_b) {
  EACH(i, n) store(y + i, b ? load(a + i % of_a) + load(b + i % of_b) : load(a + i % of_a));
}

// Σ over steps x [steps][n], in their order.
extern "C" __global__ void over_steps(const TX* x, TY* y, size n, unsigned steps) {
  EACH(i, n) {
    real sum = real(0);
    for (unsigned t = 0; t < steps; ++t) sum += load(x + t * n + i);
    store(y + i, sum);
  }
}

// y = x · mask, the mask repeated.
extern "C" __global__ void masked(const TX* x, const float* mask, TY* y, size n, size of_mask) {
  EACH(i, n) store(y + i, load(x + i) * real(mask[i % of_mask]));
}

// A depthwise convolution of maps [n, h, w, c] with windows [k, k, c] that keeps their size: y[i, c] =
// Σ over the taps w[tap, c] · x[i + tap, c], `turned` with the window turned round, which is the way
// back.
extern "C" __global__ void depthwise(const TX* x, const float* weight, TY* y, size n, int h, int w, int c, int k,
                                     int turned) {
  EACH(i, n * h * w * c) {
    const int channel = i % c, column = i / c % w, row = i / c / w % h;
    const TX* map = x + i / c / w / h * h * w * c;
    real sum = real(0);
    for (int ky = 0; ky < k; ++ky)
      for (int kx = 0; kx < k; ++kx) {
        const int r = row + ky - k / 2, q = column + kx - k / 2, tap = ky * k + kx;
        if (r < 0 || q < 0 || r >= h || q >= w) continue;
        const real by = real(weight[(turned ? k * k - 1 - tap : tap) * c + channel]);
        sum += by * load(map + (r * w + q) * c + channel);
      }
    store(y + i, sum);
  }
}

// ∂L/∂w of it: every thread a tap of a channel over some of the maps, into part [splits][k·k·c]; maps
// are dealt out in turn.
extern "C" __global__ void depthwise_part(const TX* x, const TX* g, double* part, unsigned n, int h, int w, int c, int k,
                                          unsigned splits) {
  const size taps = (size)k * k * c;
  EACH(i, splits * taps) {
    const int channel = i % c, kx = i / c % k, ky = i / c / k % k;
    double all = 0;
    for (unsigned map = i / taps; map < n; map += splits) {
      const size at = (size)map * h * w * c;
      real sum = real(0);
      for (int row = 0; row < h; ++row)
        for (int column = 0; column < w; ++column) {
          const int r = row + ky - k / 2, q = column + kx - k / 2;
          if (r < 0 || q < 0 || r >= h || q >= w) continue;
          sum += load(x + at + (r * w + q) * c + channel) * load(g + at + (row * w + column) * c + channel);
        }
      all += double(sum);
    }
    part[i] = all;
  }
}

// Σ of the splits, in their order.
extern "C" __global__ void depthwise_weight(const double* part, TY* dw, size taps, unsigned splits) {
  EACH(i, taps) {
    double sum = 0;
    for (unsigned s = 0; s < splits; ++s) sum += part[s * taps + i];
    store(dw + i, real(sum));
  }
}

// Σ of each channel of g [rows][C]: part [blocks][1][2][C], the second of each pair 0.
extern "C" __global__ void __launch_bounds__(THREADS)
channel_part(const TX* g, real* part, unsigned rows, unsigned c) {
  __shared__ real sums[THREADS];
  const unsigned tile = blockIdx.y, lanes = c < THREADS ? c : THREADS, side = c < THREADS ? THREADS / c : 1;
  const unsigned row = threadIdx.x / lanes, channel = tile * THREADS + threadIdx.x % lanes;
  real a = real(0);
  if (row < side && channel < c)
    for (size i = (size)blockIdx.x * side + row; i < rows; i += (size)gridDim.x * side) a += load(g + i * c + channel);
  sums[threadIdx.x] = a;
  __syncthreads();
  if (row || channel >= c) return;
  for (unsigned r = 1; r < side; ++r) a += sums[r * lanes + threadIdx.x];
  part[(size)blockIdx.x * 2 * c + channel] = a;
  part[(size)blockIdx.x * 2 * c + c + channel] = real(0);
}

extern "C" __global__ void rectify(const TX* x, TY* y, size n) {
  EACH(i, n) {
    const real v = load(x + i);
    store(y + i, v > real(0) ? v : real(0));
  }
}

extern "C" __global__ void rectify_gradient(const TX* y, const TX* g, TY* d, size n) {
  EACH(i, n) store(d + i, load(y + i) > real(0) ? load(g + i) : real(0));
}

// Pooling of maps [n, h, w, c] with windows of side k; `max` or the mean. A NaN is larger than any
// number.
extern "C" __global__ void pool(const TX* x, TY* y, unsigned n, unsigned h, unsigned w, unsigned c, unsigned k, int max) {
  const unsigned oh = h / k, ow = w / k;
  EACH(i, (size)n * oh * ow * c) {
    const unsigned channel = i % c, column = i / c % ow, row = i / c / ow % oh;
    const size map = i / c / ow / oh;
    real best = real(0);
    for (unsigned m = 0; m < k * k; ++m) {
      const real v = load(x + ((map * h + row * k + m / k) * w + column * k + m % k) * c + channel);
      best = !m ? v : !max ? best + v : (v > best || v != v) ? v : best;
    }
    store(y + i, max ? best : best * real(1.0 / (k * k)));
  }
}

// Its gradient: of a maximum to the first member that is it. One thread a member; outside all
// windows it is 0.
extern "C" __global__ void pool_gradient(const TX* x, const TX* g, TY* d, unsigned n, unsigned h, unsigned w, unsigned c,
                                         unsigned k, int max) {
  const unsigned oh = h / k, ow = w / k;
  EACH(i, (size)n * h * w * c) {
    const unsigned channel = i % c, x_ = i / c % w, y_ = i / c / w % h, column = x_ / k, row = y_ / k;
    const size map = i / c / w / h;
    real out = real(0);
    if (row < oh && column < ow) {
      const real up = load(g + ((map * oh + row) * ow + column) * c + channel);
      const unsigned me = y_ % k * k + x_ % k;
      unsigned first = 0;
      real best = real(0);
      for (unsigned m = 0; max && m < k * k; ++m) {
        const real v = load(x + ((map * h + row * k + m / k) * w + column * k + m % k) * c + channel);
        // of several NaN the first keeps the gradient
        if (!m || ((v > best || v != v) && best == best)) best = v, first = m;
      }
      out = !max ? up * real(1.0 / (k * k)) : me == first ? up : real(0);
    }
    store(d + i, out);
  }
}

// y = (x − μ) · γ/√(σ² + ε) + β with factors [3][sets][C] of moments, see neuron's norm.cu.
extern "C" __global__ void normalise(const TX* x, const real* mean, const real* factors, TY* y, size n, unsigned rows,
                                     unsigned sets, unsigned c) {
  const size total = (size)sets * c;
  EACH(i, n) {
    const size at = (sets == 1 ? 0 : i / c / rows * c) + i % c;
    store(y + i, (load(x + i) - mean[at]) * factors[total + at] + factors[2 * total + at]);
  }
}

// Σg and Σg·x̂ of each channel: part [blocks][sets][2][C], as moments_part.
extern "C" __global__ void __launch_bounds__(THREADS)
normalise_part(const TX* x, const TX* g, const real* mean, const real* inverse, real* part, unsigned rows, unsigned sets,
               unsigned c) {
  __shared__ real sums[2][THREADS];
  const unsigned tiles = (c + THREADS - 1) / THREADS, set = blockIdx.y / tiles, tile = blockIdx.y % tiles;
  const unsigned lanes = c < THREADS ? c : THREADS, side = c < THREADS ? THREADS / c : 1;
  const unsigned row = threadIdx.x / lanes, channel = tile * THREADS + threadIdx.x % lanes;
  real a = real(0), b = real(0);
  if (row < side && channel < c) {
    const size first = (size)set * rows * c + channel, at = (size)set * c + channel;
    for (size i = (size)blockIdx.x * side + row; i < rows; i += (size)gridDim.x * side) {
      const real up = load(g + first + i * c);
      a += up;
      b += up * ((load(x + first + i * c) - mean[at]) * inverse[at]);
    }
  }
  sums[0][threadIdx.x] = a;
  sums[1][threadIdx.x] = b;
  __syncthreads();
  if (row || channel >= c) return;
  for (unsigned r = 1; r < side; ++r) {
    a += sums[0][r * lanes + threadIdx.x];
    b += sums[1][r * lanes + threadIdx.x];
  }
  const size at = ((size)blockIdx.x * sets + set) * 2 * c + channel;
  part[at] = a;
  part[at + c] = b;
}

// ∂L/∂x = p · (g − r − (x − μ) · q) with p, q, r [3][sets][C], see neuron's norm.cu.
extern "C" __global__ void normalise_gradient(const TX* x, const TX* g, const real* mean, const real* pqr, TY* d, size n,
                                              unsigned rows, unsigned sets, unsigned c) {
  const size total = (size)sets * c;
  EACH(i, n) {
    const size at = (sets == 1 ? 0 : i / c / rows * c) + i % c;
    const real centred = load(x + i) - mean[at];
    store(d + i, pqr[at] * (load(g + i) - pqr[2 * total + at] - centred * pqr[total + at]));
  }
}

// AdamW in the operation order of PyTorch; `lost` is set where a weight is not finite any more.
extern "C" __global__ void adamw(float* w, float* m, float* v, const float* g, size n, float first, float second,
                                 float second_keep, float keep, float step, float root, float eps, unsigned* lost) {
  EACH(i, n) {
    const float gradient = g[i];
    const float mean = m[i] + first * (gradient - m[i]);
    const float square = v[i] * second_keep + second * gradient * gradient;
    const float weight = w[i] * keep - step * (mean / (sqrtf(square) / root + eps));
    m[i] = mean;
    v[i] = square;
    w[i] = weight;
    if (!isfinite(weight)) *lost = 1;
  }
}
