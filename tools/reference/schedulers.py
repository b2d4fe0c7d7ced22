"""Goldens for schedules and samplers: diffusers' own schedulers, run in float64.

    python schedulers.py ../../services/diffusion/internal

diffusers computes betas, sigmas and updates in float32 whatever the sample's type. Here every scheduler module
sees float64 under the name float32, so that the very same code runs in float64; nothing else is changed. The error
that the unchanged float32 code makes is recorded beside it.

The denoiser is a fixed rational function of the sample x in variance-preserving form, its timestep t and a fixed
pattern p, which a test can evaluate exactly the same way:

    output = ((0.5 + 0.3 t/1000) x + 0.4 p) / (1 + 0.1 x^2)

A trajectory holds x in variance-preserving form before every evaluation of the denoiser, and at the end. Noise that
a scheduler draws is recorded, one row a step.
"""

import importlib
import json
import sys
import warnings

import numpy as np
import torch

import diffusers
from golden import norm_err, save_file

warnings.filterwarnings("ignore")
N = 24


class As64:
    """A module whose float32 is its float64."""

    def __init__(self, mod):
        self._mod = mod

    def __getattr__(self, name):
        return getattr(self._mod, "float64" if name == "float32" else name)


def scheduler_class(module, name, wide, noise):
    mod = importlib.reload(importlib.import_module(f"diffusers.schedulers.{module}"))
    if wide:
        mod.torch, mod.np = As64(torch), As64(np)
    if hasattr(mod, "randn_tensor"):
        mod.randn_tensor = lambda shape, generator=None, device=None, dtype=None: next(noise).to(dtype)
    return getattr(mod, name)


CLASSES = {
    "ddpm": ("scheduling_ddpm", "DDPMScheduler"),
    "ddim": ("scheduling_ddim", "DDIMScheduler"),
    "euler": ("scheduling_euler_discrete", "EulerDiscreteScheduler"),
    "heun": ("scheduling_heun_discrete", "HeunDiscreteScheduler"),
    "dpmpp_2m": ("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler"),
}
SCHEDULES = {
    "linear": dict(beta_schedule="linear", beta_start=1e-4, beta_end=0.02),
    "scaled_linear": dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
    "cosine": dict(beta_schedule="squaredcos_cap_v2"),
}
PREDICTIONS = {"epsilon": "epsilon", "x0": "sample", "v": "v_prediction"}


def denoiser(x, t, p):
    return ((0.5 + 0.3 * (t / 1000)) * x + 0.4 * p) / (1 + 0.1 * x * x)


def trajectory(case, start, pattern, noises, wide):
    dtype = torch.float64 if wide else torch.float32
    x, p = start.to(dtype)[None, None], pattern.to(dtype)[None, None]
    rows = iter(n[None, None] for n in noises)
    name = case["sampler"]
    cls = scheduler_class(*CLASSES[name], wide, rows)
    kw = dict(SCHEDULES[case["schedule"]], num_train_timesteps=1000, timestep_spacing=case["spacing"],
              steps_offset=case["steps_offset"], prediction_type=PREDICTIONS[case["prediction"]])
    if name == "ddpm":
        kw.update(variance_type=case["variance"], clip_sample=case["clip"])
    if name == "ddim":
        kw.update(clip_sample=case["clip"], set_alpha_to_one=not case["final_sigma_min"])
    if name == "heun":
        kw.update(clip_sample=case["clip"])
    if name in ("euler", "dpmpp_2m"):
        kw.update(final_sigmas_type="sigma_min" if case["final_sigma_min"] else "zero")
    sched = cls(**kw)
    sched.set_timesteps(case["steps"])
    exploding = name in ("euler", "heun")
    if exploding:
        x = x * (1 + sched.sigmas[0] ** 2) ** 0.5
    xs, ts = [], []
    for t in sched.timesteps:
        vp = sched.scale_model_input(x, t) if exploding else x
        xs.append(vp.reshape(-1))
        ts.append(float(t))
        out = denoiser(vp, float(t), p)
        kw = {}
        if name == "ddim" and case["eta"] > 0:
            kw = dict(eta=case["eta"], variance_noise=next(rows).to(dtype))
        if name == "ddim":
            kw["use_clipped_model_output"] = True
        x = sched.step(out, t, x, return_dict=False, **kw)[0]
    if exploding:
        x = x / (1 + sched.sigmas[-1] ** 2) ** 0.5
    xs.append(x.reshape(-1))
    return torch.stack(xs), ts


def row(sampler, schedule="linear", steps=10, spacing="trailing", prediction="epsilon", clip=False, eta=0.0,
        variance="fixed_small", final_sigma_min=False, steps_offset=0):
    return dict(sampler=sampler, schedule=schedule, steps=steps, spacing=spacing, prediction=prediction, clip=clip,
                eta=eta, variance=variance, final_sigma_min=final_sigma_min, steps_offset=steps_offset)


ROWS = {
    "ddpm.trailing": row("ddpm"),
    "ddpm.leading_fixed_small": row("ddpm", spacing="leading"),
    "ddpm.leading_fixed_large": row("ddpm", spacing="leading", variance="fixed_large"),
    "ddpm.linspace_clip": row("ddpm", spacing="linspace", clip=True),
    "ddpm.cosine_v_clip": row("ddpm", schedule="cosine", prediction="v", clip=True),
    "ddpm.x0": row("ddpm", prediction="x0", steps=7),
    "ddim.trailing": row("ddim"),
    "ddim.trailing_epsilon_recomputed_after_clip": row("ddim", clip=True),
    "ddim.leading_alpha_one": row("ddim", spacing="leading"),
    "ddim.leading_alpha_zeroth": row("ddim", spacing="leading", final_sigma_min=True),
    "ddim.trailing_alpha_zeroth": row("ddim", final_sigma_min=True),
    "ddim.leading_offset_1": row("ddim", spacing="leading", steps_offset=1, schedule="scaled_linear"),
    "ddim.eta_half": row("ddim", eta=0.5),
    "ddim.eta_one_clip": row("ddim", eta=1.0, clip=True, spacing="leading"),
    "ddim.cosine_v_clip": row("ddim", schedule="cosine", prediction="v", clip=True, steps=20),
    "ddim.x0": row("ddim", prediction="x0"),
    "ddim.one_step": row("ddim", steps=1, prediction="v"),
    "euler.trailing": row("euler"),
    "euler.linspace_between_timesteps": row("euler", spacing="linspace"),
    "euler.leading_sigma_zero": row("euler", spacing="leading"),
    "euler.trailing_sigma_min": row("euler", final_sigma_min=True),
    "euler.trailing_thirty": row("euler", steps=30, prediction="v"),
    "euler.cosine_v": row("euler", schedule="cosine", prediction="v"),
    "euler.scaled_linear_offset_1": row("euler", schedule="scaled_linear", spacing="leading", steps_offset=1),
    "heun.trailing": row("heun"),
    "heun.trailing_clip": row("heun", clip=True),
    "heun.linspace_between_timesteps": row("heun", spacing="linspace"),
    "heun.leading": row("heun", spacing="leading", prediction="v"),
    "heun.cosine_v_clip": row("heun", schedule="cosine", prediction="v", clip=True),
    "heun.one_step": row("heun", steps=1, prediction="v"),
    "dpmpp_2m.trailing": row("dpmpp_2m"),
    "dpmpp_2m.trailing_sigma_min": row("dpmpp_2m", final_sigma_min=True),
    "dpmpp_2m.trailing_twenty": row("dpmpp_2m", steps=20),
    "dpmpp_2m.trailing_twenty_sigma_min": row("dpmpp_2m", steps=20, final_sigma_min=True),
    "dpmpp_2m.linspace": row("dpmpp_2m", spacing="linspace"),
    "dpmpp_2m.leading": row("dpmpp_2m", spacing="leading", steps=15),
    "dpmpp_2m.cosine_v": row("dpmpp_2m", schedule="cosine", prediction="v"),
    "dpmpp_2m.x0": row("dpmpp_2m", prediction="x0", steps=5),
    "dpmpp_2m.one_step": row("dpmpp_2m", steps=1, prediction="v"),
}


def main(internal):
    gen = torch.Generator().manual_seed(7)
    start = torch.randn(N, generator=gen)
    pattern = torch.rand(N, generator=gen) * 2 - 1
    noises = torch.randn(40, N, generator=gen)
    tensors = {"start": start, "pattern": pattern, "noise": noises}
    cases = {}
    for name, case in ROWS.items():
        want, ts = trajectory(case, start, pattern, noises, True)
        narrow, _ = trajectory(case, start, pattern, noises, False)
        tensors[f"{name}.x"] = want
        cases[name] = dict(case, timesteps=ts, torch_err=norm_err(narrow, want))
    write(f"{internal}/sampler/testdata/trajectories.safetensors", tensors,
          cases=json.dumps(cases, sort_keys=True))
    for name, c in cases.items():
        print(f"{name:50s} diffusers float32 error {c['torch_err']:.2e}")
    schedules(internal, pattern, noises)


def schedules(internal, x0, noises):
    tensors = {}
    cls = scheduler_class(*CLASSES["ddpm"], True, None)
    for name, kw in SCHEDULES.items():
        tensors[name] = cls(num_train_timesteps=1000, **kw).alphas_cumprod
        zero = cls(num_train_timesteps=1000, rescale_betas_zero_snr=True, **kw)
        tensors[f"{name}_zero_terminal_snr"] = zero.alphas_cumprod
    timesteps = {}
    for spacing in ("leading", "trailing", "linspace"):
        for steps in (1, 2, 3, 4, 5, 7, 8, 10, 15, 20, 25, 30, 40, 50, 64):
            s = cls(num_train_timesteps=1000, timestep_spacing=spacing)
            s.set_timesteps(steps)
            timesteps[f"{spacing} {steps}"] = s.timesteps.tolist()
    s = cls(num_train_timesteps=1000)
    ts = torch.tensor([0, 10, 500, 999])
    x0, eps = x0.double().expand(4, N).contiguous(), noises[:4].double()
    tensors.update(t=ts.double(), x0=x0, eps=eps, noisy=s.add_noise(x0, eps, ts), v=s.get_velocity(x0, eps, ts))
    write(f"{internal}/schedule/testdata/schedules.safetensors", tensors, timesteps=json.dumps(timesteps))


def write(path, tensors, **meta):
    arrays = {k: np.ascontiguousarray(v.numpy()) for k, v in tensors.items()}
    save_file(arrays, path, metadata=dict(meta, torch=torch.__version__, diffusers=diffusers.__version__,
                                          program="tools/reference/schedulers.py"))
    print(path, sum(a.nbytes for a in arrays.values()), "bytes")


if __name__ == "__main__":
    main(sys.argv[1])
