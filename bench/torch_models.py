"""The models of make_models.py in PyTorch: the same layers, with the weights that a Graph of there keeps.

Written as one writes them for PyTorch: modules of torch.nn, NCHW, fused attention. gpu.py times them.
"""
import torch
import torch.nn.functional as F
from torch import nn

import make_models as made


def tensor(array):
    return torch.from_numpy(array)


def fill(layer, weight, bias=None):
    """Gives a layer that was made without memory its numbers."""
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(tensor(bias), requires_grad=False)
    return layer


def conv(w, name, stride=1, padding=0, bias=None, depthwise=False):
    kernel = tensor(w[f"{name}/kernel"])  # (height, width, in, out); depthwise: (height, width, in, 1)
    kernel = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
    n_out, n_in, size, _ = kernel.shape
    groups = n_out if depthwise else 1
    layer = nn.Conv2d(n_in * groups, n_out, size, stride, padding, groups=groups, bias=bias is not None, device="meta")
    return fill(layer, kernel, None if bias is None else w[bias])


def norm(w, name, epsilon):
    layer = nn.BatchNorm2d(len(w[f"{name}/gamma"]), eps=epsilon)
    layer.running_mean, layer.running_var = tensor(w[f"{name}/moving_mean"]), tensor(w[f"{name}/moving_variance"])
    return fill(layer, tensor(w[f"{name}/gamma"]), w[f"{name}/beta"])


def linear(w, name):
    kernel = tensor(w[f"{name}/kernel"])  # (in, out)
    return fill(nn.Linear(*kernel.shape, device="meta"), kernel.t(), w[f"{name}/bias"])


class Residual(nn.Module):
    def __init__(self, body, short=None, after=None):
        super().__init__()
        self.body, self.short, self.after = body, short or nn.Identity(), after or nn.Identity()

    def forward(self, x):
        return self.after(self.short(x) + self.body(x))


class Head(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.linear = linear(w, "predictions")

    def forward(self, x):
        return F.softmax(self.linear(x.mean((2, 3))), dim=-1)


def mobilenet_v2(w):
    def whole(name, stride=1, padding=0):
        return [conv(w, name, stride, padding), norm(w, f"{name}_BN", 1e-3), nn.ReLU6(inplace=True)]

    layers, n, block = [nn.ZeroPad2d((0, 1, 0, 1)), *whole("Conv1", 2)], 32, 0
    for expand, n_out, repeat, first in made.MOBILENET:
        for i in range(repeat):
            name, stride = f"block_{block}", first if i == 0 else 1
            body = whole(f"{name}_expand") if expand > 1 else []
            body += [nn.ZeroPad2d((0, 1, 0, 1))] if stride == 2 else []
            body += [conv(w, f"{name}_depthwise", stride, 0 if stride == 2 else 1, depthwise=True)]
            body += [norm(w, f"{name}_depthwise_BN", 1e-3), nn.ReLU6(inplace=True)]
            body += [conv(w, f"{name}_project"), norm(w, f"{name}_project_BN", 1e-3)]
            layers += [Residual(nn.Sequential(*body))] if stride == 1 and n == n_out else body
            n, block = n_out, block + 1
    return nn.Sequential(*layers, *whole("Conv_1"), Head(w))


def resnet50(w):
    def whole(name, stride=1, padding=0):
        return [conv(w, f"{name}_conv", stride, padding, f"{name}_conv/bias"), norm(w, f"{name}_bn", 1.001e-5)]

    # The zeros that are put around the first pool are the least that a ReLU gives.
    layers = [*whole("conv1", 2, 3), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    for stage, (_, blocks, first) in enumerate(made.RESNET, 2):
        for i in range(blocks):
            name, stride = f"conv{stage}_block{i + 1}", first if i == 0 else 1
            body = [*whole(f"{name}_1", stride), nn.ReLU(inplace=True), *whole(f"{name}_2", 1, 1), nn.ReLU(inplace=True)]
            body += whole(f"{name}_3")
            short = nn.Sequential(*whole(f"{name}_0", stride)) if i == 0 else None
            layers.append(Residual(nn.Sequential(*body), short, nn.ReLU(inplace=True)))
    return nn.Sequential(*layers, Head(w))


def layer_norm(w, name):
    return fill(nn.LayerNorm(made.WIDTH, eps=1e-12), tensor(w[f"{name}/gamma"]), w[f"{name}/beta"])


class Layer(nn.Module):
    def __init__(self, w, name):
        super().__init__()
        self.query, self.key, self.value = (linear(w, f"{name}/{part}") for part in ("query", "key", "value"))
        self.output, self.inner, self.outer = (linear(w, f"{name}/{part}") for part in ("output", "inner", "outer"))
        self.attention_norm, self.norm = layer_norm(w, f"{name}/attention_norm"), layer_norm(w, f"{name}/norm")

    def forward(self, x, mask):
        q, k, v = (part(x).view(*x.shape[:2], made.HEADS, -1).transpose(1, 2) for part in (self.query, self.key, self.value))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(x.shape)
        x = self.attention_norm(x + self.output(y))
        return self.norm(x + self.outer(F.gelu(self.inner(x))))


class Bert(nn.Module):
    def __init__(self, w):
        super().__init__()
        for name in ("word_embeddings", "segment_embeddings", "position_embeddings"):
            setattr(self, name, nn.Parameter(tensor(w[name])))
        self.embeddings_norm = layer_norm(w, "embeddings_norm")
        self.layers = nn.ModuleList(Layer(w, f"layer_{i}") for i in range(made.LAYERS))

    def forward(self, ids, segments, mask):
        x = F.embedding(ids, self.word_embeddings) + self.position_embeddings + F.embedding(segments, self.segment_embeddings)
        mask = (1 - mask[:, None, None, :].to(x.dtype)) * -10000  # (batch, 1, 1, tokens)
        mask = mask.expand(-1, 1, x.shape[1], -1)
        x = self.embeddings_norm(x)
        for layer in self.layers:
            x = layer(x, mask)
        return x


BUILD = {"mobilenet_v2": mobilenet_v2, "resnet50": resnet50, "bert_base": Bert}


def build(name, weights):
    """The model on the host, float32, for inference."""
    return BUILD[name](weights).eval().requires_grad_(False)


def arrange(name, arrays):
    """Inputs, {placeholder: array}, as the model takes them: pictures NCHW (a view: the bytes lie as NHWC), tokens int64."""
    if name == "bert_base":
        return [tensor(arrays[k]).long() for k in ("input_ids", "segment_ids", "input_mask")]
    return [tensor(arrays["image"]).permute(0, 3, 1, 2)]
