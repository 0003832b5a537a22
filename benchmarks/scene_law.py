r"""A law of which labels go together, in closed form: a mixture of themes.

.. math:: P(y) = \frac1T \sum_t \prod_l q_{tl}^{y_l} (1 - q_{tl})^{1 - y_l}, \qquad
          q_{tl} = \pi_l \, (1 + s c \, (T [g_l = t] - 1))

Label l belongs to the theme :math:`g_l` and is present in a share :math:`\pi_l` of the images at
every strength s: at 0 the labels are independent, at 1 the themes rule (c is ``contrast``). Two
labels of one theme come together :math:`1 + (T - 1) s^2 c^2` times as often as by chance, two of
different themes :math:`1 - s^2 c^2` times. Letters: N images, L labels, T themes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imlgcn.errors import InputError
from imlgcn.metrics.calibration import Calibration

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ThemeLaw:
    """The law of the label vectors: ``shares`` is pi (L,), ``themes`` is g (L,), 0 to T - 1."""

    shares: Floats  # (L,)
    themes: NDArray[np.int64]  # (L,)
    strength: float
    contrast: float = 0.9  # below 1: no label is impossible under any theme

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise InputError(f"the strength of the law lies between 0 and 1, not {self.strength}")
        if not (self.given_theme > 0).all() or not (self.given_theme < 1).all():
            raise InputError(
                f"a label is certain or impossible under a theme: shares up to "
                f"{self.shares.max():.2f} with contrast {self.contrast}; make them smaller"
            )

    @property
    def given_theme(self) -> Floats:
        """Return q (T, L): the probability of each label under each theme."""
        T = int(self.themes.max()) + 1
        own = np.arange(T)[:, None] == self.themes  # (T, L)
        return self.shares * (1 + self.strength * self.contrast * (T * own - 1))

    @property
    def pairs(self) -> Floats:
        """Return P(both) (L, L), the shares on the diagonal."""
        q = self.given_theme
        both: Floats = q.T @ q / len(q)
        np.fill_diagonal(both, self.shares)
        return both

    def sample(self, generator: np.random.Generator) -> NDArray[np.bool_]:
        """Draw one label vector (L,); the same numbers are drawn at every strength."""
        q = self.given_theme
        chance: Floats = q[generator.integers(len(q))]
        return generator.random(len(self.shares)) < chance

    def probability(self, labels: NDArray[np.generic]) -> Floats:
        """Return P(y) of label vectors (N, L), present is 1: an array (N,)."""
        q = self.given_theme[:, None]  # (T, 1, L)
        return np.asarray(np.where(labels == 1, q, 1 - q).prod(axis=2).mean(axis=0))

    def posterior(self, logits: Floats) -> Floats:
        r"""Return the log-odds (N, L) of each label given the evidence of all labels.

        ``logits`` are calibrated log-odds that each rest on the evidence of their label alone. The
        share taken out, they are log likelihood ratios :math:`\log \lambda_l`, and

        .. math:: P(y_l = 1 | e) = \sum_t P(t | e) \, \frac{q_{tl} \lambda_l}{z_{tl}}, \quad
                  P(t | e) \propto \prod_k z_{tk}, \quad z_{tl} = q_{tl} \lambda_l + 1 - q_{tl}

        This is exact when the evidence of a label depends on that label only. In images it does
        not quite (one object hides another), so the result is a reference and no upper bound.
        """
        q = self.given_theme[:, None]  # (T, 1, L)
        present = np.log(q) + logits - np.log(self.shares / (1 - self.shares))  # (T, N, L)
        absent = np.broadcast_to(np.log1p(-q), present.shape)
        either = np.logaddexp(present, absent)
        theme = either.sum(axis=2, keepdims=True)  # (T, N, 1), up to a constant
        return np.asarray(
            np.logaddexp.reduce(theme + present - either)
            - np.logaddexp.reduce(theme + absent - either)
        )


def calibrated(calibration: Calibration, logits: NDArray[np.float32]) -> Floats:
    """Return calibrated log-odds (N, L) in float64, without the rounding of probabilities."""
    return np.asarray(logits.astype(np.float64) * calibration.slope + calibration.intercept)
