"""Metrics and feature networks that are wrong in one way."""

from wrongs import Wrong

RETURN = 'return {"brightness": float((fake - real).abs())}'

WRONGS = [
    Wrong(
        "metric",
        "build",
        "class Brightness(Metric)",
        "class Brightness",
        "a Brightness is no ganforge.api.Metric",
        "Derive the class from ganforge.api.Metric",
    ),
    Wrong(
        "metric",
        "values",
        '    values: ClassVar[Mapping[str, Better]] = {"brightness": "lower"}\n',
        "",
        "it does not say which numbers it gives",
        "Write values: ClassVar",
        also=("measures",),
    ),
    Wrong(
        "metric",
        "values",
        '"lower"}',
        '"smaller"}',
        "it does not say which way brightness is better",
        "Write 'lower' or 'higher' for each.",
    ),
    Wrong(
        "metric",
        "measures",
        RETURN,
        'return {"light": 1.0}',
        "it gives ['light'], not ['brightness']",
        "Give a dict of the names in values.",
    ),
    Wrong(
        "metric",
        "measures",
        RETURN,
        'return {"brightness": float((fake - real) / 0)}',
        "its number brightness is ",
        "Give a finite float for each",
    ),
    Wrong(
        "metric",
        "same-twice",
        RETURN,
        'SEEN.append(1)\n        return {"brightness": float(len(SEEN))}',
        "of the same samples it gives",
        "keep nothing from one call to the next",
        then=("class Brightness", "SEEN: list[int] = []\n\n\nclass Brightness"),
    ),
    Wrong(
        "feature_network",
        "build",
        "class Blocks(nn.Module)",
        "class Blocks",
        "a Blocks is no torch.nn.Module",
        "Derive the class from torch.nn.Module",
    ),
    Wrong(
        "feature_network",
        "output",
        'return {"features": means, "logits": means @ self.classes.T}',
        "return means[0]",
        "must give features (N, D)",
        "Give {'features': (N, D)}",
        also=("each-by-itself", "same-twice"),
    ),
    Wrong(
        "feature_network",
        "each-by-itself",
        '{"features": means,',
        '{"features": means - means.mean(dim=0),',
        "the features of a sample change with the others in the batch",
        "Use no statistics of the batch",
    ),
    Wrong(
        "feature_network",
        "same-twice",
        '"features": means,',
        '"features": means * self.factor,',
        "made twice, it gives other features",
        "Load its weights from a file",
        then=("self.side = side", "self.side = side\n        self.factor = float(torch.rand(()))"),
    ),
]
