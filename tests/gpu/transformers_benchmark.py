"""Decodes a random model of a published shape with Hugging Face transformers on the same card, for comparison.

One JSON object on standard output: tokens/s at batch 1 with a cache of the given context, BF16, greedy, in eager mode and
with the implementation of experts that transformers chooses.
"""
import argparse
import json
import time

import torch
import transformers

SHAPES = {
    "qwen3-30b-a3b": dict(vocab_size=151936, hidden_size=2048, intermediate_size=6144, num_hidden_layers=48,
                          num_attention_heads=32, num_key_value_heads=4, head_dim=128, num_experts=128,
                          num_experts_per_tok=8, moe_intermediate_size=768, norm_topk_prob=True,
                          tie_word_embeddings=False, rope_theta=1e6, max_position_embeddings=40960),
    "moe-1b": dict(vocab_size=32768, hidden_size=1024, intermediate_size=3072, num_hidden_layers=12,
                   num_attention_heads=16, num_key_value_heads=4, head_dim=64, num_experts=64,
                   num_experts_per_tok=8, moe_intermediate_size=192, norm_topk_prob=True,
                   tie_word_embeddings=False, rope_theta=1e6, max_position_embeddings=40960),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=SHAPES, default="qwen3-30b-a3b")
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=24)
    options = parser.parse_args()

    config = transformers.Qwen3MoeConfig(**SHAPES[options.model])
    torch.manual_seed(1)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = transformers.Qwen3MoeForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, config.hidden_size**-0.5)
            else:
                parameter.fill_(1.0)
    model.eval()

    ids = torch.randint(0, config.vocab_size, (1, options.context), device="cuda")
    seconds = []
    with torch.inference_mode():
        out = model(ids, use_cache=True, logits_to_keep=1)
        for step in range(options.steps + 4):
            token = out.logits[:, -1:].argmax(-1)
            torch.cuda.synchronize()
            start = time.perf_counter()
            out = model(token, past_key_values=out.past_key_values, use_cache=True)
            torch.cuda.synchronize()
            if step >= 4:
                seconds.append(time.perf_counter() - start)
    seconds.sort()
    median = seconds[len(seconds) // 2]
    print(json.dumps({"transformers": transformers.__version__, "torch": torch.__version__, "model": options.model,
                      "device": torch.cuda.get_device_name(0), "context": options.context, "lanes": 1,
                      "ms_per_step": median * 1000, "tokens_per_s": 1 / median}))


if __name__ == "__main__":
    main()
