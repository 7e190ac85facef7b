"""Transformers: the callback gives what a plain loop gives, and what a loop over single examples gives."""

import copy
import json
import pickle
import types
import warnings
from functools import partial

import pytest
import torch
from torch import nn

from rote.errors import InputError
from rote.gradients import watch

WORDS = 40


@pytest.fixture
def callback_class(transformers):
    from rote.integrations.transformers import CoherenceCallback

    return CoherenceCallback


@pytest.fixture
def gpt2(transformers):
    """GPT-2 with its language-model head tied to the embedding."""

    def make(dropout=0.0):
        rates = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), dropout)
        sizes = {"vocab_size": WORDS, "n_positions": 12, "n_embd": 8, "n_layer": 1, "n_head": 2}
        more = {"bos_token_id": 0, "eos_token_id": 0, "use_cache": False}
        config = transformers.GPT2Config(**sizes, **rates, **more)
        model = transformers.GPT2LMHeadModel(config).double()
        # Else the Trainer divides by the number of all labels, and the model by those it predicts: one less.
        model.loss_type = "ForCausalLM"
        return model

    return make


@pytest.fixture
def bert(transformers):
    """A classifier of three classes."""
    config = transformers.BertConfig(
        vocab_size=WORDS,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=12,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        num_labels=3,
    )
    return transformers.BertForSequenceClassification(config).double()


def texts(m, *, length=6, positions=True, padded=False):
    """Token sequences as a language model wants them; ``padded``: of different lengths."""
    examples = []
    for i in range(m):
        ids = torch.randint(1, WORDS, (length,))
        example = {"input_ids": ids, "labels": ids.clone()}
        if padded:
            example["labels"][2 + i % (length - 2) :] = -100
        if positions:
            example["position_ids"] = torch.arange(length)
        examples.append(example)
    return examples


def labelled(m):
    return [e | {"labels": torch.tensor(i % 3)} for i, e in enumerate(texts(m))]


def joined(examples):
    return {name: torch.stack([example[name] for example in examples]) for name in examples[0]}


class Seen:
    """Collates, and keeps each batch in the order in which the Trainer took it."""

    def __init__(self):
        self.batches = []

    def __call__(self, examples):
        self.batches.append(joined(examples))
        return {name: value.clone() for name, value in self.batches[-1].items()}


@pytest.fixture
def train(transformers, tmp_path):
    def run(model, dataset, *callbacks, evaluate=None, resume=None, **options):
        quiet = {"report_to": [], "disable_tqdm": True, "save_strategy": "no", "logging_strategy": "no"}
        settings = {
            "output_dir": str(tmp_path),
            "use_cpu": True,
            "num_train_epochs": 1,
            "per_device_train_batch_size": 4,
            "optim": "sgd",
            "learning_rate": 0.1,
            "lr_scheduler_type": "constant",
            **quiet,
            **options,
        }
        seen = Seen()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = transformers.Trainer(
                model=model,
                args=transformers.TrainingArguments(**settings),
                data_collator=seen,
                train_dataset=dataset,
                eval_dataset=evaluate,
                callbacks=list(callbacks),
            )
            trainer.train(resume_from_checkpoint=resume)
        return trainer, seen.batches

    return run


class Records:
    """A logger that also keeps the coherence of each step of a callback."""

    def __init__(self):
        self.callback, self.steps, self.scalars = None, [], []

    def log(self, step, scalars):
        self.steps.append((step, self.callback.meter.last))
        self.scalars.append(scalars)


@pytest.fixture
def recording(callback_class):
    def make(**options):
        records = Records()
        records.callback = callback_class(logger=records, **options)
        return records.callback, records

    return make


def loss_of(model, batch):
    return model(**batch).loss


def one_by_one(model, batches):
    """α and each example's squared norm, from the gradient of the sum over each example's tokens."""
    rows = []
    for batch in batches:
        for i in range(len(batch["input_ids"])):
            model.zero_grad()
            one = {name: value[i : i + 1] for name, value in batch.items()}
            targets = int((one["labels"][:, 1:] != -100).sum())
            (model(**one).loss * targets).backward()
            rows.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    model.zero_grad()
    gradients = torch.stack(rows)
    norms = gradients.square().sum(1)
    return float(gradients.sum(0).square().sum() / (len(rows) * norms.sum())), norms.tolist()


def shares(norms):
    return (torch.as_tensor(norms) / sum(norms)).tolist()


def test_gpt2_gives_the_same_numbers_as_a_plain_loop(
    gpt2, recording, train, plain_loop, assert_same, hooks_of
):
    """Over two epochs with a short last batch, clipping, evaluation before and during training."""
    model = gpt2()
    twin = copy.deepcopy(model)
    callback, records = recording()
    _, batches = train(
        model,
        texts(10),
        callback,
        evaluate=texts(3),
        num_train_epochs=2,
        max_grad_norm=0.5,
        eval_strategy="steps",
        eval_steps=2,
        eval_on_start=True,
        per_device_eval_batch_size=3,
    )
    batches = [batch for batch in batches if len(batch["input_ids"]) != 3]
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    optimizer.register_step_pre_hook(
        lambda *_: nn.utils.clip_grad_norm_(twin.parameters(), 0.5) and None,
    )
    twin.train()
    wanted, pooled = plain_loop(twin, batches, loss_of, optimizer=optimizer)
    assert [step for step, _ in records.steps] == [1, 2, 3, 4, 5, 6]  # as the Trainer counts
    for (_, got), record in zip(records.steps, wanted, strict=True):
        assert_same(got, record)  # the model takes its loss in float32 whatever its weights
    assert_same(callback.meter.compute(), pooled)
    assert hooks_of(model) == 0


def test_tied_weights_and_all_layers_of_gpt2_are_right(gpt2, recording, train):
    """The head and the embedding share one weight: their cross terms count."""
    model = gpt2()
    start = copy.deepcopy(model)
    callback, records = recording()
    _, batches = train(model, texts(4, padded=True), callback)
    alpha, norms = one_by_one(start, batches)
    assert records.steps[0][1].alpha == pytest.approx(alpha, rel=1e-6)
    assert shares(records.steps[0][1].squared_norms) == pytest.approx(shares(norms), rel=1e-6)
    assert callback.meter.coverage["transformer.wpe"] == "embedding"


def test_bert_gives_the_same_numbers_as_a_plain_loop(bert, recording, train, plain_loop, assert_same):
    twin = copy.deepcopy(bert)
    _, records = callback_and_records = recording()
    _, batches = train(bert, labelled(10), callback_and_records[0], max_grad_norm=0.0)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    wanted, _ = plain_loop(twin.train(), batches, loss_of, optimizer=optimizer)
    for (_, got), record in zip(records.steps, wanted, strict=True):
        assert_same(got, record, rel=1e-9)


@pytest.mark.parametrize("which", ["gpt2", "bert"])
def test_positions_looked_up_once_are_right_or_refused(which, gpt2, bert, recording, train):
    """Without ``position_ids`` the models look their positions up once for the whole batch."""
    model = gpt2() if which == "gpt2" else bert
    examples = texts(4) if which == "gpt2" else labelled(4)
    given, wanted = recording()
    train(copy.deepcopy(model), examples, given)
    without = [{k: v for k, v in e.items() if k != "position_ids"} for e in examples]
    callback, records = recording()
    try:
        train(model, without, callback, train_sampling_strategy="sequential")
    except InputError:
        with pytest.raises(InputError, match="told apart by example"):
            train(model, without, callback)
    else:
        assert records.steps[0][1].alpha == pytest.approx(wanted.steps[0][1].alpha, rel=1e-6)


def test_dropout_does_not_matter_where_positions_are_given(gpt2, recording, train):
    callback, _ = recording()
    train(gpt2(dropout=0.2), texts(4), callback)
    assert 0 < callback.meter.last.alpha < 1


@pytest.mark.parametrize("accumulate", [False, True])
def test_accumulated_batches(gpt2, recording, train, accumulate):
    """Two batches a step, sequences of different lengths; the second step has one, short, batch."""
    model = gpt2()
    callback, records = recording(accumulate=accumulate, watch=partial(watch, reduction="sum"))
    _, batches = train(
        copy.deepcopy(model),
        texts(11, padded=True),
        callback,
        gradient_accumulation_steps=2,
        learning_rate=0.0,
    )
    assert [step for step, _ in records.steps] == [1, 2]
    for (_, got), group in zip(records.steps, (batches[:2], batches[2:]), strict=True):
        parts = [one_by_one(model, [batch]) for batch in group]
        if accumulate:
            alpha, norms = one_by_one(model, group)
            assert shares(got.squared_norms) == pytest.approx(shares(norms), rel=1e-6)
        else:  # Σ‖S_t‖² over Σ m_t Q_t
            weights = [len(norms) * sum(norms) for _, norms in parts]
            alpha = sum(a * w for (a, _), w in zip(parts, weights, strict=True)) / sum(weights)
            assert got.steps == len(group)
        assert got.alpha == pytest.approx(alpha, rel=1e-6)


def test_every_second_step(bert, recording, train, transformers, hooks_of):
    hooked = []

    class Probe(transformers.TrainerCallback):
        def on_optimizer_step(self, args, state, control, model=None, **others):
            hooked.append(hooks_of(model) > 0)

    callback, records = recording(every=2)
    train(bert, labelled(20), callback, Probe())
    assert [step for step, _ in records.steps] == [1, 3, 5]
    assert hooked == [True, False, True, False, True]


def test_a_context_manager_cleans_up_after_an_error(bert, callback_class, train, hooks_of):
    def fail(examples):
        raise ZeroDivisionError("on purpose")

    class Failing(torch.utils.data.Dataset):
        def __len__(self):
            return 12

        def __getitem__(self, index):
            return labelled(12)[index] if index < 8 else fail(index)

    with pytest.raises(ZeroDivisionError), callback_class() as callback:
        train(bert, Failing(), callback, train_sampling_strategy="sequential", gradient_accumulation_steps=1)
    assert hooks_of(bert) == 0
    assert callback.meter.compute().steps >= 1


def test_the_history_has_the_scalars(bert, callback_class, train):
    trainer, _ = train(bert, labelled(8), callback_class(limit=6))
    own = [entry for entry in trainer.state.log_history if "coherence/alpha" in entry]
    assert [entry["step"] for entry in own] == [1, 2]
    assert [entry["epoch"] for entry in own] == [0.5, 1.0]
    assert all(len(entry) <= 6 + 2 for entry in own)
    json.dumps(trainer.state.log_history, allow_nan=False)


def test_the_trainer_reports_the_scalars(bert, callback_class, transformers, tmp_path):
    from rote.integrations.transformers import TrainerLog

    reported = []

    class Report(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs=None, **others):
            reported.append((state.global_step, logs))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = transformers.TrainingArguments(
            str(tmp_path), use_cpu=True, report_to=[], disable_tqdm=True, save_strategy="no", max_steps=2
        )
        trainer = transformers.Trainer(
            bert, arguments, train_dataset=labelled(8), data_collator=joined, callbacks=[Report()]
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.add_callback(callback_class(logger=TrainerLog(trainer)))
        trainer.train()
    assert [step for step, logs in reported if "coherence/alpha" in logs] == [1, 2]


def test_going_on_from_a_checkpoint(bert, callback_class, train, tmp_path):
    options = {"save_strategy": "steps", "save_steps": 2, "max_steps": 3}
    train(copy.deepcopy(bert), labelled(12), callback_class(), **options)
    callback = callback_class()
    trainer, _ = train(bert, labelled(12), callback, resume=str(tmp_path / "checkpoint-2"), **options)
    steps = [entry["step"] for entry in trainer.state.log_history if "coherence/alpha" in entry]
    assert steps == [1, 2, 3]  # the first two came with the checkpoint
    assert callback.meter.compute().steps == 1


def test_bfloat16(bert, recording, train, plain_loop, assert_same):
    bert.float()
    twin = copy.deepcopy(bert)
    callback, records = recording()
    _, batches = train(bert, labelled(8), callback, bf16=True, max_grad_norm=0.0)

    def half(model, batch):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return loss_of(model, batch)

    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    wanted, _ = plain_loop(twin.train(), batches, half, optimizer=optimizer)
    for (_, got), record in zip(records.steps, wanted, strict=True):
        assert_same(got, record)


def test_microbatches(bert, recording, train):
    start = copy.deepcopy(bert)
    callback, records = recording(watch=partial(watch, method="microbatch"))
    _, batches = train(bert, labelled(16), callback, gradient_accumulation_steps=2)
    with watch(start, method="microbatch") as meter:
        for batch in batches[:2]:
            loss_of(start, batch).backward()
        meter.update()
        assert records.steps[0][1].alpha_unbiased == pytest.approx(meter.last.alpha_unbiased, rel=1e-9)
    assert callback.meter.compute().steps == 2


def test_a_callback_can_be_sent_to_another_process(callback_class):
    again = pickle.loads(pickle.dumps(callback_class(every=3)))
    assert isinstance(again, callback_class)


def test_a_part_of_the_model(bert, callback_class, train):
    callback = callback_class(model=lambda model: model.classifier)
    train(bert, labelled(8), callback)
    assert callback.meter.coverage == {"Linear": "linear"}


@pytest.mark.parametrize(
    ("settings", "named"),
    [((0, 2, False), "2 devices"), ((3, 1, False), "3 devices"), ((0, 1, True), "compile")],
)
def test_what_the_trainer_wraps_must_be_named(callback_class, settings, named):
    args = types.SimpleNamespace(**dict(zip(("n_gpu", "world_size", "torch_compile"), settings, strict=True)))
    with pytest.raises(InputError, match=rf"`model` must say .*{named}.* trainer\.model_wrapped"):
        callback_class().on_train_begin(args, None, None)
    callback_class(model=lambda model: model).on_train_begin(args, None, None)
