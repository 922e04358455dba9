//! A block: attention, then a perceptron, each beside a shortcut.

use crate::{
    backbones::layers::{LayerNorm, Linear},
    weights::{Init, ParameterBuilder, Role},
};
use tch::{Kind, TchError, Tensor};

/// Hidden numbers of a perceptron for each number of a token.
const EXPANSION: i64 = 4;

/// What distinguishes one block from another.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockShape {
    /// Numbers of a token D.
    pub(super) width: i64,
    /// Heads of the attention.
    pub(super) heads: i64,
    /// Whether each channel of a branch has a factor.
    pub(super) layer_scale: bool,
    /// Between the layers of the perceptron.
    pub(super) activation: Activation,
    /// ε of the layer norms.
    pub(super) epsilon: f64,
}

/// Between the two layers of a perceptron.
#[derive(Clone, Copy, Debug)]
pub(super) enum Activation {
    /// x Φ(x).
    Gelu,
    /// x Φ(x) by the hyperbolic tangent, as JAX computes it unless told otherwise.
    TanhGelu,
    /// x σ(1.702 x), of OpenAI's CLIP.
    QuickGelu,
}

impl Activation {
    fn apply(self, input: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Self::Gelu => input.f_gelu("none"),
            Self::TanhGelu => input.f_gelu("tanh"),
            Self::QuickGelu => input.f_mul_scalar(1.702)?.f_sigmoid_()?.f_mul(input),
        }
    }
}

/// x + s₁ · attention(norm(x)), then x + s₂ · perceptron(norm(x)).
#[derive(Debug)]
pub(super) struct Block {
    norm1: LayerNorm,
    attention: Attention,
    scale1: Option<Tensor>, // [D]
    norm2: LayerNorm,
    perceptron: Perceptron,
    scale2: Option<Tensor>, // [D]
}

impl Block {
    /// Parameters `name.norm1`, `name.attn.qkv`, `name.attn.proj`, `name.ls1.gamma`, `name.norm2`, `name.mlp.fc1` …
    pub(super) fn build(
        builder: &mut ParameterBuilder,
        name: &str,
        shape: BlockShape,
    ) -> Result<Self, TchError> {
        let BlockShape { width, epsilon, .. } = shape;
        let scale = |builder: &mut ParameterBuilder, part: &str| {
            let gamma = format!("{name}.{part}.gamma");
            shape.layer_scale.then(|| builder.add(&gamma, &[width], Init::Ones, Role::Weight)).transpose()
        };
        Ok(Self {
            norm1: LayerNorm::new(builder, &format!("{name}.norm1"), width, epsilon)?,
            attention: Attention::build(builder, &format!("{name}.attn"), width, shape.heads)?,
            scale1: scale(builder, "ls1")?,
            norm2: LayerNorm::new(builder, &format!("{name}.norm2"), width, epsilon)?,
            perceptron: Perceptron::build(builder, &format!("{name}.mlp"), width, shape.activation)?,
            scale2: scale(builder, "ls2")?,
        })
    }

    /// `[B, N, D]` f32 to the same; products are computed in `kind`.
    pub(super) fn forward(&self, tokens: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let branch = self.attention.forward(&self.norm1.forward(tokens)?, kind)?;
        let tokens = tokens.f_add(&scaled(&branch, self.scale1.as_ref())?)?;
        let branch = self.perceptron.forward(&self.norm2.forward(&tokens)?, kind)?;
        tokens.f_add(&scaled(&branch, self.scale2.as_ref())?)
    }
}

fn scaled(branch: &Tensor, scale: Option<&Tensor>) -> Result<Tensor, TchError> {
    scale.map_or_else(|| Ok(branch.shallow_clone()), |scale| branch.f_mul(scale))
}

/// Attention of all tokens to all, by libtorch's fused kernel.
#[derive(Debug)]
pub(super) struct Attention {
    qkv: Linear,
    out: Linear,
    width: i64,
    heads: i64,
}

impl Attention {
    /// Parameters `name.qkv` and `name.proj`.
    pub(super) fn build(
        builder: &mut ParameterBuilder,
        name: &str,
        width: i64,
        heads: i64,
    ) -> Result<Self, TchError> {
        let qkv = Linear::new(builder, &format!("{name}.qkv"), width, 3 * width)?;
        Ok(Self { qkv, out: Linear::new(builder, &format!("{name}.proj"), width, width)?, width, heads })
    }

    fn forward(&self, tokens: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let qkv = self.split(&self.qkv.forward(tokens, kind)?, 3)?; // 3 × [B, heads, N, D / heads]
        self.attend(&qkv[0], &qkv[1], &qkv[2], kind)
    }

    /// Attention of queries `[1, M, D]` that are the same for all images, to their tokens `[B, N, D]`.
    pub(super) fn of_queries(
        &self,
        queries: &Tensor,
        tokens: &Tensor,
        kind: Kind,
    ) -> Result<Tensor, TchError> {
        let batch = tokens.size().first().copied().unwrap_or(0);
        let q = self.split(&self.qkv.forward_rows(queries, 0, self.width, kind)?, 1)?;
        let kv = self.split(&self.qkv.forward_rows(tokens, self.width, 2 * self.width, kind)?, 2)?;
        self.attend(&q[0].f_expand([batch, -1, -1, -1], false)?, &kv[0], &kv[1], kind)
    }

    /// `[B, N, parts · D]` to `parts` tensors `[B, heads, N, D / heads]`.
    fn split(&self, joined: &Tensor, parts: i64) -> Result<Vec<Tensor>, TchError> {
        let (batch, count, _) = joined.size3()?;
        joined
            .f_reshape([batch, count, parts, self.heads, self.width / self.heads])?
            .f_permute([2, 0, 3, 1, 4])?
            .f_unbind(0)
    }

    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let mixed = Tensor::f_scaled_dot_product_attention(q, k, v, None::<Tensor>, 0.0, false, None, false)?;
        let (batch, _, count, _) = mixed.size4()?;
        self.out.forward(&mixed.f_transpose(1, 2)?.f_reshape([batch, count, self.width])?, kind)
    }
}

/// Two linear layers with an activation between.
#[derive(Debug)]
pub(super) struct Perceptron {
    fc1: Linear,
    fc2: Linear,
    activation: Activation,
}

impl Perceptron {
    /// Parameters `name.fc1` and `name.fc2`.
    pub(super) fn build(
        builder: &mut ParameterBuilder,
        name: &str,
        width: i64,
        activation: Activation,
    ) -> Result<Self, TchError> {
        let fc1 = Linear::new(builder, &format!("{name}.fc1"), width, EXPANSION * width)?;
        Ok(Self {
            fc1,
            fc2: Linear::new(builder, &format!("{name}.fc2"), EXPANSION * width, width)?,
            activation,
        })
    }

    pub(super) fn forward(&self, tokens: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        self.fc2.forward(&self.activation.apply(&self.fc1.forward(tokens, kind)?)?, kind)
    }
}
