//! A run as a table asks for it.

use crate::preset::{self, Overrides};
use crate::settings::Setting;
use crate::systems::{System, SystemInSetting};
use crate::tuning::Point;
use crate::usage::Usage;
pub use crate::warm::Warm;
use crate::{Profile, Run, SystemSetting};
use anyhow::{Result, bail};
use datasets::Name;
use models::Architecture;
use training::WarmUp;

/// A run as a table asks for it: a data set, a system, and what else the table varies. A profile
/// makes it a [`Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunRequest {
    /// The data set.
    pub data: Name,
    /// The system.
    pub system: &'static System,
    /// Its setting.
    pub setting: SystemSetting,
    /// What the table varies beside the two.
    pub variation: Variation,
}

/// What a table varies beside data set and system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variation {
    /// Nothing.
    None,
    /// The network ResNet34.
    ResNet34,
    /// The number of time steps T.
    Steps(usize),
    /// A warm-up of its own.
    WarmUp(Warm),
    /// The analogue network of equal structure, trained without neurons from the first epoch to the
    /// last.
    Analogue,
}

impl RunRequest {
    /// Without a change, in the house's setting.
    pub const fn new(data: Name, system: &'static System) -> Self {
        Self { data, system, setting: SystemSetting::House, variation: Variation::None }
    }

    /// The same in a system's own setting, without a change.
    pub const fn published(data: Name, system: &'static System) -> Self {
        Self { setting: SystemSetting::Published, ..Self::new(data, system) }
    }

    /// Its system in its setting.
    pub fn chosen(self) -> SystemInSetting {
        SystemInSetting { system: self.system, setting: self.setting }
    }

    /// The run that a profile with these overrides makes of it.
    ///
    /// # Errors
    /// An override that does not fit the run.
    pub fn run(self, profile: Profile, overrides: &Overrides) -> Result<Run> {
        let sets = |what: fn(&Setting) -> bool| overrides.settings.iter().any(what);
        let varied = match self.variation {
            Variation::Steps(_) if overrides.steps.is_some() => Some("--steps"),
            Variation::Steps(_) if sets(Setting::of_framing) => Some("--set framing"),
            Variation::WarmUp(_) | Variation::Analogue if sets(Setting::of_warm_up) => {
                Some("--set warm-up")
            }
            _ => None,
        };
        if let Some(flag) = varied {
            bail!(Usage(format!(
                "{flag} is what this table varies itself, in the row {}; leave it out",
                self.title()
            )));
        }
        let mut all = overrides.clone();
        let tuned = self.tuned(overrides)?;
        all.learning_rate = tuned.map_or(all.learning_rate, |point| Some(point.learning_rate));
        if self.variation == Variation::ResNet34 {
            all.architecture = Some(Architecture::ResNet34);
        }
        let epochs = all.epochs.unwrap_or(preset::epochs(self.data, profile, all.architecture));
        match self.variation {
            Variation::None | Variation::ResNet34 => (),
            Variation::Steps(steps) => all.steps = Some(steps),
            Variation::WarmUp(warm) => all.warm_up = Some(warm.of(epochs)),
            Variation::Analogue => all.warm_up = Some(WarmUp::Ann { epochs }),
        }
        // a row that is about a warm-up has its own
        let point = tuned.filter(|_| all.warm_up.is_none());
        all.warm_up = point.map(|point| point.warm_up.of(epochs)).or(all.warm_up);
        preset::run_in(self.chosen(), self.data, profile, &all)
    }

    /// What a grid chose for it, where that is asked for.
    ///
    /// # Errors
    /// A choice that was made for others, or beside a setting of the same field.
    fn tuned(self, overrides: &Overrides) -> Result<Option<&Point>> {
        let Some(tuned) = overrides.tuned.as_ref().filter(|_| self.setting.is_house()) else {
            return Ok(None);
        };
        let both = |setting: &&Setting| {
            setting.of_warm_up() || setting.place().starts_with("setup.learning_rate")
        };
        if let Some(setting) = overrides.settings.iter().find(both) {
            bail!(Usage(format!(
                "--tuned and --set {} both set {}; leave one of the two out",
                setting.text(),
                setting.place()
            )));
        }
        match tuned.of(self.data, self.system) {
            Some(point) => Ok(Some(point)),
            None => bail!(Usage(format!(
                "--tuned: expected a choice for {} on {}, found none; run its grid too, or leave it out by --systems or --only",
                self.system.id, self.data
            ))),
        }
    }

    /// What tells its receipts from others of one profile: a part of their names.
    pub fn id(self, profile: Profile) -> String {
        let Self { data, system, variation, .. } = self;
        let plain = format!("{}-{}", data.id(), self.chosen().id());
        match variation {
            Variation::None => plain,
            // the usual warm-up is no change
            Variation::WarmUp(warm) if warm == preset::usual_warm_up(data, system, profile) => {
                plain
            }
            Variation::ResNet34 => plain + "-resnet34",
            // the usual T is no change
            Variation::Steps(steps) if steps == preset::steps(data, profile) => plain,
            Variation::Steps(steps) => format!("{plain}-T{steps}"),
            Variation::WarmUp(warm) => format!("{plain}-warm-up-{}", warm.id()),
            Variation::Analogue => format!("{}-ann", data.id()),
        }
    }

    /// For people.
    pub fn title(self) -> String {
        let Self { data, variation, .. } = self;
        let plain = format!("{} {}", data.title(), self.chosen().title());
        match variation {
            Variation::None => plain,
            Variation::ResNet34 => plain + ", ResNet34",
            Variation::Steps(steps) => format!("{plain}, T = {steps}"),
            Variation::WarmUp(warm) => format!("{plain}, warm-up {}", warm.id()),
            Variation::Analogue => format!("{} analogue network", data.title()),
        }
    }

    /// The words by which `--only` finds it.
    pub fn words(self) -> Vec<String> {
        let mut words = vec![self.data.id().to_owned()];
        match self.variation {
            Variation::Analogue => words.push("ann".into()),
            _ => words.push(self.system.id.into()),
        }
        if self.setting == SystemSetting::Published {
            words.push("published".into());
        }
        match self.variation {
            Variation::None | Variation::Analogue => (),
            Variation::ResNet34 => words.push("resnet34".into()),
            Variation::Steps(steps) => words.push(format!("T{steps}")),
            Variation::WarmUp(warm) => words.push(format!("warm-up-{}", warm.id())),
        }
        words
    }
}
