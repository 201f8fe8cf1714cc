"""How far a run is: samplers weigh most, the bar only grows, and the end is not announced early."""

from bot.jobs.execution.progress import CEILING, ProgressTracker
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.run.events import NodesCached, NodeStarted, Progress, RunStarted

FLUX: JsonGraph = {
    "1": {"class_type": "UNETLoader", "inputs": {}},
    "2": {"class_type": "BasicScheduler", "inputs": {"steps": 20}},
    "3": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
    "4": {"class_type": "SamplerCustomAdvanced", "inputs": {"latent_image": ["9", 0]}, "_meta": {"title": "Paint"}},
    "5": {"class_type": "SaveImage", "inputs": {}},
}


def fraction(tracker: ProgressTracker) -> float:
    value = tracker.report(0.0).fraction
    assert value is not None
    return value


def test_nothing_is_known_before_the_server_begins() -> None:
    tracker = ProgressTracker(FLUX)
    assert tracker.report(0.0).fraction is None
    tracker.on_event(RunStarted())
    assert fraction(tracker) == 0


def test_the_node_that_paints_takes_most_of_the_bar() -> None:
    tracker = ProgressTracker(FLUX)
    for event in (RunStarted(), NodesCached(("1",)), NodeStarted("2"), NodeStarted("3"), NodeStarted("4")):
        tracker.on_event(event)
    before = fraction(tracker)
    assert before < 0.25
    tracker.on_event(Progress("4", 10, 20))
    assert 0.4 < fraction(tracker) < 0.7
    assert (tracker.report(0.0).node, tracker.report(0.0).step, tracker.report(0.0).steps) == ("Paint", 10, 20)


def test_the_bar_never_shrinks_nor_is_full_before_the_pictures_are_there() -> None:
    tracker = ProgressTracker(FLUX)
    seen = []
    for node in FLUX:
        for event in (NodeStarted(node), Progress(node, 20, 20), Progress(node, 1, 20), Progress("unknown", 5, 0)):
            tracker.on_event(event)
            seen.append(fraction(tracker))
    assert seen == sorted(seen)
    assert seen[-1] <= CEILING


def test_what_a_node_needs_is_done_although_nobody_heard_of_it() -> None:
    graph: JsonGraph = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1]}},
        "3": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "positive": ["2", 0], "steps": 20}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["1", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
    }
    heard, taken_over = ProgressTracker(graph), ProgressTracker(graph)
    for node_id in ("1", "2", "3", "8"):
        heard.on_event(NodeStarted(node_id))
    taken_over.on_event(NodeStarted("8"))
    assert taken_over.report(1.0).fraction == heard.report(1.0).fraction
