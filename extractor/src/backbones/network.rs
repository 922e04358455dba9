//! What every architecture can do.

use super::readout::{Pooling, Readout};
use cache::BatchNormMode;
use std::fmt;
use tch::{TchError, Tensor};

/// A network, or why libtorch could not build it.
pub(super) type Built = Result<Box<dyn Network>, TchError>;

/// The layers of a backbone, up to and with the pooling.
pub(super) trait Network: fmt::Debug + Send {
    /// `[B, 3, H, W]` in the number format of activations to `[B, D]` in the same format; the layer is one that there is.
    fn forward(
        &self,
        images: &Tensor,
        batch_norm: BatchNormMode,
        readout: Readout,
    ) -> Result<Tensor, TchError>;

    /// Number of features D at the end of the network, which has this pooling.
    fn feature_dim(&self, pooling: Pooling) -> usize;

    /// Channels of each stage that can be read; none for a network that is read at its end only.
    fn stages(&self) -> &[usize];

    /// What its last map or its tokens can become, its owners' own first.
    fn poolings(&self) -> &[Pooling];

    /// The sides of images are multiples of it, in pixels.
    fn patch(&self) -> usize {
        1
    }

    /// The pooling asked for, or else the network's own.
    fn pooling(&self, readout: Readout) -> Pooling {
        readout.pooling.or_else(|| self.poolings().first().copied()).unwrap_or(Pooling::Mean)
    }
}
