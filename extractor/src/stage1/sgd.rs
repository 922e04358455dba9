//! Stochastic gradient descent with momentum, without an autograd optimiser's overhead.

use tch::{Device, Kind, TchError, Tensor};

/// SGD with momentum and coupled weight decay, as `torch.optim.SGD(params, lr, momentum, weight_decay=…)`:
///
/// g ← g + λ·w,  m ← μ·m + g,  w ← w − lr·m
///
/// All weights lie in one tensor, and the network's are views of it: a step is three passes over one array instead of four
/// operations for each of a network's hundred weights, which on a GPU take longer to start than to run.
#[derive(Debug)]
pub(super) struct Sgd {
    weights: Vec<Weight>,
    /// All weights, one after the other in their memory order.
    values: Tensor,
    /// Likewise.
    momenta: Tensor,
    /// Likewise, of the parts of the current step; none between steps.
    gradients: Option<Tensor>,
    momentum: f64,
    weight_decay: Tensor, // scalar on the device
}

/// A weight of the network.
#[derive(Debug)]
struct Weight {
    name: String,
    /// The network's own tensor.
    tensor: Tensor,
    /// Its dimensions from the outermost in memory to the innermost.
    order: Vec<i64>,
    /// Its first element in the tensors of all weights.
    offset: i64,
}

impl Weight {
    /// The place of this weight in a tensor of all weights, in its shape and memory order.
    fn view(&self, all: &Tensor) -> Result<Tensor, TchError> {
        all.f_as_strided(self.tensor.size(), self.tensor.stride(), self.offset)
    }
}

impl Sgd {
    /// An optimiser with zero momenta over the weights given, which stay shared with their network.
    pub(super) fn new<'a>(
        weights: impl Iterator<Item = (&'a str, &'a Tensor)>,
        momentum: f64,
        weight_decay: f64,
    ) -> Result<Self, TchError> {
        let _guard = tch::no_grad_guard();
        let mut offset = 0;
        let mut weights: Vec<Weight> = weights
            .map(|(name, tensor)| {
                let weight = Weight {
                    name: name.to_owned(),
                    tensor: tensor.shallow_clone(),
                    order: outermost_first(tensor),
                    offset,
                };
                offset += i64::try_from(tensor.numel()).unwrap_or(0);
                weight
            })
            .collect();
        let device = weights.first().map_or(Device::Cpu, |weight| weight.tensor.device());
        let values = Tensor::f_empty([offset], (Kind::Float, device))?;
        for weight in &mut weights {
            let mut place = weight.view(&values)?;
            place.f_copy_(&weight.tensor)?;
            weight.tensor.f_set_data(&place)?;
        }
        let weight_decay = Tensor::f_full([0_i64; 0], weight_decay, (Kind::Float, device))?;
        Ok(Self { weights, momenta: values.f_zeros_like()?, values, gradients: None, momentum, weight_decay })
    }

    /// Adds the gradient of `loss`, a part of the step's.
    pub(super) fn backward(&mut self, loss: &Tensor) -> Result<(), TchError> {
        let tensors: Vec<&Tensor> = self.weights.iter().map(|weight| &weight.tensor).collect();
        let gradients = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
        let _guard = tch::no_grad_guard();
        let in_memory_order = self.weights.iter().zip(gradients).map(|(weight, gradient)| {
            // Without a copy where the gradient has the memory order of its weight.
            gradient.f_permute(weight.order.as_slice())?.f_reshape([-1])
        });
        let gradients = Tensor::f_cat(&in_memory_order.collect::<Result<Vec<_>, _>>()?, 0)?;
        self.gradients = Some(match self.gradients.take() {
            None => gradients,
            Some(mut sum) => sum.f_add_(&gradients)?,
        });
        Ok(())
    }

    /// One step against the gradients added since the last.
    pub(super) fn step(&mut self, lr: f64) -> Result<(), TchError> {
        let Some(mut gradients) = self.gradients.take() else { return Ok(()) };
        let _guard = tch::no_grad_guard();
        let negative_lr = Tensor::f_full([0_i64; 0], -lr, (Kind::Float, self.weight_decay.device()))?;
        let _ = gradients.f_addcmul_(&self.values, &self.weight_decay)?;
        let _ = self.momenta.f_mul_scalar_(self.momentum)?.f_add_(&gradients)?;
        let _ = self.values.f_addcmul_(&self.momenta, &negative_lr)?;
        Ok(())
    }

    /// Momentum of every weight, as `momentum.NAME`.
    ///
    /// # Errors
    /// libtorch's.
    pub(super) fn momenta(&self) -> Result<Vec<(String, Tensor)>, TchError> {
        let named = |weight: &Weight| Ok((format!("momentum.{}", weight.name), weight.view(&self.momenta)?));
        self.weights.iter().map(named).collect()
    }
}

/// The dimensions of a tensor from the outermost in memory to the innermost.
fn outermost_first(tensor: &Tensor) -> Vec<i64> {
    let mut order: Vec<(i64, i64)> = (0..).zip(tensor.stride()).collect();
    order.sort_by_key(|&(_, stride)| std::cmp::Reverse(stride));
    order.into_iter().map(|(dimension, _)| dimension).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backbones::{
            Compute,
            recorded::{CLASSES, NETWORKS, Recorded, fill},
        },
        config::Precision,
        stage1::{
            head::Head,
            loss::{Loss, LossSettings},
        },
        threads,
        weights::{Layout, ParameterBuilder},
    };
    use cache::{BatchNormMode, ClassCounts};

    /// Two steps on the recorded batch; the losses, the optimiser, and the network as it is then.
    fn two_steps(name: &str, width: f64, precision: Precision) -> ([f64; 2], Sgd, Recorded) {
        let compute = Compute { device: Device::Cpu, precision, layout: Layout::ChannelsLast };
        let recorded = Recorded::load(name, width, compute);
        let Recorded { backbone, images, labels, .. } = &recorded;
        let builder = ParameterBuilder::new(0, compute.device, compute.layout);
        let classes = CLASSES.unsigned_abs().try_into().unwrap();
        let head = Head::linear(builder, classes, backbone.feature_dim()).unwrap();
        fill(head.parameters());
        let weights = backbone.parameters().weights().chain(head.parameters().weights());
        let mut sgd = Sgd::new(weights, 0.9, 0.05).unwrap();
        let class_counts = ClassCounts::new(vec![1; 10]).unwrap();
        let format = (Kind::Float, Device::Cpu);
        let ce = Loss::new("ce", LossSettings::default(), &class_counts, format).unwrap();
        let losses = [(); 2].map(|()| {
            let logits = head.logits(&backbone.features(images, BatchNormMode::Train).unwrap()).unwrap();
            let loss = ce.mean(&logits, labels, None).unwrap();
            sgd.backward(&loss).unwrap();
            sgd.step(0.001).unwrap();
            loss.double_value(&[])
        });
        (losses, sgd, recorded)
    }

    /// `torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=0.05)` in float64:
    /// `fixtures/backbones/record.py`. f32 through the network and back, twice: 1e-4 of the loss and of the largest weight
    /// of a tensor, 1e-3 of its largest momentum (an activation that rounding moves across a ReLU's kink costs 5e-4).
    #[test]
    fn two_steps_of_a_network_are_those_of_pytorch() {
        for (name, width) in NETWORKS {
            let (losses, sgd, recorded) = two_steps(name, width, Precision::F32);
            recorded.check("step.losses", &Tensor::from_slice(&losses), 1e-4);
            let mut compared = 0;
            for (Weight { name, tensor, .. }, (momentum_name, momentum)) in
                sgd.weights.iter().zip(sgd.momenta().unwrap())
            {
                if recorded.tensor(&format!("step.{name}")).is_some() {
                    recorded.check(&format!("step.{name}"), tensor, 1e-4);
                    recorded.check(&format!("step.{momentum_name}"), &momentum, 1e-3);
                    compared += 1;
                }
            }
            assert_eq!(compared, if name == "resnet18" { 9 } else { 0 });
        }
    }

    /// bfloat16 keeps 8 bits (rounding to 0.4 %); through the layers and a step the loss stays within 2 % of f32's.
    #[test]
    fn bfloat16_losses_are_near_those_of_f32() {
        // What is rounded depends on how many threads share a sum: on some CPUs one thread is 2.5 % off, two are 1.1 %.
        let _threads = threads::fixed(2);
        for (name, width) in NETWORKS {
            let ([first, second], ..) = two_steps(name, width, Precision::Bf16);
            let ([exact_first, exact_second], ..) = two_steps(name, width, Precision::F32);
            assert!((first / exact_first - 1.0).abs() < 0.02, "{name}: {first} and {exact_first}");
            assert!((second / exact_second - 1.0).abs() < 0.02, "{name}: {second} and {exact_second}");
            assert!(first.to_bits() != exact_first.to_bits(), "{name} computed in f32");
        }
    }

    /// ```python
    /// w = torch.tensor([1.0, -2.0], requires_grad=True)
    /// o = torch.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=0.01)
    /// for _ in range(2): o.zero_grad(); (w * w).sum().backward(); o.step()
    /// ```
    /// The second step in two parts, which is the same. By hand: g1 = 2.01 w, w1 = 0.799 w; m2 = 0.9·2.01 w + 2.01·0.799 w, w2 = w1 − 0.1 m2. f32: 1e-6.
    #[test]
    fn two_steps_follow_the_formula_of_pytorch() {
        let weight = Tensor::from_slice(&[1.0_f32, -2.0]).set_requires_grad(true);
        let mut sgd = Sgd::new(std::iter::once(("w", &weight)), 0.9, 0.01).unwrap();
        for parts in [vec![1.0], vec![0.25, 0.75]] {
            for part in parts {
                let loss = weight.f_mul(&weight).unwrap().f_sum(Kind::Float).unwrap() * part;
                sgd.backward(&loss).unwrap();
            }
            sgd.step(0.1).unwrap();
        }
        let factor = 0.799 - 0.1 * (0.9 * 2.01 + 2.01 * 0.799);
        let got = Vec::<f32>::try_from(weight.detach()).unwrap();
        assert!((f64::from(got[0]) - factor).abs() < 1e-6 && (f64::from(got[1]) + 2.0 * factor).abs() < 1e-6);
        let momentum = Vec::<f32>::try_from(&sgd.momenta().unwrap().remove(0).1).unwrap();
        assert!((f64::from(momentum[0]) - (0.9 * 2.01 + 2.01 * 0.799)).abs() < 1e-6);
    }
}
