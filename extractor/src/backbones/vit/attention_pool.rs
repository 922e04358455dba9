//! One learned query that attends to all tokens: SigLIP's embedding of an image.

use super::block::{Attention, BlockShape, Perceptron};
use crate::{
    backbones::layers::LayerNorm,
    weights::{Init, ParameterBuilder, Role},
};
use tch::{Kind, TchError, Tensor};

/// x + perceptron(norm(x)) with x = attention(query, tokens).
///
/// # Source
/// `MAPHead` of google-research/big_vision (Zhai et al. 2022, arXiv 2106.04560); names as timm's `AttentionPoolLatent`.
#[derive(Debug)]
pub(super) struct AttentionPool {
    query: Tensor, // [1, 1, D]
    attention: Attention,
    norm: LayerNorm,
    perceptron: Perceptron,
}

impl AttentionPool {
    /// Parameters `attn_pool.latent`, `attn_pool.qkv`, `attn_pool.proj`, `attn_pool.norm`, `attn_pool.mlp.fc1` …
    pub(super) fn build(builder: &mut ParameterBuilder, shape: BlockShape) -> Result<Self, TchError> {
        let BlockShape { width, heads, activation, epsilon, .. } = shape;
        Ok(Self {
            query: builder.add("attn_pool.latent", &[1, 1, width], Init::TRANSFORMER, Role::Weight)?,
            attention: Attention::build(builder, "attn_pool", width, heads)?,
            norm: LayerNorm::new(builder, "attn_pool.norm", width, epsilon)?,
            perceptron: Perceptron::build(builder, "attn_pool.mlp", width, activation)?,
        })
    }

    /// `[B, N, D]` to `[B, D]`.
    pub(super) fn forward(&self, tokens: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
        let pooled = self.attention.of_queries(&self.query, tokens, kind)?; // [B, 1, D]
        let branch = self.perceptron.forward(&self.norm.forward(&pooled)?, kind)?;
        pooled.f_add(&branch)?.f_select(1, 0)
    }
}
