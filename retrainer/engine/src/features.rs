//! Features of one view: read from the map on the CPU, resident on a CUDA device, normalised on the way.

use super::{error::TrainError, normalised::Normaliser};
use cache::{Dtype, FeatureCache, FeatureView, Split, View};
use std::{ops::Range, rc::Rc};
use tch::{Device, Kind, Tensor};
use torch::numbers::{from_bytes, from_f32, size};

/// Features of one view, `[N, D]`, normalised as they are read.
#[derive(Debug)]
pub(super) struct Features<'cache> {
    stored: Stored<'cache>,
    normaliser: Rc<Normaliser>,
}

/// The numbers of a view as the cache has them.
#[derive(Debug)]
enum Stored<'cache> {
    /// Read from the map, row by row, widened to f32.
    Mapped(FeatureView<'cache>),
    /// On the device, as stored.
    Resident(Tensor),
}

impl<'cache> Features<'cache> {
    pub(super) fn new(
        cache: &'cache FeatureCache,
        split: Split,
        view: View,
        normaliser: &Rc<Normaliser>,
        device: Device,
    ) -> Result<Self, TrainError> {
        let mapped = cache.view(split, view)?;
        let normaliser = Rc::clone(normaliser);
        if device == Device::Cpu {
            return Ok(Self { stored: Stored::Mapped(mapped), normaliser });
        }
        let kind = match cache.manifest().dtype {
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::Bf16 => Kind::BFloat16,
        };
        let shards = mapped
            .stored()
            .map(|(rows, bytes)| from_bytes(bytes, &[size(rows), size(mapped.dim())], kind, device))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { stored: Stored::Resident(Tensor::f_cat(&shards, 0)?), normaliser })
    }

    /// The rows of `order`, as f32 `[n, D]`; `indices` are the same on the device.
    pub(super) fn gather(
        &self,
        order: &[u32],
        indices: &dyn Fn() -> Result<Tensor, TrainError>,
    ) -> Result<Tensor, TrainError> {
        self.normaliser.of(match &self.stored {
            Stored::Mapped(view) => {
                let mut rows = vec![0.0; order.len() * view.dim()];
                view.gather(order, &mut rows)?;
                from_f32(&rows, &[size(order.len()), size(view.dim())], Device::Cpu)?
            }
            Stored::Resident(features) => features.f_index_select(0, &indices()?)?.f_to_kind(Kind::Float)?,
        })
    }

    /// Consecutive rows as f32.
    pub(super) fn rows(&self, range: Range<usize>, device: Device) -> Result<Tensor, TrainError> {
        self.normaliser.of(match &self.stored {
            Stored::Mapped(view) => {
                let mut rows = vec![0.0; range.len() * view.dim()];
                let length = size(range.len());
                view.read_rows(range, &mut rows)?;
                from_f32(&rows, &[length, size(view.dim())], device)?
            }
            Stored::Resident(features) => {
                features.f_narrow(0, size(range.start), size(range.len()))?.f_to_kind(Kind::Float)?
            }
        })
    }
}
