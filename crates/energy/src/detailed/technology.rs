/// Energy of arithmetic, pJ an operation, in 45 nm at 0.9 V: M. Horowitz, "Computing's energy
/// problem (and what we can do about it)", ISSCC 2014.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arithmetic {
    /// One addition; an accumulate (AC) and a comparison cost as much.
    pub add_pj: f64,
    /// One multiplication.
    pub multiply_pj: f64,
    /// Bytes of a weight, an activation or a membrane.
    pub bytes: f64,
}

/// 32-bit floating point: AC 0.9 pJ, MAC 4.6 pJ.
pub const FP32: Arithmetic = Arithmetic { add_pj: 0.9, multiply_pj: 3.7, bytes: 4.0 };
/// 8-bit integers: AC 0.03 pJ, MAC 0.23 pJ.
pub const INT8: Arithmetic = Arithmetic { add_pj: 0.03, multiply_pj: 0.2, bytes: 1.0 };

impl Arithmetic {
    /// Multiply and add, pJ.
    pub fn mac_pj(&self) -> f64 {
        self.multiply_pj + self.add_pj
    }
}

/// A byte from or to an 8 KB SRAM, pJ: 10 pJ for 64 bits (Horowitz, ISSCC 2014). A 32 KB one takes
/// twice as much.
pub const SRAM_8_KB_PJ: f64 = 10.0 / 8.0;
/// A byte from or to a 1 MB SRAM, pJ: 100 pJ for 64 bits (the same).
pub const SRAM_1_MB_PJ: f64 = 100.0 / 8.0;
/// A byte from or to DRAM, pJ, lowest and highest: 1.3 to 2.6 nJ for 64 bits (the same).
pub const DRAM_PJ: [f64; 2] = [1300.0 / 8.0, 2600.0 / 8.0];

/// Spikes through a synapse in one inference below which a spiking network costs less than its
/// analogue twin, between designs that favour the one and the other: M. Dampfhoffer et al., "Are
/// SNNs really more energy-efficient than ANNs? An in-depth hardware-aware study", IEEE TETCI 2023.
pub const BREAK_EVEN_SPIKES_PER_SYNAPSE: [f64; 2] = [0.15, 1.38];
