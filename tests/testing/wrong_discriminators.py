"""Wrong discriminators."""

from wrongs import Wrong

WRONGS = [
    Wrong(
        "discriminator",
        "call",
        '{"logits": ',
        '{"scores": ',
        "it returns a dict with ['class_logits', 'scores']",
        "one called 'logits'",
    ),
    Wrong(
        "discriminator",
        "output-shape",
        "self.logit = nn.Linear(width, 1)",
        "self.logit = nn.Linear(width, 2)",
        "4 samples (1, 28, 28) get logits (4, 2)",
        "Give back one number for each sample, (N,) or (N, 1)",
    ),
    Wrong(
        "discriminator",
        "output-shape",
        "self.classes(features)}",
        "self.classes(features.mean(0))}",
        "its head 'class_logits' has the shape (10,) for 4 samples",
        "Let the first dimension of every head be the samples.",
    ),
    Wrong(
        "discriminator",
        "output-finite",
        '{"logits": self.logit(features)',
        '{"logits": self.logit(features) + float("nan")',
        "in training mode, logits for samples of shape (1, 28, 28) hold NaN or infinity",
        "Look for logarithms, roots and divisions of what can be 0",
    ),
    Wrong(
        "discriminator",
        "unbounded-logits",
        "self.logit(features),",
        "self.logit(features).sigmoid(),",
        "its scores lie in [0, 1]",
        "Take the sigmoid away from the end: losses work on logits.",
    ),
    Wrong(
        "discriminator",
        "batch-of-one",
        "features = self.hidden(images)",
        "features = self.hidden(images)\n        features = features + features.amax(0)",
        "logits of a sample depend on the others in its batch: generate --best-of",
        outcome="note",
    ),
    Wrong(
        "discriminator",
        "parameter-gradients",
        "nn.Flatten(), nn.Linear(size, width), nn.LeakyReLU(0.2))",
        "nn.Flatten(), nn.Linear(size, width), nn.LeakyReLU(0.2)).requires_grad_(False)\n"
        "        self.hidden[1].weight.requires_grad_()\n"
        "        self.register_parameter('idle', nn.Parameter(torch.ones(1)))",
        "no gradient reaches idle",
        "set requires_grad=False for what should stay as it is",
    ),
    Wrong(
        "discriminator",
        "double-backward",
        "    def backward(ctx, gradient):",
        "    @torch.autograd.function.once_differentiable\n    def backward(ctx, gradient):",
        "so no gradient penalty can train it",
        "Take .detach(), @once_differentiable and numpy out",
    ),
    Wrong(
        "discriminator",
        "input-untouched",
        "features = self.hidden(images)",
        "features = self.hidden(images.mul_(0.5))",
        "forward changes its input in place",
        "no inplace=True",
    ),
    Wrong(
        "discriminator",
        "without-classes",
        "num_classes or 1",
        "num_classes",
        "num_classes is None, as data without labels have: TypeError",
        "Annotate it as int, if it is for classes alone",
    ),
    Wrong(
        "discriminator",
        "copyable",
        "self.logit = nn.Linear(width, 1)",
        "self.logits = nn.Linear(width, 1)\n        self.logit = lambda x: self.logits(x)",
        "a deep copy of it does not compute with its own weights",
        "Keep no functions made at run time",
    ),
]
