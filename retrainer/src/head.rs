//! What a method decides: the one formula of all heads, as plain vectors.
//!
//! A head's loss for a sample with label y is
//!
//! ```text
//! z = scale ⊙ (W f + b) + offset − margin_y · 1_y
//! L = weight_y · (1 − p_y)^focal · Σ_k t_k · (−log p_k)        p = softmax(z)
//! t = (1 − smoothing_y) · 1_y + smoothing_y / C
//! ```
//!
//! At test time the logits are those of an adjusted linear head, see [`PostHoc`].

/// The training loss of a head; every vector has length C, and neutral values give cross-entropy.
///
/// # Source
/// LORT, Eq. 1 (after Wu et al. 2021, RoBal), extended by smoothing and focal factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Factor of each logit; neutral 1.
    pub scale: Vec<f64>,
    /// Summand of each logit; neutral 0.
    pub offset: Vec<f64>,
    /// Subtracted from the logit of the true class; neutral 0.
    pub margin: Vec<f64>,
    /// Weight of samples of a class; neutral 1.
    pub weight: Vec<f64>,
    /// Share δ of the target that is spread over all classes, by true class; neutral 0.
    pub smoothing: Vec<f64>,
    /// Exponent γ of the focal factor; neutral 0.
    pub focal: f64,
}

impl Loss {
    /// Cross-entropy over `classes` classes: every part neutral.
    pub fn cross_entropy(classes: usize) -> Self {
        Self {
            scale: vec![1.0; classes],
            offset: vec![0.0; classes],
            margin: vec![0.0; classes],
            weight: vec![1.0; classes],
            smoothing: vec![0.0; classes],
            focal: 0.0,
        }
    }

    /// Number of classes C.
    pub fn classes(&self) -> usize {
        self.scale.len()
    }
}

/// A change of the trained (or stage-1) linear head before it is used; the result is a linear head again.
///
/// ```text
/// w'_k = scale_k · w_k / |w_k|^norm_power        b'_k = scale_k · b_k (or 0) + offset_k
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PostHoc {
    /// Exponent τ of the weight norm; neutral 0.
    pub norm_power: f64,
    /// Whether the bias stays.
    pub keep_bias: bool,
    /// Factor of each logit; neutral 1.
    pub scale: Vec<f64>,
    /// Summand of each logit; neutral 0.
    pub offset: Vec<f64>,
}

impl PostHoc {
    /// No change.
    pub fn identity(classes: usize) -> Self {
        Self { norm_power: 0.0, keep_bias: true, scale: vec![1.0; classes], offset: vec![0.0; classes] }
    }
}

/// How the weights of a head come about.
#[derive(Clone, Debug, PartialEq)]
pub enum Fit {
    /// The stage-1 head, adjusted; no training.
    PostHoc(PostHoc),
    /// SGD on a linear head.
    Sgd(Loss),
}

/// A head as its method specifies it for given class counts and hyper-parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadSpec {
    /// How the weights come about.
    pub fit: Fit,
}

impl HeadSpec {
    /// A head trained by SGD.
    pub fn sgd(loss: Loss) -> Self {
        Self { fit: Fit::Sgd(loss) }
    }

    /// An adjusted stage-1 head.
    pub fn post_hoc(post_hoc: PostHoc) -> Self {
        Self { fit: Fit::PostHoc(post_hoc) }
    }
}
