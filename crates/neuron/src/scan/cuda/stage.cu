// All that lies between the currents of one product and the activations that the next one reads:
// batch norm, ReLU, dropout of currents, neurons, pooling, dropout of spikes; forward, and backward
// in two passes that both compute the membranes again instead of reading them. The Rust side
// defines, before this text:
//
//   T steps · C channels · K side of the pooling window · POOL 0 none, 1 max, 2 average · V
//   channels of one thread SIDE of the window that a thread takes: K, but 1 backward below a mean,
//   whose members know nothing of one another L steps of a segment: the backward passes hold u of L
//   steps in registers, and v at the start of each segment TZ type of currents and their gradient ·
//   TO type of activations and theirs NORM batch norm with a scale · BIAS a shift alone · SETS
//   statistics of each step · RECTIFY · MASK · DROP · STILL COUNT whether spikes are counted
//   VOTE the gradient comes from class scores · SUMS the pass that sums (else the one that writes)
//   PARAMETERS of the neuron that are learnt, and the neuron itself: Kept, Carried, charge, fires,
//   backward (neuron::Source).
//
// A block's threads are rows of windows times lanes of V channels, lanes innermost: neighbours read
// neighbouring memory, a thread keeps its channels for all its windows, and sums over windows stay
// in registers.

#define THREADS 256
#define MEMBERS (SIDE * SIDE)
#define SHARE (real(1) / real(K * K))
#define SEGMENTS ((T + L - 1) / L)
#define STATISTICS ((NORM && SETS) ? T : 1)

typedef pack<TZ, V> z_pack;
typedef pack<TO, V> o_pack;

// States before the first step, and their gradients behind the last.
__device__ __forceinline__ Carried nothing() {
  Carried v;
#pragma unroll
  for (int i = 0; i < (int)(sizeof(v.at) / sizeof(real)); ++i) v.at[i] = real(0);
  return v;
}

// Learnable parameters as the neuron's functions take them: their values, and the sums that their
// gradients are added to.
#if PARAMETERS
#define LEARNED , learned
#define LEARNED_SUMS(k, j) , learned, of_learned[k][j]
#else
#define LEARNED
#define LEARNED_SUMS(k, j)
#endif

struct Sizes {
  unsigned b, h, w, oh, ow;  // samples, map, pooled map
};

// Where one thread works: its channels, and of one window where its members lie.
struct Place {
  unsigned row, rows, lane, channel;
  bool active;
};

__device__ __forceinline__ Place place() {
  const unsigned lanes = C / V;
  Place p;
  if (lanes >= THREADS) {
    p.rows = 1;
    p.row = 0;
    p.lane = blockIdx.y * THREADS + threadIdx.x;
    p.active = p.lane < lanes;
  } else {
    p.rows = THREADS / lanes;
    p.row = threadIdx.x / lanes;
    p.lane = threadIdx.x % lanes;
    p.active = p.row < p.rows;
  }
  p.channel = p.lane * V;
  return p;
}

struct Window {
  size member[MEMBERS];  // offset of the thread's channels in one step of z
  bool inside[MEMBERS];
  bool full;       // one that has a pooled pixel
  size pooled;     // its offset in one step of the activations
  unsigned sample;
};

__device__ __forceinline__ Window window(unsigned i, const Sizes& s, unsigned channel) {
  const unsigned across = (s.w + SIDE - 1) / SIDE, down = (s.h + SIDE - 1) / SIDE;
  const unsigned x = i % across, y = i / across % down, above_x = x * SIDE / K, above_y = y * SIDE / K;
  Window w;
  w.sample = i / across / down;
  w.full = above_y < s.oh && above_x < s.ow;
  w.pooled = (((size)w.sample * s.oh + above_y) * s.ow + above_x) * C + channel;
#pragma unroll
  for (int k = 0; k < MEMBERS; ++k) {
    const unsigned row = y * SIDE + k / SIDE, column = x * SIDE + k % SIDE;
    w.inside[k] = row < s.h && column < s.w;
    w.member[k] = (((size)w.sample * s.h + row) * s.w + column) * C + channel;
  }
  return w;
}

// Batch norm's factors of V channels, for one step or all.
struct Factors {
  real mean[V], scale[V], shift[V];
};

// Where they lie, for a thread's channels; rows of C numbers follow one another.
struct Rows {
  const real *mean, *inverse, *scale, *shift, *p, *q, *r;
};

// The same addresses, of which the compiler no longer knows that they are: it reads the factors
// again for every window, from the first-level cache. Otherwise it would keep all of them in
// registers, and then the registers would not suffice.
__device__ __forceinline__ Rows again(Rows rows) {
  opaque(rows.mean);
  opaque(rows.inverse);
  opaque(rows.scale);
  opaque(rows.shift);
  opaque(rows.p);
  opaque(rows.q);
  opaque(rows.r);
  return rows;
}

__device__ __forceinline__ void factors(Factors& f, const Rows& rows, unsigned at) {
#pragma unroll
  for (int j = 0; j < V; ++j) {
#if NORM
    f.mean[j] = rows.mean[at + j];
    f.scale[j] = rows.scale[at + j];
    f.shift[j] = rows.shift[at + j];
#elif BIAS
    f.shift[j] = rows.shift[at + j];
#endif
  }
}

// The current behind the norm, before ReLU and mask.
__device__ __forceinline__ real behind_norm(real z, const Factors& f, int j) {
#if NORM
  return (z - f.mean[j]) * f.scale[j] + f.shift[j];
#elif BIAS
  return z + f.shift[j];
#else
  return z;
#endif
}

__device__ __forceinline__ real current(real y, real mask) {
#if RECTIFY
  y = y > real(0) ? y : real(0);
#endif
#if MASK
  y *= mask;
#endif
  return y;
}

__device__ __forceinline__ void masks(real m[MEMBERS][V], const float* mask, const Window& w) {
#if MASK
#pragma unroll
  for (int k = 0; k < MEMBERS; ++k)
#pragma unroll
    for (int j = 0; j < V; ++j) m[k][j] = w.inside[k] ? real(mask[w.member[k] + j]) : real(0);
#endif
}

__device__ __forceinline__ void drops(real d[V], const float* drop, const Window& w) {
#pragma unroll
  for (int j = 0; j < V; ++j) {
#if DROP
    d[j] = w.full ? real(drop[w.pooled + j]) : real(0);
#else
    d[j] = real(1);
#endif
  }
}

#ifdef FORWARD
// Activations [T, B, H/K, W/K, C], and how many neurons fired at each step (added to `spikes` [T]).
extern "C" __global__ void __launch_bounds__(THREADS)
fire(const TZ* __restrict__ z, const real* __restrict__ mean, const real* __restrict__ scale,
     const real* __restrict__ shift, const float* __restrict__ mask, const float* __restrict__ drop,
     const real* __restrict__ learned_, TO* __restrict__ out, unsigned* spikes, unsigned b, unsigned h, unsigned w_, unsigned oh,
     unsigned ow) {
  __shared__ unsigned total[T];
  for (unsigned t = threadIdx.x; t < T; t += THREADS) total[t] = 0;
  __syncthreads();
  const Sizes s = {b, h, w_, oh, ow};
  const Place p = place();
  const unsigned windows = b * ((h + SIDE - 1) / SIDE) * ((w_ + SIDE - 1) / SIDE);
  const size z_step = STILL ? 0 : (size)b * h * w_ * C, o_step = (size)b * oh * ow * C;
#if PARAMETERS
  real learned[PARAMETERS];
#pragma unroll
  for (int i = 0; i < PARAMETERS; ++i) learned[i] = learned_[i];
#endif
  if (p.active) {
    Factors f;
    const Rows all = {mean + p.channel, 0, scale + p.channel, shift + p.channel, 0, 0, 0};
    if (STATISTICS == 1) factors(f, all, 0);
    for (unsigned i = blockIdx.x * p.rows + p.row; i < windows; i += gridDim.x * p.rows) {
      const Window w = window(i, s, p.channel);
      const Rows rows = again(all);
      Carried v[MEMBERS][V];
      real m[MEMBERS][V], d[V];
      masks(m, mask, w);
      drops(d, drop, w);
#pragma unroll
      for (int k = 0; k < MEMBERS; ++k)
#pragma unroll
        for (int j = 0; j < V; ++j) v[k][j] = nothing();
#pragma unroll(T <= 32 ? T : 8)
      for (int t = 0; t < T; ++t) {
        if (STATISTICS > 1) factors(f, rows, t * C);
        unsigned fired[V], sum = 0;
#pragma unroll
        for (int j = 0; j < V; ++j) fired[j] = 0;
#pragma unroll
        for (int k = 0; k < MEMBERS; ++k) {
          if (!w.inside[k]) continue;
          const z_pack x = *(const z_pack*)(z + t * z_step + w.member[k]);
#pragma unroll
          for (int j = 0; j < V; ++j) {
            Kept u;
            charge(current(behind_norm(load(&x.at[j]), f, j), m[k][j]), v[k][j], u LEARNED);
            fired[j] += fires(u);
          }
        }
        o_pack o;
#pragma unroll
        for (int j = 0; j < V; ++j) {
          sum += fired[j];
          real y = POOL == 1 ? (fired[j] ? real(1) : real(0)) : real(fired[j]);
          if (POOL == 2) y *= SHARE;
          store(&o.at[j], y * d[j]);
        }
        if (w.full) *(o_pack*)(out + t * o_step + w.pooled) = o;
        if (COUNT && sum) atomicAdd(&total[t], sum);
      }
    }
  }
  __syncthreads();
  for (unsigned t = threadIdx.x; t < T; t += THREADS)
    if (COUNT && total[t]) atomicAdd(spikes + t, total[t]);
}
#endif

#ifdef BACKWARD
// The gradient of one pooled pixel at step t.
__device__ __forceinline__ void upstream(real g[V], const TO* g_out, const float* g_scores, const real d[V], size o_step,
                                         const Window& w, unsigned channel, unsigned classes, unsigned voters,
                                         float share, int t) {
#pragma unroll
  for (int j = 0; j < V; ++j) g[j] = real(0);
  if (!w.full) return;
#if VOTE
#pragma unroll
  for (int j = 0; j < V; ++j) g[j] = real(g_scores[(size)w.sample * classes + (channel + j) / voters]) * real(share);
#else
  const o_pack x = *(const o_pack*)(g_out + t * o_step + w.pooled);
#pragma unroll
  for (int j = 0; j < V; ++j) g[j] = load(&x.at[j]);
#endif
#pragma unroll
  for (int j = 0; j < V; ++j) {
    if (DROP) g[j] *= d[j];
    if (POOL == 2) g[j] *= SHARE;
  }
}

// SUMS: ΣD and ΣD·x̂ of each channel over this block's windows into `part`
// [blocks][STATISTICS][2][C]. Else: ∂L/∂z into `out`, for NORM by `p`, `q`, `r` [sets, C]; without
// NORM it is D, and of a BIAS ΣD goes into `part` as well. With `out` goes Σ ∂L/∂parameter of each
// block, into `learned_part` [blocks][PARAMETERS]: a neuron's sum over steps in real, as on the CPU,
// those of neurons in double, in an order that only the launch decides.
extern "C" __global__ void __launch_bounds__(THREADS)
gradient(const TZ* __restrict__ z, const real* __restrict__ mean, const real* __restrict__ inverse,
         const real* __restrict__ scale, const real* __restrict__ shift, const float* __restrict__ mask,
         const float* __restrict__ drop, const real* __restrict__ learned_, const TO* __restrict__ g_out, const float* __restrict__ g_scores,
         const real* __restrict__ p_, const real* __restrict__ q_, const real* __restrict__ r_, TZ* __restrict__ out,
         real* __restrict__ part, double* __restrict__ learned_part, unsigned b, unsigned h, unsigned w_, unsigned oh, unsigned ow,
         unsigned classes, unsigned voters, float share) {
  const Sizes s = {b, h, w_, oh, ow};
  const Place p = place();
  const unsigned windows = b * ((h + SIDE - 1) / SIDE) * ((w_ + SIDE - 1) / SIDE);
  const size map = (size)b * h * w_ * C, z_step = STILL ? 0 : map, o_step = (size)b * oh * ow * C;
#if PARAMETERS
  real learned[PARAMETERS];
  double learned_sums[PARAMETERS];
#pragma unroll
  for (int i = 0; i < PARAMETERS; ++i) {
    learned[i] = learned_[i];
    learned_sums[i] = 0;
  }
#endif
  Factors f;
  real sd[STATISTICS][V], sx[STATISTICS][V];
#pragma unroll
  for (int t = 0; t < STATISTICS; ++t)
#pragma unroll
    for (int j = 0; j < V; ++j) sd[t][j] = sx[t][j] = real(0);
  if (p.active) {
    const Rows all = {mean + p.channel, inverse + p.channel, scale + p.channel, shift + p.channel,
                      p_ + p.channel,   q_ + p.channel,      r_ + p.channel};
    if (STATISTICS == 1) factors(f, all, 0);
    for (unsigned i = blockIdx.x * p.rows + p.row; i < windows; i += gridDim.x * p.rows) {
      const Window w = window(i, s, p.channel);
      const Rows rows = again(all);
      Carried back[MEMBERS][V], start[SEGMENTS][MEMBERS][V], v[MEMBERS][V];
      real m[MEMBERS][V], d[V], still[MEMBERS][V];
      masks(m, mask, w);
      drops(d, drop, w);
#if PARAMETERS
      real of_learned[MEMBERS][V][PARAMETERS];
#pragma unroll
      for (int k = 0; k < MEMBERS; ++k)
#pragma unroll
        for (int j = 0; j < V; ++j)
#pragma unroll
          for (int i = 0; i < PARAMETERS; ++i) of_learned[k][j][i] = real(0);
#endif
#pragma unroll
      for (int k = 0; k < MEMBERS; ++k)
#pragma unroll
        for (int j = 0; j < V; ++j) {
          v[k][j] = back[k][j] = nothing();
          still[k][j] = real(0);
        }
      // v at the start of every segment but the first, where it is 0
#pragma unroll(T <= 32 ? SEGMENTS : 1)
      for (int g = 0; g + 1 < SEGMENTS; ++g) {
#pragma unroll
        for (int l = 0; l < L; ++l) {
          const int t = g * L + l;
          if (STATISTICS > 1) factors(f, rows, t * C);
#pragma unroll
          for (int k = 0; k < MEMBERS; ++k) {
            if (!w.inside[k]) continue;
            const z_pack x = *(const z_pack*)(z + t * z_step + w.member[k]);
#pragma unroll
            for (int j = 0; j < V; ++j) {
              Kept u;
              charge(current(behind_norm(load(&x.at[j]), f, j), m[k][j]), v[k][j], u LEARNED);
            }
          }
        }
#pragma unroll
        for (int k = 0; k < MEMBERS; ++k)
#pragma unroll
          for (int j = 0; j < V; ++j) start[g + 1][k][j] = v[k][j];
      }
#pragma unroll(T <= 32 ? SEGMENTS : 1)
      for (int g = SEGMENTS - 1; g >= 0; --g) {
        Kept u[L][MEMBERS][V];
#pragma unroll
        for (int k = 0; k < MEMBERS; ++k)
#pragma unroll
          for (int j = 0; j < V; ++j) v[k][j] = g ? start[g][k][j] : nothing();
#pragma unroll
        for (int l = 0; l < L; ++l) {
          const int t = g * L + l;
          if (t >= T) break;
          if (STATISTICS > 1) factors(f, rows, t * C);
#pragma unroll
          for (int k = 0; k < MEMBERS; ++k) {
            if (!w.inside[k]) continue;
            const z_pack x = *(const z_pack*)(z + t * z_step + w.member[k]);
#pragma unroll
            for (int j = 0; j < V; ++j) {
              charge(current(behind_norm(load(&x.at[j]), f, j), m[k][j]), v[k][j], u[l][k][j] LEARNED);
            }
          }
        }
#pragma unroll
        for (int l = L - 1; l >= 0; --l) {
          const int t = g * L + l;
          if (t >= T) continue;
          if (STATISTICS > 1) factors(f, rows, t * C);
          real gradient[V];
          // a maximum's gradient goes to the first member that fired, where none did to the first
          bool any[V], given[V];
          upstream(gradient, g_out, g_scores, d, o_step, w, p.channel, classes, voters, share, t);
#pragma unroll
          for (int j = 0; j < V; ++j) {
            any[j] = given[j] = false;
#pragma unroll
            for (int k = 0; k < MEMBERS; ++k) any[j] |= w.inside[k] && fires(u[l][k][j]);
          }
#pragma unroll
          for (int k = 0; k < MEMBERS; ++k) {
            if (!w.inside[k]) continue;
            z_pack x, o;
            if (NORM || RECTIFY) x = *(const z_pack*)(z + t * z_step + w.member[k]);
#pragma unroll
            for (int j = 0; j < V; ++j) {
              const bool fired = fires(u[l][k][j]);
              const bool wins = any[j] ? fired && !given[j] : k == 0;
              given[j] |= wins;
              const real g_spike = POOL != 1 || wins ? gradient[j] : real(0);
              real D = backward(u[l][k][j], g_spike, back[k][j] LEARNED_SUMS(k, j));
              if (STILL) {
                still[k][j] += D;
                continue;
              }
              const real value = (NORM || RECTIFY) ? load(&x.at[j]) : real(0);
              if (RECTIFY && !(behind_norm(value, f, j) > real(0))) D = real(0);
              if (MASK) D *= m[k][j];
              sd[SETS && NORM ? t : 0][j] += D;
#if NORM
              const unsigned at = (SETS ? t * C : 0) + j;
#if SUMS
              sx[SETS ? t : 0][j] += D * ((value - f.mean[j]) * rows.inverse[at]);
#else
              D = rows.p[at] * (D - rows.r[at] - (value - f.mean[j]) * rows.q[at]);
#endif
#endif
              store(&o.at[j], D);
            }
            if (!SUMS && !STILL) *(z_pack*)(out + t * map + w.member[k]) = o;
          }
        }
      }
#if PARAMETERS
      // members outside the map have added nothing
#pragma unroll
      for (int k = 0; k < MEMBERS; ++k)
#pragma unroll
        for (int j = 0; j < V; ++j)
#pragma unroll
          for (int i = 0; i < PARAMETERS; ++i) learned_sums[i] += double(of_learned[k][j][i]);
#endif
      if (STILL) {
        // one step of z stands for all: its gradient is the sum over them
#pragma unroll
        for (int k = 0; k < MEMBERS; ++k) {
          if (!w.inside[k]) continue;
          z_pack x, o;
          if (NORM || RECTIFY) x = *(const z_pack*)(z + w.member[k]);
#pragma unroll
          for (int j = 0; j < V; ++j) {
            real D = still[k][j];
            const real value = (NORM || RECTIFY) ? load(&x.at[j]) : real(0);
            if (RECTIFY && !(behind_norm(value, f, j) > real(0))) D = real(0);
            if (MASK) D *= m[k][j];
            sd[0][j] += D;
#if NORM
            const unsigned at = j;
#if SUMS
            sx[0][j] += D * ((value - f.mean[j]) * rows.inverse[at]);
#else
            D = rows.p[at] * (D - rows.r[at] - (value - f.mean[j]) * rows.q[at]);
#endif
#endif
            store(&o.at[j], D);
          }
          if (!SUMS) *(z_pack*)(out + w.member[k]) = o;
        }
      }
    }
  }
#if PARAMETERS && !SUMS
  // all threads of the block add up, in pairs
  __shared__ double of_threads[THREADS];
  for (int i = 0; i < PARAMETERS; ++i) {
    of_threads[threadIdx.x] = learned_sums[i];
    __syncthreads();
    for (unsigned half = THREADS / 2; half; half /= 2) {
      if (threadIdx.x < half) of_threads[threadIdx.x] += of_threads[threadIdx.x + half];
      __syncthreads();
    }
    if (!threadIdx.x) learned_part[((size)blockIdx.y * gridDim.x + blockIdx.x) * PARAMETERS + i] = of_threads[0];
    __syncthreads();
  }
#endif
#if SUMS || (BIAS && !NORM)
  // threads of one channel add up, step after step
  __shared__ real sums[2][V][THREADS];
#pragma unroll(T <= 32 ? STATISTICS : 1)
  for (int t = 0; t < STATISTICS; ++t) {
#pragma unroll
    for (int j = 0; j < V; ++j) {
      sums[0][j][threadIdx.x] = sd[t][j];
      sums[1][j][threadIdx.x] = sx[t][j];
    }
    __syncthreads();
    if (p.active && p.row == 0) {
      const unsigned lanes = C / V;
#pragma unroll
      for (int j = 0; j < V; ++j) {
        real a = real(0), x = real(0);
        for (unsigned row = 0; row < p.rows; ++row) {
          a += sums[0][j][row * lanes + threadIdx.x];
          x += sums[1][j][row * lanes + threadIdx.x];
        }
        const size at = ((size)blockIdx.x * STATISTICS + t) * 2 * C + p.channel + j;
        part[at] = a;
        part[at + C] = x;
      }
    }
    __syncthreads();
  }
#endif
}
#endif
