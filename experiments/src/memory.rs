//! What a run takes at least, told by sizes, beside what the machine has: nothing is allocated to
//! find out.

use crate::Run;
use anyhow::{Result, bail};
use candle_core::Device;
use models::{Footprint, Frames, Options};
use training::SeededVars;

/// Bytes that a run takes at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Weights, their gradients and what the optimiser keeps, AdamW two moments.
    pub weights: u128,
    /// The largest operation of one training step, and the frames that it starts from.
    pub step: u128,
}

/// Bytes of an f32.
const NUMBER: u128 = 4;

impl MemoryNeed {
    /// Of a run whose network has this footprint. Of a framing without a fixed number of steps one
    /// is counted.
    pub fn of(run: &Run, network: &Footprint, memory_budget: Option<usize>) -> Self {
        let steps = run.steps().unwrap_or(1) as u128;
        let batch = run.setup.batch as u128;
        let still = matches!(run.encoding, crate::Encoding::Direct { .. });
        let [height, width, channels] = run.frame().map(|n| n as u128);
        let frame = height.saturating_mul(width).saturating_mul(channels);
        // of a still image what stands in front of the first neuron is computed once
        let once = if still { 1 } else { steps };
        let early = frame.max(network.before_neurons).saturating_mul(once);
        let late = network.behind_neurons.saturating_mul(steps);
        let step = early.max(late).saturating_mul(batch).saturating_mul(NUMBER);
        // a budget has what does not fit computed again
        let step = memory_budget.map_or(step, |budget| step.min(budget as u128));
        let kept = run.setup.optimiser.kept() as u128;
        Self { weights: network.weights.saturating_mul((2 + kept) * NUMBER), step }
    }

    /// Refuses a run that needs more than there is.
    ///
    /// # Errors
    /// Too much; the message has what is needed and what was found.
    pub fn prove(&self, run: &Run, found: Option<u128>) -> Result<()> {
        let needed = self.weights.saturating_add(self.step);
        let Some(found) = found.filter(|&found| needed > found) else { return Ok(()) };
        let steps = run.steps().map_or(String::new(), |steps| format!(", T = {steps}"));
        bail!(
            "{}{steps}, batch {}, needs at least {} of memory ({} for weights, gradients and moments, {} for a step), \
             found {} available; take a smaller network (--narrow), a smaller batch or fewer steps",
            sentence::shown(&run.network),
            run.setup.batch,
            sentence::size(needed),
            sentence::size(self.weights),
            sentence::size(self.step),
            sentence::size(found)
        )
    }
}

/// Refuses a memory budget into which no step of a run over `train` samples fits, as its first step
/// would. The weights are allocated for it, as the run would.
///
/// # Errors
/// Too small a budget; the message has what is needed.
pub fn prove_budget(run: &Run, train: usize, budget: usize) -> Result<()> {
    let network = run.network(&SeededVars::new(0), &Device::Cpu)?;
    let (Some(passes), Some(steps)) = (network.event_driven(), run.steps()) else { return Ok(()) };
    if run.is_analogue() {
        return Ok(());
    }
    let [height, width, channels] = run.frame();
    let batch = run.setup.batch.min(train);
    // sizes of a step that no machine has are not added up
    let least = MemoryNeed::of(run, &network.footprint(run.frame()), None).step;
    if least > 1 << 50 {
        bail!(
            "a training step takes at least {}, the memory budget is {}; take a smaller network, a smaller batch or fewer steps",
            sentence::size(least),
            sentence::size(budget as u128)
        );
    }
    let still = matches!(run.encoding, crate::Encoding::Direct { .. });
    let shape = [batch, height, width, channels];
    let frames = Frames { values: &[], steps, bytes: None, shape, still };
    let options = Options { memory_budget: Some(budget), ..Options::default() };
    passes.plan(frames, options).map(drop).map_err(crate::run::in_one_sentence)
}

/// Refuses frames of `recordings` recordings that do not fit into memory, where they are kept.
///
/// # Errors
/// Too much; the message has what is needed and what was found.
pub fn prove_frames(run: &Run, recordings: usize, found: Option<u128>) -> Result<()> {
    let [height, width, channels] = run.data.info().content.frame().map(|n| n as u128);
    let steps = run.steps().unwrap_or(1) as u128;
    // counts are two bytes each
    let needed = [steps, height, width, channels, recordings as u128]
        .iter()
        .fold(2u128, |product, &n| product.saturating_mul(n));
    let Some(found) = found.filter(|&found| needed > found) else { return Ok(()) };
    let name = run.data.id();
    bail!(
        "{}: {recordings} recordings as {steps} frames each need {} of memory, found {} available; take fewer (`train --train N`), \
         fewer steps, or a cache (`data prepare {name}`), from which frames are read as they are needed",
        run.data.title(),
        sentence::size(needed),
        sentence::size(found)
    )
}

/// Bytes that this process may still take, if the system tells: what the kernel calls available,
/// and no more than the limit of its control group.
pub fn available() -> Option<u128> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u128 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u128>().ok();
    limits.into_iter().filter_map(limit).chain([kibibytes.saturating_mul(1024)]).min()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::preset::{self, Overrides};
    use crate::systems::BPSA_BPTA;
    use crate::{Encoding, Profile};
    use datasets::Name;

    fn run(data: Name) -> Run {
        preset::run(data, &BPSA_BPTA, Profile::Short, &Overrides::default()).unwrap()
    }

    #[test]
    fn what_is_needed_is_counted_and_never_overflows() {
        let mut run = run(Name::NMnist);
        run.network = "1000000FC-10Voting".into();
        let network = run.outline().unwrap().footprint(run.frame());
        let need = MemoryNeed::of(&run, &network, None);
        assert_eq!(need.weights, 16 * (2312 * 1_000_000 + 1_000_000 + 100_000_000 + 100));
        assert_eq!(need.step, 4 * 16 * 8 * 1_000_000);
        assert_eq!(MemoryNeed::of(&run, &network, Some(1 << 20)).step, 1 << 20);
        let said = need.prove(&run, Some(8 << 30)).unwrap_err().to_string();
        for words in [
            "1000000FC-10Voting, T = 8, batch 16, needs at least 37 GiB",
            "found 8192 MiB available",
        ] {
            assert!(said.contains(words), "{said}");
        }
        need.prove(&run, Some(64 << 30)).unwrap();
        need.prove(&run, None).unwrap();
        let most = u128::MAX;
        let vast =
            Footprint { weights: most, before_neurons: most, behind_neurons: most, norms: vec![] };
        assert!(MemoryNeed::of(&run, &vast, None).prove(&run, Some(most - 1)).is_err());
    }

    #[test]
    fn a_still_image_is_one_frame_and_recordings_are_all_of_theirs() {
        let mut run = run(Name::Cifar10);
        run.encoding = Encoding::Direct { steps: 1000 };
        let none = Footprint::default();
        assert_eq!(MemoryNeed::of(&run, &none, None).step, 4 * 32 * (32 * 32 * 3));
        let mut run = self::run(Name::NMnist);
        run.encoding = Encoding::Events(events::Framing::Number { frames: 65_536 });
        let said = prove_frames(&run, 60_000, Some(1 << 40)).unwrap_err().to_string();
        assert!(said.contains("60000 recordings as 65536 frames each need 17 TiB"), "{said}");
        assert!(said.contains("data prepare n-mnist"), "{said}");
        prove_frames(&run, 1, Some(1 << 40)).unwrap();
    }
}
