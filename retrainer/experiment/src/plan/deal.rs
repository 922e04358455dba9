//! Which part of several does which heads: the same answer on every machine that has the same grid.

use super::group::{GroupKey, Place, PlannedHead};
use crate::records::AskedHead;
use program::partition::Partition;
use std::{borrow::Cow, num::NonZeroUsize};

/// The heads of a part, in order of their places, and all heads with the part that each is in; `work` says what heads of one group cost.
pub(super) fn dealt(
    heads: Vec<(Place, PlannedHead)>,
    part: Partition,
    work: impl Fn(Option<GroupKey>, usize) -> f64,
) -> (Vec<(Place, PlannedHead)>, Vec<AskedHead>) {
    let key = |(place, _): &(Place, PlannedHead)| place.map(|(key, _)| key);
    let shares: Vec<Share> = heads
        .chunk_by(|one, two| key(one) == key(two))
        .map(|same| {
            let key = same.first().and_then(key);
            Share { name: format!("{key:?}"), heads: same.len(), work: work(key, same.len()) }
        })
        .collect();
    let parts: Vec<usize> = deal(&shares, part.of()).concat();
    let head = |((_, head), &part): (&(Place, PlannedHead), &usize)| AskedHead {
        run_id: head.run_id.clone(),
        method: Cow::Borrowed(head.point.method.name),
        part,
    };
    let asked = heads.iter().zip(&parts).map(head).collect();
    let own = heads.into_iter().zip(parts).filter(|(_, of)| *of == part.index()).map(|(head, _)| head);
    (own.collect(), asked)
}

/// How much more than its share a part may get, so that a group can stay where its digest puts it; so little of many parts that
/// no part is left without work.
fn slack(parts: NonZeroUsize) -> f64 {
    1.0 + f64::min(0.1, 0.5 / parts.get() as f64)
}

/// Heads that train together, as far as the deal is concerned.
#[derive(Clone, Debug)]
struct Share {
    /// Names the group, whatever else is in the plan.
    name: String,
    /// Its heads.
    heads: usize,
    /// Its work, in any unit.
    work: f64,
}

/// A piece of a share: all of it, or some of its heads where there are fewer groups than parts.
struct Piece {
    share: usize,
    /// First head and the one after the last.
    heads: (usize, usize),
    work: f64,
    digest: [u8; 32],
}

/// The part of every head of every share, counted from 0.
///
/// Groups stay whole where there are enough of them, and go where their digest puts them (rendezvous hashing: each part draws a
/// number for each group, and the highest wins), as long as that part has not more than its share of the work: so a grid that grows
/// moves few groups. A group with more work than a part's share is split. Machines' sizes decide nothing.
///
/// # Source
/// Thaler and Ravishankar 1998 (rendezvous hashing); Mirrokni et al. 2018 (with bounded loads).
fn deal(shares: &[Share], parts: NonZeroUsize) -> Vec<Vec<usize>> {
    let total: f64 = shares.iter().map(|share| share.work).sum();
    let each = total / parts.get() as f64;
    let mut pieces: Vec<Piece> =
        shares.iter().enumerate().flat_map(|(index, share)| cut(index, share, each)).collect();
    // Large ones first, so that small ones can fill up what they leave.
    pieces.sort_by(|one, two| two.work.total_cmp(&one.work).then_with(|| one.digest.cmp(&two.digest)));
    let mut loads = vec![0.0; parts.get()];
    let mut dealt: Vec<Vec<usize>> = shares.iter().map(|share| vec![0; share.heads]).collect();
    for piece in pieces {
        let part = choose(&piece, &loads, each * slack(parts));
        if let Some(load) = loads.get_mut(part) {
            *load += piece.work;
        }
        let heads = dealt.get_mut(piece.share).and_then(|heads| heads.get_mut(piece.heads.0..piece.heads.1));
        heads.into_iter().flatten().for_each(|head| *head = part);
    }
    dealt
}

/// Even pieces of a share, none with more than `each`, but a head is never split.
fn cut(index: usize, share: &Share, each: f64) -> Vec<Piece> {
    // At most as many as there are parts: a share has not more work than all.
    let count =
        (1..share.heads).find(|&count| share.work <= each * count as f64).unwrap_or(share.heads.max(1));
    let at = |piece: usize| piece * share.heads / count;
    let piece = |number: usize| {
        let heads = (at(number), at(number + 1));
        Piece {
            share: index,
            heads,
            work: share.work * (heads.1 - heads.0) as f64 / share.heads.max(1) as f64,
            digest: *blake3::hash(format!("{}#{number}", share.name).as_bytes()).as_bytes(),
        }
    };
    (0..count).map(piece).collect()
}

/// The part that draws the highest number for a piece among those that have room, else the one with the least work.
fn choose(piece: &Piece, loads: &[f64], most: f64) -> usize {
    let drawn = |part: usize| {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&piece.digest).update(&(part as u64).to_le_bytes());
        *hasher.finalize().as_bytes()
    };
    let room = |&(_, load): &(usize, &f64)| load + piece.work <= most;
    let highest = loads.iter().enumerate().filter(room).max_by_key(|&(part, _)| drawn(part));
    let least = || {
        let order = |&(one, load): &(usize, &f64), &(two, other): &(usize, &f64)| {
            load.total_cmp(other).then_with(|| drawn(two).cmp(&drawn(one)))
        };
        loads.iter().enumerate().min_by(order)
    };
    highest.or_else(least).map_or(0, |(part, _)| part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(sizes: &[(usize, f64)]) -> Vec<Share> {
        let share = |(number, &(heads, work)): (usize, &(usize, f64))| Share {
            name: format!("group {number}"),
            heads,
            work: work * heads as f64,
        };
        sizes.iter().enumerate().map(share).collect()
    }

    fn loads(shares: &[Share], dealt: &[Vec<usize>], parts: usize) -> Vec<f64> {
        let mut loads = vec![0.0; parts];
        for (share, parts) in shares.iter().zip(dealt) {
            for &part in parts {
                loads[part] += share.work / share.heads as f64;
            }
        }
        loads
    }

    proptest! {
        #[test]
        fn every_head_has_a_part_and_no_part_much_more_than_its_share(
            sizes in prop::collection::vec((1_usize..40, 0.1_f64..10.0), 1..60), parts in 1_usize..12,
        ) {
            let shares = shares(&sizes);
            let dealt = deal(&shares, NonZeroUsize::new(parts).unwrap());
            prop_assert!(shares.iter().zip(&dealt).all(|(share, parts)| share.heads == parts.len()));
            let loads = loads(&shares, &dealt, parts);
            let each = loads.iter().sum::<f64>() / parts as f64;
            let largest_head = sizes.iter().map(|size| size.1).fold(0.0, f64::max);
            // A piece is at most a share and a head; one that fits nowhere goes where there is least, at most the mean.
            let most = loads.iter().copied().fold(0.0, f64::max);
            prop_assert!(most <= 2.0 * each + largest_head + 1e-9, "{most} of {each}");
            // Nobody idles where there is a head for everybody, all of one size.
            if sizes.iter().all(|size| size.1 == sizes[0].1) && sizes.iter().map(|size| size.0).sum::<usize>() >= parts {
                prop_assert!(loads.iter().all(|&load| load > 0.0));
            }
        }
    }

    #[test]
    fn few_groups_are_split_so_that_nobody_idles() {
        // Four heads each of two seeds in an array of four: a seed's heads are two parts.
        let shares = shares(&[(4, 1.0), (4, 1.0)]);
        let dealt = deal(&shares, NonZeroUsize::new(4).unwrap());
        assert_eq!(loads(&shares, &dealt, 4), [2.0; 4]);
        // Whole groups where there are enough.
        let shares = super::tests::shares(&[(5, 1.0); 40]);
        let dealt = deal(&shares, NonZeroUsize::new(4).unwrap());
        assert!(dealt.iter().all(|parts| parts.iter().all(|part| *part == parts[0])));
    }

    #[test]
    fn a_grid_that_grows_moves_few_groups() {
        let (small, large) = (shares(&[(5, 1.0); 40]), shares(&[(5, 1.0); 60]));
        let parts = NonZeroUsize::new(4).unwrap();
        let (before, after) = (deal(&small, parts), deal(&large, parts));
        let kept = before.iter().zip(&after).filter(|(one, two)| one == two).count();
        assert!(kept >= 30, "{kept} of 40 groups stay where they were");
    }
}
