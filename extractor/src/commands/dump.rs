//! `extractor dump`: the frozen features of a backbone become a cache; without a backbone, one is trained first.

use super::{Outcome, import::report, machine, output::say, train};
use crate::{
    dump::{check_out, dump},
    error::ExtractError,
    frozen::Loading,
    settings::Dump,
};

pub(super) fn run(settings: &Dump) -> Result<Outcome, ExtractError> {
    let interrupt = machine::begin(&settings.machine)?;
    check_out(&settings.out)?;
    let device = machine::prepare(&settings.machine)?;
    let dataset = settings.data.load()?;
    train::announce(&dataset);
    let frozen = settings.source.load(Loading {
        compute: settings.machine.compute(device),
        dataset: &dataset,
        readout: settings.readout,
        head: settings.head.as_deref(),
        interrupt: &interrupt,
        tell: say,
    })?;
    let features = settings.features(&frozen);
    report(dump(&frozen, &dataset, &features, &settings.out, &interrupt)?, &settings.out);
    Ok(Outcome::Done)
}
