"""Wrong augmentations and encoders."""

from wrongs import Wrong

RIGHT = "        return samples + self.strength * shift"
SHIFT = "draw.uniform(stream)[: len(samples)].reshape(shape)"

ONCE = """class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, samples):
        return 2 * samples

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return 2 * gradient


"""

WRONGS = [
    Wrong(
        "augmentation",
        "build",
        "class AcmeBrightness(Augmentation):",
        "class AcmeBrightness:",
        "is no ganforge.api.Augmentation",
        "Derive the class from ganforge.api.Augmentation",
    ),
    Wrong(
        "augmentation",
        "output",
        RIGHT,
        RIGHT.replace("samples +", "samples[:, :1] +"),
        "samples (6, 3, 16, 16) become (6, 1, 16, 16)",
        "the same shape",
    ),
    Wrong(
        "augmentation",
        "output",
        RIGHT,
        f"{RIGHT}.double()".replace("return samples +", "return (samples +").replace(
            "shift.double()", "shift).double()"
        ),
        "float32 samples become torch.float64",
        "Keep the type",
    ),
    Wrong(
        "augmentation",
        "output",
        RIGHT,
        "        return samples / (self.strength - self.strength)",
        "not finite",
        "divisions of what can be 0",
    ),
    Wrong(
        "augmentation",
        "output",
        RIGHT,
        f'        raise UsageError("it takes nothing")\n{RIGHT}',
        "it refuses every shape that was tried",
        "Take one of them",
        then=("AdversarialRound, Aug", "UsageError, AdversarialRound, Aug"),
    ),
    Wrong(
        "augmentation",
        "input-untouched",
        RIGHT,
        f"        samples.data.add_(0.5)\n{RIGHT}",
        "it changes its input in place",
        "Compute new tensors",
    ),
    Wrong(
        "augmentation",
        "differentiable",
        RIGHT,
        RIGHT.replace("samples +", "samples.detach() +"),
        "no gradient reaches the samples",
        "no .detach()",
    ),
    Wrong(
        "augmentation",
        "differentiable",
        RIGHT,
        RIGHT.replace("samples +", "samples * 0.0 +"),
        "the gradient by the samples is 0",
        "rounding",
    ),
    Wrong(
        "augmentation",
        "double-backward",
        RIGHT,
        "        return Doubled.apply(samples) + self.strength * shift",
        "it cannot be differentiated twice",
        "your own autograd.Function",
        then=("class AcmeBrightness", ONCE + "class AcmeBrightness"),
    ),
    Wrong(
        "augmentation",
        "fewer-samples",
        "[: len(samples)].reshape(shape)",
        ".reshape(-1, *shape[1:])",
        "it fails on 4 samples of 6",
        "[: len(samples)]",
    ),
    Wrong(
        "augmentation",
        "random-streams",
        SHIFT,
        "torch.rand(shape)",
        "become something else each time",
        "draw.uniform(stream, ...)",
        also=("micro-batches", "remembers"),
    ),
    Wrong(
        "augmentation",
        "micro-batches",
        RIGHT,
        RIGHT.replace("shift", "shift * samples.mean()"),
        "a batch that is cut in two becomes something else",
        "Compute nothing over the batch",
    ),
    Wrong(
        "augmentation",
        "observed",
        '{"brightness": self.strength}',
        '{"brightness": self.strength.expand(3)}',
        "it records 'brightness', which is no scalar tensor",
        "means",
    ),
    Wrong(
        "augmentation",
        "remembers",
        'return {"strength": self.strength}',
        "return {}",
        "after its state was saved and read back, it does something else",
        "take it back in load_state_dict",
        then=('self.strength = state["strength"]', "pass"),
    ),
    Wrong(
        "encoder",
        "output-shape",
        "nn.Linear(width, latent_dim)",
        "nn.Linear(width, latent_dim + 1)",
        "the constructor asks for 100 (latent_dim)",
        "as long as latent_dim or code_dim says",
    ),
    Wrong(
        "encoder",
        "output-shape",
        "return self.layers(samples)",
        "return self.layers(samples).flatten()",
        "get 'codes' (400,)",
        "the first dimension of every output be the samples",
    ),
]
