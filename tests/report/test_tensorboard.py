import pytest

from kerasdecay.report import log_decisions

accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def test_decisions_are_text_in_the_event_file(plateau_trace, tmp_path):
    assert log_decisions(plateau_trace, tmp_path / "logs") == 2
    events = accumulators.EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    tag = "learning_rate/Plateau"
    assert events.Tags()["tensors"] == [tag]
    assert events.SummaryMetadata(tag).plugin_data.plugin_name == "text"
    read = [
        (event.step, event.tensor_proto.string_val[0].decode()) for event in events.Tensors(tag)
    ]
    assert read == [
        (
            3,
            "**0.1 → 0.05** val_loss 0.75 has not improved on 0.7 by 0.0001 for 2 epochs: "
            "rate × 0.5",
        ),
        (5, "val_loss is nan, which counts as no improvement, for 1 epoch of 2"),
    ]


def test_without_decisions_no_file_is_written(trace_of, tmp_path):
    assert log_decisions(trace_of([0.5, 0.4, 0.3]), tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_has_not_trained_is_refused(tmp_path):
    with pytest.raises(ValueError, match="log_decisions: training must be"):
        log_decisions(None, tmp_path)
