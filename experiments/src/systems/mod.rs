//! The systems of the paper's tables, one file each: what a system is, as a function from a run to
//! a run, and what was published of it. Below stands the list of all; docs/systems.md tells more.

pub(crate) mod recipe;

pub use recipe::Recipe;

use crate::Run;
use crate::run::SystemSetting;
use datasets::Name;
use models::{Norm, NormOptions};

/// A system of the paper's tables, in its two settings.
pub struct System {
    /// What is typed, and what receipts have.
    pub id: &'static str,
    /// For people; `--systems` takes each of its words too.
    pub name: &'static str,
    /// Where it was published.
    pub cite: &'static str,
    /// What the paper's tables print of it.
    pub published: &'static [Accuracy],
    /// *House*: the system's neuron and norm, with their published constants, in the paper's
    /// network and budget. It is given the run of BPSA + BPTA as a profile makes it.
    pub house: fn(Run) -> Run,
    /// *Published*: its own recipe for a data set, where one is known. Of ours it is the house's,
    /// so they have none of their own.
    pub published_setting: fn(Name) -> Option<Recipe>,
}

/// An accuracy as one of the paper's tables prints it.
pub struct Accuracy {
    /// The table's id, such as `table2`.
    pub table: &'static str,
    /// The data set.
    pub data: Name,
    /// Percent.
    pub percent: f64,
}

/// A line of a system's published accuracies.
const fn printed(table: &'static str, data: Name, percent: f64) -> Accuracy {
    Accuracy { table, data, percent }
}

/// A line of the list is a system's file and the name of its value.
macro_rules! systems {
    ($($file:ident: $NAME:ident,)*) => {
        $(
            pub mod $file;
            pub use $file::$NAME;
        )*

        /// Every system, ours first.
        pub static ALL: &[&System] = &[$(&$NAME),*];
    };
}

systems! {
    baseline: BASELINE,
    bpsa: BPSA,
    bpsa_bpta: BPSA_BPTA,
    tdbn: TDBN,
    plif: PLIF,
    bntt: BNTT,
    sbpsnn: SBPSNN,
    lisnn: LISNN,
    neunorm: NEUNORM,
    backeisnn: BACKEISNN,
}

/// The paper's own, in the order of its Table 4.
pub const OURS: [&System; 3] = [&BASELINE, &BPSA, &BPSA_BPTA];

/// A system in one of its settings, as a command chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemInSetting {
    /// The system.
    pub system: &'static System,
    /// Its setting.
    pub setting: SystemSetting,
}

impl SystemInSetting {
    /// A part of receipts' names.
    pub fn id(self) -> String {
        match self.setting {
            SystemSetting::House => self.system.id.to_owned(),
            SystemSetting::Published => format!("{}-published", self.system.id),
        }
    }

    /// For people.
    pub fn title(self) -> String {
        match self.setting {
            SystemSetting::House => self.system.id.to_owned(),
            SystemSetting::Published => format!("{}, published setting", self.system.id),
        }
    }
}

impl System {
    /// The system of that id.
    pub fn of(id: &str) -> Option<&'static System> {
        ALL.iter().copied().find(|system| system.id == id)
    }

    /// The system that a person calls so: by its id, or by a word of its name.
    pub fn called(word: &str) -> Option<&'static System> {
        let word = word.to_lowercase();
        let named = |system: &&System| {
            let name = system.name.to_lowercase();
            name.split([' ', '(', ')']).any(|part| !part.is_empty() && part == word)
        };
        Self::of(&word).or_else(|| ALL.iter().copied().filter(|s| !s.is_ours()).find(named))
    }

    /// Every id, in words.
    pub fn ids() -> String {
        let ids: Vec<&str> = ALL.iter().map(|system| system.id).collect();
        ids.join(", ")
    }

    /// Whether it is one of the paper's own.
    pub fn is_ours(&self) -> bool {
        OURS.iter().any(|ours| ours.id == self.id)
    }

    /// What a table prints of it for a data set.
    pub fn percent(&self, table: &str, data: Name) -> Option<f64> {
        let cell = |cell: &&Accuracy| cell.table == table && cell.data == data;
        self.published.iter().find(cell).map(|cell| cell.percent)
    }

    /// The data sets of `data` for which it has a published setting.
    pub fn recipes(&self, data: &[Name]) -> Vec<(Name, Recipe)> {
        data.iter().filter_map(|&name| Some((name, (self.published_setting)(name)?))).collect()
    }
}

impl PartialEq for System {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for System {}

impl std::fmt::Debug for System {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "System({})", self.id)
    }
}

/// What is to be known of a run in its system's published setting; nothing where there is nothing.
pub fn says(run: &Run) -> Option<String> {
    let system = System::of(&run.system).filter(|_| !run.setting.is_house())?;
    let says = (system.published_setting)(run.data)?.says();
    let (name, title) = (system.name, run.data.title());
    (!says.is_empty()).then(|| format!("{title} {name}, published setting: {says}"))
}

/// A system without a setting of its own: the house's is the published one.
fn none(_: Name) -> Option<Recipe> {
    None
}

/// A run without what only the house's stages have: their ReLU, since currents may inhibit, and the
/// warm-up without neurons, which needs that ReLU.
fn bare(run: Run) -> Run {
    let setup = training::Setup { warm_up: training::WarmUp::None, ..run.setup };
    Run { rectify: false, setup, ..run }
}

/// A convolution of the notation: `32C3`, `2*32C3`, `15C5(valid)`, `32C3(L5)`.
struct Convolution<'n> {
    /// How often it stands.
    times: usize,
    /// The stage, once.
    once: &'n str,
    /// The side of its window.
    window: &'n str,
    /// Whether spikes return to it.
    returns: bool,
}

/// A stage as a convolution, if it is one; a stem or a residual block is none.
fn convolution(stage: &str) -> Option<Convolution<'_>> {
    let (times, once) = match stage.split_once('*') {
        Some((times, once)) => (times.parse().ok()?, once),
        None => (1, stage),
    };
    let (channels, behind) = once.split_once('C')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let window = behind.split('(').next()?;
    (digits(channels) && digits(window)).then_some(Convolution {
        times,
        once,
        window,
        returns: behind.contains("(L") || behind.contains("(BE"),
    })
}

/// Batch norm with these options.
fn batch_norm(options: NormOptions) -> Norm {
    Norm::Batch(options)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_system_is_found_by_its_id_and_by_its_name() {
        for system in ALL {
            assert_eq!(System::of(system.id), Some(*system));
            assert_eq!(System::called(&system.id.to_uppercase()), Some(*system));
            assert_eq!(ALL.iter().filter(|other| other == &system).count(), 1, "{}", system.id);
        }
        for (word, system) in [("STBP-tdBN", &TDBN), ("lmcsnn", &PLIF), ("PLIF", &PLIF)] {
            assert_eq!(System::called(word), Some(system));
        }
        for word in ["", "stbp", "our", "(", "tdbn2"] {
            assert_eq!(System::called(word), None, "{word}");
        }
    }

    #[test]
    fn published_numbers_are_of_tables_and_once() {
        for system in ALL {
            for cell in system.published {
                assert!((1.0..100.0).contains(&cell.percent) && cell.table.starts_with("table"));
                let same = |other: &&Accuracy| (other.table, other.data) == (cell.table, cell.data);
                assert_eq!(system.published.iter().filter(same).count(), 1);
            }
        }
    }
}
