//! Names beside points, where they cover neither each other nor a point.

use super::svg::Anchor;

/// Width of a character and height of a line in the small type of figures, in pixels, a little generously.
const CHARACTER: f64 = 6.0;
const LINE: f64 = 11.0;

/// Pixels between a point's centre and its name.
const GAP: f64 = 7.0;

/// Half the side of the square that a point covers.
const POINT: f64 = 4.0;

/// Where a name stands: the end of the text that `anchor` names, at the height of the text's middle.
pub(super) type Place = (f64, f64, Anchor);

#[derive(Clone, Copy)]
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Area {
    fn overlaps(self, other: Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// A place for each point's name between `left` and `right`, the nearest that is free; `None` where there is none.
pub(super) fn place(points: &[(f64, f64, &str)], left: f64, right: f64) -> Vec<Option<Place>> {
    let dots: Vec<Area> = points
        .iter()
        .map(|&(x, y, _)| Area { left: x - POINT, right: x + POINT, top: y - POINT, bottom: y + POINT })
        .collect();
    // Long names have the fewest places.
    let mut longest_first: Vec<usize> = (0..points.len()).collect();
    longest_first.sort_by_key(|&index| points.get(index).map_or(0, |(_, _, name)| usize::MAX - name.len()));
    let mut taken: Vec<Area> = Vec::new();
    let mut places = vec![None; points.len()];
    for index in longest_first {
        let (Some(&(x, y, name)), Some(slot)) = (points.get(index), places.get_mut(index)) else { continue };
        let width = CHARACTER * name.chars().count() as f64;
        let free = candidates(x, y).into_iter().find_map(|(at, height, anchor)| {
            let (at, start) = match anchor {
                Anchor::Start => (at, at),
                Anchor::End => (at, at - width),
                Anchor::Middle => {
                    let at = at.min(right - width / 2.0).max(left + width / 2.0);
                    (at, at - width / 2.0)
                }
            };
            let covered = Area {
                left: start,
                right: start + width,
                top: height - LINE / 2.0,
                bottom: height + LINE / 2.0,
            };
            let inside = covered.left >= left && covered.right <= right;
            let alone = taken.iter().chain(&dots).all(|&other| !covered.overlaps(other));
            (inside && alone).then_some((covered, (at, height, anchor)))
        });
        taken.extend(free.map(|(covered, _)| covered));
        *slot = free.map(|(_, place)| place);
    }
    places
}

/// Beside the point, above and below it, then farther away on both sides.
fn candidates(x: f64, y: f64) -> Vec<Place> {
    let mut all = vec![
        (x + GAP, y, Anchor::Start),
        (x - GAP, y, Anchor::End),
        (x, y - LINE, Anchor::Middle),
        (x, y + LINE, Anchor::Middle),
    ];
    for step in [0.6, 1.1, 1.7, 2.3] {
        for height in [y - step * LINE, y + step * LINE] {
            all.push((x + GAP, height, Anchor::Start));
            all.push((x - GAP, height, Anchor::End));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_beside_their_points_or_wherever_they_cover_nothing() {
        let place = |points: &[(f64, f64, &str)]| super::place(points, 0.0, 100.0);
        assert!(matches!(place(&[(10.0, 50.0, "ce")])[..], [Some((17.0, 50.0, Anchor::Start))]));
        // No room on the right; a point on the right.
        assert!(matches!(place(&[(95.0, 50.0, "ce")])[..], [Some((88.0, 50.0, Anchor::End))]));
        assert!(matches!(
            place(&[(40.0, 50.0, "ce"), (52.0, 50.0, "bs")])[0],
            Some((33.0, 50.0, Anchor::End))
        ));
        // No room beside it; above it, moved into the panel.
        let wall = [(90.0, 50.0, "lort"), (82.0, 50.0, "")];
        assert!(matches!(place(&wall)[0], Some((88.0, 39.0, Anchor::Middle))));
        // Three at one place, the longest first: beside it, on the other side, above.
        let three = place(&[(50.0, 50.0, "one"), (50.0, 50.0, "two"), (50.0, 50.0, "three")]);
        assert!(matches!(
            three[..],
            [
                Some((43.0, 50.0, Anchor::End)),
                Some((50.0, 39.0, Anchor::Middle)),
                Some((57.0, 50.0, Anchor::Start))
            ]
        ));
        // A name that is wider than the panel has no place.
        assert!(place(&[(50.0, 50.0, "a name of more than a hundred pixels")])[0].is_none());
    }
}
