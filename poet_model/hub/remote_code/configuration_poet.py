"""The configuration of a Tang poem LSTM for transformers.

`PoetModel.save_pretrained(transformers=True)` copies this file into the model folder.
"""

from transformers import PreTrainedConfig


class PoetConfig(PreTrainedConfig):
    """The shape of the network, read from config.json. The token ids are those of tokenizer.json."""

    model_type = "poet-lstm"
    attribute_map = {"num_hidden_layers": "num_layers"}  # noqa: RUF012

    vocab_size: int = 7524
    hidden_size: int = 512
    num_layers: int = 2
    cell: str = "lstm"
    input_dropout: float | int = 0.0
    layer_dropout: float | int = 0.0
    output_dropout: float | int = 0.0
    pad_token_id: int | None = 0
    bos_token_id: int | None = 2
    sep_token_id: int | None = 3
    eos_token_id: int | None = 4
    use_cache: bool = False
