"""Logs in the manner of the predecessor, written for the tests."""

from __future__ import annotations

# Batches of 2 (said by a heading), blocks of 4; sound but for what a test replaces.
SOUND = """# Experiment Log: made_up (parallel)

## Block 1: chaotic, made up for the tests

### Batch 1 (iters 1-2)
| Slot | Role | lr_W |
|---|---|---|
| 0 | exploit | 1E-3 |

## Iter 1: partial
Node: id=1, parent=root
Mode/Strategy: exploit (baseline)
Config: seed=7, lr_W=1E-3, lr=1E-4, coeff_W_L1=1E-5, batch_size=8, recurrent=F, low_rank=N/A
Metrics: test_R2=0.511, test_pearson=-0.250, connectivity_R2=0.400, cluster_accuracy=N/A, final_loss=4.843e+02
Mutation: none (baseline)
Observation: a start
Next: parent=1

## Iter 2: partial — NEW BEST seed=7
Node: id=2, parent=root
Mode/Strategy: explore
Config: seed=7, lr_W=2E-3, lr=1E-4, coeff_W_L1=1E-5, batch_size=8, recurrent=F
Metrics: test_R2=0.600, test_pearson=0.700, connectivity_R2=0.500, kino_R2=-1.027E+28, kino_SSIM=nan
Mutation: lr_W: baseline -> 2E-3 (conservative end)
Next: parent=1 (highest UCB=2.300), try a larger L1

### Batch 2 (iters 3-4)

## Iter 3: converged
Node: id=3, parent=1
Mode/Strategy: exploit
Config: seed=7, lr_W=1E-3, lr=1E-4, coeff_W_L1=1E-4, batch_size=16, recurrent=F
CODE MODIFICATION: none of note
Metrics: test_R2=0.980, test_pearson=0.970, connectivity_R2=0.950
Mutation: L1: 1E-5 → 1E-4, batch_size: 8 -> 16. Testing principle: "lr_W: 1 -> 2 is harmless"
Next: parent=3

## Iter 4: failed (n=400)
Node: id=4, parent=1
Mode/Strategy: explore
Config: seed=7, lr_W=4E-3, lr=1E-4, coeff_W_L1=1E-5, batch_size=8, recurrent=T
Metrics: test_R2=0.100, test_pearson=0.010, connectivity_R2=0.020
Mutation: [code] learning_rate_W_start: 1E-3 -> 4E-3 AND recurrent_training: F -> T (keep L1=1E-5)
Next: parent=2

---

## Block 1 Summary (Iterations 1-4)
- 1/4 converged; lr_W: 1E-3 -> 4E-3 fails

## Block 2: the same

### Batch 3 (iters 5-6)

## Iter 5: partial
Node: id=5, parent=3
Config: seed=11, lr_W=1E-3, lr=1E-4, coeff_W_L1=1E-4, batch_size=16, recurrent=F
Metrics: connectivity_R2=0.700
Mutation: seed: 7 -> 11
Next: parent=5

## Iter 6: partial
Node: id=6, parent=2
Config: seed=7, lr_W=2E-3, lr=1E-4, coeff_W_L1=1E-5, batch_size=32, recurrent=F
Metrics: connectivity_R2=0.300
Mutation: batch_size: 8 -> 32 + coeff_W_L1=1E-5
"""

# Block 1 (from 0) of SOUND: N = 2, both without children, so r + 1.414 sqrt(2) / 2.
SCORES = """=== UCB Scores (Simulation block 1, iters 5-8, N=2, c=1.414) ===

Node 5: UCB=1.700, parent=root, visits=1, R2=0.700, Pearson=0.000, Mutation=seed: 7 -> 11
Node 6: UCB=1.300, parent=root, visits=1, R2=0.300, Mutation=batch_size: 8 -> 32 + coeff_W_L1=1E-5
"""


def replaced(*pairs: tuple[str, str]) -> bytes:
    """SOUND with each first text, which must be there, replaced once by the second."""
    text = SOUND
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text.encode()
