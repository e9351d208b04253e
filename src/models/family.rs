//! What a conditional prior was trained for.

use crate::score::{CartesianFamily, ParallelFamily};
use recon_data::Modality;
use serde::{Deserialize, Serialize};

/// A family of measurements: the table `[family]` of the card of a network that is told what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Family {
    /// Whole lines of k-space of a single coil.
    CartesianLines(CartesianFamily),
    /// Few parallel views of CT.
    ParallelViews(ParallelFamily),
}

impl Family {
    /// Input channels of the network: two images, and what it is told beside them.
    pub fn inputs(&self) -> usize {
        match self {
            Self::CartesianLines(_) | Self::ParallelViews(_) => 4,
        }
    }

    /// The kind of image.
    pub fn modality(&self) -> Modality {
        match self {
            Self::CartesianLines(_) => Modality::Mr,
            Self::ParallelViews(_) => Modality::Ct,
        }
    }

    /// In words.
    pub fn describe(&self) -> String {
        match self {
            Self::CartesianLines(family) => {
                let CartesianFamily { accelerations: [low, high], center_fractions: [least, most], .. } =
                    family;
                format!(
                    "real images, whole columns of k-space left out, {low}x to {high}x, centre of {:.0} % to {:.0} %",
                    100.0 * least,
                    100.0 * most
                )
            }
            Self::ParallelViews(family) => {
                let [least, most] = family.views;
                format!(
                    "{least} to {most} parallel views at equal distances over half a turn, bins of a pixel, no noise"
                )
            }
        }
    }

    /// What is wrong with its numbers, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        match self {
            Self::CartesianLines(family) => family.problem(),
            Self::ParallelViews(family) => family.problem(),
        }
    }
}
