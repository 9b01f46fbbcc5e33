"""Run by `torchrun` in test_trainer.py: one of two processes that train together, and then share out the weights of a
model; the first writes what came out."""

import sys

import torch
from safetensors.torch import save_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from trainers import trainer_of

from smatch_edu.huggingface import generate_with_backspace
from smatch_edu.huggingface.trainer import whole_weights

torch.set_num_threads(1)
trainer = trainer_of(sys.argv[1], per_device_train_batch_size=4, ddp_backend="gloo")
trainer.train()
if trainer.is_world_process_zero():
    held = {f"buffer.{name}": part for name, part in trainer.buffer.to_tensors().items()}
    weights = {name: part.detach().clone() for name, part in trainer.policy.named_parameters()}
    told = {f"log.{name}": torch.tensor(value) for name, value in trainer.state.log_history[0].items()}
    save_file(weights | held | told, sys.argv[2])


def measured(trainer):
    """The gradient of one weight in each of two units, what the loss is, and what is typed."""
    rows = [0, 1, 2]
    data = trainer.demonstrations(rows, trainer.examples[:3], 0)
    loss, _ = trainer.model.train()(trainer.config_now(), data, None, None, 0)
    loss.backward()
    model = trainer.policy.model.model
    slopes = [part.weight.grad for part in (model.embed_tokens, model.layers[0].mlp.down_proj)]
    with whole_weights(trainer.model):
        texts = generate_with_backspace(trainer.policy, trainer.tokenizer, ["w1 w2", "w3"], max_actions=9).texts
    return loss.detach(), [slope.full_tensor() if hasattr(slope, "full_tensor") else slope for slope in slopes], texts


# FSDP, as Accelerate sets it up on GPUs: a unit for each layer, and one for the rest.
plain, sharded = (trainer_of(sys.argv[1], double=False) for _ in range(2))
for module in (*sharded.policy.model.model.layers, sharded.model):
    fully_shard(module, mesh=init_device_mesh("cpu", (2,)))
(loss, slopes, texts), (again, others, same) = measured(plain), measured(sharded)
torch.testing.assert_close(again, loss)
for one, other in zip(slopes, others, strict=True):
    torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)
assert texts == same and type(sharded.policy.absorbing_value).__name__ == "DTensor"
torch.distributed.destroy_process_group()
