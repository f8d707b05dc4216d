"""Training of translators: autoregressive first, then distilled, then diffusion.

DiffusionGemma was made from Gemma 4 in this order; from scratch, diffusion learns the alignment of
source and target far too late for a laptop's budget (model/embedded/README.md has the figures).

    autoregressive  prompt and answer in one causal pass, next-token loss on the answer
    distill         the model of that stage translates again (distillation.py says why)
    diffusion       the prompt through the encoder, the answer as a noised canvas
    export          a checkpoint folder, and a README with its scores
"""

from .command import main

__all__ = ["main"]
