"""Run by `torchrun` in test_trainer.py: one of two processes that train together; the first writes what came out."""

import sys

import torch
from safetensors.torch import save_file
from trainers import trainer_of

torch.set_num_threads(1)
trainer = trainer_of(sys.argv[1], per_device_train_batch_size=4, ddp_backend="gloo")
trainer.train()
if trainer.is_world_process_zero():
    held = {f"buffer.{name}": part for name, part in trainer.buffer.to_tensors().items()}
    weights = {name: part.detach().clone() for name, part in trainer.policy.named_parameters()}
    told = {f"log.{name}": torch.tensor(value) for name, value in trainer.state.log_history[0].items()}
    save_file(weights | held | told, sys.argv[2])
