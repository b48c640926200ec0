//! A [`Camera`] gives [`Pixels`], which look at a scene and answer with [`crate::Events`];
//! [`Saccades`] is the scene of N-MNIST, a still image before a moving camera: image → log
//! intensity at each look → `Pixels` → `Events`.
//!
//! A pixel fires when the natural logarithm of its intensity has moved by a threshold since its
//! last reset (Lichtsteiner, Posch, Delbruck, IEEE JSSC 43(2), 2008; ESIM: Rebecq, Gehrig,
//! Scaramuzza, CoRL 2018); thresholds differ from pixel to pixel, a pixel that fired is held in
//! reset for a while, and some events come from noise (v2e: Hu, Liu, Delbruck, CVPR Workshops
//! 2021).
//!
//! Everything is arithmetic that IEEE 754 rounds exactly and ChaCha8 specifies bit by bit; no
//! function of a system's mathematics library is called. So the same arguments give the same
//! events, bit for bit, on every machine.

mod exact;
mod pixels;
mod saccades;

pub use pixels::{Pixels, Region};
pub use saccades::Saccades;

use serde::{Deserialize, Serialize};

/// The constants of an event camera's pixels. The default is what comes nearest to the ATIS camera
/// of N-MNIST: tuned on the first 1,000 train recordings, or measured there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Mean rise of log intensity that makes an ON event. Tuned; v2e's usual value is 0.2, and the
    /// higher one stands for light that optics and screen have lost before it reaches a pixel.
    pub threshold_on: f32,
    /// Mean fall of log intensity that makes an OFF event. Tuned, together with the ON threshold:
    /// half of all real events are ON.
    pub threshold_off: f32,
    /// Standard deviation of a pixel's thresholds, as a share of their mean. Chosen: v2e's 0.03 for
    /// thresholds of 0.2.
    pub mismatch: f32,
    /// Time in µs for which a pixel is held in reset after an event: it sees nothing, and starts
    /// anew from the intensity at the end. Tuned; the interval between two events of a pixel has
    /// its least values there.
    pub refractory_us: i64,
    /// ON events per pixel and second without any change of intensity: the leak of the pixel's
    /// switch. Measured at the rim of the sensor.
    pub noise_on_hz: f64,
    /// OFF events per pixel and second without any change of intensity. Measured at the rim of the
    /// sensor.
    pub noise_off_hz: f64,
}

impl Default for Camera {
    fn default() -> Self {
        Self {
            threshold_on: 0.315,
            threshold_off: 0.3,
            mismatch: 0.15,
            refractory_us: 1_300,
            noise_on_hz: 0.37,
            noise_off_hz: 0.014,
        }
    }
}
