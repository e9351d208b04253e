//! Choices that have a name: on the command line, in case files and in reports alike.

use recon_data::{Modality, Unit as DataUnit};
use recon_operators::{Filter, PhaseAxis, Sampling};
use serde::{Deserialize, Serialize};

/// A choice among a few names.
pub trait Named: Copy + Sized + 'static {
    /// Every choice, in the order that help shows.
    const ALL: &'static [Self];

    /// Its name.
    fn name(self) -> &'static str;

    /// The choice of this name.
    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.name() == name)
    }
}

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident => $target:ty { $($(#[$case_doc:meta])* $case:ident = $text:literal => $value:expr),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$case_doc])* #[serde(rename = $text)] $case),* }

        impl Named for $name {
            const ALL: &'static [Self] = &[$(Self::$case),*];
            fn name(self) -> &'static str {
                match self { $(Self::$case => $text),* }
            }
        }

        impl From<$name> for $target {
            fn from(choice: $name) -> Self {
                match choice { $($name::$case => $value),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

choices! {
    /// Window of the ramp filter in filtered back-projection.
    FilterName => Filter {
        /// None: the sharpest.
        Ramp = "ramp" => Filter::Ramp,
        /// Sinc.
        SheppLogan = "shepp-logan" => Filter::SheppLogan,
        /// Cosine.
        Cosine = "cosine" => Filter::Cosine,
        /// Hamming.
        Hamming = "hamming" => Filter::Hamming,
        /// Hann: the smoothest.
        Hann = "hann" => Filter::Hann,
    }
}

choices! {
    /// What the numbers of an image mean.
    UnitName => DataUnit {
        /// Hounsfield units.
        Hu = "hu" => DataUnit::Hounsfield,
        /// Linear attenuation, 1/mm.
        Attenuation = "attenuation" => DataUnit::Attenuation,
        /// Any other scale.
        Arbitrary = "arbitrary" => DataUnit::Arbitrary,
    }
}

choices! {
    /// What made an image.
    ModalityName => Modality {
        /// Computed tomography.
        Ct = "ct" => Modality::Ct,
        /// Magnetic resonance.
        Mr = "mr" => Modality::Mr,
    }
}

choices! {
    /// Along which image axis phase encoding runs: lines are dropped along it.
    PhaseAxisName => PhaseAxis {
        /// Whole k-space columns are kept or dropped.
        Columns = "columns" => PhaseAxis::Columns,
        /// Whole k-space rows are kept or dropped.
        Rows = "rows" => PhaseAxis::Rows,
    }
}

choices! {
    /// Which lines or points of k-space are measured.
    SamplingName => Sampling {
        /// Every n-th line and the centre, as fastMRI's equispaced-fraction mask.
        Equispaced = "equispaced" => Sampling::Equispaced,
        /// Random lines and the centre, as fastMRI's random mask.
        Random = "random" => Sampling::Random,
        /// Offset equispaced lines that use conjugate symmetry, as fastMRI's magic mask.
        Magic = "magic" => Sampling::Magic,
        /// Lines drawn from a Gaussian around the centre.
        Gaussian1d = "gaussian1d" => Sampling::Gaussian1d,
        /// Points drawn from a Gaussian around the centre.
        Gaussian2d = "gaussian2d" => Sampling::Gaussian2d,
        /// Variable-density Poisson disc.
        PoissonDisc = "poisson-disc" => Sampling::PoissonDisc,
        /// Spokes through the centre, on the grid.
        Radial = "radial" => Sampling::Radial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_are_those_of_files<N: Named + Serialize + PartialEq + std::fmt::Debug>() {
        for &choice in N::ALL {
            assert_eq!(serde_json::to_value(choice).expect("text"), choice.name());
            assert_eq!(N::from_name(choice.name()), Some(choice));
        }
        assert_eq!(N::from_name("spiral"), None);
    }

    #[test]
    fn every_choice_has_one_name_everywhere() {
        names_are_those_of_files::<FilterName>();
        names_are_those_of_files::<UnitName>();
        names_are_those_of_files::<ModalityName>();
        names_are_those_of_files::<PhaseAxisName>();
        names_are_those_of_files::<SamplingName>();
    }
}
