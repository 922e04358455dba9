//! How the files of a family's projects name its weights, and how a stored tensor becomes one of ours.

use cache::head_names::without_wrappers_but;
use tch::{TchError, Tensor};

/// How files name the weights of a family of networks.
#[derive(Debug)]
pub struct WeightNames {
    /// First parts of its own names that are wrappers in the files of others, as a vision transformer's `encoder`.
    pub layers: &'static [&'static str],
    /// First parts of its names where a file holds other networks beside it, as `visual` beside CLIP's text tower.
    pub towers: &'static [&'static str],
    /// Parts of names in files, and ours, in the order in which they are replaced.
    pub renamed: &'static [Rename],
    /// Parts of names of tensors that the features do not need.
    pub unused: &'static [&'static str],
    /// What its last layer is called: the stem of `fc.weight` and `fc.bias`.
    pub heads: &'static [&'static str],
}

/// Part of a name in files, and ours.
///
/// A name is read as `^.layer1.0.conv1.weight.`: a part has a dot on either side, and `^` where the name begins.
#[derive(Debug)]
pub struct Rename {
    theirs: &'static str,
    ours: &'static str,
    place: Place,
}

/// What of our tensor a stored one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// All of it, ones in its shape aside.
    Whole,
    /// All of it, with a zero row `[1, N, D]` before the first where the file has one less: a class token without position.
    Rows,
    /// All of it, transposed.
    Transposed,
    /// The n-th block of its rows: queries, keys and values apart.
    Block(u8),
}

/// The stored tensor is ours under another name.
pub const fn same(theirs: &'static str, ours: &'static str) -> Rename {
    Rename { theirs, ours, place: Place::Whole }
}

/// [`same`], but that the first of its rows `[1, N, D]` may be missing.
pub const fn rows(theirs: &'static str, ours: &'static str) -> Rename {
    Rename { theirs, ours, place: Place::Rows }
}

/// The stored matrix is the transpose of ours.
pub const fn transposed(theirs: &'static str, ours: &'static str) -> Rename {
    Rename { theirs, ours, place: Place::Transposed }
}

/// The stored tensor is the n-th block of the rows of ours.
pub const fn block(index: u8, theirs: &'static str, ours: &'static str) -> Rename {
    Rename { theirs, ours, place: Place::Block(index) }
}

impl WeightNames {
    /// A stored name without wrappers.
    pub(super) fn plain(&self, stored: &str) -> String {
        without_wrappers_but(stored, self.layers)
    }

    /// Our name of a tensor, and what of ours it is.
    pub(super) fn ours(&self, plain: &str) -> (String, Place) {
        let start = (format!("^.{plain}."), Place::Whole);
        let (name, place) = self.renamed.iter().fold(start, |(name, place), rename| {
            if name.contains(rename.theirs) {
                (name.replace(rename.theirs, rename.ours), rename.place.max(place))
            } else {
                (name, place)
            }
        });
        (name.trim_start_matches("^.").trim_end_matches('.').to_owned(), place)
    }

    /// Whether the features do not need a tensor.
    pub(super) fn is_unused(&self, plain: &str) -> bool {
        let name = format!("^.{plain}.");
        self.unused.iter().any(|part| name.contains(part))
    }

    /// Whether a tensor is of the network, in a file that holds others beside it.
    pub(super) fn in_tower(&self, plain: &str) -> bool {
        plain.split('.').next().is_some_and(|first| self.towers.contains(&first))
    }
}

/// The stored tensors that one of ours is made of.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    stored: String,
    shape: Vec<i64>,
    place: Place,
}

impl Source {
    pub(super) fn new(stored: String, shape: Vec<i64>, place: Place) -> Self {
        Self { pieces: vec![Piece { stored, shape, place }] }
    }

    /// The first stored name.
    pub(super) fn stored(&self) -> &str {
        self.pieces.first().map_or("", |piece| &piece.stored)
    }

    /// Every stored name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().map(|piece| piece.stored.as_str())
    }

    /// With the pieces of another one.
    ///
    /// # Errors
    /// The names of two tensors that are the same piece.
    pub(super) fn join(&mut self, other: Self) -> Result<(), (String, String)> {
        for piece in other.pieces {
            let blocks = |one: &Piece| matches!((one.place, piece.place), (Place::Block(one), Place::Block(other)) if one != other);
            let same = |one: &&Piece| !blocks(one);
            if let Some(one) = self.pieces.iter().find(same) {
                return Err((one.stored.clone(), piece.stored));
            }
            self.pieces.push(piece);
        }
        self.pieces.sort_by_key(|piece| piece.place);
        Ok(())
    }

    /// The shape that the pieces make.
    pub(super) fn shape(&self) -> Vec<i64> {
        let mut shape = self.pieces.first().map_or(Vec::new(), |piece| piece.shape.clone());
        if self.pieces.iter().any(|piece| piece.place == Place::Transposed) {
            shape.reverse();
        }
        if let (Some(rows), true) = (shape.first_mut(), self.pieces.len() > 1) {
            *rows = self.pieces.iter().filter_map(|piece| piece.shape.first()).sum();
        }
        shape
    }

    /// Whether the pieces make a tensor of this shape.
    pub(super) fn fits(&self, wanted: &[i64]) -> bool {
        let got = self.shape();
        without_ones(&got) == without_ones(wanted) || self.lacks_a_row(wanted)
    }

    fn lacks_a_row(&self, wanted: &[i64]) -> bool {
        let [Piece { shape, place: Place::Rows, .. }] = self.pieces.as_slice() else { return false };
        matches!((shape.as_slice(), wanted), (&[1, rows, dim], &[1, n, d]) if rows + 1 == n && dim == d)
    }

    /// The tensor that the pieces make, which [`Source::fits`] the shape.
    pub(super) fn assemble(&self, pieces: &[Tensor], wanted: &[i64]) -> Result<Tensor, TchError> {
        let joined = match (pieces, self.pieces.as_slice()) {
            ([piece], [Piece { place: Place::Transposed, .. }]) => piece.f_tr()?.f_contiguous()?,
            ([piece], _) => piece.shallow_clone(),
            (pieces, _) => Tensor::f_cat(pieces, 0)?,
        };
        if self.lacks_a_row(wanted) {
            return joined.f_constant_pad_nd([0, 0, 1, 0]);
        }
        joined.f_reshape(wanted)
    }
}

/// Ones say nothing of the order of numbers.
fn without_ones(shape: &[i64]) -> Vec<i64> {
    shape.iter().copied().filter(|&size| size != 1).collect()
}
